//! One connection.

use std::sync::Arc;

use arrow_array::RecordBatch;
use duckdb_neo::{
    Parameters,
    connection::{Connection, InterruptHandle},
    statement::Statement,
};

use crate::{BatchReader, EngineColumn, EngineConnection, EngineError, EngineErrorKind, Interrupter};

use super::{append, batches::ArrowBatches, failure::failure, type_map};

pub(super) struct DuckDbConnection {
    connection: Connection,
}

impl DuckDbConnection {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn single_statement(&self, sql: &str) -> Result<Statement<'static>, EngineError> {
        let mut statements = self.connection.parse(sql).map_err(|error| failure(error, sql))?;
        let first = statements
            .next()
            .transpose()
            .map_err(|error| failure(error, sql))?;
        let Some(statement) = first else {
            return Err(EngineError::new(EngineErrorKind::Syntax, "there is no statement"));
        };
        if statements.next().is_some() {
            return Err(EngineError::new(
                EngineErrorKind::Syntax,
                "there is more than one statement",
            ));
        }
        Ok(statement)
    }

    fn columns(&self, statement: &Statement<'_>, sql: &str) -> Result<Vec<EngineColumn>, EngineError> {
        let bound = statement
            .bind(&self.connection)
            .map_err(|error| failure(error, sql))?;
        let fields = bound.schema.get_all().map_err(|error| failure(error, sql))?;
        fields
            .into_iter()
            .map(|(name, logical_type)| {
                Ok(EngineColumn {
                    name,
                    sql_type: type_map::result_type(&logical_type)?,
                })
            })
            .collect()
    }
}

impl EngineConnection for DuckDbConnection {
    fn execute(&mut self, sql: &str) -> Result<u64, EngineError> {
        let run = || {
            let mut changed = 0;
            for statement in self.connection.parse(sql)? {
                changed = self.connection.execute(statement?, Parameters::None)?;
            }
            Ok(changed as u64)
        };
        run().map_err(|error| failure(error, sql))
    }

    fn query(&mut self, sql: &str, batch_rows: usize) -> Result<Box<dyn BatchReader + '_>, EngineError> {
        let statement = self.single_statement(sql)?;
        let columns = self.columns(&statement, sql)?;
        let result = statement
            .arrow_query(&self.connection, Parameters::None, Some(batch_rows.max(1)))
            .map_err(|error| failure(error, sql))?;
        Ok(Box::new(ArrowBatches::new(result, columns, sql)?))
    }

    fn describe(&mut self, sql: &str) -> Result<Vec<EngineColumn>, EngineError> {
        let statement = self.single_statement(sql)?;
        self.columns(&statement, sql)
    }

    fn append(&mut self, schema: &str, table: &str, batch: &RecordBatch) -> Result<u64, EngineError> {
        append::append(&self.connection, schema, table, batch)
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        Arc::new(DuckDbInterrupter {
            handle: self.connection.interrupt_handle(),
        })
    }
}

struct DuckDbInterrupter {
    handle: InterruptHandle,
}

impl Interrupter for DuckDbInterrupter {
    fn interrupt(&self) {
        if let Err(error) = self.handle.interrupt() {
            tracing::warn!(error = %error.message, "the engine refused an interrupt");
        }
    }
}

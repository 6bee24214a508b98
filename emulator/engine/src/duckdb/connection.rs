//! One connection.

use std::sync::Arc;

use arrow_array::{Array as _, RecordBatch, cast::AsArray as _};
use duckdb_neo::{
    Parameters,
    connection::{Connection, InterruptHandle},
    statement::Statement,
};

use crate::{
    BatchReader, EngineColumn, EngineConnection, EngineError, EngineErrorKind, Interrupter, PlanNode, Repeat,
};

use super::{append, batches::ArrowBatches, failure::failure, prepared::Prepared, type_map};

pub(super) struct DuckDbConnection {
    prepared: Prepared,
}

impl DuckDbConnection {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            prepared: Prepared::new(connection),
        }
    }
}

fn parse(connection: &Connection, sql: &str) -> Result<Statement<'static>, EngineError> {
    let mut statements = connection.parse(sql).map_err(|error| failure(error, sql))?;
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

fn columns(
    connection: &Connection,
    statement: &Statement<'_>,
    sql: &str,
) -> Result<Vec<EngineColumn>, EngineError> {
    let bound = statement.bind(connection).map_err(|error| failure(error, sql))?;
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

fn run<'connection>(
    connection: &'connection Connection,
    statement: &Statement<'static>,
    sql: &str,
    batch_rows: usize,
) -> Result<Box<dyn BatchReader + 'connection>, EngineError> {
    let columns = columns(connection, statement, sql)?;
    let result = statement
        .arrow_query(connection, Parameters::None, Some(batch_rows.max(1)))
        .map_err(|error| failure(error, sql))?;
    Ok(Box::new(ArrowBatches::new(result, columns, sql)?))
}

impl EngineConnection for DuckDbConnection {
    fn execute(&mut self, sql: &str) -> Result<u64, EngineError> {
        self.prepared.forget_plans();
        let connection = self.prepared.connection();
        let run = || {
            let mut changed = 0;
            for statement in connection.parse(sql)? {
                changed = connection.execute(statement?, Parameters::None)?;
            }
            Ok(changed as u64)
        };
        run().map_err(|error| failure(error, sql))
    }

    fn query(&mut self, sql: &str, batch_rows: usize) -> Result<Box<dyn BatchReader + '_>, EngineError> {
        let connection = self.prepared.connection();
        run(connection, &parse(connection, sql)?, sql, batch_rows)
    }

    fn query_again(
        &mut self,
        sql: &str,
        batch_rows: usize,
        repeat: Repeat,
    ) -> Result<Box<dyn BatchReader + '_>, EngineError> {
        if !Prepared::keeps(sql) {
            return self.query(sql, batch_rows);
        }
        let kept = self
            .prepared
            .statement(sql, |connection| parse(connection, sql))?;
        if repeat == Repeat::Planned {
            kept.make_plan(|connection, statement| columns(connection, statement, sql))?;
        }
        let Some(planned) = kept.planned(repeat) else {
            return run(kept.connection(), kept.statement(), sql, batch_rows);
        };
        let result = planned
            .run(batch_rows.max(1))
            .map_err(|error| failure(error, sql))?;
        Ok(Box::new(ArrowBatches::new(result, planned.columns.clone(), sql)?))
    }

    fn describe(&mut self, sql: &str) -> Result<Vec<EngineColumn>, EngineError> {
        let connection = self.prepared.connection();
        columns(connection, &parse(connection, sql)?, sql)
    }

    fn plan(&mut self, sql: &str) -> Result<Option<PlanNode>, EngineError> {
        const PREFIX: &str = "EXPLAIN (FORMAT JSON) ";
        let connection = self.prepared.connection();
        // By itself first, so that errors tell of the statement and that it is one.
        columns(connection, &parse(connection, sql)?, sql)?;
        let explain = format!("{PREFIX}{sql}");
        let mut rows = run(connection, &parse(connection, &explain)?, &explain, 1)?;
        let batch = rows.next_batch()?;
        let texts = batch
            .as_ref()
            .and_then(|batch| batch.columns().last()?.as_string_opt::<i32>());
        let text = texts.filter(|texts| !texts.is_empty());
        Ok(text.and_then(|texts| PlanNode::read(texts.value(0))))
    }

    fn append(&mut self, schema: &str, table: &str, batch: &RecordBatch) -> Result<u64, EngineError> {
        append::append(self.prepared.connection(), schema, table, batch)
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        Arc::new(DuckDbInterrupter {
            handle: self.prepared.connection().interrupt_handle(),
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

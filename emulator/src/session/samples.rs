//! The sample schemas' rows: generated when a statement first names one of their tables.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use arrow_array::RecordBatch;
use snowflake_emulator_engine::sample_data::{create_tpch_tables, fill_tpch_tables};
use snowflake_emulator_engine::{
    BatchReader, Engine, EngineColumn, EngineConnection, EngineError, EngineErrorKind, Interrupter, PlanNode,
    Repeat,
};

use crate::catalog::Catalog;
use crate::catalog::names::{ObjectPath, SchemaPath, literal};
use crate::catalog::sample;

/// How often a session that waits for another's rows looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(10);

/// Which sample schemas have their rows.
#[derive(Default)]
pub(super) struct Samples {
    /// Locked while rows are generated: whoever needs them meanwhile waits.
    filled: Mutex<HashSet<SchemaPath>>,
}

impl Samples {
    /// Makes the rows of the schemas that these tables are in; true when it made some.
    ///
    /// Fails with [`EngineErrorKind::Interrupted`] when `stopped` becomes true.
    pub(super) fn ensure<'a>(
        &self,
        engine: &dyn Engine,
        tables: impl Iterator<Item = &'a ObjectPath>,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, EngineError> {
        let mut made = false;
        for table in tables {
            let Some(scale_factor) = sample::scale_of(table) else {
                continue;
            };
            let mut filled = self.wait(stopped)?;
            if filled.contains(&table.schema) {
                continue;
            }
            let mut connection = engine.connect()?;
            if !is_filled(connection.as_mut(), &table.schema)? {
                let mut connection = Stoppable {
                    inner: connection.as_mut(),
                    stopped,
                };
                fill(&mut connection, &table.schema, scale_factor)?;
                made = true;
            }
            filled.insert(table.schema.clone());
        }
        Ok(made)
    }

    fn wait(
        &self,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<MutexGuard<'_, HashSet<SchemaPath>>, EngineError> {
        loop {
            match self.filled.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if stopped() => return Err(interrupted()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
            }
        }
    }
}

/// A connection that takes no more rows once its session was told to stop.
struct Stoppable<'a> {
    inner: &'a mut dyn EngineConnection,
    stopped: &'a (dyn Fn() -> bool + Sync),
}

impl Stoppable<'_> {
    fn check(&self) -> Result<(), EngineError> {
        if (self.stopped)() {
            Err(interrupted())
        } else {
            Ok(())
        }
    }
}

impl EngineConnection for Stoppable<'_> {
    fn execute(&mut self, sql: &str) -> Result<u64, EngineError> {
        self.inner.execute(sql)
    }

    fn query(&mut self, sql: &str, batch_rows: usize) -> Result<Box<dyn BatchReader + '_>, EngineError> {
        self.inner.query(sql, batch_rows)
    }

    fn query_again(
        &mut self,
        sql: &str,
        batch_rows: usize,
        repeat: Repeat,
    ) -> Result<Box<dyn BatchReader + '_>, EngineError> {
        self.inner.query_again(sql, batch_rows, repeat)
    }

    fn describe(&mut self, sql: &str) -> Result<Vec<EngineColumn>, EngineError> {
        self.inner.describe(sql)
    }

    fn plan(&mut self, sql: &str) -> Result<Option<PlanNode>, EngineError> {
        self.inner.plan(sql)
    }

    fn append(&mut self, schema: &str, table: &str, batch: &RecordBatch) -> Result<u64, EngineError> {
        self.check()?;
        self.inner.append(schema, table, batch)
    }

    fn interrupter(&self) -> Arc<dyn Interrupter> {
        self.inner.interrupter()
    }
}

fn interrupted() -> EngineError {
    EngineError {
        kind: EngineErrorKind::Interrupted,
        message: "generating sample data was stopped".to_owned(),
        position: None,
        code: None,
    }
}

/// All tables of a schema come in one transaction, so one of them tells.
fn is_filled(connection: &mut dyn EngineConnection, schema: &SchemaPath) -> Result<bool, EngineError> {
    let query = format!(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = {} AND table_name = 'LINEITEM'",
        literal(&schema.mangled())
    );
    Ok(!Catalog::new(connection).rows(&query)?.is_empty())
}

fn fill(
    connection: &mut dyn EngineConnection,
    schema: &SchemaPath,
    scale_factor: f64,
) -> Result<(), EngineError> {
    tracing::info!(%schema, scale_factor, "generating sample data");
    let engine_schema = schema.mangled();
    connection.execute("BEGIN")?;
    let mut told = 0;
    let made = create_tpch_tables(connection, &engine_schema).and_then(|()| {
        fill_tpch_tables(connection, &engine_schema, scale_factor, |progress| {
            let percent = progress.rows_done * 100 / progress.rows_total.max(1);
            if percent >= told + 10 || percent < told {
                told = percent;
                tracing::info!(%schema, table = progress.table, percent, "generating sample data");
            }
        })
    });
    match made {
        Ok(()) => {
            connection.execute("COMMIT")?;
            tracing::info!(%schema, "sample data is ready");
            Ok(())
        }
        Err(error) => {
            // The error to report is the first one.
            let _ = connection.execute("ROLLBACK");
            Err(error)
        }
    }
}

//! The sample schemas' rows: generated when a statement first names one of their tables.

use std::collections::HashSet;
use std::sync::Mutex;

use snowflake_emulator_engine::sample_data::{create_tpch_tables, fill_tpch_tables};
use snowflake_emulator_engine::{Engine, EngineConnection, EngineError};

use super::instance::lock;
use crate::catalog::Catalog;
use crate::catalog::names::{ObjectPath, SchemaPath, literal};
use crate::catalog::sample;

/// Which sample schemas have their rows.
#[derive(Default)]
pub(super) struct Samples {
    /// Locked while rows are generated: whoever needs them meanwhile waits.
    filled: Mutex<HashSet<SchemaPath>>,
}

impl Samples {
    /// Makes the rows of the schemas that these tables are in; true when it made some.
    pub(super) fn ensure<'a>(
        &self,
        engine: &dyn Engine,
        tables: impl Iterator<Item = &'a ObjectPath>,
    ) -> Result<bool, EngineError> {
        let mut made = false;
        for table in tables {
            let Some(scale_factor) = sample::scale_of(table) else {
                continue;
            };
            let mut filled = lock(&self.filled);
            if filled.contains(&table.schema) {
                continue;
            }
            let mut connection = engine.connect()?;
            if !is_filled(connection.as_mut(), &table.schema)? {
                fill(connection.as_mut(), &table.schema, scale_factor)?;
                made = true;
            }
            filled.insert(table.schema.clone());
        }
        Ok(made)
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
        Ok(_) => {
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

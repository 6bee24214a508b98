//! Writes inside a transaction, in the form in which its log can make them again.
//!
//! Most statements are logged as their text. An INSERT whose rows hold sequence values, random identities or
//! the engine's own clock would add other rows the next time, so the rows themselves are logged.

use snowflake_emulator_engine::EngineError;

use super::dml::{Change, apply, run_guards};
use super::transaction::{Effect, LOG_BYTES_MAX, Write};
use super::worker::Worker;
use super::{DmlStats, SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{ObjectPath, literal};
use crate::lower::Answer;

/// Engine functions whose next value is another one; `now()` is the time of the engine's transaction.
const VOLATILE: [&str; 3] = ["nextval(", "sf_uuid_string(", "now()"];

/// Most tables whose defaults are remembered.
const REMEMBERED_MAX: usize = 1000;

/// Rows read at a time.
const BATCH_ROWS: usize = 16_384;

impl Worker {
    /// Runs a change and gives what the log needs to make it again.
    pub(super) fn apply_logged(
        &mut self,
        change: &Change,
    ) -> Result<(DmlStats, Write), crate::plan::Failure> {
        let changes_defaults = matches!(change.answer, Answer::Inserted | Answer::MergeActions);
        let is_volatile = change
            .statements
            .iter()
            .any(|sql| VOLATILE.iter().any(|word| sql.contains(word)))
            || (changes_defaults && self.has_volatile_default(&change.target)?);
        if !is_volatile {
            let stats = apply(self.connection.as_mut(), change)?;
            let effect = if change.answer == Answer::MergeActions {
                Effect::Answered
            } else {
                Effect::Counted
            };
            return Ok((stats, write(change, change.statements.clone(), effect, stats)));
        }
        if change.answer != Answer::Inserted {
            let stats = apply(self.connection.as_mut(), change)?;
            return Ok((stats, write(change, Vec::new(), Effect::Unrepeatable, stats)));
        }
        self.insert_keeping_rows(change)
    }

    fn insert_keeping_rows(&mut self, change: &Change) -> Result<(DmlStats, Write), crate::plan::Failure> {
        let connection = self.connection.as_mut();
        run_guards(connection, &change.guards)?;
        let Some((last, before)) = change.statements.split_last() else {
            return Err(SqlError::internal("an INSERT without a statement").into());
        };
        for statement in before {
            connection.execute(statement)?;
        }
        let mut stats = DmlStats::default();
        let (mut batches, mut bytes) = (Vec::new(), 0);
        let mut reader = connection.query(&format!("{last} RETURNING *"), BATCH_ROWS)?;
        while let Some(batch) = reader.next_batch()? {
            stats.inserted += batch.num_rows() as u64;
            bytes += batch.get_array_memory_size();
            if bytes <= LOG_BYTES_MAX {
                batches.push(batch);
            } else {
                batches.clear();
            }
        }
        drop(reader);
        let effect = if bytes <= LOG_BYTES_MAX {
            let (schema, table) = self.engine_table(&change.target);
            Effect::Rows {
                schema,
                table,
                batches,
            }
        } else {
            Effect::Unrepeatable
        };
        Ok((stats, write(change, before.to_vec(), effect, stats)))
    }

    /// True when a column of the table has a default that gives another value each time.
    fn has_volatile_default(&mut self, target: &ObjectPath) -> Result<bool, SqlError> {
        let latest = self.shared.versions.latest();
        if let Some((known, is_volatile)) = self.volatile_defaults.get(target)
            && *known == latest
        {
            return Ok(*is_volatile);
        }
        let (schema, table) = self.engine_table(target);
        let schema = if schema == "temp" {
            "main".to_owned()
        } else {
            schema
        };
        let defaults: Vec<String> = VOLATILE
            .iter()
            .map(|word| format!("contains(column_default, {})", literal(word)))
            .collect();
        let query = format!(
            "SELECT 1 FROM duckdb_columns() WHERE schema_name = {} AND table_name = {} AND ({})",
            literal(&schema),
            literal(&table),
            defaults.join(" OR ")
        );
        let found: Result<_, EngineError> = Catalog::new(self.connection.as_mut()).rows(&query);
        let is_volatile = !found.map_err(|error| from_engine(&error))?.is_empty();
        if self.volatile_defaults.len() >= REMEMBERED_MAX {
            self.volatile_defaults.clear();
        }
        self.volatile_defaults
            .insert(target.clone(), (latest, is_volatile));
        Ok(is_volatile)
    }

    /// Schema and table of the engine, without quotes.
    fn engine_table(&self, path: &ObjectPath) -> (String, String) {
        if self.state.temporary_paths.contains(path) {
            ("temp".to_owned(), path.temporary_mangled())
        } else {
            (path.schema.mangled(), path.name.mangled())
        }
    }
}

fn write(change: &Change, statements: Vec<String>, effect: Effect, stats: DmlStats) -> Write {
    // Logged rows depend on nothing; what stands before them may.
    let reads = match &effect {
        Effect::Rows { .. } if statements.is_empty() => std::collections::BTreeSet::new(),
        _ => change.reads.clone(),
    };
    Write {
        statements,
        change: effect,
        changed: stats.inserted + stats.updated + stats.deleted,
        reads,
        target: change.target.clone(),
    }
}

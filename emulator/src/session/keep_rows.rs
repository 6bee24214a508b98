//! Writes inside a transaction, in the form in which its log can make them again.
//!
//! Most statements are logged as their text. An INSERT whose rows hold sequence values, random identities or
//! the engine's own clock would add other rows the next time, so the rows themselves are logged. What a view holds is
//! not looked at: it may be any of these, and any table.

use std::collections::BTreeSet;

use super::dml::{Change, apply, run_guards};
use super::transaction::{Effect, LOG_BYTES_MAX, Write};
use super::worker::Worker;
use super::{DmlStats, SqlError};
use crate::catalog::names::ObjectPath;
use crate::lower::Answer;
use crate::plan::Failure;

/// Rows read at a time.
const BATCH_ROWS: usize = 16_384;

impl Worker {
    /// Runs a change and gives what the log needs to make it again.
    pub(super) fn apply_logged(&mut self, change: &Change) -> Result<(DmlStats, Write), Failure> {
        let changes_defaults = matches!(change.answer, Answer::Inserted | Answer::MergeActions);
        let is_volatile = self.names_view(&change.reads)?
            || change
                .statements
                .iter()
                .any(|sql| super::table_facts::VOLATILE.iter().any(|word| sql.contains(word)))
            || (changes_defaults && self.table_facts(&change.target)?.has_volatile_default);
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

    fn insert_keeping_rows(&mut self, change: &Change) -> Result<(DmlStats, Write), Failure> {
        let connection = self.connection.as_mut();
        run_guards(connection, &change.guards)?;
        let Some((last, before)) = change.statements.split_last() else {
            return Err(SqlError::internal("an INSERT without a statement").into());
        };
        for statement in before {
            connection.execute(statement)?;
        }
        let (inserted, effect) = self.inserted_rows(last, &change.target)?;
        let stats = DmlStats {
            inserted,
            ..DmlStats::default()
        };
        Ok((stats, write(change, before.to_vec(), effect, stats)))
    }

    /// Runs an INSERT and gives its number of rows, with what makes the same rows again.
    pub(super) fn inserted_rows(
        &mut self,
        insert: &str,
        target: &ObjectPath,
    ) -> Result<(u64, Effect), Failure> {
        let connection = self.connection.as_mut();
        let mut inserted = 0;
        let (mut batches, mut bytes) = (Vec::new(), 0);
        let mut reader = connection.query(&format!("{insert} RETURNING *"), BATCH_ROWS)?;
        while let Some(batch) = reader.next_batch()? {
            inserted += batch.num_rows() as u64;
            bytes += batch.get_array_memory_size();
            if bytes <= LOG_BYTES_MAX {
                batches.push(batch);
            } else {
                batches.clear();
            }
        }
        drop(reader);
        let effect = if bytes <= LOG_BYTES_MAX {
            let (schema, table) = self.engine_table(target);
            Effect::Rows {
                schema,
                table,
                batches,
            }
        } else {
            Effect::Unrepeatable
        };
        Ok((inserted, effect))
    }
}

fn write(change: &Change, statements: Vec<String>, effect: Effect, stats: DmlStats) -> Write {
    // Logged rows depend on nothing; what stands before them may.
    let depends = !matches!(effect, Effect::Rows { .. }) || !statements.is_empty();
    let reads = if depends {
        change.reads.clone()
    } else {
        BTreeSet::new()
    };
    Write {
        statements,
        change: effect,
        changed: stats.inserted + stats.updated + stats.deleted,
        reads,
        target: change.target.clone(),
    }
}

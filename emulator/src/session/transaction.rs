//! An open transaction: what it has written, and how it goes on after an error.
//!
//! An error in Snowflake undoes its own statement only. The engine has no savepoints: a run-time error
//! ends its whole transaction. So the statements that have changed something are kept in a log, and after
//! such an error the engine's transaction is rolled back and the log is run again. This gives the
//! same rows only if everything the statements depend on is the same: clock, variables and random
//! seeds are literals in the logged text; rows that hold sequence values or random identities or come through a view
//! are logged themselves ([`Effect::Rows`]); tables are compared by their commit counters ([`Versions`]),
//! and the number of rows each statement changed is compared too. Where it cannot be the same, the
//! transaction is lost and the user is told so, rather than committed with other rows.
//!
//! The same log refreshes a snapshot that has become stale, because Snowflake reads what is committed
//! when a statement begins.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use snowflake_emulator_engine::EngineError;

use super::SqlError;
use super::versions::Versions;
use crate::catalog::names::ObjectPath;

/// Most statements a log holds; a longer transaction cannot survive a run-time error.
const LOG_STATEMENTS_MAX: usize = 10_000;

/// Most bytes of SQL and rows a log holds.
pub(super) const LOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest log that is run again only to see newer rows of other sessions.
const REFRESH_STATEMENTS_MAX: usize = 100;

/// What a transaction needs of the engine.
pub(crate) trait Replayer {
    /// Begins an engine transaction.
    fn begin(&mut self) -> Result<(), EngineError>;
    /// Ends it without its changes; no error when there is none.
    fn rollback(&mut self);
    /// Runs a logged statement and gives the number of rows it changed.
    fn replay(&mut self, write: &Write) -> Result<u64, EngineError>;
}

/// A statement that changed something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    /// Engine statements, in order.
    pub(crate) statements: Vec<String>,
    /// What makes the counted change.
    pub(crate) change: Effect,
    /// Rows that it changed.
    pub(crate) changed: u64,
    /// Tables whose rows decide what it does; no views, behind which any table may be.
    pub(crate) reads: BTreeSet<ObjectPath>,
    /// Table that it changed.
    pub(crate) target: ObjectPath,
}

/// How a logged statement makes its change again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// The last of its statements makes it and counts its rows.
    Counted,
    /// The last of its statements makes it and answers with a row for each.
    Answered,
    /// These rows are added to an engine table: the statement would make others the next time.
    Rows {
        /// Engine schema, without quotes.
        schema: String,
        /// Engine table, without quotes.
        table: String,
        /// The rows.
        batches: Vec<RecordBatch>,
    },
    /// It cannot be made again.
    Unrepeatable,
}

/// An open transaction of a session.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Snowflake's identity: nanoseconds of its beginning.
    pub(crate) id: u64,
    /// Commit counter of the engine's snapshot.
    snapshot: u64,
    /// Count of changed definitions of the engine's snapshot.
    definitions: u64,
    log: Vec<Write>,
    log_bytes: usize,
    overflowed: bool,
    targets: BTreeSet<ObjectPath>,
    /// Rows that it has changed.
    changed: u64,
}

impl Transaction {
    /// A transaction whose engine transaction begins now.
    pub(crate) fn begin(
        id: u64,
        engine: &mut dyn Replayer,
        versions: &Versions,
    ) -> Result<Self, EngineError> {
        // Read first: a commit in between makes the snapshot look older than it is, never newer.
        let (snapshot, definitions) = (versions.latest(), versions.definitions());
        engine.begin()?;
        Ok(Self {
            id,
            snapshot,
            definitions,
            log: Vec::new(),
            log_bytes: 0,
            overflowed: false,
            targets: BTreeSet::new(),
            changed: 0,
        })
    }

    /// Tables it has changed.
    pub(crate) fn targets(&self) -> &BTreeSet<ObjectPath> {
        &self.targets
    }

    /// Commit counter of what its statements see.
    pub(crate) fn snapshot(&self) -> u64 {
        self.snapshot
    }

    /// Count of changed definitions of what its statements see.
    pub(crate) fn definitions(&self) -> u64 {
        self.definitions
    }

    /// Rows that it has changed, each as often as it was.
    pub(crate) fn changed_rows(&self) -> u64 {
        self.changed
    }

    /// Keeps a statement that succeeded.
    pub(crate) fn record(&mut self, write: Write) {
        self.targets.insert(write.target.clone());
        self.changed += write.changed;
        self.log_bytes += write.statements.iter().map(String::len).sum::<usize>();
        if let Effect::Rows { batches, .. } = &write.change {
            self.log_bytes += batches
                .iter()
                .map(RecordBatch::get_array_memory_size)
                .sum::<usize>();
        }
        self.overflowed |= write.change == Effect::Unrepeatable;
        if self.overflowed || self.log.len() >= LOG_STATEMENTS_MAX || self.log_bytes > LOG_BYTES_MAX {
            self.overflowed = true;
            self.log.clear();
        } else {
            self.log.push(write);
        }
    }

    /// Restores the transaction after an error ended the engine's: roll back, begin, run the log again.
    ///
    /// Fails with the message for the user when that would not give the same rows; the transaction is over then.
    pub(crate) fn restore(&mut self, engine: &mut dyn Replayer, versions: &Versions) -> Result<(), SqlError> {
        let (snapshot, definitions) = (versions.latest(), versions.definitions());
        if self.overflowed || !self.is_faithful(versions) {
            engine.rollback();
            return Err(lost());
        }
        engine.rollback();
        let run = |engine: &mut dyn Replayer| -> Result<bool, EngineError> {
            engine.begin()?;
            for write in &self.log {
                if engine.replay(write)? != write.changed {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if matches!(run(engine), Ok(true)) {
            self.snapshot = snapshot;
            self.definitions = definitions;
            return Ok(());
        }
        engine.rollback();
        Err(lost())
    }

    /// Makes the commits of other sessions visible to the next statement, which names `tables`, and with
    /// `names_view` a view, which may read any table.
    ///
    /// Keeps the older snapshot when the log is long or would not give the same rows.
    pub(crate) fn refresh(
        &mut self,
        engine: &mut dyn Replayer,
        versions: &Versions,
        tables: &BTreeSet<ObjectPath>,
        names_view: bool,
    ) -> Result<(), SqlError> {
        let stale = if self.targets.is_empty() || names_view {
            versions.latest() != self.snapshot
        } else {
            versions.changed_since(self.snapshot, tables)
        };
        let affordable = !self.overflowed && self.log.len() <= REFRESH_STATEMENTS_MAX;
        if stale && affordable && self.is_faithful(versions) {
            self.restore(engine, versions)
        } else {
            Ok(())
        }
    }

    /// True when running the log again meets the tables as they were.
    fn is_faithful(&self, versions: &Versions) -> bool {
        !self
            .log
            .iter()
            .any(|write| versions.changed_since(self.snapshot, &write.reads))
    }
}

fn lost() -> SqlError {
    SqlError::new(
        "000625",
        "40001",
        "The transaction was rolled back: after this error it could not be restored, because other sessions have \
         since changed tables that it read, or because it has written more than is kept for that.",
    )
}

#[cfg(test)]
mod tests;

//! Earlier states of the tables, for time travel.
//!
//! The engine keeps what a transaction sees for as long as the transaction is open. So an earlier state is a
//! connection with a read-only transaction that began just before a write: nothing is copied, a write costs
//! one more transaction's beginning, and reading the state is reading through that connection. States are few and
//! their number is bounded: what has been updated and deleted since the oldest of them stays in the engine's memory
//! and its log cannot be folded away. They end with the process.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use snowflake_emulator_engine::{Engine, EngineConnection, EngineError};

use super::QueryId;
use crate::catalog::Catalog;

/// How far back tables can be read.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// Writes before which the state is kept; 0 keeps none.
    pub states_max: usize,
    /// Age of the oldest state.
    pub age_max: Duration,
    /// Rows that have been updated or deleted since the oldest state.
    pub rows_max: u64,
    /// Bytes of the engine's log, which only grows while states are kept.
    pub log_bytes_max: u64,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            states_max: 200,
            age_max: Duration::from_hours(24),
            rows_max: 2_000_000,
            log_bytes_max: 256 * 1024 * 1024,
        }
    }
}

/// Statements of which it is known which states they stand between.
const STATEMENTS_MAX: usize = 10_000;

/// Connections that are kept for the next state.
const SPARE_MAX: usize = 8;

/// A state, as seen through a connection.
pub(super) type Past = Arc<Mutex<Box<dyn EngineConnection>>>;

/// The states that are kept.
pub(super) struct History {
    limits: HistoryLimits,
    /// The engine's log, of data that is on disk.
    log: Option<PathBuf>,
    inner: Mutex<Inner>,
}

struct Inner {
    states: VecDeque<State>,
    statements: VecDeque<Statement>,
    /// Number of the next state.
    next: u64,
    /// States of lower numbers have been given up.
    gone_below: u64,
    /// States before this time, in nanoseconds since 1970, are not known.
    since_ns: i64,
    spare: Vec<Box<dyn EngineConnection>>,
}

struct State {
    number: u64,
    at_ns: i64,
    /// Rows that were updated or deleted right after it.
    rows: u64,
    past: Past,
}

struct Statement {
    query_id: QueryId,
    /// State before it.
    before: u64,
    /// The first state after it, if there is one.
    after: u64,
}

/// A state just before a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before(u64);

/// What is asked of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// As a statement found it.
    Before(QueryId),
    /// As a statement left it.
    After(QueryId),
    /// At a time, in nanoseconds since 1970.
    At(i64),
}

/// What is known of a point.
pub(super) enum Found {
    /// The state.
    Past(Past),
    /// Nothing has been written since.
    Now,
    /// It is not kept, or was never known.
    Gone,
}

impl History {
    pub(super) fn new(limits: HistoryLimits, log: Option<PathBuf>, now_ns: i64) -> Self {
        Self {
            limits,
            log,
            inner: Mutex::new(Inner {
                states: VecDeque::new(),
                statements: VecDeque::new(),
                next: 0,
                gone_below: 0,
                since_ns: now_ns,
                spare: Vec::new(),
            }),
        }
    }

    /// Keeps the state as it is now; a write follows. None when states are not kept.
    pub(super) fn keep(&self, engine: &dyn Engine, now_ns: i64) -> Option<Before> {
        if self.limits.states_max == 0 {
            return None;
        }
        let spare = self.lock().spare.pop();
        let begun = spare.map_or_else(|| engine.connect(), Ok).and_then(begin);
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        match begun {
            Ok(connection) => inner.states.push_back(State {
                number,
                at_ns: now_ns,
                rows: 0,
                past: Arc::new(Mutex::new(connection)),
            }),
            Err(error) => {
                tracing::warn!(%error, "no earlier state could be kept");
                inner.clear(now_ns);
            }
        }
        self.trim(&mut inner, now_ns);
        Some(Before(number))
    }

    /// Notes that statements have written; `rows` were updated or deleted.
    pub(super) fn written(&self, before: Before, statements: &[QueryId], rows: u64, now_ns: i64) {
        let mut inner = self.lock();
        let after = inner.next;
        for query_id in statements {
            inner.statements.retain(|known| known.query_id != *query_id);
            inner.statements.push_back(Statement {
                query_id: *query_id,
                before: before.0,
                after,
            });
        }
        while inner.statements.len() > STATEMENTS_MAX {
            inner.statements.pop_front();
        }
        if let Some(state) = inner.states.iter_mut().find(|state| state.number == before.0) {
            state.rows += rows;
        }
        self.trim(&mut inner, now_ns);
    }

    /// The write before which a state was kept did not happen.
    pub(super) fn withdrawn(&self, before: Before) {
        let mut inner = self.lock();
        // A newer state may stand for the time since: only the last one is of no use.
        if inner.states.back().is_some_and(|state| state.number == before.0)
            && let Some(state) = inner.states.pop_back()
        {
            inner.retire(state);
        }
    }

    /// The state at a point.
    pub(super) fn find(&self, point: Point) -> Found {
        let inner = self.lock();
        let found = match point {
            Point::At(at_ns) => {
                if at_ns < inner.since_ns {
                    return Found::Gone;
                }
                inner.states.iter().find(|state| state.at_ns >= at_ns)
            }
            Point::Before(query_id) | Point::After(query_id) => {
                let Some(known) = inner.statements.iter().find(|known| known.query_id == query_id) else {
                    // Forgotten, undone, or of before the start.
                    return Found::Gone;
                };
                let number = match point {
                    Point::Before(_) => known.before,
                    _ => known.after,
                };
                // One that is gone cannot be stood for by a later one: there were writes between.
                if number < inner.gone_below {
                    return Found::Gone;
                }
                // One that was withdrawn can: nothing was written after it.
                inner.states.iter().find(|state| state.number >= number)
            }
        };
        found.map_or(Found::Now, |state| Found::Past(Arc::clone(&state.past)))
    }

    /// Forgets all states.
    pub(super) fn clear(&self, now_ns: i64) {
        let mut inner = self.lock();
        inner.clear(now_ns);
        inner.spare.clear();
    }

    /// Gives up the oldest states that are too many, too old or too dear.
    fn trim(&self, inner: &mut Inner, now_ns: i64) {
        let limits = &self.limits;
        let log_bytes = self.log.as_ref().and_then(|log| std::fs::metadata(log).ok());
        if log_bytes.is_some_and(|found| found.len() > limits.log_bytes_max) {
            inner.clear(now_ns);
            return;
        }
        let oldest_ns = now_ns.saturating_sub(i64::try_from(limits.age_max.as_nanos()).unwrap_or(i64::MAX));
        let mut rows: u64 = inner.states.iter().map(|state| state.rows).sum();
        while let Some(oldest) = inner.states.front() {
            let is_too_much =
                inner.states.len() > limits.states_max || rows > limits.rows_max || oldest.at_ns < oldest_ns;
            if !is_too_much {
                break;
            }
            rows -= oldest.rows;
            if let Some(state) = inner.states.pop_front() {
                inner.since_ns = state.at_ns + 1;
                inner.gone_below = state.number + 1;
                inner.retire(state);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn clear(&mut self, now_ns: i64) {
        while let Some(state) = self.states.pop_front() {
            self.retire(state);
        }
        self.since_ns = now_ns;
        self.gone_below = self.next;
    }

    /// Ends a state's transaction; its connection may serve again. Whoever reads the state reads on.
    fn retire(&mut self, state: State) {
        let Some(past) = Arc::into_inner(state.past) else {
            return;
        };
        let mut connection = past.into_inner().unwrap_or_else(PoisonError::into_inner);
        if connection.execute("ROLLBACK").is_ok() && self.spare.len() < SPARE_MAX {
            self.spare.push(connection);
        }
    }
}

/// Begins the transaction that sees the state as it is now.
fn begin(mut connection: Box<dyn EngineConnection>) -> Result<Box<dyn EngineConnection>, EngineError> {
    connection.execute("BEGIN TRANSACTION READ ONLY")?;
    // The engine's transaction sees what there is when it is first used.
    Catalog::new(connection.as_mut()).touch()?;
    Ok(connection)
}

//! What is told of each statement to those who follow one request through many programs.
//!
//! A [`Tracer`] is asked at the beginning of each statement whether anybody wants to know of it. Who does hears of the
//! steps on its way and, at the end, what the audit log hears: never the text, never bindings, never rows.

use std::time::Duration;

use crate::domain::audit::AuditRecord;

/// Tells of statements. Called on the way of each: it does not wait.
pub trait Tracer: Send + Sync + 'static {
    /// A statement begins, asked for by the call that runs this. `None` when nobody wants to hear of it.
    fn begin(&self) -> Option<Box<dyn StatementTrace>>;
}

/// Hears of one statement. Whoever drops it before the end tells nothing.
pub trait StatementTrace: Send {
    /// The statement got this far, so long after it began.
    fn reached(&mut self, step: Step, after: Duration);

    /// The statement ended, however it did.
    fn ended(self: Box<Self>, record: &AuditRecord);
}

/// A step on the way of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It goes to Snowflake.
    Sent,
    /// Snowflake gave it an id and works on.
    TakenOn,
    /// Snowflake is done; rows are on their way.
    Executed,
}

impl Step {
    /// Its name, as it is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::TakenOn => "taken on",
            Self::Executed => "executed",
        }
    }
}

/// Tells nobody: where that is not configured, and for tests and tools.
#[derive(Debug)]
pub struct NoTracer;

impl Tracer for NoTracer {
    fn begin(&self) -> Option<Box<dyn StatementTrace>> {
        None
    }
}

/// What became of the spans since the service started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TraceFigures {
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that found no room while the collector was slow or away.
    pub dropped_full: u64,
    /// Spans that the collector did not take.
    pub dropped_failed: u64,
}

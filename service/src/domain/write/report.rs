//! What came of a write.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::token::Token;
use crate::domain::context::Context;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::policy::Concern;
use crate::domain::query::{Batch, DmlStats, StatementKind};

/// How far a write is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It ran and counts.
    Committed,
    /// It ran in a transaction that was open before and stays open.
    Joined,
    /// It ran; its transaction is open until it is confirmed or abandoned.
    Held,
    /// It did not run; it will when it is confirmed.
    Waiting,
    /// It ran and was rolled back.
    RolledBack,
    /// It did not run and will not.
    Abandoned,
}

impl State {
    /// Its name, as in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Joined => "joined",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::RolledBack => "rolled_back",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What came of a write, so far.
#[derive(Debug, Clone)]
pub struct Report {
    /// How far it is.
    pub state: State,
    /// Names it while it waits.
    pub token: Option<Token>,
    /// When it is given up by itself.
    pub expire_time: Option<SystemTime>,
    /// Why it must be confirmed.
    pub concerns: Vec<Concern>,
    /// Identity that Snowflake gave the statement; empty when it did not run.
    pub query_id: String,
    /// Kind of the statement as Snowflake says.
    pub kind: StatementKind,
    /// Rows changed.
    pub dml: Option<DmlStats>,
    /// Most rows that it might have changed without a confirmation.
    pub rows_max: Option<u64>,
    /// Rows as they were.
    pub before: Option<Sample>,
    /// Rows as they are after it.
    pub after: Option<Sample>,
    /// Columns by which the rows of both samples belong together.
    pub key_columns: Vec<String>,
    /// Why there is no sample.
    pub sample_omitted: String,
    /// SQL that shows what was before or takes back what it did.
    pub undo_sql: String,
    /// Session in which it ran.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// Session context after it.
    pub context: Context,
    /// A transaction is open in the session.
    pub transaction_open: bool,
    /// It ran in a transaction that was open before.
    pub joined: bool,
    /// What the user should hear besides, whole sentences without the final period.
    pub notices: Vec<String>,
    /// Time from acceptance to the end.
    pub elapsed: Duration,
    /// Object that it changes, as the text names it.
    pub target: String,
}

/// Some rows, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Encapsulated Arrow IPC schema message.
    pub arrow_schema: Bytes,
    /// The rows.
    pub batches: Vec<Batch>,
    /// Rows in it.
    pub row_count: u64,
    /// There are more.
    pub truncated: bool,
}

/// A write that waits for a confirmation, as its session shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Head of its text on one line.
    pub sql: String,
    /// It ran and its transaction is open.
    pub ran: bool,
    /// It is in a transaction that was open before.
    pub joined: bool,
    /// Rows that it changed.
    pub rows: u64,
    /// When it is given up by itself.
    pub expire_time: SystemTime,
}

impl Report {
    /// Rows changed, all kinds together.
    pub fn rows(&self) -> Option<u64> {
        self.dml.as_ref().map(DmlStats::rows)
    }

    /// The report without rows, to be remembered.
    pub fn without_samples(&self) -> Self {
        Self {
            before: None,
            after: None,
            key_columns: Vec::new(),
            sample_omitted: if self.before.is_some() || self.after.is_some() {
                "the rows were shown with the first answer and are not kept".to_owned()
            } else {
                self.sample_omitted.clone()
            },
            ..self.clone()
        }
    }
}

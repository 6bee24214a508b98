//! Queries: what is asked, and what comes of it.

use std::time::Duration;

use bytes::Bytes;

use crate::domain::context::Context;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::write::Report;

/// A value for one placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding {
    /// Name of a `:name` placeholder; `None` for a `?`, which takes bindings in their order.
    pub name: Option<String>,
    /// Snowflake's binding type.
    pub kind: BindingKind,
    /// The value as text; `None` is NULL.
    pub value: Option<String>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values are user data and do not belong in a log.
        formatter
            .debug_struct("Binding")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Snowflake's types of bound values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingKind {
    /// Text.
    Text,
    /// Exact number.
    Fixed,
    /// Floating point number.
    Real,
    /// Truth value.
    Boolean,
    /// Date.
    Date,
    /// Time of day.
    Time,
    /// Timestamp without time zone.
    TimestampNtz,
    /// Timestamp in the session's time zone.
    TimestampLtz,
    /// Timestamp with offset.
    TimestampTz,
    /// Bytes.
    Binary,
}

/// One statement on its way to Snowflake.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Identity of the request.
    pub request_id: RequestId,
    /// The SQL text, exactly as the user wrote it.
    pub sql: String,
    /// Values for the placeholders.
    pub bindings: Vec<Binding>,
    /// Most rows to fetch; `None` is all.
    pub row_limit: Option<u64>,
    /// What Snowflake's history shows as the query's tag; `None` leaves the session's.
    pub tag: Option<String>,
}

/// Which rows of a result to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowWindow {
    /// Rows to leave out at the beginning.
    pub offset: u64,
    /// Most rows to fetch after them; `None` is all.
    pub limit: Option<u64>,
}

/// Coarse kind of a statement, as Snowflake reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatementKind {
    /// Snowflake did not say.
    #[default]
    Unknown,
    /// Reads.
    Query,
    /// Changes rows.
    Dml,
    /// Changes objects or grants.
    Ddl,
    /// Changes the session.
    Session,
    /// Begins or ends a transaction.
    Transaction,
    /// Calls a procedure or runs a block.
    Call,
    /// Several statements.
    Multi,
    /// Anything else.
    Other,
}

/// Rows that a DML statement changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DmlStats {
    /// Rows inserted.
    pub rows_inserted: u64,
    /// Rows updated.
    pub rows_updated: u64,
    /// Rows deleted.
    pub rows_deleted: u64,
}

impl DmlStats {
    /// Rows changed, all kinds together.
    pub fn rows(&self) -> u64 {
        self.rows_inserted
            .saturating_add(self.rows_updated)
            .saturating_add(self.rows_deleted)
    }
}

/// What Snowflake said of an executed statement, before its rows.
#[derive(Debug, Clone, Default)]
pub struct Executed {
    /// Identity that Snowflake gave the query.
    pub query_id: String,
    /// Kind of the statement.
    pub kind: StatementKind,
    /// Session context after the statement.
    pub context: Context,
    /// Rows changed, for DML.
    pub dml: Option<DmlStats>,
    /// Rows that the result has.
    pub row_count_total: u64,
    /// Encapsulated Arrow IPC schema message.
    pub arrow_schema: Bytes,
}

/// Some consecutive rows: bytes and a count; nobody here looks inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Encapsulated Arrow IPC record batch message, dictionary messages before it.
    pub bytes: Bytes,
    /// Rows in it.
    pub row_count: u64,
}

/// An event of a running query, in the order schema, batches, summary.
#[derive(Debug)]
pub enum QueryEvent {
    /// The columns.
    Schema(ResultSchema),
    /// Some rows; the offset counts the rows before them.
    Batch {
        /// The rows.
        batch: Batch,
        /// Rows before this batch.
        row_offset: u64,
    },
    /// The end.
    Summary(Box<Summary>),
    /// What came of a write, which ends it.
    Write(Box<Report>),
}

/// The columns of a result.
#[derive(Debug)]
pub struct ResultSchema {
    /// Encapsulated Arrow IPC schema message.
    pub arrow_schema: Bytes,
    /// Identity that Snowflake gave the query.
    pub query_id: String,
    /// Kind of the statement.
    pub kind: StatementKind,
}

/// What came of a query.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Identity that Snowflake gave the query.
    pub query_id: String,
    /// Rows sent.
    pub row_count: u64,
    /// Rows that the result has.
    pub row_count_total: u64,
    /// True when the row limit cut the result.
    pub truncated: bool,
    /// Time from acceptance to the end.
    pub elapsed: Duration,
    /// Session in which it ran.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// Session context after the statement.
    pub context: Context,
    /// Kind of the statement.
    pub kind: StatementKind,
    /// Rows changed, for DML.
    pub dml: Option<DmlStats>,
    /// True while a transaction is open in the session.
    pub transaction_open: bool,
    /// What the user should hear besides, whole sentences without the final period.
    pub notices: Vec<String>,
}

/// How far a cancellation got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Snowflake confirmed that it stopped the query.
    Confirmed,
    /// Snowflake was told but did not confirm in time.
    Unconfirmed,
    /// The query was over or had not been sent.
    NotRunning,
}

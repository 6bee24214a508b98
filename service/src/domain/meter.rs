//! What is counted of the service's work, for those who watch over many services at a time.
//!
//! A [`Meter`] is told of what happens; a [`Traffic`] and [`Figures`] are read when somebody looks.

use crate::domain::audit::AuditRecord;

/// Counts. Called on the way of every statement: it does not wait, and costs next to nothing.
pub trait Meter: Send + Sync + 'static {
    /// A statement ended, however it did; called once for each.
    fn ended(&self, record: &AuditRecord);

    /// Some rows of a result were handed to its reader.
    fn delivered(&self, rows: u64, bytes: u64);
}

/// Counts nothing: for tests and tools.
#[derive(Debug)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn ended(&self, _: &AuditRecord) {}

    fn delivered(&self, _: u64, _: u64) {}
}

/// What went to Snowflake and came from there since the service started. Bytes are those of bodies, as transferred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, retries and downloads of result parts included.
    pub requests: u64,
    /// Retries because no connection could be opened.
    pub retries_connect: u64,
    /// Retries because a connection broke.
    pub retries_transport: u64,
    /// Retries because the server was silent for too long.
    pub retries_silence: u64,
    /// Retries because the server asked to come back.
    pub retries_busy: u64,
    /// Renewals of session tokens.
    pub renewals: u64,
    /// Renewals that failed.
    pub renewals_failed: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Heartbeats that failed.
    pub heartbeats_failed: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Times that the machine slept and all connections were given up.
    pub sleeps: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
}

/// The sessions at one moment, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions that were made and have not logged in.
    pub new: u64,
    /// Sessions that log in.
    pub connecting: u64,
    /// Sessions that are logged in and run nothing.
    pub idle: u64,
    /// Sessions in which a statement runs.
    pub busy: u64,
    /// Sessions whose upstream session is gone.
    pub disconnected: u64,
    /// Sessions that end.
    pub closing: u64,
    /// Sessions that are kept while nobody uses them.
    pub resting: u64,
    /// Transactions that are open.
    pub transactions_open: u64,
    /// Writes that wait for a confirmation.
    pub writes_held: u64,
    /// Statements that run, submitted ones not among them.
    pub queries_running: u64,
    /// Statements that wait for their turn in their session.
    pub queries_waiting: u64,
    /// Results that are being read.
    pub results_reading: u64,
    /// Submitted statements that have not ended.
    pub jobs: u64,
}

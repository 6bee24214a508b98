//! Limits of sessions and queries; their values are born in `config/defaults.toml`.

use std::time::Duration;

/// Limits of sessions and queries.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most sessions at a time.
    pub sessions_max: usize,
    /// Most statements that wait in one session.
    pub queue_max: usize,
    /// Most results of one session that are being read at a time.
    pub results_max: usize,
    /// How long an unused session stays logged in, unless it has a limit of its own.
    pub session_idle: Duration,
    /// How long a transaction may be open while nobody uses its session.
    pub transaction_lease: Duration,
    /// Most sessions that are kept while nobody uses them.
    pub kept_max: usize,
    /// How long a session is kept while nobody uses it.
    pub keep: Duration,
    /// How long an answer waits until what its statement changed of the session is on disk.
    pub journal_wait: Duration,
    /// Most queries of one session that are remembered.
    pub history_max: usize,
    /// Most submitted statements of one session that have not ended.
    pub jobs_max: usize,
    /// Most submitted statements that are kept for the next run of the service.
    pub jobs_kept_max: usize,
    /// Time limit for Snowflake to take a submitted statement on.
    pub submit_timeout: Duration,
    /// Least and most time between two looks at a submitted statement that runs.
    pub job_check: (Duration, Duration),
    /// Longest silence towards those who watch a query.
    pub watch_interval: Duration,
    /// Largest SQL text in bytes.
    pub sql_bytes_max: usize,
    /// Most bindings of one statement.
    pub bindings_max: usize,
    /// Time limit of a statement that asks for none.
    pub query_timeout: Duration,
    /// How long a write waits for its confirmation.
    pub write_hold: Duration,
    /// Most rows of a sample, unless its request names a number.
    pub sample_rows: u64,
    /// Most bytes of a sample.
    pub sample_bytes_max: usize,
    /// Time limit of the queries for a sample.
    pub sample_timeout: Duration,
    /// Time limit of the query for names that a hint may name.
    pub hint_timeout: Duration,
    /// How long a cancellation waits for Snowflake's confirmation.
    pub cancel_wait: Duration,
    /// Batches that wait between Snowflake and a reader.
    pub batches_buffered_max: usize,
    /// Time limit of a login.
    pub login_timeout: Duration,
    /// Time limit of a logout.
    pub logout_timeout: Duration,
}

impl Limits {
    /// These limits as far as something was built by them that goes on, and `new` ones for the rest.
    pub fn renewed(&self, new: &Self) -> Self {
        Self {
            history_max: self.history_max,
            jobs_kept_max: self.jobs_kept_max,
            submit_timeout: self.submit_timeout,
            job_check: self.job_check,
            cancel_wait: self.cancel_wait,
            login_timeout: self.login_timeout,
            logout_timeout: self.logout_timeout,
            ..new.clone()
        }
    }
}

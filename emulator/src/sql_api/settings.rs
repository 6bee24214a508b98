//! Limits of the SQL API.

use std::num::NonZeroU32;
use std::time::Duration;

/// The longest time that Snowflake lets a statement run: a week.
pub(super) const STATEMENT_TIME_MAX: Duration = Duration::from_hours(7 * 24);

/// How much the SQL API does at a time, and for whom.
#[derive(Clone, Debug)]
pub struct SqlApiSettings {
    /// Answers at all; what is not enabled is forbidden.
    pub enabled: bool,
    /// Statements that run at a time, of all users.
    pub statements_max: usize,
    /// Statements that run at a time, of one user.
    pub statements_per_user_max: usize,
    /// How long a statement may run, whatever its request says.
    pub statement_time_max: Duration,
    /// Rows of a result; more are left out, and the answer says so. None keeps all.
    pub result_rows_max: Option<u64>,
    /// How fast one user may ask; none is as fast as it can.
    pub rate: Option<RateLimit>,
    /// Bytes of a request's body, unpacked.
    pub body_bytes_max: usize,
    /// Request ids that are remembered for repeats.
    pub requests_kept_max: usize,
    /// Partitions that are packed at a time: each takes tens of megabytes while it is.
    pub partitions_packed_max: usize,
}

/// How fast one user may ask.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Requests a second in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

impl Default for SqlApiSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            statements_max: 1000,
            statements_per_user_max: 200,
            statement_time_max: STATEMENT_TIME_MAX,
            result_rows_max: None,
            rate: None,
            body_bytes_max: 16 * 1024 * 1024,
            requests_kept_max: 10_000,
            partitions_packed_max: 4,
        }
    }
}

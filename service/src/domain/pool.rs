//! Warm pools: logged-in spare upstream sessions, kept per connection so that a session need not wait for a login.

use std::time::Instant;

use crate::domain::names::ConnectionName;

/// The pool of one connection at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// The connection.
    pub connection: ConnectionName,
    /// Logged-in upstream sessions that nobody uses.
    pub spares: usize,
    /// True while a login is on its way.
    pub logging_in: bool,
    /// Whether logins are tried.
    pub breaker: BreakerStatus,
}

/// Whether logins over a connection are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerStatus {
    /// They are.
    Closed,
    /// They failed too often and are refused for a while.
    Open {
        /// When the next one may be tried.
        until: Instant,
        /// Why the last one failed.
        cause: String,
    },
    /// The next one decides.
    HalfOpen {
        /// Why the last one failed.
        cause: String,
    },
}

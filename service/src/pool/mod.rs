//! Keeps spare logins, so that a new session costs milliseconds instead of a login.
//!
//! [`Pool`] is a [`Connector`](crate::domain::upstream::Connector) around another one: sessions ask it for a
//! login as they would ask the other, and get a spare when there is one. For each connection that is used there
//! is a [`keeper`]: one task that owns the spares, the queue of those who wait and the memory of failures. It
//! makes one login at a time, so that fifty sessions that are made at once ask for one passcode at a time and
//! hammer nobody. A login belongs to the keeper until somebody accepts it ([`handover`]): whoever stops waiting
//! leaves a spare behind, not a forgotten upstream session.
//!
//! What is decided, and when, is in `domain::pool` and `domain::breaker`; here it is carried out. The room knows
//! logins only through the domain's port. It is no part of `backend`, because it would be the same around any
//! other way to Snowflake, and because its tests need none. It knows nothing of sessions, their names and their
//! limits.

mod connector;
mod handover;
mod keeper;
mod stage;

pub use connector::{Pool, PoolOptions};

/// Tells the date.
pub type WallClock = std::sync::Arc<dyn Fn() -> std::time::SystemTime + Send + Sync>;

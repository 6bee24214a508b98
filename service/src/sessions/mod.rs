//! The session engine: one task owns one session.
//!
//! [`Sessions`] is the door: it finds or makes a session by name and hands the request to the session's
//! mailbox. Behind the mailbox an [`actor`] owns the [`Session`](crate::domain::session::Session) and its
//! upstream session alone, so there is no lock around either: it runs one statement at a time, keeps the
//! others in a bounded queue, and stays free to hear a cancellation while a statement runs. What a session
//! looks like is published through a watch channel, which anybody reads without asking the actor; so a
//! busy session is shown at once. A session that nobody uses logs out and rests as a record, in the table and
//! in the journal's store; the next use makes an actor of it again. Rows leave through a bounded
//! channel that a task of their own fills ([`delivery`]), so a slow reader holds back nothing but its own result.
//! What needs the upstream session but not its turn goes beside the statement that runs ([`errand`]): submitted
//! statements, results that are read by query id. A write goes through steps of its own ([`writes`]) and may wait for a
//! confirmation. All queries are remembered in one place ([`history`]).
//!
//! What they may run is decided in [`oversight`], and a [`trail`] of each leads into the audit log. An upstream session
//! can outlive the process ([`carry`]): what its successor needs is kept up to date in memory that outlives it
//! ([`luggage`]).
//!
//! This room knows `domain` and a runtime. It must not know gRPC, Snowflake's protocols, or where limits
//! come from.

mod actor;
mod carry;
mod chores;
mod delivery;
mod errand;
mod figures;
mod history;
mod interrupt;
mod keeper;
mod live;
mod luggage;
mod mailbox;
mod oversight;
mod queries;
mod registry;
mod requests;
mod snapshot;
mod stage;
mod table;
mod trail;
mod watch;
mod writes;

pub use mailbox::{Closed, QueryStream, Reset, TransactionVerb};
pub use oversight::Oversight;
pub use queries::{Cancellation, QueryTarget, ReadRequest, ResultStream};
pub use registry::Sessions;
pub use requests::{NewSession, QueryRequest};
pub use snapshot::Snapshot;
pub use watch::Watch;
pub use writes::{UndoRequest, WriteRequest};

use std::sync::Arc;
use std::time::SystemTime;

/// Tells the wall-clock time; a parameter, so that tests decide what time it is.
pub type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

//! The session engine: one task owns one session.
//!
//! [`Sessions`] is the door: it finds or makes a session by name and hands the request to the session's
//! mailbox. Behind the mailbox an [`actor`] owns the [`Session`](crate::domain::session::Session) and its
//! upstream session alone, so there is no lock around either: it runs one statement at a time, keeps the
//! others in a bounded queue, and stays free to hear a cancellation while a statement runs. What a session
//! looks like is published through a watch channel, which anybody reads without asking the actor; so a
//! busy session is shown at once. A session that nobody uses logs out and rests as a record, in the table and
//! in the journal's store; the next use makes an actor of it again. Rows leave through a bounded channel that a task of their own fills
//! ([`delivery`]), so a slow reader holds back nothing but its own result.
//!
//! This room knows `domain` and a runtime. It must not know gRPC, Snowflake's protocols, or where limits
//! come from.

mod actor;
mod delivery;
mod interrupt;
mod mailbox;
mod registry;
mod requests;
mod snapshot;
mod stage;
mod table;

pub use mailbox::{Closed, QueryStream, Reset, TransactionVerb};
pub use registry::Sessions;
pub use requests::{NewSession, QueryRequest};
pub use snapshot::Snapshot;

use std::sync::Arc;
use std::time::SystemTime;

/// Tells the wall-clock time; a parameter, so that tests decide what time it is.
pub type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

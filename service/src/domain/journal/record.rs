//! What is kept of a session while nobody runs it, and the port to where it is kept.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use super::Journal;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::policy::Level;
use crate::domain::upstream::Identity;

/// A session at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: SessionName,
    /// Its connection.
    pub connection: ConnectionName,
    /// How long it may be unused; `None` is the configured limit.
    pub idle_limit: Option<Duration>,
    /// The most that its statements may do; `None` is its connection's policy.
    pub policy: Option<Level>,
    /// When it was made.
    pub create_time: SystemTime,
    /// When it was last used.
    pub last_use_time: SystemTime,
    /// Who it was logged in as.
    pub identity: Identity,
    /// Snowflake's identity of its latest query; empty if there was none.
    pub last_query_id: String,
    /// What it holds.
    pub journal: Journal,
}

/// Done when something is on disk, or cannot be brought there.
pub type Written = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where records are kept. Nothing here waits for a disk: what is given is remembered at once and written soon,
/// in the order in which it was given; of several records of one session only the last one counts.
pub trait JournalStore: Send + Sync + 'static {
    /// Keeps a record instead of an older one of this session.
    fn save(&self, record: Record) -> Written;

    /// Forgets a session.
    fn remove(&self, name: &SessionName) -> Written;
}

/// The sessions that were kept when the service started, and where they are kept.
pub struct Kept {
    /// Where.
    pub store: std::sync::Arc<dyn JournalStore>,
    /// The sessions.
    pub records: Vec<Record>,
}

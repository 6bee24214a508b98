//! What a session looks like from outside.

use std::time::SystemTime;

use crate::domain::context::Context;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::session::{Phase, Session};
use crate::domain::upstream::Identity;

/// A session at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name.
    pub name: SessionName,
    /// Its connection.
    pub connection: ConnectionName,
    /// What it is doing.
    pub phase: Phase,
    /// Where its statements run.
    pub context: Context,
    /// Who it is logged in as.
    pub identity: Identity,
    /// When it was made.
    pub create_time: SystemTime,
    /// When it was last used.
    pub last_use_time: SystemTime,
    /// True while a transaction is open.
    pub transaction_open: bool,
    /// Snowflake's identity of its latest query; empty if there was none.
    pub last_query_id: String,
    /// Statements that wait or run, and results that are being read.
    pub query_count: usize,
}

impl Snapshot {
    /// Shows `session`.
    pub(super) fn of(session: &Session, create_time: SystemTime, last_use_time: SystemTime) -> Self {
        Self {
            name: session.name().clone(),
            connection: session.connection().clone(),
            phase: session.phase(),
            context: session.context().clone(),
            identity: session.identity().clone(),
            create_time,
            last_use_time,
            transaction_open: session.transaction_open(),
            last_query_id: session.last_query_id().to_owned(),
            query_count: 0,
        }
    }
}

//! What a session looks like from outside.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::journal::Journal;
use crate::domain::journal::record::Record;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::policy::{Level, Limit};
use crate::domain::session::{Phase, Session};
use crate::domain::upstream::Identity;
use crate::domain::write::Held;

/// A session at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name.
    pub name: SessionName,
    /// Its connection.
    pub connection: ConnectionName,
    /// What it is doing.
    pub phase: Phase,
    /// What it holds: context, parameters, variables, temporary objects, transaction, losses.
    pub journal: Arc<Journal>,
    /// Who it is logged in as.
    pub identity: Identity,
    /// When its upstream session logged in, if it has one.
    pub login_time: Option<SystemTime>,
    /// When it was made.
    pub create_time: SystemTime,
    /// When it was last used.
    pub last_use_time: SystemTime,
    /// How long it may be unused before it logs out.
    pub idle_limit: Duration,
    /// The most that its statements may do.
    pub policy: Level,
    /// When the open transaction will be rolled back unless the session is used before.
    pub transaction_expire_time: Option<SystemTime>,
    /// Snowflake's identity of its latest query; empty if there was none.
    pub last_query_id: String,
    /// The write that waits for a confirmation.
    pub held: Option<Held>,
    /// The request that runs, and when it was sent.
    pub running: Option<(RequestId, SystemTime)>,
    /// Statements that wait for their turn.
    pub waiting_count: usize,
    /// Results that are being read.
    pub reading_count: usize,
    /// Asynchronous queries that have not ended.
    pub job_count: usize,
    /// Everything that waits, is done, or is being read.
    pub query_count: usize,
}

impl Snapshot {
    /// Shows `session`, of which nothing runs.
    pub(super) fn of(
        session: &Session,
        create_time: SystemTime,
        last_use_time: SystemTime,
        idle_limit: Duration,
        limit: Limit,
    ) -> Self {
        Self {
            name: session.name().clone(),
            connection: session.connection().clone(),
            phase: session.phase(),
            journal: Arc::clone(session.journal()),
            identity: session.identity().clone(),
            login_time: session.login_time(),
            create_time,
            last_use_time,
            idle_limit: session.idle_limit().unwrap_or(idle_limit),
            policy: limit.level,
            transaction_expire_time: None,
            last_query_id: session.last_query_id().to_owned(),
            held: session.held().cloned(),
            running: None,
            waiting_count: 0,
            reading_count: 0,
            job_count: 0,
            query_count: 0,
        }
    }

    /// Shows a session at rest.
    pub(super) fn of_record(record: &Record, idle_limit: Duration, limit: Limit) -> Self {
        let (made, used) = (record.create_time, record.last_use_time);
        Self::of(
            &Session::from_record(record.clone()),
            made,
            used,
            idle_limit,
            limit,
        )
    }
}

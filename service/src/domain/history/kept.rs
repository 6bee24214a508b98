//! What is kept of submitted queries while the service is away, and the port to where it is kept.
//!
//! Enough to find a query again and to ask Snowflake for it, and no more: no SQL text, no values, no error texts,
//! which may quote either.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::record::{Failure, QueryRecord, QueryState};
use crate::domain::error::{Error, Reason};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::query::StatementKind;

/// A submitted query at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptJob {
    /// Identity that Snowflake gave it.
    pub query_id: String,
    /// Identity of the request.
    pub request_id: RequestId,
    /// Session in which it was submitted.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// How far it was.
    pub state: QueryState,
    /// When it was accepted.
    pub create_time: SystemTime,
    /// When it was sent.
    pub start_time: Option<SystemTime>,
    /// When it ended.
    pub end_time: Option<SystemTime>,
}

/// Where submitted queries are kept.
#[async_trait]
pub trait JobStore: Send + Sync + 'static {
    /// Keeps these queries instead of those that were kept before. Returns when they are on disk, or when that failed,
    /// which is logged.
    async fn save(&self, jobs: Vec<KeptJob>);
}

/// The submitted queries that were kept when the service started, and where they are kept.
pub struct KeptJobs {
    /// Where.
    pub store: Arc<dyn JobStore>,
    /// The queries, the oldest first.
    pub jobs: Vec<KeptJob>,
}

impl KeptJob {
    /// What is to be kept of a query; `None` while Snowflake does not know it.
    pub(super) fn of(record: &QueryRecord) -> Option<Self> {
        Some(Self {
            query_id: record.query_id.clone()?,
            request_id: record.request_id?,
            session: record.session.clone(),
            connection: record.connection.clone(),
            state: record.state,
            create_time: record.create_time?,
            start_time: record.start_time,
            end_time: record.end_time,
        })
    }

    /// The query as the next run of the service remembers it.
    pub(super) fn record(self) -> QueryRecord {
        let is_settled = self.state.is_settled();
        let unseen = || {
            let ended = Error::new(
                Reason::Draining,
                "the service ended while the submitted statement ran; it goes on at Snowflake",
            );
            Failure::of(&ended.with_doubt())
        };
        QueryRecord {
            serial: 0,
            request_id: Some(self.request_id),
            query_id: Some(self.query_id),
            session: self.session,
            connection: self.connection,
            state: if is_settled {
                self.state
            } else {
                QueryState::Unknown
            },
            sql: String::new(),
            submitted: true,
            create_time: Some(self.create_time),
            start_time: self.start_time,
            end_time: self.end_time,
            kind: StatementKind::Unknown,
            row_count_total: None,
            dml: None,
            failure: (!is_settled).then(unseen),
            queue_position: 0,
            fingerprint: None,
        }
    }
}

//! One statement: what was asked, whether it still runs, what came of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::results::{JsonStyle, StoredResult};
use crate::session::{ContextSnapshot, DmlStats, Progress, QueryId, SqlError};

use super::BackendSession;
use super::connector::ClientSession;
use super::format::ResultFormat;
use super::stage_urls::Moving;

/// How long a cancel looks for a statement that the session has not begun yet.
const CANCEL_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often it looks.
const CANCEL_STEP: Duration = Duration::from_millis(5);

/// A statement from its submission until its outcome is forgotten.
pub(crate) struct Query {
    pub(crate) id: QueryId,
    pub(super) session_id: u64,
    /// Who asked; only the same user may read the outcome.
    pub(crate) user: String,
    /// Under which its session knows it; none for one of several statements.
    pub(super) request_id: Option<String>,
    pub(crate) session: Weak<ClientSession>,
    pub(crate) sql: String,
    pub(crate) started: SystemTime,
    /// Runs beside its session's other statements and outlives it.
    detached: AtomicBool,
    outcome: OnceLock<Outcome>,
    finished: Notify,
    cancelled: AtomicBool,
    /// Chunks that were given out.
    fetched: AtomicUsize,
}

/// How a statement ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ended: SystemTime,
    pub(crate) result: Result<Statement, SqlError>,
}

/// What a statement gave, ready to be answered with.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) rows: Arc<StoredResult>,
    pub(super) format: ResultFormat,
    /// Snowflake's `statementTypeId`.
    pub(crate) type_id: u32,
    pub(crate) stats: Option<DmlStats>,
    pub(super) context: ContextSnapshot,
    pub(super) bind_count: u32,
    /// Only described, not run.
    pub(super) described: bool,
    /// Statements of a multi-statement request, with their types.
    pub(crate) children: Vec<(QueryId, u32)>,
    /// The session's parameters afterwards, as JSON.
    pub(super) parameters: Arc<[u8]>,
    /// The query contexts that the client is to know, as JSON.
    pub(super) query_contexts: Option<Vec<u8>>,
    /// How the values are written where the request decides that.
    pub(crate) style: Arc<JsonStyle>,
    /// There were more rows than are kept.
    pub(crate) cut: bool,
    /// Files that the client is to move.
    pub(super) moving: Option<Moving>,
    /// What makes the chunks' URLs unguessable.
    pub(super) chunk_secret: Uuid,
}

impl fmt::Debug for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Query")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Query {
    pub(crate) fn new(
        session: &Arc<ClientSession>,
        id: QueryId,
        request_id: Option<String>,
        sql: String,
    ) -> Self {
        Self {
            id,
            session_id: session.id(),
            user: session.user.clone(),
            request_id,
            session: Arc::downgrade(session),
            sql,
            started: SystemTime::now(),
            detached: AtomicBool::new(false),
            outcome: OnceLock::new(),
            finished: Notify::new(),
            cancelled: AtomicBool::new(false),
            fetched: AtomicUsize::new(0),
        }
    }

    /// Notes that the statement needs nothing of its session.
    pub(super) fn detach(&self) {
        self.detached.store(true, Ordering::Release);
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }

    /// How far the statement is, while it has no outcome.
    pub(super) fn progress(&self) -> Progress {
        let session = self.session.upgrade();
        session.map_or(Progress::Running, |session| session.backend.progress(self.id))
    }

    /// Sets the outcome; the first one stays.
    pub(super) fn finish(&self, result: Result<Statement, SqlError>) {
        if self
            .outcome
            .set(Outcome {
                ended: SystemTime::now(),
                result,
            })
            .is_ok()
        {
            self.finished.notify_waiters();
        }
    }

    /// The outcome, if there is one yet.
    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// Waits for the outcome, at most so long.
    pub(crate) async fn wait(&self, wait_max: Duration) -> Option<&Outcome> {
        if self.outcome.get().is_none() {
            let finished = self.finished.notified();
            tokio::pin!(finished);
            // Registered before the second look: an outcome set in between still wakes us.
            finished.as_mut().enable();
            if self.outcome.get().is_none() {
                let _ = tokio::time::timeout(wait_max, finished).await;
            }
        }
        self.outcome.get()
    }

    /// Asks for the statement's end once; true when it was running.
    pub(super) fn cancel(&self, backend: &dyn BackendSession) -> bool {
        if self.outcome.get().is_some() {
            return false;
        }
        self.cancelled.store(true, Ordering::Release);
        backend.cancel(self.id)
    }

    /// Stops the statement, also when the session has not come to it yet; false when it had ended before.
    pub(crate) async fn stop(&self, backend: &dyn BackendSession) -> bool {
        if self.outcome.get().is_some() {
            return false;
        }
        let mut waited = Duration::ZERO;
        while !self.cancel(backend) && self.outcome.get().is_none() && waited < CANCEL_WAIT_MAX {
            tokio::time::sleep(CANCEL_STEP).await;
            waited += CANCEL_STEP;
        }
        true
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Notes that a chunk was given out.
    pub(crate) fn chunk_fetched(&self) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
    }

    /// True when as many chunks were given out as there are.
    pub(super) fn is_fetched(&self) -> bool {
        let chunks = self
            .statement()
            .map_or(0, |statement| statement.rows.chunks().len());
        self.fetched.load(Ordering::Relaxed) >= chunks
    }

    /// The statement, when it ended well.
    pub(crate) fn statement(&self) -> Option<&Statement> {
        self.outcome.get()?.result.as_ref().ok()
    }
}

//! One statement: what was asked, whether it still runs, what came of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::results::StoredResult;
use crate::session::{ContextSnapshot, DmlStats, Progress, QueryId, SqlError};

use super::BackendSession;
use super::connector::ClientSession;
use super::format::ResultFormat;

/// How long a cancel looks for a statement that the session has not begun yet.
const CANCEL_WAIT_MAX: Duration = Duration::from_secs(2);
/// How often it looks.
const CANCEL_STEP: Duration = Duration::from_millis(5);

/// A statement from its submission until its outcome is forgotten.
pub(super) struct Query {
    pub(super) id: QueryId,
    pub(super) session_id: u64,
    /// Who asked; only the same user may read the outcome.
    pub(super) user: String,
    /// Under which its session knows it; none for one of several statements.
    pub(super) request_id: Option<String>,
    pub(super) session: Weak<ClientSession>,
    pub(super) sql: String,
    pub(super) started: SystemTime,
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
pub(super) struct Outcome {
    pub(super) ended: SystemTime,
    pub(super) result: Result<Statement, SqlError>,
}

/// What a statement gave, ready to be answered with.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) rows: Arc<StoredResult>,
    pub(super) format: ResultFormat,
    /// Snowflake's `statementTypeId`.
    pub(super) type_id: u32,
    pub(super) stats: Option<DmlStats>,
    pub(super) context: ContextSnapshot,
    pub(super) bind_count: u32,
    /// Only described, not run.
    pub(super) described: bool,
    /// Statements of a multi-statement request, with their types.
    pub(super) children: Vec<(QueryId, u32)>,
    /// The session's parameters afterwards, as JSON.
    pub(super) parameters: Arc<[u8]>,
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
    pub(super) fn new(
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
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    /// Waits for the outcome, at most so long.
    pub(super) async fn wait(&self, wait_max: Duration) -> Option<&Outcome> {
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
    pub(super) async fn stop(&self, backend: &dyn BackendSession) -> bool {
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
    pub(super) fn chunk_fetched(&self) {
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
    pub(super) fn statement(&self) -> Option<&Statement> {
        self.outcome.get()?.result.as_ref().ok()
    }
}

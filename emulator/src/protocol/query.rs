//! One statement: what was asked, whether it still runs, what came of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::results::{JsonStyle, KeptText, ResultError, StoredResult};
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
    pub(super) text: Arc<KeptText>,
    pub(crate) started: SystemTime,
    /// Runs beside its session's other statements and outlives it.
    detached: AtomicBool,
    outcome: OnceLock<Outcome>,
    finished: Notify,
    cancelled: AtomicBool,
    /// Which parts of the outcome were given to who asked for them; made with the first one.
    given: OnceLock<Given>,
}

/// The parts of an outcome that were given out: first part, chunks.
#[derive(Debug)]
struct Given {
    parts: Box<[AtomicBool]>,
    left: AtomicUsize,
}

/// How a statement ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ended: SystemTime,
    pub(crate) result: Result<Statement, SqlError>,
    /// The warehouse of one that failed; the others have it in their context.
    warehouse: Option<String>,
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
        text: Arc<KeptText>,
    ) -> Self {
        Self {
            id,
            session_id: session.id(),
            user: session.user().to_owned(),
            request_id,
            session: Arc::downgrade(session),
            text,
            started: SystemTime::now(),
            detached: AtomicBool::new(false),
            outcome: OnceLock::new(),
            finished: Notify::new(),
            cancelled: AtomicBool::new(false),
            given: OnceLock::new(),
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

    /// The warehouse in which the statement runs, or ran.
    pub(super) fn warehouse(&self) -> Option<String> {
        match self.outcome() {
            None => self.session_warehouse(),
            Some(outcome) => match &outcome.result {
                Ok(statement) => statement.context.warehouse.clone(),
                Err(_) => outcome.warehouse.clone(),
            },
        }
    }

    fn session_warehouse(&self) -> Option<String> {
        self.session.upgrade()?.backend.context().warehouse
    }

    /// Sets the outcome; the first one stays.
    pub(super) fn finish(&self, result: Result<Statement, SqlError>) {
        let outcome = Outcome {
            ended: SystemTime::now(),
            warehouse: result.is_err().then(|| self.session_warehouse()).flatten(),
            result,
        };
        if self.outcome.set(outcome).is_ok() {
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

    /// Notes that a part of the outcome was given out; true when it was the last one that had not been.
    pub(super) fn give(&self, part: usize) -> bool {
        let given = self.given.get_or_init(|| {
            let chunks = self
                .statement()
                .map_or(0, |statement| statement.rows.chunks().len());
            Given {
                parts: (0..=chunks).map(|_| AtomicBool::new(false)).collect(),
                left: AtomicUsize::new(chunks + 1),
            }
        });
        given
            .parts
            .get(part)
            .is_some_and(|is_given| !is_given.swap(true, Ordering::AcqRel))
            && given.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// True when writing the answer reads a file.
    pub(crate) fn first_blocks(&self) -> bool {
        self.statement()
            .is_some_and(|statement| statement.rows.first_blocks())
    }

    /// Moves text and first rows into the results' file. Blocks.
    pub(super) fn spill(&self) -> Result<(), ResultError> {
        self.text.spill()?;
        self.statement()
            .map_or(Ok(()), |statement| statement.rows.spill())
    }

    /// The statement, when it ended well.
    pub(crate) fn statement(&self) -> Option<&Statement> {
        self.outcome.get()?.result.as_ref().ok()
    }
}

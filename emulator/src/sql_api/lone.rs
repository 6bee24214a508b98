//! A session for one request: opened when its statement's turn comes, gone with it.
//!
//! Sessions are not kept for the next request of their user. What made them dear was where a login begins, which the
//! session room now remembers of all logins; what is left of opening one, a connection and a thread, is a small part
//! of a statement, and a session that nobody had before has nothing that could be seen by another.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::protocol::{Answer, Backend, BackendSession, cancelled};
use crate::session::{
    ContextSnapshot, ParameterValue, Progress, QueryId, SessionSpec, SqlError, StatementOutput, Submission,
    VALIDATES,
};

/// The session of one request.
pub(super) struct LoneSession {
    backend: Arc<dyn Backend>,
    /// How to log in, or why the statement will not run. Taken by the one run.
    prepared: Mutex<Option<Result<SessionSpec, SqlError>>>,
    open: OnceLock<Arc<dyn BackendSession>>,
    is_cancelled: AtomicBool,
}

impl LoneSession {
    /// A session that is opened as `prepared` says, or whose statement fails at once.
    pub(super) fn new(backend: Arc<dyn Backend>, prepared: Result<SessionSpec, SqlError>) -> Arc<Self> {
        Arc::new(Self {
            backend,
            prepared: Mutex::new(Some(prepared)),
            open: OnceLock::new(),
            is_cancelled: AtomicBool::new(false),
        })
    }

    async fn begin(&self) -> Result<&Arc<dyn BackendSession>, SqlError> {
        let prepared = self
            .prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut spec = prepared.unwrap_or_else(|| Err(cancelled()))?;
        // Without it logins go on somewhere else, which nobody wants of a request.
        spec.parameters
            .insert(VALIDATES.to_owned(), ParameterValue::Bool(true));
        let session = self.backend.open_session(spec).await?;
        let session = self.open.get_or_init(|| session);
        // A cancel that came before had no session to stop; one that comes from here on has.
        if self.is_cancelled.load(Ordering::SeqCst) {
            return Err(cancelled());
        }
        Ok(session)
    }
}

impl BackendSession for LoneSession {
    /// None: a request is no session that anybody could ask for.
    fn id(&self) -> u64 {
        0
    }

    fn context(&self) -> ContextSnapshot {
        self.open
            .get()
            .map(|session| session.context())
            .unwrap_or_default()
    }

    fn parameters(&self) -> Vec<(String, ParameterValue)> {
        self.open
            .get()
            .map(|session| session.parameters())
            .unwrap_or_default()
    }

    fn run(&self, submission: Submission) -> Answer<'_, Result<StatementOutput, SqlError>> {
        Box::pin(async move { self.begin().await?.run(submission).await })
    }

    fn detach(&self, _submission: &Submission) -> bool {
        false
    }

    fn progress(&self, query_id: QueryId) -> Progress {
        self.open
            .get()
            .map_or(Progress::Queued, |session| session.progress(query_id))
    }

    fn cancel(&self, query_id: QueryId) -> bool {
        self.is_cancelled.store(true, Ordering::SeqCst);
        self.open.get().is_none_or(|session| session.cancel(query_id))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            if let Some(session) = self.open.get() {
                session.close().await;
            }
        })
    }
}

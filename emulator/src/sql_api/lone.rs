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
};

/// What a login must find; without it Snowflake's logins go on somewhere else, which nobody wants of a request.
#[derive(Debug)]
struct Wanted {
    role: Option<String>,
    warehouse: Option<String>,
    database: Option<String>,
    schema: Option<String>,
}

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
        let spec = prepared.unwrap_or_else(|| Err(cancelled()))?;
        let wanted = Wanted::of(&spec);
        let session = self.backend.open_session(spec).await?;
        wanted.found(&session.context())?;
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

impl Wanted {
    fn of(spec: &SessionSpec) -> Self {
        Self {
            role: spec.role.clone(),
            warehouse: spec.warehouse.clone(),
            database: spec.database.clone(),
            schema: spec.schema.clone(),
        }
    }

    /// Fails when the login did not find what it was asked for.
    fn found(&self, context: &ContextSnapshot) -> Result<(), SqlError> {
        let differs = |wanted: &Option<String>, found: &Option<String>| {
            let quoted = found
                .as_ref()
                .map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
            wanted.is_some() && *wanted != quoted
        };
        if differs(&self.role, &context.role) {
            let role = self.role.as_deref().unwrap_or_default().trim_matches('"');
            return Err(missing(
                "390189",
                format!("Role '{role}' specified in the connect string does not exist or not authorized."),
            ));
        }
        for (kind, wanted, found) in [
            ("database", &self.database, &context.database),
            ("schema", &self.schema, &context.schema),
            ("warehouse", &self.warehouse, &context.warehouse),
        ] {
            if differs(wanted, found) {
                return Err(missing(
                    "390201",
                    format!("The requested {kind} does not exist or not authorized."),
                ));
            }
        }
        Ok(())
    }
}

fn missing(code: &'static str, message: String) -> SqlError {
    SqlError {
        code,
        sql_state: "08004",
        message,
        position: None,
    }
}

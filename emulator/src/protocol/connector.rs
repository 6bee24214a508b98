//! What the protocol's endpoints share: the sessions, their tokens, their statements, the results.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use crate::results::{KeptText, Spool};
use crate::session::{KeptResult, KeptResults, ParameterValue, QueryId};
use crate::stages::FileStore;

use super::accounts::Identity;
use super::body::BodyBudget;
use super::execute::kept_not;
use super::external::{self, ExternalSessions, Key};
use super::format::{ClientNeeds, Puts, ResultFormat};
use super::message::Exchange;
use super::parameters;
use super::query_context::{self, QueryContexts};
use super::refusal::{Refusal, unkept};
use super::requests::Requests;
use super::retention::Retention;
use super::stage_urls::Tickets;
use super::tokens::{Role, TokenFault, Tokens, authorization};
use super::{Accounts, Backend, BackendSession, Settings};

/// How long a session may be without a token that opens it: a login makes the session first.
const TOKENLESS_MAX: Duration = Duration::from_mins(1);

/// The parameter that says whether detached statements end with their session.
const ABORT_DETACHED: &str = "ABORT_DETACHED_QUERY";

/// The connector protocol's state.
pub struct Connector {
    pub(crate) settings: Settings,
    pub(crate) accounts: Accounts,
    pub(crate) backend: Arc<dyn Backend>,
    pub(super) spool: Arc<Spool>,
    pub(super) tokens: Tokens,
    pub(super) external: ExternalSessions,
    pub(super) bodies: BodyBudget,
    pub(crate) queries: Retention,
    pub(super) tickets: Tickets,
    /// The files in stages, when the backend has any.
    pub(super) store: Option<Arc<FileStore>>,
    /// Statements that run, each in a task.
    pub(super) statements: TaskTracker,
    sessions: RwLock<HashMap<u64, Arc<ClientSession>>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connector")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A logged-in client: the session behind it and what the wire keeps for it.
pub(crate) struct ClientSession {
    /// Whose it is, and as what.
    pub(super) identity: Identity,
    pub(crate) backend: Arc<dyn BackendSession>,
    id: u64,
    format: AtomicU8,
    puts: Puts,
    /// The parameters about the form, as last seen.
    format_parameters: Mutex<BTreeMap<String, ParameterValue>>,
    /// All parameters as every answer tells them; written when they change.
    written_parameters: Mutex<Arc<[u8]>>,
    running: AtomicUsize,
    ended: AtomicBool,
    last_used: Mutex<Instant>,
    pub(super) contexts: QueryContexts,
    /// How many of them the client keeps.
    contexts_kept: AtomicUsize,
    pub(super) requests: Requests,
    /// How its requests are known, when it began without a login.
    pub(super) external: OnceLock<Key>,
}

/// How many query contexts a client keeps by these parameters.
fn contexts_kept(parameters: &[(String, ParameterValue)]) -> usize {
    let size = parameters
        .iter()
        .find(|(name, _)| name == query_context::SIZE)
        .and_then(|(_, value)| parameters::integer(value));
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl ClientSession {
    pub(super) fn new(
        identity: Identity,
        backend: Arc<dyn BackendSession>,
        needs: ClientNeeds,
        now: Instant,
    ) -> Arc<Self> {
        let parameters = backend.parameters();
        let known = parameters
            .iter()
            .filter(|(name, _)| ResultFormat::is_parameter(name))
            .cloned();
        let contexts_kept = AtomicUsize::new(contexts_kept(&parameters));
        Arc::new(Self {
            format_parameters: Mutex::new(known.collect()),
            identity,
            id: backend.id(),
            backend,
            format: AtomicU8::new(needs.format as u8),
            puts: needs.puts,
            written_parameters: Mutex::new(parameters::write(parameters).into()),
            running: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            last_used: Mutex::new(now),
            contexts: QueryContexts::default(),
            contexts_kept,
            requests: Requests::default(),
            external: OnceLock::new(),
        })
    }

    /// A client that gets JSON, whatever the session's parameters say.
    pub(crate) fn new_json(user: String, backend: Arc<dyn BackendSession>, now: Instant) -> Arc<Self> {
        let needs = ClientNeeds {
            format: ResultFormat::Json,
            puts: Puts::ByUrl,
        };
        Self::new(user.into(), backend, needs, now)
    }

    /// The user's name, in upper case.
    pub(super) fn user(&self) -> &str {
        &self.identity.user
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The form in which this client gets rows unless a statement says otherwise.
    pub(super) fn format(&self) -> ResultFormat {
        if self.format.load(Ordering::Relaxed) == ResultFormat::Arrow as u8 {
            ResultFormat::Arrow
        } else {
            ResultFormat::Json
        }
    }

    /// What the server does for this client in a way of its own.
    pub(super) fn needs(&self) -> ClientNeeds {
        ClientNeeds {
            format: self.format(),
            puts: self.puts,
        }
    }

    /// The session's parameters in the form that clients read.
    pub(super) fn parameters(&self) -> Arc<[u8]> {
        let written = self.written_parameters.lock();
        Arc::clone(&written.unwrap_or_else(PoisonError::into_inner))
    }

    /// The query contexts that an answer tells, as JSON; none when the client keeps none.
    pub(super) fn query_contexts(&self) -> Option<Vec<u8>> {
        let answered = self
            .contexts
            .after_statement(self.contexts_kept.load(Ordering::Relaxed))?;
        serde_json::to_vec(&answered).ok()
    }

    /// Takes over what the session's parameters are after a statement that may have changed them.
    pub(super) fn follow_parameters(&self) {
        let parameters = self.backend.parameters();
        self.follow_format(&parameters);
        self.contexts_kept
            .store(contexts_kept(&parameters), Ordering::Relaxed);
        let written = parameters::write(parameters).into();
        *self
            .written_parameters
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = written;
    }

    /// Takes over the form of rows that the session's parameters ask for, if they ask for another than before.
    fn follow_format(&self, parameters: &[(String, ParameterValue)]) {
        let mut known = self
            .format_parameters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = parameters
            .iter()
            .filter(|(name, value)| ResultFormat::is_parameter(name) && known.get(name) != Some(value));
        let changed: BTreeMap<_, _> = changed.cloned().collect();
        if let Some(format) = ResultFormat::asked(&changed) {
            self.format.store(format as u8, Ordering::Relaxed);
        }
        known.extend(changed);
    }

    pub(super) fn touch(&self, now: Instant) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Counts a statement as running until the guard is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.running.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// True when the session's detached statements are to end with it.
    fn aborts_detached(&self) -> bool {
        let parameters = self.backend.parameters();
        parameters
            .iter()
            .any(|(name, value)| name == ABORT_DETACHED && *value == ParameterValue::Bool(true))
    }

    fn idle_since(&self) -> Option<Instant> {
        let idle = self.running.load(Ordering::Relaxed) == 0;
        idle.then(|| *self.last_used.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A statement runs while this lives.
#[derive(Debug)]
pub(super) struct Busy(Arc<ClientSession>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connector {
    /// Starts with no sessions.
    pub fn new(
        settings: Settings,
        accounts: Accounts,
        backend: Arc<dyn Backend>,
        spool: Arc<Spool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            tickets: Tickets::new(settings.stage_url_life),
            store: backend.store(),
            bodies: BodyBudget::new(settings.bodies_bytes_max),
            queries: Retention::new(&settings, Arc::clone(&spool)),
            settings,
            accounts,
            backend,
            spool,
            tokens: Tokens::default(),
            external: ExternalSessions::default(),
            statements: TaskTracker::new(),
            sessions: RwLock::new(HashMap::new()),
        })
    }

    /// Keeps a statement's text beside its result.
    pub(crate) fn text(&self, sql: &str) -> Arc<KeptText> {
        Arc::new(KeptText::new(&self.spool, sql))
    }

    /// The results that are kept, for statements that read them again.
    pub fn results(self: &Arc<Self>) -> Arc<dyn KeptResults> {
        Arc::new(Results(Arc::downgrade(self)))
    }

    pub(crate) fn now(&self) -> Instant {
        self.settings.clock.now()
    }

    /// The session whose token a request carries.
    pub(super) fn authorize(&self, exchange: &Exchange) -> Result<Arc<ClientSession>, Refusal> {
        let now = self.now();
        let session = match Key::of(exchange.headers()) {
            Some(key) => external::find(self, &key?)?,
            None => self
                .tokens
                .find(authorization(exchange.headers()), Role::Session, now)
                .map_err(|fault| fault.refusal(Role::Session))?,
        };
        session.touch(now);
        Ok(session)
    }

    /// The session that a statement is for; one that needs no login may begin with it.
    pub(super) async fn authorize_statement(
        self: &Arc<Self>,
        exchange: &Exchange,
    ) -> Result<Arc<ClientSession>, Refusal> {
        match Key::of(exchange.headers()) {
            Some(key) => {
                let session = external::find_or_open(self, exchange, key?).await?;
                session.touch(self.now());
                Ok(session)
            }
            None => self.authorize(exchange),
        }
    }

    /// Takes a session in; refuses when there are too many.
    pub(super) fn admit(&self, session: &Arc<ClientSession>) -> bool {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= self.settings.sessions_max {
            return false;
        }
        sessions.insert(session.id(), Arc::clone(session));
        true
    }

    /// Ends a session: its tokens, its statements, its place in the backend. Detached statements that need nothing
    /// of it go on, unless it wants them aborted.
    pub(super) async fn end(&self, session: &Arc<ClientSession>) {
        if session.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        self.tokens.end(session.id());
        self.external.forget(session);
        self.sessions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&session.id());
        let aborts_detached = session.aborts_detached();
        for query in session.requests.close() {
            if aborts_detached || !query.is_detached() {
                query.cancel(session.backend.as_ref());
            }
        }
        session.backend.close().await;
    }

    /// Ends sessions that nobody uses or can use any more, and forgets outcomes whose time is over.
    pub async fn sweep(&self) {
        let now = self.now();
        let stale: Vec<_> = {
            let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
            let idle_max = self.settings.session_idle_max;
            sessions
                .values()
                .filter(|session| {
                    session.idle_since().is_some_and(|since| {
                        let idle = now.saturating_duration_since(since);
                        let needs_token = idle >= TOKENLESS_MAX && session.external.get().is_none();
                        idle >= idle_max || (needs_token && !self.tokens.renewable(session.id(), now))
                    })
                })
                .cloned()
                .collect()
        };
        for session in stale {
            tracing::info!(session = session.id(), "ending an unused session");
            self.end(&session).await;
        }
        self.queries.sweep(now);
        if let Some(api) = &self.settings.mounted {
            api.sweep(self);
        }
        self.tickets.sweep(now);
    }

    /// Ends all sessions; for the server's end.
    pub async fn close(&self) {
        let sessions: Vec<_> = self
            .sessions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        for session in sessions {
            self.end(&session).await;
        }
        for query in self.queries.running() {
            if let Some(session) = query.session.upgrade() {
                query.cancel(session.backend.as_ref());
            }
        }
        self.statements.close();
        self.statements.wait().await;
    }

    /// Number of sessions now.
    pub fn session_count(&self) -> usize {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The results that a connector keeps; the backend must not keep the connector alive.
#[derive(Debug)]
struct Results(Weak<Connector>);

impl KeptResults for Results {
    fn result(&self, user: &str, query_id: QueryId) -> Option<KeptResult> {
        let query = self
            .0
            .upgrade()?
            .queries
            .get(query_id)
            .filter(|query| query.user == user)?;
        let rows = Arc::clone(&query.statement()?.rows);
        // Of columns that cannot be read the log tells; the statement says that there is no such result.
        let columns = rows.result_columns().map_err(|error| kept_not(&error)).ok()?;
        Some(KeptResult {
            columns,
            batches: Box::new(move |part| rows.engine_batches(part).map_err(|error| unkept(&error))),
        })
    }
}

/// The refusal of a session that ended while the request was on its way.
pub(super) fn ended() -> Refusal {
    TokenFault::Ended.refusal(Role::Session)
}

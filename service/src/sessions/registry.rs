//! Finds and makes sessions by name.
//!
//! The table of names is the only thing that requests share; it is locked for a look-up or an entry and
//! never while anything is waited for. The sessions themselves are not behind the lock: the table holds
//! handles to their mailboxes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::WallClock;
use super::actor::{Actor, Rest};
use super::mailbox::{Closed, Ending, Gone, Handle, MAILBOX_CAPACITY, Message, QueryStream, QueuedQuery};
use super::snapshot::Snapshot;
use crate::domain::context::ContextChange;
use crate::domain::error::{Error, Reason};
use crate::domain::limits::Limits;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::pool::PoolStatus;
use crate::domain::query::{Binding, CancelOutcome, Submission};
use crate::domain::session::Session;
use crate::domain::statement;
use crate::domain::upstream::Connector;

/// All sessions of this service. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    table: Mutex<Table>,
    /// Number of sessions, for those who wait for it to change.
    count: watch::Sender<usize>,
    connector: Arc<dyn Connector>,
    limits: Arc<Limits>,
    clock: WallClock,
    actors: TaskTracker,
}

#[derive(Default)]
struct Table {
    sessions: BTreeMap<SessionName, Handle>,
    serial: u64,
    draining: bool,
}

impl Table {
    fn refuse_when_draining(&self) -> Result<(), Error> {
        if self.draining {
            return Err(Error::new(Reason::Draining, "the service is stopping")
                .with_hint("run the command again in a moment"));
        }
        Ok(())
    }
}

/// One statement to run.
#[derive(Debug)]
pub struct QueryRequest {
    /// Session to run it in; made when it does not exist.
    pub session: SessionName,
    /// Connection that the session must have or is made with.
    pub connection: Option<ConnectionName>,
    /// Identity of the request.
    pub request_id: RequestId,
    /// The SQL text.
    pub sql: String,
    /// Values for its placeholders.
    pub bindings: Vec<Binding>,
    /// Most rows to fetch.
    pub row_limit: Option<u64>,
    /// Time limit; `None` is the configured one.
    pub timeout: Option<Duration>,
}

/// How often a request goes to a new session because the one it found was just ending.
const TRIES: usize = 3;

impl Sessions {
    /// No sessions yet. `connector` logs them in, `clock` dates them.
    pub fn new(connector: Arc<dyn Connector>, limits: Limits, clock: WallClock) -> Self {
        Self {
            inner: Arc::new(Inner {
                table: Mutex::default(),
                count: watch::Sender::new(0),
                connector,
                limits: Arc::new(limits),
                clock,
                actors: TaskTracker::new(),
            }),
        }
    }

    /// Checks a statement and hands it to its session; its events follow in the answer.
    pub async fn submit(&self, request: QueryRequest) -> Result<QueryStream, Error> {
        let limits = &self.inner.limits;
        let effect = statement::check(&request.sql, limits.sql_bytes_max)?;
        if request.bindings.len() > limits.bindings_max {
            let message = format!(
                "{} bindings are more than the limit of {}",
                request.bindings.len(),
                limits.bindings_max
            );
            return Err(Error::invalid(message).with_hint(
                "load rows in bulk with a stage and COPY INTO; the limit is `query.bindings_max`",
            ));
        }
        let timeout = request.timeout.unwrap_or(limits.query_timeout);
        for _ in 0..TRIES {
            let handle = self
                .find_or_make(&request.session, request.connection.as_ref())
                .await?;
            let (events, receiver) = mpsc::channel(limits.batches_buffered_max);
            let submission = Submission {
                request_id: request.request_id,
                sql: request.sql.clone(),
                bindings: request.bindings.clone(),
                row_limit: request.row_limit,
            };
            let query = Box::new(QueuedQuery {
                submission,
                effect,
                timeout,
                events,
            });
            match handle.ask(|accepted| Message::Run { query, accepted }).await {
                Ok(accepted) => {
                    accepted?;
                    return Ok(QueryStream {
                        request_id: request.request_id,
                        session: request.session,
                        connection: handle.connection,
                        events: receiver,
                    });
                }
                Err(Gone) => self.forget(&request.session, handle.serial),
            }
        }
        Err(always_ending(&request.session))
    }

    /// Makes a session; logs it in when asked. With `allow_existing` a session of this name and connection is
    /// as good as a new one.
    pub async fn create(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
        login: bool,
        allow_existing: bool,
    ) -> Result<Snapshot, Error> {
        let (handle, made) = if let Some(handle) = self.lookup(name) {
            (handle, false)
        } else {
            let connection = self.connection_or_default(connection).await?;
            // One that is to log in right away goes when it cannot.
            self.enter(name, &connection, login)?
        };
        if !made && !allow_existing {
            return Err(Error::invalid(format!("session {name} exists already"))
                .with_hint("use it, close it with `sfctl session close`, or choose another name"));
        }
        same_connection(name, &handle, connection)?;
        if !login {
            return Ok(handle.snapshot());
        }
        match handle.ask(|reply| Message::Login { reply }).await {
            Ok(answer) => answer,
            Err(Gone) => Err(always_ending(name)),
        }
    }

    /// Shows a session, at once.
    pub fn get(&self, name: &SessionName) -> Result<Snapshot, Error> {
        self.lookup(name)
            .map(|handle| handle.snapshot())
            .ok_or_else(|| not_found(name))
    }

    /// Shows all sessions by name, at once.
    pub fn list(&self) -> Vec<Snapshot> {
        self.table().sessions.values().map(Handle::snapshot).collect()
    }

    /// Changes the context of a session, which is made when it does not exist.
    pub async fn update_context(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
        change: &ContextChange,
    ) -> Result<Snapshot, Error> {
        for _ in 0..TRIES {
            let handle = self.find_or_make(name, connection).await?;
            let change = Box::new(change.clone());
            match handle.ask(|reply| Message::Update { change, reply }).await {
                Ok(answer) => return answer,
                Err(Gone) => self.forget(name, handle.serial),
            }
        }
        Err(always_ending(name))
    }

    /// Cancels a query of a session; without an id, the one that runs.
    pub async fn cancel(
        &self,
        name: &SessionName,
        request_id: Option<RequestId>,
    ) -> Result<(CancelOutcome, Option<RequestId>), Error> {
        let handle = self.lookup(name).ok_or_else(|| not_found(name))?;
        match handle.ask(|reply| Message::Cancel { request_id, reply }).await {
            Ok(cancelled) => Ok((cancelled.outcome, cancelled.request_id)),
            Err(Gone) => Ok((CancelOutcome::NotRunning, request_id)),
        }
    }

    /// Ends a session: cancels its query, rolls back, logs out.
    pub async fn close(&self, name: &SessionName) -> Result<Closed, Error> {
        let handle = self.lookup(name).ok_or_else(|| not_found(name))?;
        handle
            .ask(|reply| Message::Close {
                why: Ending::Closed,
                reply,
            })
            .await
            .map_err(|Gone| not_found(name))
    }

    /// Sessions, and queries that wait, run or are being read.
    pub fn counts(&self) -> (usize, usize) {
        let table = self.table();
        let queries = table
            .sessions
            .values()
            .map(|handle| handle.snapshot.borrow().query_count)
            .sum();
        (table.sessions.len(), queries)
    }

    /// True once [`start_draining`](Self::start_draining) was called.
    pub fn is_draining(&self) -> bool {
        self.table().draining
    }

    /// Address of the local emulator while it runs.
    pub fn emulator_address(&self) -> Option<String> {
        self.inner.connector.emulator_address()
    }

    /// The connections that are kept warm, by name.
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.inner.connector.pools()
    }

    /// Refuses new work from now on. Queries that run go on.
    pub fn start_draining(&self) {
        self.table().draining = true;
    }

    /// Refuses new work from now on if there is no session; says whether it does.
    pub fn drain_if_unused(&self) -> bool {
        let mut table = self.table();
        table.draining = table.draining || table.sessions.is_empty();
        table.draining
    }

    /// Waits until nothing runs and nothing is being read.
    pub async fn quiet(&self) {
        let handles: Vec<Handle> = self.table().sessions.values().cloned().collect();
        for mut handle in handles {
            // An ended session is as quiet as it gets.
            let _ = handle
                .snapshot
                .wait_for(|snapshot| snapshot.query_count == 0)
                .await;
        }
    }

    /// Ends all sessions and waits for them.
    pub async fn close_all(&self) {
        let handles: Vec<Handle> = self.table().sessions.values().cloned().collect();
        futures_util::future::join_all(handles.iter().map(|handle| {
            handle.ask(|reply| Message::Close {
                why: Ending::Draining,
                reply,
            })
        }))
        .await;
        self.inner.actors.close();
        self.inner.actors.wait().await;
    }

    /// Waits until there was no session for `limit`.
    pub async fn unused(&self, limit: Duration) {
        let mut count = self.inner.count.subscribe();
        loop {
            if count.wait_for(|sessions| *sessions == 0).await.is_err() {
                return;
            }
            if tokio::time::timeout(limit, count.changed()).await.is_err() {
                return;
            }
        }
    }

    async fn find_or_make(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
    ) -> Result<Handle, Error> {
        if let Some(handle) = self.lookup(name) {
            self.table().refuse_when_draining()?;
            same_connection(name, &handle, connection)?;
            return Ok(handle);
        }
        let connection = self.connection_or_default(connection).await?;
        let (handle, _) = self.enter(name, &connection, true)?;
        same_connection(name, &handle, Some(&connection))?;
        Ok(handle)
    }

    async fn connection_or_default(&self, asked: Option<&ConnectionName>) -> Result<ConnectionName, Error> {
        match asked {
            Some(connection) => Ok(connection.clone()),
            None => self.inner.connector.default_connection().await,
        }
    }

    fn lookup(&self, name: &SessionName) -> Option<Handle> {
        self.table()
            .sessions
            .get(name)
            .filter(|handle| !handle.mailbox.is_closed())
            .cloned()
    }

    /// Enters a new session into the table, unless somebody else just did; says whether it is new.
    fn enter(
        &self,
        name: &SessionName,
        connection: &ConnectionName,
        implicit: bool,
    ) -> Result<(Handle, bool), Error> {
        let mut table = self.table();
        table.refuse_when_draining()?;
        if let Some(handle) = table
            .sessions
            .get(name)
            .filter(|handle| !handle.mailbox.is_closed())
        {
            return Ok((handle.clone(), false));
        }
        let sessions_max = self.inner.limits.sessions_max;
        if table.sessions.len() >= sessions_max && !table.sessions.contains_key(name) {
            return Err(Error::new(
                Reason::LimitReached,
                format!("there are {sessions_max} sessions already"),
            )
            .with_hint("close one with `sfctl session close NAME`, or raise `session.sessions_max`"));
        }
        table.serial += 1;
        let handle = self.start(name, connection, implicit, table.serial);
        table.sessions.insert(name.clone(), handle.clone());
        self.inner.count.send_replace(table.sessions.len());
        Ok((handle, true))
    }

    fn start(&self, name: &SessionName, connection: &ConnectionName, implicit: bool, serial: u64) -> Handle {
        let session = Session::new(name.clone(), connection.clone());
        let now = (self.inner.clock)();
        let (mailbox, messages) = mpsc::channel(MAILBOX_CAPACITY);
        let (snapshot, watcher) = watch::channel(Snapshot::of(&session, now, now));
        let actor = Actor {
            session,
            implicit,
            mailbox: messages,
            snapshot,
            connector: Arc::clone(&self.inner.connector),
            limits: Arc::clone(&self.inner.limits),
            clock: Arc::clone(&self.inner.clock),
            rest: Rest::default(),
        };
        let span = tracing::info_span!("session", session = %name, connection = %connection);
        let sessions = self.clone();
        let ended = name.clone();
        self.inner.actors.spawn(
            async move {
                actor.run().await;
                sessions.forget(&ended, serial);
            }
            .instrument(span),
        );
        Handle {
            serial,
            connection: connection.clone(),
            mailbox,
            snapshot: watcher,
        }
    }

    /// Takes an ended session out of the table, unless the name has a new one.
    fn forget(&self, name: &SessionName, serial: u64) {
        let mut table = self.table();
        if table
            .sessions
            .get(name)
            .is_some_and(|handle| handle.serial == serial)
        {
            table.sessions.remove(name);
            self.inner.count.send_replace(table.sessions.len());
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.inner.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_connection(name: &SessionName, handle: &Handle, asked: Option<&ConnectionName>) -> Result<(), Error> {
    match asked {
        Some(asked) if *asked != handle.connection => Err(Error::invalid(format!(
            "session {name} uses connection {}, not {asked}",
            handle.connection
        ))
        .with_hint("choose another session with --session, or close this one with `sfctl session close`")),
        _ => Ok(()),
    }
}

fn not_found(name: &SessionName) -> Error {
    Error::new(Reason::NotFound, format!("there is no session {name}"))
        .with_hint("`sfctl session list` shows the sessions; a session is made on first use")
}

fn always_ending(name: &SessionName) -> Error {
    Error::internal(format!(
        "session {name} ended {TRIES} times before it heard the request"
    ))
}

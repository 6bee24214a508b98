//! Finds and makes sessions by name.
//!
//! Which session is meant is decided in one place, [`Sessions::resolve`], and whether it runs, rests or is to be made
//! in another, [`Sessions::find_or_make`]. The sessions themselves are not behind the table's lock: it holds handles
//! to their mailboxes. What can be asked of a session is in [`requests`](super::requests).

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument as _;

use super::WallClock;
use super::actor::{Actor, Rest};
use super::carry::Adopted;
use super::keeper::JobKeeper;
use super::mailbox::{Ending, Handle, MAILBOX_CAPACITY, Message, Reply};
use super::oversight::Oversight;
use super::snapshot::Snapshot;
use super::table::{Book, Desk, Table};
use crate::domain::error::{Error, Reason};
use crate::domain::history::KeptJobs;
use crate::domain::journal::record::Kept;
use crate::domain::limits::Limits;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::policy::{Level, Policies};
use crate::domain::pool::PoolStatus;
use crate::domain::session::Session;
use crate::domain::upstream::Connector;

/// All sessions of this service. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) book: Arc<Book>,
    pub(super) connector: Arc<dyn Connector>,
    actors: TaskTracker,
    /// Who keeps submitted queries, and what runs of it.
    keeper: OnceLock<(Arc<JobKeeper>, AbortOnDropHandle<()>)>,
}

/// What a session that is to be made has of its own.
#[derive(Default)]
pub(super) struct Own {
    /// How long it may be unused; `None` is the configured limit.
    pub(super) idle_limit: Option<Duration>,
    /// The most that its statements may do; `None` is its connection's policy.
    pub(super) policy: Option<Level>,
}

/// How often a request goes to a new session because the one it found was just ending.
pub(super) const TRIES: usize = 3;

impl Sessions {
    /// The sessions that were kept, at rest. `connector` logs them in, `clock` dates them, `oversight` says what they
    /// may do.
    pub fn new(
        connector: Arc<dyn Connector>,
        limits: Limits,
        clock: WallClock,
        kept: Kept,
        oversight: Oversight,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                book: Arc::new(Book::open(kept, limits, clock, oversight)),
                connector,
                actors: TaskTracker::new(),
                keeper: OnceLock::new(),
            }),
        }
    }

    /// Remembers the submitted queries that were kept, and keeps them from now on. To be called once, before anything
    /// is asked.
    pub fn keep_jobs(&self, kept: KeptJobs) {
        let book = &self.inner.book;
        let keeper = JobKeeper::new(Arc::clone(&book.memory), kept, book.limits.now().jobs_kept_max);
        let keeping = keeper.begin();
        let _ = self.inner.keeper.set((keeper, keeping));
    }

    /// Says which session is meant: the one that is named; else the one named like the connection, if a connection
    /// is named that is not the default one; else the default session.
    pub async fn resolve(
        &self,
        session: Option<&SessionName>,
        connection: Option<&ConnectionName>,
    ) -> SessionName {
        match (session, connection) {
            (Some(name), _) => name.clone(),
            (None, None) => SessionName::default_name(),
            (None, Some(connection)) => match self.inner.connector.default_connection().await {
                Ok(default) if default == *connection => SessionName::default_name(),
                // Connections that cannot be read are told by who logs in.
                Ok(_) | Err(_) => SessionName::of_connection(connection),
            },
        }
    }

    /// Sessions that run, and queries that wait, run or are being read.
    pub fn counts(&self) -> (usize, usize) {
        let table = self.inner.book.table();
        let queries = table
            .running
            .values()
            .map(|handle| handle.snapshot.borrow().query_count)
            .sum();
        (table.running.len(), queries)
    }

    /// Names of the sessions that run, sorted.
    pub fn running_names(&self) -> Vec<String> {
        let table = self.inner.book.table();
        let mut names: Vec<String> = table.running.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    /// True once [`start_draining`](Self::start_draining) was called.
    pub fn is_draining(&self) -> bool {
        self.inner.book.table().draining
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
        self.inner.book.table().draining = true;
    }

    /// Refuses new work from now on if no session runs; says whether it does.
    pub fn drain_if_unused(&self) -> bool {
        let mut table = self.inner.book.table();
        table.draining = table.draining || table.running.is_empty();
        table.draining
    }

    /// Waits until nothing runs and nothing is being read.
    pub async fn quiet(&self) {
        let handles = self.handles();
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
        let handles = self.handles();
        futures_util::future::join_all(handles.iter().map(|handle| {
            handle.ask(|reply| Message::Close {
                why: Ending::Draining,
                reply,
            })
        }))
        .await;
        self.inner.actors.close();
        self.inner.actors.wait().await;
        if let Some((keeper, _)) = self.inner.keeper.get() {
            keeper.save().await;
        }
    }

    /// Goes on with other limits and policies. They count for what is asked for from now on, also in sessions that run;
    /// what was decided about a statement that was accepted stays.
    pub fn renew(&self, limits: &Limits, policies: Policies, query_tag: bool) {
        let book = &self.inner.book;
        let before = book.oversight.now();
        book.oversight.set(Oversight {
            policies,
            audit: Arc::clone(&before.audit),
            meter: Arc::clone(&before.meter),
            tracer: Arc::clone(&before.tracer),
            query_tag,
        });
        // After the policies: each session shows itself anew when it hears of limits.
        book.limits.set(book.limits.now().renewed(limits));
    }

    /// Waits until no session ran for `limit`.
    pub async fn unused(&self, limit: Duration) {
        let mut count = self.inner.book.count.subscribe();
        loop {
            if count.wait_for(|sessions| *sessions == 0).await.is_err() {
                return;
            }
            if tokio::time::timeout(limit, count.changed()).await.is_err() {
                return;
            }
        }
    }

    /// Runs something that ends by itself when the sessions have ended; [`close_all`](Self::close_all) waits for it.
    pub(super) fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.actors.spawn(task);
    }

    fn handles(&self) -> Vec<Handle> {
        self.inner.book.table().running.values().cloned().collect()
    }

    pub(super) fn must_exist(&self, name: &SessionName) -> Result<(), Error> {
        let known = self.inner.book.table().connection(name);
        known.map(drop).ok_or_else(|| not_found(name))
    }

    /// Sends a message to a session, found or made, and waits for its answer. `message` makes it anew when the
    /// session ended before it heard it; what it returns besides comes with the answer.
    pub(super) async fn tell<T, More>(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
        message: impl Fn(Reply<T>) -> (Message, More),
    ) -> Result<(Handle, (T, More)), Error> {
        for _ in 0..TRIES {
            let handle = self.find_or_make(name, connection).await?;
            let mut more = None;
            let answer = handle
                .ask(|reply| {
                    let (message, with_it) = message(reply);
                    more = Some(with_it);
                    message
                })
                .await;
            if let (Ok(answer), Some(more)) = (answer, more) {
                return Ok((handle, (answer, more)));
            }
            self.desk(name, handle.serial).forget();
        }
        Err(always_ending(name))
    }

    pub(super) async fn find_or_make(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
    ) -> Result<Handle, Error> {
        let meant = self.connection_of(name, connection).await?;
        let handle = self.enter(name, &meant, true, Own::default())?;
        same_connection(name, &handle.connection, Some(&meant))?;
        Ok(handle)
    }

    /// The connection that a session has, or will be made with; it must be the one that is asked for.
    pub(super) async fn connection_of(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
    ) -> Result<ConnectionName, Error> {
        let known = {
            let table = self.inner.book.table();
            table.refuse_when_draining()?;
            table.connection(name)
        };
        match known {
            Some(known) => {
                same_connection(name, &known, connection)?;
                Ok(known)
            }
            None => self.connection_or_default(connection).await,
        }
    }

    /// The connection of a session that is to be made: it exists, so that a slip of the pen leaves nothing behind.
    pub(super) async fn connection_or_default(
        &self,
        asked: Option<&ConnectionName>,
    ) -> Result<ConnectionName, Error> {
        match asked {
            Some(connection) => {
                self.inner.connector.basis(connection).await?;
                Ok(connection.clone())
            }
            None => self.inner.connector.default_connection().await,
        }
    }

    /// The way to a session that runs, or rested until now, or is new.
    pub(super) fn enter(
        &self,
        name: &SessionName,
        connection: &ConnectionName,
        implicit: bool,
        own: Own,
    ) -> Result<Handle, Error> {
        let book = &self.inner.book;
        let mut table = book.table();
        table.refuse_when_draining()?;
        if let Some(handle) = table.handle(name) {
            return Ok(handle);
        }
        let sessions_max = book.limits.now().sessions_max;
        if table.running.len() >= sessions_max && !table.running.contains_key(name) {
            return Err(Error::new(
                Reason::LimitReached,
                format!("there are {sessions_max} sessions already"),
            )
            .with_hint("close one with `sfctl session close NAME`, or raise `session.sessions_max`"));
        }
        let handle = if let Some(record) = table.resting.remove(name) {
            let created = record.create_time;
            self.start(&mut table, Session::from_record(record), created, false)
        } else {
            let session =
                Session::new(name.clone(), connection.clone(), own.idle_limit).with_policy(own.policy);
            self.start(&mut table, session, (book.clock)(), implicit)
        };
        table.running.insert(name.clone(), handle.clone());
        book.counted(&table);
        Ok(handle)
    }

    fn start(&self, table: &mut Table, session: Session, created: SystemTime, implicit: bool) -> Handle {
        let book = &self.inner.book;
        let last_use = (Instant::now(), (book.clock)());
        let rest = Rest::new(&book.limits.now());
        self.start_with(table, session, (created, last_use), implicit, rest)
    }

    /// Starts the task of a session that goes on.
    pub(super) fn start_adopted(&self, table: &mut Table, session: Session, adopted: Adopted) -> Handle {
        let book = &self.inner.book;
        let last_use = adopted.last_use((Instant::now(), (book.clock)()));
        let times = (
            adopted.record.create_time,
            (last_use, adopted.carried.last_use_time),
        );
        let rest = Rest::adopting(&book.limits.now(), adopted);
        self.start_with(table, session, times, false, rest)
    }

    fn start_with(
        &self,
        table: &mut Table,
        session: Session,
        (created, last_use): (SystemTime, (Instant, SystemTime)),
        implicit: bool,
        rest: Rest,
    ) -> Handle {
        let book = &self.inner.book;
        table.serial += 1;
        let desk = self.desk(session.name(), table.serial);
        let (mailbox, messages) = mpsc::channel(MAILBOX_CAPACITY);
        let policy = session.policy();
        let limit = book.oversight.now().limit(policy, session.connection());
        let shown = Snapshot::of(
            &session,
            created,
            last_use.1,
            book.limits.now().session_idle,
            limit,
        );
        let (snapshot, watcher) = watch::channel(shown);
        let connection = session.connection().clone();
        let span = tracing::info_span!("session", session = %session.name(), %connection);
        let actor = Actor {
            session,
            implicit,
            mailbox: messages,
            snapshot,
            connector: Arc::clone(&self.inner.connector),
            limits: book.limits.watch(),
            clock: Arc::clone(&book.clock),
            desk: desk.clone(),
            last_use,
            rest,
        };
        self.inner.actors.spawn(
            async move {
                actor.run().await;
                desk.forget();
            }
            .instrument(span),
        );
        Handle {
            serial: table.serial,
            connection,
            policy,
            mailbox,
            snapshot: watcher,
        }
    }

    pub(super) fn desk(&self, name: &SessionName, serial: u64) -> Desk {
        Desk {
            book: Arc::clone(&self.inner.book),
            name: name.clone(),
            serial,
        }
    }
}

pub(super) fn same_connection(
    name: &SessionName,
    is: &ConnectionName,
    asked: Option<&ConnectionName>,
) -> Result<(), Error> {
    match asked {
        Some(asked) if asked != is => Err(Error::invalid(format!(
            "session {name} uses connection {is}, not {asked}"
        ))
        .with_hint("choose another session with --session, or close this one with `sfctl session close`")),
        _ => Ok(()),
    }
}

pub(super) fn not_found(name: &SessionName) -> Error {
    Error::new(Reason::NotFound, format!("there is no session {name}"))
        .with_hint("`sfctl session list` shows the sessions; a session is made on first use")
}

pub(super) fn always_ending(name: &SessionName) -> Error {
    Error::internal(format!(
        "session {name} ended {TRIES} times before it heard the request"
    ))
}

//! What can be asked of a session by name.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::history::Accepted;
use super::mailbox::{
    Closed, Ending, Gone, Handle, Message, QueryStream, QueuedQuery, Reply, Reset, TransactionVerb,
};
use super::oversight::{Gate, drawn_request_id, refused};
use super::queries::Found;
use super::registry::{Own, Sessions, TRIES, always_ending, not_found, same_connection};
use super::snapshot::Snapshot;
use super::trail::{Begun, Trail};
use crate::domain::audit::Caller;
use crate::domain::context::ContextChange;
use crate::domain::error::Error;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::policy::{Decision, Door, Level, Limit, SessionFacts, decide};
use crate::domain::query::{Binding, RowWindow, Submission};
use crate::domain::session::Session;
use crate::domain::statement::class::Statement;
use crate::domain::statement::{self, Understood, class};

/// One statement to run.
#[derive(Debug)]
pub struct QueryRequest {
    /// Session to run it in, made when it does not exist; see [`Sessions::resolve`].
    pub session: Option<SessionName>,
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
    /// Go on although something was lost.
    pub accept_loss: bool,
    /// What it may do; `None` is to read only.
    pub policy: Option<Level>,
    /// Who asks.
    pub caller: Caller,
}

impl QueryRequest {
    /// What is asked for.
    pub(super) fn asking(&self) -> Asking<'_> {
        Asking {
            caller: &self.caller,
            connection: self.connection.as_ref(),
            request_id: self.request_id,
            sql: &self.sql,
            policy: self.policy,
            door: Door::Query,
        }
    }

    /// What goes to Snowflake of it.
    pub(super) fn submission(&self, tag: Option<&str>) -> Submission {
        Submission {
            request_id: self.request_id,
            sql: self.sql.clone(),
            bindings: self.bindings.clone(),
            row_limit: self.row_limit,
            tag: tag.map(str::to_owned),
        }
    }
}

/// What is asked for, as far as it matters to who watches over it.
pub(super) struct Asking<'a> {
    pub(super) caller: &'a Caller,
    pub(super) connection: Option<&'a ConnectionName>,
    pub(super) request_id: RequestId,
    pub(super) sql: &'a str,
    pub(super) policy: Option<Level>,
    pub(super) door: Door,
}

/// What goes with a statement on its way.
pub(super) struct Watched {
    /// Its record.
    pub(super) trail: Arc<Trail>,
    /// What it must still pass.
    pub(super) gate: Gate,
    /// Its tag.
    pub(super) tag: Option<String>,
}

/// A session to make.
#[derive(Debug, Default)]
pub struct NewSession {
    /// Its name; see [`Sessions::resolve`].
    pub session: Option<SessionName>,
    /// Its connection; `None` is the default one.
    pub connection: Option<ConnectionName>,
    /// Log in before answering.
    pub login: bool,
    /// A session of this name and connection is as good as a new one.
    pub allow_existing: bool,
    /// How long it may be unused; `None` is the configured limit.
    pub idle_limit: Option<Duration>,
    /// The most that its statements may do; `None` is its connection's policy.
    pub policy: Option<Level>,
}

impl Sessions {
    /// Checks a statement and hands it to its session; its events follow in the answer. A request id that the session
    /// remembers never runs again: its result is read instead.
    pub async fn execute(&self, request: QueryRequest) -> Result<QueryStream, Error> {
        let limits = self.inner.book.limits.now();
        let understood = self.check(&request)?;
        let session = self
            .resolve(request.session.as_ref(), request.connection.as_ref())
            .await;
        let Watched { trail, gate, tag } = self
            .watch_over(request.asking(), &session, &understood.statements)
            .await?;
        let timeout = request.timeout.unwrap_or(limits.query_timeout);
        for _ in 0..TRIES {
            let handle = self.find_or_make(&session, request.connection.as_ref()).await?;
            let (events, receiver) = mpsc::channel(limits.batches_buffered_max);
            let stream = QueryStream {
                request_id: request.request_id,
                session: session.clone(),
                connection: handle.connection.clone(),
                events: receiver,
            };
            let submission = request.submission(tag.as_deref());
            let memory = &self.inner.book.memory;
            let entry = match memory.accept(&submission, &session, &handle.connection, false, &trail)? {
                Accepted::New(entry) => entry,
                Accepted::Known(record) => {
                    trail.forget();
                    let window = RowWindow {
                        offset: 0,
                        limit: request.row_limit,
                    };
                    self.bring(Found::Known(record), window, timeout, events);
                    return Ok(stream);
                }
            };
            let serial = entry.serial();
            let query = Box::new(QueuedQuery {
                submission,
                effects: understood.effects.clone(),
                accept_loss: request.accept_loss,
                timeout,
                events,
                entry,
                gate: gate.clone(),
            });
            match handle.ask(|accepted| Message::Run { query, accepted }).await {
                Ok(Ok(())) => return Ok(stream),
                Ok(Err(error)) => {
                    memory.withdraw(&session, serial);
                    trail.failed(&error);
                    return Err(error);
                }
                Err(Gone) => {
                    memory.withdraw(&session, serial);
                    self.desk(&session, handle.serial).forget();
                }
            }
        }
        Err(always_ending(&session))
    }

    /// Begins the record of a statement and decides what can be decided before anything is done for it.
    pub(super) async fn watch_over(
        &self,
        asking: Asking<'_>,
        session: &SessionName,
        statements: &Arc<[Statement]>,
    ) -> Result<Watched, Error> {
        let book = &self.inner.book;
        let connection = self.connection_of(session, asking.connection).await?;
        let begun = Begun {
            caller: asking.caller,
            session,
            connection: &connection,
            request_id: asking.request_id,
            sql: asking.sql,
            statements,
        };
        let oversight = book.oversight.now();
        let trail = oversight.begin_trail(begun, &book.clock);
        let own = book.table().policy(session);
        let policy = oversight.policies.of(&connection);
        let default = match asking.door {
            Door::Query => Level::ReadOnly,
            Door::Write => Level::Guarded,
        };
        let limit = Limit::of_session(own, policy.level).for_request(asking.policy, default);
        let passed = limit.and_then(|limit| Gate::new(policy, limit, asking.door, statements));
        let (gate, rule) = passed
            .map_err(|refusal| refused(&trail, refusal).in_session(session.as_str(), connection.as_str()))?;
        trail.allowed(rule);
        let tag = oversight.tag(asking.caller, session);
        Ok(Watched { trail, gate, tag })
    }

    /// Begins the record of something that a request does with statements of ours, and decides about it.
    async fn watch_over_ours(
        &self,
        caller: &Caller,
        session: &SessionName,
        connection: Option<&ConnectionName>,
        statements: &[String],
    ) -> Result<Arc<Trail>, Error> {
        let book = &self.inner.book;
        let connection = self.connection_of(session, connection).await?;
        let sql = statements.join("; ");
        let understood = class::classify(&sql);
        let begun = Begun {
            caller,
            session,
            connection: &connection,
            request_id: drawn_request_id(),
            sql: &sql,
            statements: &understood,
        };
        let oversight = book.oversight.now();
        let trail = oversight.begin_trail(begun, &book.clock);
        let (own, context) = {
            let table = book.table();
            let shown = table.handle(session).map(|handle| handle.snapshot().journal);
            let context = shown.map(|journal| journal.context.clone()).unwrap_or_default();
            (table.policy(session), context)
        };
        let policy = oversight.policies.of(&connection);
        let facts = SessionFacts {
            database: context.database.as_deref(),
            schema: context.schema.as_deref(),
            search_path: false,
        };
        let limit = Limit::of_session(own, policy.level);
        match decide(policy, limit, Door::Query, &understood, &facts) {
            Decision::Refuse(refusal) => {
                Err(refused(&trail, refusal).in_session(session.as_str(), connection.as_str()))
            }
            Decision::Allow(rule) => {
                trail.allowed(rule);
                Ok(trail)
            }
            // Nothing of ours needs that.
            Decision::Confirm(_) => Ok(trail),
        }
    }

    /// Checks a statement without anybody's help, and understands it.
    pub(super) fn check(&self, request: &QueryRequest) -> Result<Understood, Error> {
        let limits = self.inner.book.limits.now();
        let understood = statement::understand(&request.sql, limits.sql_bytes_max)?;
        check_bindings(request.bindings.len(), limits.bindings_max)?;
        Ok(understood)
    }

    /// Makes a session; logs it in when asked.
    pub async fn create(&self, new: NewSession) -> Result<Snapshot, Error> {
        let name = self.resolve(new.session.as_ref(), new.connection.as_ref()).await;
        let book = &self.inner.book;
        // Looked up before the branch: a guard that lived through it would meet `get`, which takes the table too.
        let existing = book.table().connection(&name);
        if let Some(connection) = existing {
            if !new.allow_existing {
                return Err(Error::invalid(format!("session {name} exists already"))
                    .with_hint("use it, close it with `sfctl session close`, or choose another name"));
            }
            same_connection(&name, &connection, new.connection.as_ref())?;
            self.no_more_than(&name, &connection, new.policy)?;
            if !new.login {
                return self.get(&name);
            }
        } else {
            let connection = self.connection_or_default(new.connection.as_ref()).await?;
            let policy = Limit::of_session(None, book.oversight.now().policies.of(&connection).level)
                .for_session(new.policy)
                .map_err(|refusal| Error::from(refusal).in_session(name.as_str(), connection.as_str()))?;
            let own = Own {
                idle_limit: new.idle_limit,
                policy,
            };
            // One that is to log in right away goes when it cannot.
            let handle = self.enter(&name, &connection, new.login, own)?;
            same_connection(&name, &handle.connection, Some(&connection))?;
            if !new.login {
                return Ok(handle.snapshot());
            }
        }
        let message = |reply| (Message::Login { reply }, ());
        self.tell(&name, new.connection.as_ref(), message).await?.1.0
    }

    /// A session that exists must not be able to do more than whoever asks for it wants.
    fn no_more_than(
        &self,
        name: &SessionName,
        connection: &ConnectionName,
        wanted: Option<Level>,
    ) -> Result<(), Error> {
        let book = &self.inner.book;
        let own = book.table().policy(name);
        let is = book.oversight.now().limit(own, connection).level;
        match wanted {
            Some(wanted) if wanted < is => Err(Error::invalid(format!(
                "session {name} exists already with policy {is}, which is more than {wanted}"
            ))
            .with_hint("choose another name, or close it with `sfctl session close`")),
            Some(wanted) if wanted > is => {
                let limit = book.oversight.now().limit(own, connection);
                Err(limit
                    .for_request(Some(wanted), wanted)
                    .map_or_else(Error::from, |_| {
                        Error::internal("a level is above another one and is not")
                    }))
            }
            _ => Ok(()),
        }
    }

    /// Shows a session, at once.
    pub fn get(&self, name: &SessionName) -> Result<Snapshot, Error> {
        let book = &self.inner.book;
        let table = book.table();
        if let Some(handle) = table.handle(name) {
            return Ok(handle.snapshot());
        }
        let resting = table.resting.get(name).map(|record| book.show(record));
        resting.ok_or_else(|| not_found(name))
    }

    /// Shows all sessions by name, at once.
    pub fn list(&self) -> Vec<Snapshot> {
        let book = &self.inner.book;
        let table = book.table();
        let running = table.running.values().map(Handle::snapshot);
        let resting = table.resting.values().map(|record| book.show(record));
        let mut all: Vec<Snapshot> = running.chain(resting).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Changes the context of a session, which is made when it does not exist.
    pub async fn update_context(
        &self,
        session: Option<&SessionName>,
        connection: Option<&ConnectionName>,
        change: &ContextChange,
        accept_loss: bool,
        caller: &Caller,
    ) -> Result<Snapshot, Error> {
        let name = self.resolve(session, connection).await;
        let trail = self
            .watch_over_ours(caller, &name, connection, &change.statements())
            .await?;
        let message = |reply| {
            let change = Box::new(change.clone());
            let update = Message::Update {
                change,
                accept_loss,
                reply,
            };
            (update, ())
        };
        self.tell_watched(&name, connection, message, &trail).await
    }

    /// Begins a transaction in a session, which is made when it does not exist.
    pub async fn begin(
        &self,
        session: Option<&SessionName>,
        connection: Option<&ConnectionName>,
        accept_loss: bool,
        caller: &Caller,
    ) -> Result<Snapshot, Error> {
        let name = self.resolve(session, connection).await;
        self.transaction(&name, connection, TransactionVerb::Begin, accept_loss, caller)
            .await
    }

    /// Ends the open transaction of a session that exists.
    pub async fn end_transaction(
        &self,
        name: &SessionName,
        verb: TransactionVerb,
        caller: &Caller,
    ) -> Result<Snapshot, Error> {
        self.must_exist(name)?;
        self.transaction(name, None, verb, false, caller).await
    }

    async fn transaction(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
        verb: TransactionVerb,
        accept_loss: bool,
        caller: &Caller,
    ) -> Result<Snapshot, Error> {
        let sql = [verb.statement().0.to_owned()];
        let trail = self.watch_over_ours(caller, name, connection, &sql).await?;
        let message = |reply| {
            let transaction = Message::Transaction {
                verb,
                accept_loss,
                reply,
            };
            (transaction, ())
        };
        self.tell_watched(name, connection, message, &trail).await
    }

    /// Has a session do something that has a record of its own.
    async fn tell_watched(
        &self,
        name: &SessionName,
        connection: Option<&ConnectionName>,
        message: impl Fn(Reply<Result<Snapshot, Error>>) -> (Message, ()),
        trail: &Trail,
    ) -> Result<Snapshot, Error> {
        trail.sent();
        let told = self.tell(name, connection, message).await;
        let done = told.and_then(|(_, (answer, ()))| answer);
        match &done {
            Ok(snapshot) => trail.done(&snapshot.last_query_id),
            Err(error) => trail.failed(error),
        }
        done
    }

    /// Begins a session anew under its name and connection.
    pub async fn reset(&self, name: &SessionName) -> Result<Reset, Error> {
        for _ in 0..TRIES {
            let handle = {
                let book = &self.inner.book;
                let mut table = book.table();
                table.refuse_when_draining()?;
                let Some(handle) = table.handle(name) else {
                    let record = table.resting.remove(name).ok_or_else(|| not_found(name))?;
                    let (created, used) = (record.create_time, (book.clock)());
                    let mut session = Session::from_record(record);
                    session.reset();
                    let record = session.record(created, used);
                    let snapshot = book.show(&record);
                    book.rest(&mut table, record);
                    return Ok(Reset {
                        snapshot,
                        transaction_rolled_back: false,
                    });
                };
                handle
            };
            if let Ok(reset) = handle.ask(|reply| Message::Reset { reply }).await {
                return Ok(reset);
            }
        }
        Err(always_ending(name))
    }

    /// Ends a session: cancels its query, rolls back, logs out, forgets what is kept of it.
    pub async fn close(&self, name: &SessionName) -> Result<Closed, Error> {
        let handle = self.inner.book.table().handle(name);
        if let Some(handle) = handle {
            let message = |reply| Message::Close {
                why: Ending::Closed,
                reply,
            };
            if let Ok(closed) = handle.ask(message).await {
                return Ok(closed);
            }
        }
        match self.inner.book.remove_resting(name) {
            Some(removed) => {
                removed.await;
                Ok(Closed::nothing())
            }
            None => Err(not_found(name)),
        }
    }
}

pub(super) fn check_bindings(bindings: usize, most: usize) -> Result<(), Error> {
    if bindings > most {
        let message = format!("{bindings} bindings are more than the limit of {most}");
        return Err(Error::invalid(message)
            .with_hint("load rows in bulk with a stage and COPY INTO; the limit is `query.bindings_max`"));
    }
    Ok(())
}

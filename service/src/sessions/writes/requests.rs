//! What can be asked of writes.

use std::time::Duration;

use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::queued::{Asked, Progress, QueuedWrite};
use crate::domain::audit::Caller;
use crate::domain::error::{Error, Reason};
use crate::domain::history::{QueryRecord, QueryRef, QueryState};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::policy::{Door, Level};
use crate::domain::query::{Binding, QueryEvent, Submission};
use crate::domain::statement::{self, Understood, class};
use crate::domain::write::undo::{Past, Table, Undoable};
use crate::domain::write::{Mode, Report};
use crate::sessions::history::Accepted;
use crate::sessions::interrupt::Events;
use crate::sessions::mailbox::{Gone, Message, QueryStream, Settling};
use crate::sessions::queries::failure;
use crate::sessions::registry::{Sessions, TRIES, always_ending};
use crate::sessions::requests::{Asking, Watched, check_bindings};

/// One statement to write.
#[derive(Debug)]
pub struct WriteRequest {
    /// Session to run it in; see [`Sessions::resolve`].
    pub session: Option<SessionName>,
    /// Connection that the session must have or is made with.
    pub connection: Option<ConnectionName>,
    /// Identity of the request.
    pub request_id: RequestId,
    /// The SQL text.
    pub sql: String,
    /// Values for its placeholders.
    pub bindings: Vec<Binding>,
    /// Time limit; `None` is the configured one.
    pub timeout: Option<Duration>,
    /// Go on although something was lost.
    pub accept_loss: bool,
    /// What it may do.
    pub policy: Option<Level>,
    /// Who asks for it.
    pub caller: Caller,
    /// How to treat it.
    pub mode: Mode,
    /// Most rows that it may change without a confirmation; `None` is the configured number.
    pub rows_max: Option<u64>,
    /// The user has confirmed what would be asked.
    pub confirmed: bool,
    /// Most rows of each sample; `None` is the configured number.
    pub sample_rows: Option<u64>,
}

/// An earlier write to take back.
#[derive(Debug)]
pub struct UndoRequest {
    /// Session to run it in; see [`Sessions::resolve`].
    pub session: Option<SessionName>,
    /// Connection that the session must have or is made with.
    pub connection: Option<ConnectionName>,
    /// The write.
    pub query: QueryRef,
    /// Table that it changed, when the write is not remembered.
    pub table: Option<String>,
    /// Time limit; `None` is the configured one.
    pub timeout: Option<Duration>,
    /// Identity of the request.
    pub request_id: RequestId,
    /// Go on although something was lost.
    pub accept_loss: bool,
    /// Only try it.
    pub dry_run: bool,
    /// The user has confirmed it.
    pub confirmed: bool,
    /// What it may do.
    pub policy: Option<Level>,
    /// Who asks for it.
    pub caller: Caller,
    /// Most rows of each sample; `None` is the configured number.
    pub sample_rows: Option<u64>,
}

/// A write that is ready to be handed to its session.
struct Ready {
    session: SessionName,
    connection: Option<ConnectionName>,
    caller: Caller,
    policy: Option<Level>,
    submission: Submission,
    understood: Understood,
    asked: Asked,
    timeout: Duration,
    undoes: Option<Past>,
}

impl Sessions {
    /// Checks a write and hands it to its session; its events follow in the answer. A request id that the session
    /// remembers never runs again: what came of it is told instead.
    pub async fn write(&self, request: WriteRequest) -> Result<QueryStream, Error> {
        let limits = self.inner.book.limits.now();
        let understood = self.check_statement(&request.sql, request.bindings.len())?;
        let session = self
            .resolve(request.session.as_ref(), request.connection.as_ref())
            .await;
        self.queue_write(Ready {
            session,
            connection: request.connection,
            submission: Submission {
                request_id: request.request_id,
                sql: request.sql,
                bindings: request.bindings,
                row_limit: None,
                tag: None,
            },
            understood,
            caller: request.caller,
            policy: request.policy,
            asked: Asked {
                mode: request.mode,
                rows_max: request.rows_max,
                confirmed: request.confirmed,
                sample_rows: request.sample_rows.unwrap_or(limits.sample_rows),
                accept_loss: request.accept_loss,
                is_undo: false,
            },
            timeout: request.timeout.unwrap_or(limits.query_timeout),
            undoes: None,
        })
        .await
    }

    /// Hands what takes an earlier write back to its session, as a write of its own.
    pub async fn undo(&self, request: UndoRequest) -> Result<QueryStream, Error> {
        let limits = self.inner.book.limits.now();
        let session = self
            .resolve(request.session.as_ref(), request.connection.as_ref())
            .await;
        let (sql, undoes) = self.way_back(&session, &request)?;
        let understood = match &undoes {
            // Which statement it will be is known when the table was looked at; until then it is decided about the
            // one that would do the most.
            Some(past) => Understood {
                effects: Vec::new(),
                statements: class::classify(&past.most()).into(),
            },
            None => self.check_statement(&sql, 0)?,
        };
        self.queue_write(Ready {
            session,
            connection: request.connection,
            submission: Submission {
                request_id: request.request_id,
                sql,
                bindings: Vec::new(),
                row_limit: None,
                tag: None,
            },
            understood,
            caller: request.caller,
            policy: request.policy,
            asked: Asked {
                mode: if request.dry_run {
                    Mode::DryRun
                } else {
                    Mode::Commit
                },
                rows_max: None,
                confirmed: request.confirmed,
                sample_rows: request.sample_rows.unwrap_or(limits.sample_rows),
                accept_loss: request.accept_loss,
                is_undo: true,
            },
            timeout: request.timeout.unwrap_or(limits.query_timeout),
            undoes,
        })
        .await
    }

    /// The statement that takes a write back, or from what it can be made.
    fn way_back(
        &self,
        session: &SessionName,
        request: &UndoRequest,
    ) -> Result<(String, Option<Past>), Error> {
        let among = match &request.query {
            QueryRef::Last => Some(session),
            QueryRef::Id(_) => request.session.as_ref(),
        };
        let written = self.inner.book.writes.find(among, &request.query);
        let no_way = |why: String| {
            Error::invalid(format!("the write cannot be taken back: {why}; nothing was run")).with_hint(
                "look at what was before with SELECT … BEFORE (STATEMENT => …), and write it by hand",
            )
        };
        let statement = match (&written, &request.query) {
            (Some(written), _) => written
                .visible_since
                .clone()
                .ok_or_else(|| no_way("it does not count, or not yet".to_owned()))?,
            (None, QueryRef::Id(id)) if request.table.is_some() => id.clone(),
            (None, QueryRef::Id(id)) => {
                return Err(Error::new(
                    Reason::NotFound,
                    format!("the service does not remember a write {id}"),
                )
                .with_hint("name the table that it changed with --table, and the write by the id that Snowflake gave it"));
            }
            (None, QueryRef::Last) => {
                return Err(Error::new(
                    Reason::NotFound,
                    format!("session {session} remembers no write that counts"),
                )
                .with_hint("name the write by its id; `sfctl job list` shows the latest"));
            }
        };
        let table = request.table.as_deref().map(Table::parse).transpose()?;
        let undoable = match (table, written) {
            (Some(table), _) => Undoable::Rows(table),
            (None, Some(written)) => written.undoable,
            (None, None) => Undoable::No("it is not known"),
        };
        match undoable {
            Undoable::Rows(table) => Ok((
                format!("-- takes back {statement}"),
                Some(Past { table, statement }),
            )),
            Undoable::Undrop(what) => Ok((format!("UNDROP {what}"), None)),
            Undoable::No(why) => Err(no_way(why.to_owned())),
        }
    }

    /// Hands a write to its session.
    async fn queue_write(&self, mut ready: Ready) -> Result<QueryStream, Error> {
        let session = &ready.session.clone();
        let asking = Asking {
            caller: &ready.caller,
            connection: ready.connection.as_ref(),
            request_id: ready.submission.request_id,
            sql: &ready.submission.sql,
            policy: ready.policy,
            door: Door::Write,
        };
        let Watched { trail, gate, tag } = self
            .watch_over(asking, session, &ready.understood.statements)
            .await?;
        ready.submission.tag = tag;
        for _ in 0..TRIES {
            let handle = self.find_or_make(session, ready.connection.as_ref()).await?;
            let (events, receiver) = mpsc::channel(self.inner.book.limits.now().batches_buffered_max);
            let stream = QueryStream {
                request_id: ready.submission.request_id,
                session: session.clone(),
                connection: handle.connection.clone(),
                events: receiver,
            };
            let memory = &self.inner.book.memory;
            let entry = match memory.accept(&ready.submission, session, &handle.connection, false, &trail)? {
                Accepted::New(entry) => entry,
                Accepted::Known(record) => {
                    trail.forget();
                    self.repeat(*record, ready.timeout, events);
                    return Ok(stream);
                }
            };
            let serial = entry.serial();
            let write = Box::new(QueuedWrite {
                submission: ready.submission.clone(),
                gate: gate.clone(),
                effects: ready.understood.effects.clone(),
                asked: ready.asked.clone(),
                timeout: ready.timeout,
                events,
                entry,
                undoes: ready.undoes.clone(),
                progress: Progress::default(),
            });
            match handle.ask(|accepted| Message::Write { write, accepted }).await {
                Ok(Ok(())) => return Ok(stream),
                Ok(Err(error)) => {
                    memory.withdraw(session, serial);
                    trail.failed(&error);
                    return Err(error);
                }
                Err(Gone) => {
                    memory.withdraw(session, serial);
                    self.desk(session, handle.serial).forget();
                }
            }
        }
        Err(always_ending(session))
    }

    /// Tells what came of a write that is remembered, waiting for that.
    fn repeat(&self, record: QueryRecord, timeout: Duration, events: Events) {
        let sessions = self.clone();
        let telling = async move {
            let told = tokio::select! {
                biased;
                () = events.closed() => return,
                told = tokio::time::timeout(timeout, sessions.came_of(&record)) => told,
            };
            let event = match told {
                Ok(told) => told.map(|report| QueryEvent::Write(Box::new(report))),
                Err(_) => Err(Error::new(
                    Reason::Timeout,
                    format!("the write did not end within {timeout:?}; it goes on"),
                )),
            };
            // A reader that is gone has no use for it.
            let _ = events.send(event).await;
        };
        self.track(telling.in_current_span());
    }

    async fn came_of(&self, record: &QueryRecord) -> Result<Report, Error> {
        let request_id = record.request_id.ok_or_else(|| failure(record))?;
        let mut changes = self.inner.book.memory.watch(record);
        loop {
            let now = changes.borrow_and_update().clone();
            if let Some(report) = self.inner.book.writes.of_request(&record.session, request_id) {
                return Ok(report);
            }
            match now.state {
                QueryState::Waiting | QueryState::Queued | QueryState::Running => {}
                QueryState::Failed | QueryState::Cancelled | QueryState::Unknown => {
                    return Err(failure(&now));
                }
                QueryState::Succeeded => {
                    return Err(Error::new(
                        Reason::NotFound,
                        "what came of this request as a write is not known any more",
                    )
                    .with_hint("look at what it should have done; draw a new UUID for each statement"));
                }
            }
            changes.changed().await.map_err(|_| failure(&now))?;
        }
    }

    /// Lets a write count that waits under this token.
    pub async fn confirm_write(&self, token: &str, timeout: Option<Duration>) -> Result<Report, Error> {
        let timeout = timeout.unwrap_or(self.inner.book.limits.now().query_timeout);
        self.settle_write(token, Settling::Confirm, timeout).await
    }

    /// Gives a write up that waits under this token.
    pub async fn abandon_write(&self, token: &str) -> Result<Report, Error> {
        let timeout = self.inner.book.limits.now().query_timeout;
        self.settle_write(token, Settling::Abandon, timeout).await
    }

    async fn settle_write(
        &self,
        token: &str,
        settling: Settling,
        timeout: Duration,
    ) -> Result<Report, Error> {
        let (session, _) = self.inner.book.writes.session_of(token)?;
        let lost = || Error::new(Reason::NotFound, "the session ended, and the write with it");
        let handle = self.inner.book.table().handle(&session).ok_or_else(lost)?;
        let (events, mut receiver) = mpsc::channel(self.inner.book.limits.now().batches_buffered_max);
        let settle = |accepted| Message::Settle {
            token: token.to_owned(),
            settling,
            timeout,
            events,
            accepted,
        };
        handle.ask(settle).await.map_err(|Gone| lost())??;
        while let Some(event) = receiver.recv().await {
            if let QueryEvent::Write(report) = event? {
                return Ok(*report);
            }
        }
        Err(Error::internal("the session ended before the write did"))
    }

    /// Sessions in which a write waits for a confirmation.
    pub fn writes_waiting(&self) -> usize {
        self.inner.book.writes.waiting()
    }

    /// Checks a statement without anybody's help, and understands it.
    fn check_statement(&self, sql: &str, bindings: usize) -> Result<Understood, Error> {
        let limits = self.inner.book.limits.now();
        let understood = statement::understand(sql, limits.sql_bytes_max)?;
        check_bindings(bindings, limits.bindings_max)?;
        Ok(understood)
    }
}

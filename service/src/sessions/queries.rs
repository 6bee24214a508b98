//! Queries that were asked for before: submitting, finding, reading and cancelling them.
//!
//! What the service remembers is answered from its [`Memory`](super::history::Memory); what it does not know, or saw
//! the last of, is asked of Snowflake through a session, which logs in for it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::errand::{Errand, Observe, Read, Submit, still_running};
use super::history::Accepted;
use super::interrupt::{Cause, Events, Interrupt};
use super::mailbox::{Cancelled, Message, Reply};
use super::registry::{Sessions, TRIES, always_ending, not_found};
use super::requests::{QueryRequest, Watched};
use super::watch::Watch;
use crate::domain::error::{Error, Reason};
use crate::domain::history::{Failure, Page, QueryRecord, QueryRef, QueryState};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::query::{CancelOutcome, QueryEvent, RowWindow};
use crate::domain::statement;

/// A query that somebody names.
#[derive(Debug, Clone)]
pub struct QueryTarget {
    /// Session that knows it, or through which to ask; `None` is any that knows it, else the default one.
    pub session: Option<SessionName>,
    /// Connection of that session, when it does not exist.
    pub connection: Option<ConnectionName>,
    /// The query.
    pub query: QueryRef,
}

/// A result to read.
#[derive(Debug)]
pub struct ReadRequest {
    /// Whose result.
    pub target: QueryTarget,
    /// Which rows.
    pub window: RowWindow,
    /// Time limit for the wait and the reading; `None` is the configured one of a query.
    pub timeout: Option<Duration>,
}

/// The parts of a result as they come: schema, batches, summary; or an error.
#[derive(Debug)]
pub struct ResultStream {
    /// The parts. Dropping the receiver ends the reading and nothing else.
    pub events: mpsc::Receiver<Result<QueryEvent, Error>>,
}

/// What is known of a query before Snowflake is asked.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// The service remembers it.
    Known(Box<QueryRecord>),
    /// It may be anybody's; Snowflake is asked through this session.
    Foreign {
        query_id: String,
        session: SessionName,
        connection: Option<ConnectionName>,
    },
}

impl Sessions {
    /// Submits a statement and returns when Snowflake has given it an id. It goes on also when this future is dropped.
    /// The request's row limit has no meaning.
    pub async fn submit(&self, request: QueryRequest) -> Result<QueryRecord, Error> {
        let understood = self.check(&request)?;
        statement::check_submittable(&understood)?;
        let session = self
            .resolve(request.session.as_ref(), request.connection.as_ref())
            .await;
        let Watched { trail, gate, tag } = self
            .watch_over(request.asking(), &session, &understood.statements)
            .await?;
        let describe_limit = self.inner.book.limits.now().submit_timeout;
        let time_limit = request
            .timeout
            .unwrap_or(self.inner.book.limits.now().query_timeout);
        for _ in 0..TRIES {
            let handle = self.find_or_make(&session, request.connection.as_ref()).await?;
            let submission = request.submission(tag.as_deref());
            let memory = &self.inner.book.memory;
            let entry = match memory.accept(&submission, &session, &handle.connection, true, &trail)? {
                Accepted::New(entry) => entry,
                Accepted::Known(record) => {
                    trail.forget();
                    return self.taken_on(*record).await;
                }
            };
            let serial = entry.serial();
            let submit = |reply| {
                Message::Beside(Errand::Submit(Box::new(Submit {
                    submission,
                    effects: understood.effects.clone(),
                    accept_loss: request.accept_loss,
                    time_limit,
                    entry,
                    gate: gate.clone(),
                    describe_limit,
                    reply,
                    is_second_try: false,
                })))
            };
            if let Ok(answer) = handle.ask(submit).await {
                return answer;
            }
            if let Some(doubt) = memory.sent_in_vain(&session, serial) {
                return Err(doubt.in_session(session.as_str(), handle.connection.as_str()));
            }
            memory.withdraw(&session, serial);
            self.desk(&session, handle.serial).forget();
        }
        Err(always_ending(&session))
    }

    /// Waits until Snowflake has given a remembered query an id; what ended without one answers its error.
    async fn taken_on(&self, record: QueryRecord) -> Result<QueryRecord, Error> {
        let mut changes = self.inner.book.memory.watch(&record);
        loop {
            let now = changes.borrow_and_update().clone();
            if now.query_id.is_some() {
                return Ok(now);
            }
            if !now.state.is_under_way() {
                return Err(failure(&now));
            }
            changes.changed().await.map_err(|_| forgotten(&record))?;
        }
    }

    /// Lists remembered queries, the latest first.
    pub fn list_queries(
        &self,
        session: Option<&SessionName>,
        submitted_only: bool,
        before: Option<u64>,
        max: usize,
    ) -> Page {
        self.inner.book.memory.page(session, submitted_only, before, max)
    }

    /// Tells how a query is.
    pub async fn get_query(&self, target: &QueryTarget) -> Result<QueryRecord, Error> {
        self.look(&self.locate(target).await?).await
    }

    /// Tells how a query is, again and again until its end.
    pub async fn watch_query(&self, target: &QueryTarget) -> Result<Watch, Error> {
        let found = self.locate(target).await?;
        Ok(Watch::new(self.clone(), found))
    }

    /// Reads the result of a query, waiting for its end.
    pub async fn read_results(&self, request: ReadRequest) -> Result<ResultStream, Error> {
        let found = self.locate(&request.target).await?;
        if let Found::Known(record) = &found
            && let (QueryState::Failed | QueryState::Cancelled, Some(failure)) =
                (record.state, &record.failure)
        {
            return Err(failure.error());
        }
        let timeout = request
            .timeout
            .unwrap_or(self.inner.book.limits.now().query_timeout);
        let (events, receiver) = mpsc::channel(self.inner.book.limits.now().batches_buffered_max);
        self.bring(found, request.window, timeout, events);
        Ok(ResultStream { events: receiver })
    }

    /// Brings the result of a query to its reader, in a task of its own.
    pub(super) fn bring(&self, found: Found, window: RowWindow, timeout: Duration, events: Events) {
        let accepted_at = Instant::now();
        let interrupt = Interrupt {
            events,
            cancel: CancellationToken::new(),
            deadline: accepted_at + timeout,
        };
        let sessions = self.clone();
        let bringing = async move {
            let brought = tokio::select! {
                biased;
                cause = interrupt.wait() => match cause {
                    Cause::ReaderGone | Cause::Cancelled => return,
                    Cause::DeadlinePassed => Err(still_running(timeout)),
                },
                brought = sessions.route(found, window, timeout, accepted_at, &interrupt) => brought,
            };
            if let Err(error) = brought {
                // A reader that is gone has no use for an error.
                let _ = interrupt.events.send(Err(error)).await;
            }
        };
        self.track(bringing.in_current_span());
    }

    /// Waits until a result can be read and hands the reading to the session.
    async fn route(
        &self,
        found: Found,
        window: RowWindow,
        timeout: Duration,
        accepted_at: Instant,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let (query_id, session, connection) = match found {
            Found::Known(record) => {
                let query_id = self.readable(&record).await?;
                (query_id, record.session, Some(record.connection))
            }
            Found::Foreign {
                query_id,
                session,
                connection,
            } => (query_id, session, connection),
        };
        let read = |accepted| {
            Errand::Read(Box::new(Read {
                reading: RequestId::new(uuid::Uuid::new_v4()),
                query_id: query_id.clone(),
                window,
                interrupt: interrupt.clone(),
                accepted_at,
                timeout,
                accepted: Some(accepted),
                is_second_try: false,
            }))
        };
        self.beside(&session, connection.as_ref(), read).await
    }

    /// Waits until the result of a remembered query can be asked for and returns the query's id. Snowflake itself
    /// waits for the end of a query that it has given an id.
    async fn readable(&self, record: &QueryRecord) -> Result<String, Error> {
        let mut changes = self.inner.book.memory.watch(record);
        loop {
            let now = changes.borrow_and_update().clone();
            match (now.state, &now.query_id) {
                (QueryState::Failed | QueryState::Cancelled, _) if now.failure.is_some() => {
                    return Err(failure(&now));
                }
                (QueryState::Failed | QueryState::Cancelled | QueryState::Unknown, None) => {
                    return Err(failure(&now));
                }
                // Snowflake itself tells again why it failed, when that was not kept.
                (_, Some(query_id)) => return Ok(query_id.clone()),
                (QueryState::Succeeded, None) => {
                    return Err(Error::new(
                        Reason::NotFound,
                        "Snowflake gave this query no id, so its result cannot be read again",
                    ));
                }
                (QueryState::Waiting | QueryState::Queued | QueryState::Running, None) => {}
            }
            changes.changed().await.map_err(|_| forgotten(record))?;
        }
    }

    /// Cancels what a session runs.
    pub async fn cancel_running(
        &self,
        session: Option<&SessionName>,
        connection: Option<&ConnectionName>,
    ) -> Result<Cancellation, Error> {
        let session = self.resolve(session, connection).await;
        self.must_exist(&session)?;
        Ok(self.cancel_in_session(&session, None, None).await)
    }

    /// Cancels a query.
    pub async fn cancel_query(&self, target: &QueryTarget) -> Result<Cancellation, Error> {
        match self.locate(target).await? {
            Found::Known(record) => self.cancel_known(*record).await,
            Found::Foreign {
                query_id,
                session,
                connection,
            } => {
                let outcome = self
                    .cancel_at_snowflake(&session, connection.as_ref(), &query_id)
                    .await?;
                Ok(Cancellation {
                    outcome,
                    request_id: None,
                    query_id: Some(query_id),
                })
            }
        }
    }

    async fn cancel_known(&self, record: QueryRecord) -> Result<Cancellation, Error> {
        let session = record.session.clone();
        let is_unsent = record.state == QueryState::Waiting;
        if is_unsent || !record.submitted || record.state.is_settled() {
            let cancelled = self
                .cancel_in_session(&session, record.request_id, record.query_id.clone())
                .await;
            let may_run = match record.state {
                QueryState::Unknown => record.query_id.is_some(),
                // Its session was just logging in for it.
                QueryState::Waiting => record.submitted,
                _ => false,
            };
            if cancelled.outcome != CancelOutcome::NotRunning || !may_run {
                return Ok(cancelled);
            }
        }
        // One that is just being submitted can be cancelled when it has its id.
        let record = self.taken_on(record).await?;
        let query_id = record.query_id.clone().unwrap_or_default();
        let outcome = self
            .cancel_at_snowflake(&session, Some(&record.connection), &query_id)
            .await?;
        Ok(Cancellation {
            outcome,
            request_id: record.request_id,
            query_id: record.query_id,
        })
    }

    async fn cancel_in_session(
        &self,
        session: &SessionName,
        request_id: Option<RequestId>,
        query_id: Option<String>,
    ) -> Cancellation {
        let not_running = Cancelled {
            outcome: CancelOutcome::NotRunning,
            request_id,
        };
        let handle = self.inner.book.table().handle(session);
        let cancelled = match handle {
            None => not_running,
            Some(handle) => {
                let query_id = query_id.clone();
                let cancel = |reply| Message::Cancel {
                    request_id,
                    query_id,
                    reply,
                };
                handle.ask(cancel).await.unwrap_or(not_running)
            }
        };
        let by_request = |id: RequestId| {
            let query = QueryRef::Id(id.to_string());
            self.inner.book.memory.find(Some(session), &query)
        };
        let known = cancelled.request_id.and_then(by_request);
        Cancellation {
            outcome: cancelled.outcome,
            request_id: cancelled.request_id,
            query_id: query_id.or_else(|| known.and_then(|record| record.query_id)),
        }
    }

    async fn cancel_at_snowflake(
        &self,
        session: &SessionName,
        connection: Option<&ConnectionName>,
        query_id: &str,
    ) -> Result<CancelOutcome, Error> {
        let cancel = |reply| Errand::Cancel {
            query_id: query_id.to_owned(),
            reply,
        };
        self.beside(session, connection, cancel).await
    }

    /// Finds what a query's name means, without asking Snowflake.
    async fn locate(&self, target: &QueryTarget) -> Result<Found, Error> {
        let session = self
            .resolve(target.session.as_ref(), target.connection.as_ref())
            .await;
        let among = match &target.query {
            QueryRef::Last => Some(&session),
            QueryRef::Id(_) => target.session.as_ref(),
        };
        if let Some(record) = self.inner.book.memory.find(among, &target.query) {
            return Ok(Found::Known(Box::new(record)));
        }
        match &target.query {
            QueryRef::Last => Err(Error::new(
                Reason::NotFound,
                format!("session {session} has run nothing yet"),
            )
            .with_hint("`sfctl job list` shows the queries that are remembered")),
            QueryRef::Id(query_id) => Ok(Found::Foreign {
                query_id: query_id.clone(),
                session,
                connection: target.connection.clone(),
            }),
        }
    }

    /// Tells how a query is: from memory while somebody here waits for its end or has seen it, else from Snowflake.
    pub(super) async fn look(&self, found: &Found) -> Result<QueryRecord, Error> {
        match found {
            Found::Known(record) => {
                let now = self
                    .inner
                    .book
                    .memory
                    .get(record)
                    .unwrap_or_else(|| (**record).clone());
                let Some(query_id) = now.query_id.clone().filter(|_| now.state == QueryState::Unknown) else {
                    return Ok(now);
                };
                let observe = |reply| {
                    Errand::Observe(Observe {
                        query_id: query_id.clone(),
                        entry: Some(self.inner.book.memory.resume(&now)),
                        reply,
                        is_second_try: false,
                    })
                };
                self.beside(&now.session, Some(&now.connection), observe)
                    .await??;
                Ok(self.inner.book.memory.get(&now).unwrap_or(now))
            }
            Found::Foreign {
                query_id,
                session,
                connection,
            } => {
                let observe = |reply| {
                    Errand::Observe(Observe {
                        query_id: query_id.clone(),
                        entry: None,
                        reply,
                        is_second_try: false,
                    })
                };
                let told = self.beside(session, connection.as_ref(), observe).await??;
                let told = told.ok_or_else(|| unknown(query_id))?;
                let connection = self.inner.book.table().connection(session);
                let connection = connection.ok_or_else(|| not_found(session))?;
                Ok(QueryRecord::foreign(query_id, session.clone(), connection, &told))
            }
        }
    }

    /// Has a session do an errand, and waits for its answer.
    async fn beside<T>(
        &self,
        session: &SessionName,
        connection: Option<&ConnectionName>,
        errand: impl Fn(Reply<T>) -> Errand,
    ) -> Result<T, Error> {
        let message = |reply| (Message::Beside(errand(reply)), ());
        Ok(self.tell(session, connection, message).await?.1.0)
    }
}

/// What came of a cancellation, and of which query.
#[derive(Debug, Clone)]
pub struct Cancellation {
    /// How far it got.
    pub outcome: CancelOutcome,
    /// Identity of the request meant, when it is known.
    pub request_id: Option<RequestId>,
    /// Snowflake's identity of the query meant, when it is known.
    pub query_id: Option<String>,
}

/// Why a remembered query has no result.
pub(super) fn failure(record: &QueryRecord) -> Error {
    record.failure.as_ref().map_or_else(
        || Error::new(Reason::NotFound, "nobody saw how the query ended"),
        Failure::error,
    )
}

fn forgotten(record: &QueryRecord) -> Error {
    Error::new(
        Reason::Unreachable,
        format!("session {} refused the query before it was sent", record.session),
    )
    .with_hint("send it again")
}

fn unknown(query_id: &str) -> Error {
    Error::new(
        Reason::NotFound,
        format!("neither the service nor Snowflake knows a query {query_id} of this user"),
    )
    .with_hint("`sfctl job list` shows the queries that are remembered")
}

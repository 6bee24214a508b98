//! The task that owns a session.
//!
//! It polls three things side by side: its mailbox, the stage that is on its way, and the results that are
//! being read. Work enters a queue; one work item at a time goes through its stages (login, restoring the
//! context, the statement itself); [`Session`] decides what comes next and this task carries it out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::WallClock;
use super::delivery::{Delivery, timed_out};
use super::interrupt::{Cause, Interrupt};
use super::mailbox::{Cancelled, Closed, Message, QueuedQuery, Reply};
use super::snapshot::Snapshot;
use super::stage::{self, Done, Ran, Stage};
use crate::domain::context::ContextChange;
use crate::domain::error::{Error, Reason};
use crate::domain::limits::Limits;
use crate::domain::names::RequestId;
use crate::domain::query::CancelOutcome;
use crate::domain::session::{Phase, Session, Step};
use crate::domain::statement::Effect;
use crate::domain::upstream::{Connector, Execution, Login, Upstream};

/// The owner of one session.
pub(super) struct Actor {
    pub(super) session: Session,
    /// Made by using it, not by name: it goes when its first login fails.
    pub(super) implicit: bool,
    pub(super) mailbox: mpsc::Receiver<Message>,
    pub(super) snapshot: watch::Sender<Snapshot>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) limits: Arc<Limits>,
    pub(super) clock: WallClock,
    pub(super) rest: Rest,
}

/// What an actor begins without.
#[derive(Default)]
pub(super) struct Rest {
    upstream: Option<Arc<dyn Upstream>>,
    queue: VecDeque<Work>,
    current: Option<Current>,
    deliveries: JoinSet<RequestId>,
    /// How to cancel the results that are being read.
    reading: HashMap<RequestId, CancellationToken>,
    closing: Vec<Reply<Closed>>,
    ending: bool,
}

/// Something to do upstream.
enum Work {
    Query {
        query: Box<QueuedQuery>,
        interrupt: Interrupt,
        accepted_at: Instant,
    },
    Login {
        reply: Reply<Result<Snapshot, Error>>,
    },
    Update {
        change: Box<ContextChange>,
        reply: Reply<Result<Snapshot, Error>>,
    },
}

/// The work that is being done.
struct Current {
    work: Work,
    /// The stage brings back the context after a login; the work itself comes next.
    restoring: bool,
    stage: Stage,
    cancellers: Vec<Reply<Cancelled>>,
}

impl Work {
    fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Query { query, .. } => Some(query.submission.request_id),
            Self::Login { .. } | Self::Update { .. } => None,
        }
    }

    fn interrupt(&self) -> Option<Interrupt> {
        match self {
            Self::Query { interrupt, .. } => Some(interrupt.clone()),
            Self::Login { .. } | Self::Update { .. } => None,
        }
    }
}

impl Actor {
    /// Lives until the session is closed or was unused for its idle limit.
    pub(super) async fn run(mut self) {
        let mut last_use = Instant::now();
        loop {
            self.publish();
            if self.rest.current.is_none() {
                match self.rest.queue.pop_front() {
                    Some(work) if !self.rest.ending => {
                        self.begin(work);
                        continue;
                    }
                    Some(work) => {
                        self.fail(work, closing_error(&self.session));
                        continue;
                    }
                    None if self.rest.ending => break,
                    None => {}
                }
            }
            let unused = self.rest.current.is_none() && self.rest.deliveries.is_empty();
            tokio::select! {
                biased;
                message = self.mailbox.recv() => {
                    last_use = Instant::now();
                    match message {
                        Some(message) => self.receive(message),
                        None => self.rest.ending = true,
                    }
                }
                done = next_stage(&mut self.rest.current) => {
                    last_use = Instant::now();
                    self.finish(done);
                }
                Some(delivered) = self.rest.deliveries.join_next() => {
                    last_use = Instant::now();
                    if let Ok(request_id) = delivered {
                        self.rest.reading.remove(&request_id);
                    }
                }
                () = sleep_until(last_use + self.limits.session_idle), if unused => {
                    tracing::info!("session was not used for its idle limit; closing it");
                    self.rest.ending = true;
                }
            }
        }
        self.end().await;
    }

    /// Shows the session as it is now.
    fn publish(&self) {
        let waiting =
            self.rest.queue.len() + usize::from(self.rest.current.is_some()) + self.rest.reading.len();
        let used = (self.clock)();
        self.snapshot.send_modify(|snapshot| {
            let mut next = Snapshot::of(&self.session, snapshot.create_time, used);
            next.query_count = waiting;
            *snapshot = next;
        });
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Run { query, accepted } => {
                let answer = self.admit(query);
                // A caller that is gone has dropped its events too, which interrupts the query.
                let _ = accepted.send(answer);
            }
            Message::Login { reply } => match self.has_room() {
                Ok(()) => self.rest.queue.push_back(Work::Login { reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Message::Update { change, reply } => match self.has_room() {
                Ok(()) => self.rest.queue.push_back(Work::Update { change, reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Message::Cancel { request_id, reply } => self.cancel(request_id, reply),
            Message::Close { reply } => {
                self.rest.closing.push(reply);
                self.rest.ending = true;
                if let Some(interrupt) = self
                    .rest
                    .current
                    .as_ref()
                    .and_then(|current| current.work.interrupt())
                {
                    interrupt.cancel.cancel();
                }
            }
        }
    }

    fn has_room(&self) -> Result<(), Error> {
        if self.rest.ending {
            return Err(closing_error(&self.session));
        }
        if self.rest.queue.len() >= self.limits.queue_max {
            return Err(self.limit_reached(
                format!("{} statements wait already", self.rest.queue.len()),
                "session.queue_max",
            ));
        }
        Ok(())
    }

    fn admit(&mut self, query: Box<QueuedQuery>) -> Result<(), Error> {
        self.has_room()?;
        if self.rest.reading.len() >= self.limits.results_max {
            let what = format!("{} results are still being read", self.rest.reading.len());
            return Err(self.limit_reached(what, "session.results_max"));
        }
        let accepted_at = Instant::now();
        let interrupt = Interrupt {
            events: query.events.clone(),
            cancel: CancellationToken::new(),
            deadline: accepted_at + query.timeout,
        };
        self.rest.queue.push_back(Work::Query {
            query,
            interrupt,
            accepted_at,
        });
        Ok(())
    }

    fn limit_reached(&self, what: String, key: &str) -> Error {
        Error::new(
            Reason::LimitReached,
            format!("session {}: {what}", self.session.name()),
        )
        .with_hint(format!("wait, use another session, or raise `{key}`"))
    }

    /// Cancels what runs, waits or is being read under this id.
    fn cancel(&mut self, request_id: Option<RequestId>, reply: Reply<Cancelled>) {
        if let Some(current) = &mut self.rest.current
            && let Some(interrupt) = current.work.interrupt()
            && request_id.is_none_or(|wanted| current.work.request_id() == Some(wanted))
        {
            interrupt.cancel.cancel();
            current.cancellers.push(reply);
            return;
        }
        let mut outcome = CancelOutcome::NotRunning;
        if let Some(wanted) = request_id {
            if let Some(at) = self
                .rest
                .queue
                .iter()
                .position(|work| work.request_id() == Some(wanted))
            {
                let error = Error::new(Reason::Cancelled, "the query was cancelled before it was sent");
                if let Some(work) = self.rest.queue.remove(at) {
                    self.fail(work, error);
                }
                outcome = CancelOutcome::Confirmed;
            } else if let Some(reading) = self.rest.reading.get(&wanted) {
                reading.cancel();
            }
        }
        let _ = reply.send(Cancelled { outcome, request_id });
    }

    /// Does the first stage of a work item.
    fn begin(&mut self, work: Work) {
        if let Work::Query { query, .. } = &work
            && query.events.is_closed()
        {
            return;
        }
        match self.session.next_step() {
            Step::Refuse(error) => self.fail(work, error),
            Step::Login => self.begin_login(work),
            Step::Run => self.begin_run(work),
        }
    }

    fn begin_login(&mut self, work: Work) {
        self.session.connecting();
        self.rest.upstream = None;
        let connection = self.session.connection().clone();
        let connector = Arc::clone(&self.connector);
        let stage = stage::login(connector, connection, self.limits.login_timeout, work.interrupt());
        self.rest.current = Some(Current {
            work,
            restoring: false,
            stage,
            cancellers: Vec::new(),
        });
    }

    fn begin_run(&mut self, work: Work) {
        let Some(upstream) = self.rest.upstream.clone() else {
            let error = Error::internal("a session that is logged in has no upstream session");
            return self.fail(work, error);
        };
        let stage = match &work {
            Work::Query { query, interrupt, .. } => stage::run(
                upstream,
                query.submission.clone(),
                interrupt.clone(),
                self.limits.cancel_wait,
            ),
            Work::Update { change, .. } => {
                stage::statements(upstream, change.statements(), self.limits.query_timeout)
            }
            Work::Login { .. } => return self.succeed(work),
        };
        self.session.started();
        self.rest.current = Some(Current {
            work,
            restoring: false,
            stage,
            cancellers: Vec::new(),
        });
    }

    /// Carries a finished stage into the session's state and does the next one.
    fn finish(&mut self, done: Done) {
        let Some(Current {
            work,
            restoring,
            cancellers,
            ..
        }) = self.rest.current.take()
        else {
            return;
        };
        match done {
            Done::Login(Ok(login)) => self.logged_in(login, work, cancellers),
            Done::Login(Err(error)) => {
                self.session.login_failed();
                if self.implicit && self.session.phase() == Phase::New && self.rest.queue.is_empty() {
                    self.rest.ending = true;
                }
                self.answer_cancellers(&work, cancellers, CancelOutcome::Confirmed);
                self.fail(work, error);
            }
            Done::Statements { executed, error } => {
                if let Some(executed) = &executed {
                    self.session.finished(Effect::None, executed);
                }
                match error {
                    Some(error) => {
                        let error = self.after_failure(error);
                        self.answer_cancellers(&work, cancellers, CancelOutcome::NotRunning);
                        self.fail(work, if restoring { not_restored(error) } else { error });
                    }
                    None if restoring => self.begin_run_again(work, cancellers),
                    None => self.succeed(work),
                }
            }
            Done::Ran(ran) => self.ran(ran, work, cancellers),
        }
    }

    fn logged_in(&mut self, login: Login, work: Work, cancellers: Vec<Reply<Cancelled>>) {
        tracing::info!(
            user = login.identity.user,
            host = login.identity.host,
            "logged in"
        );
        let upstream = Arc::clone(&login.upstream);
        self.rest.upstream = Some(login.upstream);
        let restore = self.session.connected(login.identity, login.context);
        if restore.is_empty() {
            return self.begin_run_again(work, cancellers);
        }
        let stage = stage::statements(upstream, restore, self.limits.login_timeout);
        self.rest.current = Some(Current {
            work,
            restoring: true,
            stage,
            cancellers,
        });
    }

    /// Goes on with the work for which the session had to be brought back.
    fn begin_run_again(&mut self, work: Work, cancellers: Vec<Reply<Cancelled>>) {
        self.begin_run(work);
        match &mut self.rest.current {
            Some(current) => current.cancellers.extend(cancellers),
            None => drop(cancellers),
        }
    }

    fn ran(&mut self, ran: Ran, work: Work, cancellers: Vec<Reply<Cancelled>>) {
        let Work::Query {
            query,
            interrupt,
            accepted_at,
        } = work
        else {
            return;
        };
        let outcome = ran
            .interrupted
            .map_or(CancelOutcome::NotRunning, |(_, outcome)| outcome);
        let request_id = query.submission.request_id;
        for reply in cancellers {
            let _ = reply.send(Cancelled {
                outcome,
                request_id: Some(request_id),
            });
        }
        let ended = match (ran.result, ran.interrupted) {
            (Some(Ok(execution)), interrupted) => {
                self.session.finished(query.effect, &execution.executed);
                match interrupted {
                    // It ended before the cancellation arrived: then its result counts.
                    None | Some((Cause::Cancelled, _)) => Ok(execution),
                    Some((Cause::ReaderGone, _)) => return,
                    Some((Cause::DeadlinePassed, _)) => Err(timed_out(query.timeout)),
                }
            }
            (Some(Err(error)), None) => Err(self.after_failure(error)),
            (Some(Err(error)), Some((cause, outcome))) => {
                self.after_failure(error);
                Err(interrupted(cause, outcome, &query))
            }
            (None, cause) => {
                let (cause, outcome) = cause.unwrap_or((Cause::Cancelled, CancelOutcome::Unconfirmed));
                let error = interrupted(cause, outcome, &query);
                self.session.failed(&error);
                Err(error)
            }
        };
        match ended {
            Ok(execution) => self.deliver(execution, request_id, interrupt, accepted_at, query.timeout),
            Err(error) => self.send_error(&query, error),
        }
    }

    /// Notes a failure; gives the upstream session up when it is gone.
    fn after_failure(&mut self, error: Error) -> Error {
        let gone = error.reason() == Reason::SessionLost
            || self
                .rest
                .upstream
                .as_ref()
                .is_none_or(|upstream| !upstream.is_alive());
        if gone {
            tracing::warn!(error = %error, "upstream session lost");
            self.rest.upstream = None;
            self.session.upstream_lost();
        } else {
            self.session.failed(&error);
        }
        error
    }

    fn deliver(
        &mut self,
        execution: Execution,
        request_id: RequestId,
        interrupt: Interrupt,
        accepted_at: Instant,
        timeout: std::time::Duration,
    ) {
        // A cancellation that came too late for the statement must not stop its result.
        let interrupt = Interrupt {
            cancel: CancellationToken::new(),
            ..interrupt
        };
        self.rest.reading.insert(request_id, interrupt.cancel.clone());
        let delivery = Delivery {
            request_id,
            execution,
            interrupt,
            accepted_at,
            timeout,
            session: self.session.name().clone(),
            connection: self.session.connection().clone(),
            transaction_open: self.session.transaction_open(),
        };
        self.rest.deliveries.spawn(delivery.run());
    }

    fn answer_cancellers(&self, work: &Work, cancellers: Vec<Reply<Cancelled>>, outcome: CancelOutcome) {
        for reply in cancellers {
            let _ = reply.send(Cancelled {
                outcome,
                request_id: work.request_id(),
            });
        }
    }

    /// Ends a login or an update well.
    fn succeed(&mut self, work: Work) {
        self.publish();
        let snapshot = self.snapshot.borrow().clone();
        match work {
            Work::Login { reply } | Work::Update { reply, .. } => drop(reply.send(Ok(snapshot))),
            Work::Query { query, .. } => {
                self.send_error(&query, Error::internal("a query ended without a result"));
            }
        }
    }

    /// Ends a work item badly.
    fn fail(&mut self, work: Work, error: Error) {
        match work {
            Work::Query { query, .. } => self.send_error(&query, error),
            Work::Login { reply } | Work::Update { reply, .. } => {
                let error =
                    error.in_session(self.session.name().as_str(), self.session.connection().as_str());
                let _ = reply.send(Err(error));
            }
        }
    }

    fn send_error(&self, query: &QueuedQuery, error: Error) {
        let error = error.in_session(self.session.name().as_str(), self.session.connection().as_str());
        // Nothing was sent on this channel yet, so there is room unless the reader is gone.
        let _ = query.events.try_send(Err(error));
    }

    /// Ends the session: results that are being read are cut, what is open upstream is rolled back.
    async fn end(mut self) {
        self.mailbox.close();
        let rollback = self.session.closing();
        self.publish();
        for cancel in self.rest.reading.values() {
            cancel.cancel();
        }
        let closed = match self.rest.upstream.take() {
            Some(upstream) => stage::close(upstream, rollback, self.limits.logout_timeout).await,
            None => Closed {
                logout_confirmed: true,
                transaction_rolled_back: false,
            },
        };
        for reply in self.rest.closing.drain(..) {
            let _ = reply.send(closed);
        }
        // Messages that came too late are dropped unanswered, which tells their senders to try a new session;
        // only those who wanted it closed get what they wanted.
        while let Ok(message) = self.mailbox.try_recv() {
            if let Message::Close { reply } = message {
                let _ = reply.send(closed);
            }
        }
    }
}

async fn next_stage(current: &mut Option<Current>) -> Done {
    match current {
        Some(current) => (&mut current.stage).await,
        None => std::future::pending().await,
    }
}

fn closing_error(session: &Session) -> Error {
    Error::new(
        Reason::Cancelled,
        format!("session {} was closed", session.name()),
    )
}

fn not_restored(error: Error) -> Error {
    let reason = match error.reason() {
        Reason::SqlRejected => Reason::SessionLost,
        other => other,
    };
    Error::new(
        reason,
        format!("the session's context could not be restored after a new login: {error}; nothing was run"),
    )
    .with_hint("choose role, warehouse, database and schema again with `sfctl use`")
    .with_source(error)
}

/// What the reader of an interrupted query hears.
fn interrupted(cause: Cause, outcome: CancelOutcome, query: &QueuedQuery) -> Error {
    let confirmed = match outcome {
        CancelOutcome::Confirmed => "Snowflake confirmed that it stopped",
        CancelOutcome::Unconfirmed => "Snowflake did not confirm that it stopped",
        CancelOutcome::NotRunning => "it had ended by then",
    };
    match cause {
        Cause::Cancelled | Cause::ReaderGone => {
            Error::new(Reason::Cancelled, format!("the query was cancelled; {confirmed}"))
        }
        Cause::DeadlinePassed => Error::new(
            Reason::Timeout,
            format!(
                "the query's time limit of {:?} passed; {confirmed}",
                query.timeout
            ),
        )
        .with_hint("give it more time with --timeout, or raise `query.timeout`"),
    }
}

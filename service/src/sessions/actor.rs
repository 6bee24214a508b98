//! The task that owns a session.
//!
//! It polls three things side by side: its mailbox, the stage that is on its way, and the results that are
//! being read. Work enters a queue; one work item at a time goes through its stages (login, restoring the
//! context, the statement itself); [`Session`] decides what comes next and this task carries it out.

mod progress;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::WallClock;
use super::interrupt::Interrupt;
use super::mailbox::{Cancelled, Closed, Ending, Message, QueuedQuery, Reply};
use super::snapshot::Snapshot;
use super::stage::{self, Done, Stage};
use crate::domain::context::ContextChange;
use crate::domain::error::{Error, Reason};
use crate::domain::limits::Limits;
use crate::domain::names::RequestId;
use crate::domain::query::CancelOutcome;
use crate::domain::session::Session;
use crate::domain::upstream::{Connector, Upstream};

/// The owner of one session.
pub(super) struct Actor {
    pub(super) session: Session,
    /// Made in order to be used at once: it goes when its first login fails.
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
    /// Why the session ends, once it does; results that are being read hear it too.
    ending: Arc<OnceLock<Ending>>,
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

    /// True for a query whose reader is gone.
    fn is_unwanted(&self) -> bool {
        matches!(self, Self::Query { query, .. } if query.events.is_closed())
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Query { interrupt, .. } => Some(interrupt.deadline),
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
                    Some(work) if work.is_unwanted() => continue,
                    Some(work) if !self.is_ending() => {
                        self.begin(work);
                        continue;
                    }
                    Some(work) => {
                        self.fail(work, self.ending_error());
                        continue;
                    }
                    None if self.is_ending() => break,
                    None => {}
                }
            }
            let unused = self.rest.current.is_none() && self.rest.deliveries.is_empty();
            let first_deadline = self.first_deadline();
            tokio::select! {
                biased;
                message = self.mailbox.recv() => {
                    last_use = Instant::now();
                    match message {
                        Some(message) => self.receive(message),
                        None => self.end_because(Ending::Unused),
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
                () = sleep_until_some(first_deadline) => self.fail_overdue(),
                () = sleep_until(last_use + self.limits.session_idle), if unused => {
                    tracing::info!("session was not used for its idle limit; closing it");
                    self.end_because(Ending::Unused);
                }
            }
        }
        self.end().await;
    }

    fn is_ending(&self) -> bool {
        self.rest.ending.get().is_some()
    }

    /// Begins to end; the first reason counts.
    fn end_because(&mut self, why: Ending) {
        let _ = self.rest.ending.set(why);
    }

    /// What those hear who still wanted something.
    fn ending_error(&self) -> Error {
        let why = self.rest.ending.get().copied().unwrap_or(Ending::Unused);
        why.error("it was not sent")
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
            Message::Close { why, reply } => {
                self.rest.closing.push(reply);
                self.end_because(why);
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

    fn has_room(&mut self) -> Result<(), Error> {
        if self.is_ending() {
            return Err(self.ending_error());
        }
        // Those who left do not stand in the way of those who came.
        self.rest.queue.retain(|work| !work.is_unwanted());
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

    /// When the first waiting query's time is over.
    fn first_deadline(&self) -> Option<Instant> {
        self.rest.queue.iter().filter_map(Work::deadline).min()
    }

    /// Ends the waiting queries whose time is over.
    fn fail_overdue(&mut self) {
        let now = Instant::now();
        let is_overdue = |work: &Work| work.deadline().is_some_and(|deadline| deadline <= now);
        let (overdue, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.rest.queue)
            .into_iter()
            .partition(is_overdue);
        self.rest.queue = waiting;
        for work in Vec::from(overdue) {
            let error = Error::new(
                Reason::Timeout,
                "the query's time limit passed while it waited; nothing was run",
            )
            .with_hint("use another session to run statements side by side, or give it more time");
            self.fail(work, error);
        }
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

    fn answer_cancellers(work: &Work, cancellers: Vec<Reply<Cancelled>>, outcome: CancelOutcome) {
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
        // Readers may take their time to hear how their results ended; nobody here waits for them.
        self.rest.deliveries.detach_all();
        for reply in self.rest.closing.drain(..) {
            let _ = reply.send(closed);
        }
        // Messages that came too late are dropped unanswered, which tells their senders to try a new session;
        // only those who wanted it closed get what they wanted.
        while let Ok(message) = self.mailbox.try_recv() {
            if let Message::Close { reply, .. } = message {
                let _ = reply.send(closed);
            }
        }
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn next_stage(current: &mut Option<Current>) -> Done {
    match current {
        Some(current) => (&mut current.stage).await,
        None => std::future::pending().await,
    }
}

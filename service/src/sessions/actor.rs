//! The task that owns a session.
//!
//! It polls side by side: its mailbox, the stage that is on its way, the results that are being read, and the
//! time. Work enters a queue ([`queue`]); one task at a time goes through its stages ([`progress`]: login,
//! restoring, what it must pass ([`gate`]), the statement itself) and is settled ([`settle`]: what nobody can know is asked, what changed is
//! put on disk, the answer leaves). What needs no turn goes on [`beside`] it; submitted statements are looked after
//! in [`jobs`]. What happens when nobody uses the session is in [`rest`], how it ends in
//! [`end`], and how its upstream session outlives the process in [`carry`]. A write is several statements
//! ([`self::writes`]) and may wait between them ([`held`]). [`Session`] decides what comes next; this task
//! carries it out.

mod beside;
mod carry;
mod end;
mod gate;
mod held;
mod hints;
mod jobs;
mod progress;
mod queue;
mod rest;
mod settle;
mod steps;
mod writes;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::jobs::Jobs;
use super::WallClock;
use super::carry::Adopted;
use super::errand::{Errand, Returned};
use super::interrupt::{Events, Interrupt};
use super::live::Watched;
use super::luggage::Luggage;
use super::mailbox::{
    Cancelled, Closed, Ending, Message, QueuedQuery, Reply, Reset, Settling, TransactionVerb,
};
use super::snapshot::Snapshot;
use super::stage::{Done, Stage};
use super::table::Desk;
use super::writes::queued::{HeldWrite, QueuedWrite};
use crate::domain::carry::Place;
use crate::domain::context::ContextChange;
use crate::domain::error::Error;
use crate::domain::journal::Journal;
use crate::domain::limits::Limits;
use crate::domain::names::RequestId;
use crate::domain::policy::Limit;
use crate::domain::session::{Phase, Session};
use crate::domain::upstream::{Connector, Upstream};
use crate::domain::write::token::Token;

/// The owner of one session.
pub(super) struct Actor {
    pub(super) session: Session,
    /// Made in order to be used at once: it goes when its first login fails.
    pub(super) implicit: bool,
    pub(super) mailbox: mpsc::Receiver<Message>,
    pub(super) snapshot: watch::Sender<Snapshot>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) limits: Watched<Limits>,
    pub(super) clock: WallClock,
    /// Where it goes when it ends, and where its journal is kept.
    pub(super) desk: Desk,
    /// When the session was last used.
    pub(super) last_use: (Instant, SystemTime),
    pub(super) rest: Rest,
}

/// What an actor begins without.
pub(super) struct Rest {
    upstream: Option<Arc<dyn Upstream>>,
    /// What is left of it for the next process, while it can outlive this one.
    luggage: Option<Arc<Luggage>>,
    /// Where the upstream session waited that the process before has left, until the task begins.
    arrived_in: Option<Place>,
    /// A statement of that process that nobody waits for any more, until it was stopped.
    abandoned: Option<RequestId>,
    /// The connection's settings give its queries a tag.
    tagged: bool,
    queue: VecDeque<Work>,
    current: Option<Current>,
    deliveries: JoinSet<RequestId>,
    /// How to cancel the results that are being read.
    reading: HashMap<RequestId, Reading>,
    /// What goes on beside the statement that runs, each with the upstream session that it was begun in.
    errands: JoinSet<(Arc<dyn Upstream>, Returned)>,
    /// Submissions among the errands.
    submitting: usize,
    jobs: Jobs,
    /// The write that waits for a confirmation.
    held: Option<HeldWrite>,
    /// The token of a write that is just being told that it waits, and when that ends.
    holding: Option<(Token, Instant)>,
    /// What happened while nobody listened, for the next answer.
    untold: Vec<String>,
    closing: Vec<Reply<Closed>>,
    /// Somebody wants nothing of it to be kept, why ever it ends.
    closed_by_user: bool,
    /// Why the session ends, once it does; results that are being read hear it too.
    ending: Arc<OnceLock<Ending>>,
    /// The journal as it was last given to the store.
    kept: Option<Arc<Journal>>,
}

impl Rest {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            upstream: None,
            luggage: None,
            arrived_in: None,
            abandoned: None,
            tagged: false,
            queue: VecDeque::new(),
            current: None,
            deliveries: JoinSet::new(),
            reading: HashMap::new(),
            errands: JoinSet::new(),
            submitting: 0,
            jobs: Jobs::new(limits.job_check),
            held: None,
            holding: None,
            untold: Vec::new(),
            closing: Vec::new(),
            closed_by_user: false,
            ending: Arc::default(),
            kept: None,
        }
    }

    /// What an actor begins with that goes on with an upstream session.
    pub(super) fn adopting(limits: &Limits, adopted: Adopted) -> Self {
        Self {
            abandoned: adopted.abandoned(),
            arrived_in: Some(adopted.place),
            upstream: Some(adopted.upstream),
            ..Self::new(limits)
        }
    }
}

/// A result that is being read.
struct Reading {
    query_id: String,
    cancel: CancellationToken,
}

/// Something to do upstream.
enum Work {
    Query {
        query: Box<QueuedQuery>,
        interrupt: Interrupt,
        accepted_at: Instant,
    },
    Write {
        write: Box<QueuedWrite>,
        interrupt: Interrupt,
        accepted_at: Instant,
    },
    /// End the waiting of the write that waits.
    Settle {
        settling: Settling,
        timeout: Duration,
        events: Events,
    },
    Login {
        reply: Reply<Result<Snapshot, Error>>,
    },
    Update {
        change: Box<ContextChange>,
        accept_loss: bool,
        reply: Reply<Result<Snapshot, Error>>,
    },
    Transaction {
        verb: TransactionVerb,
        accept_loss: bool,
        reply: Reply<Result<Snapshot, Error>>,
    },
    Reset {
        reply: Reply<Reset>,
    },
    /// An errand that waits for a login.
    Errand(Errand),
    /// Roll back the transaction that nobody uses.
    ExpireTransaction,
    /// Log out the session that nobody uses.
    LogOut,
}

impl Work {
    fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Query { query, .. } => Some(query.submission.request_id),
            Self::Write { write, .. } => Some(write.submission.request_id),
            Self::Errand(errand) => errand.request_id(),
            _ => None,
        }
    }

    /// True when nobody waits for it any more.
    fn is_unwanted(&self) -> bool {
        match self {
            Self::Query { query, .. } => query.events.is_closed(),
            Self::Write { write, .. } => write.events.is_closed(),
            Self::Errand(errand) => errand.is_unwanted(),
            Self::Login { reply } | Self::Update { reply, .. } | Self::Transaction { reply, .. } => {
                reply.is_closed()
            }
            Self::Settle { .. } | Self::Reset { .. } | Self::ExpireTransaction | Self::LogOut => false,
        }
    }

    /// True when somebody asked for it.
    fn is_asked_for(&self) -> bool {
        let is_expiry = matches!(
            self,
            Self::Settle {
                settling: Settling::Expire,
                ..
            }
        );
        !is_expiry && !matches!(self, Self::ExpireTransaction | Self::LogOut)
    }

    fn accepts_loss(&self) -> bool {
        match self {
            Self::Query { query, .. } => query.accept_loss,
            Self::Write { write, .. } => write.asked.accept_loss,
            Self::Errand(errand) => errand.accepts_loss(),
            Self::Update { accept_loss, .. } | Self::Transaction { accept_loss, .. } => *accept_loss,
            _ => false,
        }
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        match self {
            Self::Query { interrupt, .. } | Self::Write { interrupt, .. } => Some(interrupt),
            Self::Errand(errand) => errand.interrupt(),
            _ => None,
        }
    }
}

/// Work that is being done.
struct Task {
    work: Work,
    cancellers: Vec<Reply<Cancelled>>,
    /// Stops its small statements.
    stop: CancellationToken,
    /// It was begun once more because its upstream session was found gone before it ran.
    retried: bool,
}

impl From<Work> for Task {
    fn from(work: Work) -> Self {
        Self {
            work,
            cancellers: Vec::new(),
            stop: CancellationToken::new(),
            retried: false,
        }
    }
}

/// A task and the stage that it is in.
struct Current {
    task: Task,
    stage: Stage,
    /// When its statement was sent, if that is the stage.
    sent: Option<SystemTime>,
    /// What came of the statement, while that is being settled.
    outcome: Option<settle::Outcome>,
}

impl Actor {
    /// Lives until the session is closed or was unused for its idle limit.
    pub(super) async fn run(mut self) {
        if let Some(place) = self.rest.arrived_in.take() {
            self.carry_in(place);
        }
        if matches!(self.session.phase(), Phase::Disconnected | Phase::Idle) {
            self.rest.kept = Some(Arc::clone(self.session.journal()));
        } else if !self.implicit {
            drop(self.keep());
        }
        loop {
            self.publish();
            if self.rest.current.is_none() {
                match self.rest.queue.pop_front() {
                    Some(work) if work.is_unwanted() => continue,
                    Some(work) if !self.is_ending() => {
                        self.begin(work.into());
                        continue;
                    }
                    Some(work) => {
                        self.fail(work.into(), self.ending_error());
                        continue;
                    }
                    None if self.is_ending() => break,
                    None => {}
                }
            }
            let first_deadline = self.first_deadline();
            let wake = self.wake_time().filter(|_| self.is_at_rest());
            let next_check = self.next_check();
            let hold_ends = self.hold_ends();
            tokio::select! {
                biased;
                message = self.mailbox.recv() => {
                    self.used();
                    match message {
                        Some(message) => self.receive(message),
                        None => self.end_because(Ending::Unused),
                    }
                }
                done = next_stage(&mut self.rest.current) => {
                    if self.rest.current.as_ref().is_some_and(|current| current.task.work.is_asked_for()) {
                        self.used();
                    }
                    self.finish(done);
                }
                Some(delivered) = self.rest.deliveries.join_next() => {
                    self.used();
                    if let Ok(request_id) = delivered {
                        self.rest.reading.remove(&request_id);
                    }
                }
                Some(returned) = self.rest.errands.join_next() => {
                    if let Ok((of, returned)) = returned {
                        self.returned(&of, returned);
                    }
                }
                () = sleep_until_some(next_check) => self.check_jobs(),
                () = sleep_until_some(first_deadline) => self.fail_overdue(),
                () = sleep_until_some(hold_ends) => self.expire_hold(),
                () = sleep_until_some(wake) => self.wake(),
                () = self.limits.changed() => {}
            }
        }
        self.end().await;
    }

    /// The most that its statements may do.
    fn limit(&self) -> Limit {
        let oversight = self.desk.book.oversight.now();
        oversight.limit(self.session.policy(), self.session.connection())
    }

    fn used(&mut self) {
        self.last_use = (Instant::now(), (self.clock)());
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

    /// Nothing waits, nothing is done, nothing is being read.
    fn is_at_rest(&self) -> bool {
        let rest = &self.rest;
        rest.current.is_none() && rest.queue.is_empty() && rest.reading.is_empty() && rest.submitting == 0
    }

    /// Shows the session as it is now.
    fn publish(&mut self) {
        self.notice_lost_write();
        let rest = &self.rest;
        let running = rest.current.as_ref().and_then(|current| {
            let request_id = current.task.work.request_id()?;
            Some((request_id, current.sent?))
        });
        let leased = self.is_at_rest() && rest.held.is_none();
        let lease_ends = self.session.transaction().filter(|_| leased);
        self.snapshot.send_modify(|snapshot| {
            let created = snapshot.create_time;
            *snapshot = Snapshot {
                running,
                waiting_count: rest.queue.len(),
                reading_count: rest.reading.len(),
                job_count: self.jobs_left(),
                query_count: rest.queue.len()
                    + usize::from(rest.current.is_some())
                    + rest.reading.len()
                    + rest.submitting,
                transaction_expire_time: lease_ends
                    .map(|_| self.last_use.1 + self.limits.transaction_lease)
                    .or_else(|| {
                        self.hold_expire_time()
                            .filter(|_| self.session.transaction_open())
                    }),
                ..Snapshot::of(
                    &self.session,
                    created,
                    self.last_use.1,
                    self.limits.session_idle,
                    self.limit(),
                )
            };
        });
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Run { query, accepted } => {
                let answer = self.admit(query);
                // A caller that is gone has dropped its events too, which interrupts the query.
                let _ = accepted.send(answer);
            }
            Message::Write { write, accepted } => {
                let answer = self.admit_write(write);
                let _ = accepted.send(answer);
            }
            Message::Settle {
                token,
                settling,
                timeout,
                events,
                accepted,
            } => self.receive_settling(&token, settling, timeout, events, accepted),
            Message::Login { reply } => self.enqueue(Work::Login { reply }),
            Message::Update {
                change,
                accept_loss,
                reply,
            } => self.enqueue(Work::Update {
                change,
                accept_loss,
                reply,
            }),
            Message::Transaction {
                verb,
                accept_loss,
                reply,
            } => self.enqueue(Work::Transaction {
                verb,
                accept_loss,
                reply,
            }),
            Message::Reset { reply } => self.reset(reply),
            Message::Beside(errand) => self.receive_errand(errand),
            Message::Cancel {
                request_id,
                query_id,
                reply,
            } => {
                if let Some(query_id) = query_id {
                    self.stop_reading(&query_id);
                }
                self.cancel(request_id, reply);
            }
            Message::Close { why, reply } => {
                self.rest.closing.push(reply);
                self.rest.closed_by_user |= why == Ending::Closed;
                self.end_because(why);
                self.interrupt_current();
            }
        }
    }

    /// Cancels what is being done.
    fn interrupt_current(&self) {
        if let Some(current) = &self.rest.current {
            current.task.stop.cancel();
            if let Some(interrupt) = current.task.work.interrupt() {
                interrupt.cancel.cancel();
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

//! What can be asked of a session, and the handle through which it is asked.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::errand::Errand;
use super::history::Entry;
use super::interrupt::Events;
use super::oversight::Gate;
use super::snapshot::Snapshot;
use super::writes::queued::QueuedWrite;
use crate::domain::context::ContextChange;
use crate::domain::error::{Error, Reason};
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::policy::Level;
use crate::domain::query::{CancelOutcome, QueryEvent, Submission};
use crate::domain::statement::Effect;

/// Messages that wait in a mailbox. The actor always empties it at once; its own queue has the real limit.
pub(super) const MAILBOX_CAPACITY: usize = 16;

/// Where the answer to a message goes.
pub(super) type Reply<T> = oneshot::Sender<T>;

/// What can be asked of a session.
pub(super) enum Message {
    /// Run a statement. The reply says whether it was accepted; events follow.
    Run {
        query: Box<QueuedQuery>,
        accepted: Reply<Result<(), Error>>,
    },
    /// Write. The reply says whether it was accepted; events follow.
    Write {
        write: Box<QueuedWrite>,
        accepted: Reply<Result<(), Error>>,
    },
    /// Let the write that waits under this token count, or give it up. The reply says whether it was accepted; events
    /// follow.
    Settle {
        token: String,
        settling: Settling,
        timeout: Duration,
        events: Events,
        accepted: Reply<Result<(), Error>>,
    },
    /// Log in, if that has not happened.
    Login { reply: Reply<Result<Snapshot, Error>> },
    /// Change the session context.
    Update {
        change: Box<ContextChange>,
        accept_loss: bool,
        reply: Reply<Result<Snapshot, Error>>,
    },
    /// Begin or end a transaction.
    Transaction {
        verb: TransactionVerb,
        accept_loss: bool,
        reply: Reply<Result<Snapshot, Error>>,
    },
    /// Begin anew.
    Reset { reply: Reply<Reset> },
    /// Do something beside the statement that runs.
    Beside(Errand),
    /// Cancel a query; `None` means the one that runs. Readings of the result of `query_id` end too.
    Cancel {
        request_id: Option<RequestId>,
        query_id: Option<String>,
        reply: Reply<Cancelled>,
    },
    /// End the session.
    Close { why: Ending, reply: Reply<Closed> },
}

/// A statement and where its events go.
pub(super) struct QueuedQuery {
    pub(super) submission: Submission,
    pub(super) effects: Vec<Effect>,
    /// What was lost is acknowledged.
    pub(super) accept_loss: bool,
    pub(super) timeout: Duration,
    pub(super) events: Events,
    pub(super) entry: Entry,
    pub(super) gate: Gate,
}

/// How far a cancellation got, and for which query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cancelled {
    pub(super) outcome: CancelOutcome,
    pub(super) request_id: Option<RequestId>,
}

/// How the waiting of a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settling {
    /// It counts.
    Confirm,
    /// Somebody gives it up.
    Abandon,
    /// Nobody confirmed it in time.
    Expire,
}

/// What to do with a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionVerb {
    /// Begin one.
    Begin,
    /// Commit it.
    Commit,
    /// Roll it back.
    Rollback,
}

impl TransactionVerb {
    /// The statement that does it, and what that does to the session.
    pub(super) fn statement(self) -> (&'static str, Effect) {
        match self {
            Self::Begin => ("BEGIN", Effect::Begin),
            Self::Commit => ("COMMIT", Effect::Commit),
            Self::Rollback => ("ROLLBACK", Effect::Rollback),
        }
    }
}

/// What came of beginning anew.
#[derive(Debug)]
pub struct Reset {
    /// The session.
    pub snapshot: Snapshot,
    /// An open transaction was rolled back.
    pub transaction_rolled_back: bool,
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nobody uses it: it is kept, and comes back when it is used again.
    Unused,
    /// It never came to life: nothing is kept.
    Discarded,
    /// Somebody closed it.
    Closed,
    /// The service stops.
    Draining,
}

impl Ending {
    /// What a query hears whose session ends; `outcome` says what became of it.
    pub(super) fn error(self, outcome: &str) -> Error {
        match self {
            Self::Unused | Self::Discarded | Self::Closed => {
                Error::new(Reason::Cancelled, format!("the session was closed; {outcome}"))
            }
            Self::Draining => Error::new(Reason::Draining, format!("the service is stopping; {outcome}"))
                .with_hint("look at what was done before running the statement again"),
        }
    }
}

/// What came of ending a session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Closed {
    /// Snowflake confirmed the logout, or there was nobody to log out.
    pub logout_confirmed: bool,
    /// An open transaction was rolled back.
    pub transaction_rolled_back: bool,
    /// Submitted statements that go on at Snowflake. When there are any, the session is not logged out, which would
    /// stop them, but left to Snowflake's idle timeout.
    pub jobs_left: usize,
}

impl Closed {
    /// There was nobody to log out.
    pub(super) fn nothing() -> Self {
        Self {
            logout_confirmed: true,
            ..Self::default()
        }
    }
}

/// An accepted query: its identity, and its events as they come.
#[derive(Debug)]
pub struct QueryStream {
    /// Identity of the request.
    pub request_id: RequestId,
    /// Session in which it runs.
    pub session: SessionName,
    /// Connection of that session.
    pub connection: ConnectionName,
    /// Schema, batches, summary; or an error. Dropping the receiver cancels the query.
    pub events: mpsc::Receiver<Result<QueryEvent, Error>>,
}

/// A way to a session's actor.
#[derive(Clone)]
pub(super) struct Handle {
    /// Tells two sessions of one name apart.
    pub(super) serial: u64,
    pub(super) connection: ConnectionName,
    /// The most that its statements may do, if it has a limit of its own.
    pub(super) policy: Option<Level>,
    pub(super) mailbox: mpsc::Sender<Message>,
    pub(super) snapshot: watch::Receiver<Snapshot>,
}

/// The session ended before it heard the message: nothing of it was done.
pub(super) struct Gone;

impl Handle {
    /// Sends a message and waits for its answer.
    pub(super) async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(message(reply)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }

    /// The session at this moment.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }
}

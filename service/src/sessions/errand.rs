//! What a session does at Snowflake beside the statement that runs: it submits statements, and looks at, reads and
//! cancels queries by Snowflake's id.
//!
//! An errand needs the session to be logged in and nothing else of it, so any number of them go on at a time. Each
//! is a task of its own that owns what it needs; the actor hears what it [returned](Returned).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::history::Entry;
use super::interrupt::{Cause, Interrupt};
use super::mailbox::Reply;
use super::oversight::{Gate, drawn_request_id, refused};
use super::stage::is_about_session;
use crate::domain::error::{Error, Reason};
use crate::domain::history::{Observed, QueryRecord};
use crate::domain::names::RequestId;
use crate::domain::query::{CancelOutcome, RowWindow, Submission};
use crate::domain::session::Session;
use crate::domain::statement::Effect;
use crate::domain::upstream::{Execution, Upstream};

/// Something to do beside the statement that runs.
pub(super) enum Errand {
    /// Submit a statement.
    Submit(Box<Submit>),
    /// Look at a query.
    Observe(Observe),
    /// Read the result of a query, waiting for its end.
    Read(Box<Read>),
    /// Cancel a query.
    Cancel {
        query_id: String,
        reply: Reply<CancelOutcome>,
    },
}

/// A statement to submit.
pub(super) struct Submit {
    pub(super) submission: Submission,
    pub(super) effects: Vec<Effect>,
    /// What was lost is acknowledged.
    pub(super) accept_loss: bool,
    pub(super) time_limit: Duration,
    pub(super) entry: Entry,
    pub(super) gate: Gate,
    /// How long Snowflake may take to say what the statement is.
    pub(super) describe_limit: Duration,
    pub(super) reply: Reply<Result<QueryRecord, Error>>,
    /// It was tried before, in an upstream session that turned out to be gone before it ran.
    pub(super) is_second_try: bool,
}

/// A query to look at.
pub(super) struct Observe {
    pub(super) query_id: String,
    /// The right to write about it, when it is remembered.
    pub(super) entry: Option<Entry>,
    pub(super) reply: Reply<Result<Option<Observed>, Error>>,
    /// It was tried before, in an upstream session that turned out to be gone.
    pub(super) is_second_try: bool,
}

/// A result to read.
pub(super) struct Read {
    /// Names this reading among the results that are being read.
    pub(super) reading: RequestId,
    pub(super) query_id: String,
    pub(super) window: RowWindow,
    pub(super) interrupt: Interrupt,
    pub(super) accepted_at: Instant,
    pub(super) timeout: Duration,
    /// Hears that the session has heard of it.
    pub(super) accepted: Option<Reply<()>>,
    /// It was tried before, in an upstream session that turned out to be gone.
    pub(super) is_second_try: bool,
}

/// An errand that is done.
pub(super) enum Returned {
    /// A statement was submitted, or not.
    Submitted(Box<Submit>, Result<String, Error>),
    /// A query was looked at.
    Observed(Observe, Result<Option<Observed>, Error>),
    /// A result was opened.
    Opened(Box<Read>, Result<Execution, Error>),
    /// Nobody wants this result any more, or not in time.
    Interrupted(Box<Read>, Cause),
    /// A query was cancelled, and then looked at.
    Cancelled {
        query_id: String,
        outcome: CancelOutcome,
        observed: Option<Observed>,
        reply: Reply<CancelOutcome>,
    },
    /// A submitted statement was looked at because it was time to.
    Checked {
        query_id: String,
        result: Result<Option<Observed>, Error>,
    },
}

impl Errand {
    /// Does it.
    pub(super) async fn carry_out(self, upstream: Arc<dyn Upstream>) -> Returned {
        match self {
            Self::Submit(mut submit) => {
                if let Err(error) = submit.describe(&upstream).await {
                    return Returned::Submitted(submit, Err(error));
                }
                submit.entry.sent();
                let submission = submit.submission.clone();
                let result = upstream.submit(submission, submit.time_limit).await;
                Returned::Submitted(submit, result)
            }
            Self::Observe(observe) => {
                let result = upstream.observe(&observe.query_id).await;
                Returned::Observed(observe, result)
            }
            Self::Read(read) => {
                tokio::select! {
                    biased;
                    cause = read.interrupt.wait() => Returned::Interrupted(read, cause),
                    result = upstream.read(&read.query_id, read.window) => Returned::Opened(read, result),
                }
            }
            Self::Cancel { query_id, reply } => {
                let outcome = upstream.cancel_query(&query_id).await;
                let observed = upstream.observe(&query_id).await.ok().flatten();
                Returned::Cancelled {
                    query_id,
                    outcome,
                    observed,
                    reply,
                }
            }
        }
    }

    /// The request that it carries, for those that wait in the queue.
    pub(super) fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Submit(submit) => Some(submit.submission.request_id),
            Self::Observe(_) | Self::Read(_) | Self::Cancel { .. } => None,
        }
    }

    /// True when what the session holds and has lost matters to it.
    pub(super) fn depends_on_session(&self) -> bool {
        matches!(self, Self::Submit(_))
    }

    /// True when what was lost does not stand in its way.
    pub(super) fn accepts_loss(&self) -> bool {
        match self {
            Self::Submit(submit) => submit.accept_loss,
            Self::Observe(_) | Self::Read(_) | Self::Cancel { .. } => true,
        }
    }

    /// True when nobody waits for it any more. A submission goes on without the client that asked for it.
    pub(super) fn is_unwanted(&self) -> bool {
        match self {
            Self::Submit(_) => false,
            Self::Observe(observe) => observe.reply.is_closed(),
            Self::Read(read) => read.interrupt.events.is_closed(),
            Self::Cancel { reply, .. } => reply.is_closed(),
        }
    }

    /// How it is interrupted while it waits for a login.
    pub(super) fn interrupt(&self) -> Option<&Interrupt> {
        match self {
            Self::Read(read) => Some(&read.interrupt),
            Self::Submit(_) | Self::Observe(_) | Self::Cancel { .. } => None,
        }
    }

    /// Says that it is not even begun: as if it had never been asked for.
    pub(super) fn refuse(self, error: Error) {
        match self {
            Self::Submit(submit) => {
                submit.entry.withdraw(&error);
                let _ = submit.reply.send(Err(error));
            }
            errand => errand.fail(error),
        }
    }

    /// Says that it will not be done.
    pub(super) fn fail(self, error: Error) {
        match self {
            Self::Submit(submit) => {
                submit.entry.failed(&error);
                let _ = submit.reply.send(Err(error));
            }
            Self::Observe(observe) => drop(observe.reply.send(Err(error))),
            // Nothing was sent on this channel yet, so there is room unless the reader is gone.
            Self::Read(read) => drop(read.interrupt.events.try_send(Err(error))),
            Self::Cancel { reply, .. } => {
                tracing::info!(error = %error, "a query could not be cancelled");
                let _ = reply.send(CancelOutcome::Unconfirmed);
            }
        }
    }
}

impl Submit {
    /// Decides what had to wait until the session is logged in.
    pub(super) fn enter(&mut self, session: &Session) -> Result<(), Error> {
        let Some(trail) = self.entry.trail() else {
            return Ok(());
        };
        let entered = self.gate.enter(session, trail);
        entered.map_err(|refusal| refused(trail, refusal))
    }

    /// Asks Snowflake first what the statement is, where the policy wants that.
    async fn describe(&mut self, upstream: &Arc<dyn Upstream>) -> Result<(), Error> {
        if !self.gate.asks_server() {
            return Ok(());
        }
        let asked = Submission {
            request_id: drawn_request_id(),
            ..self.submission.clone()
        };
        match timeout(self.describe_limit, upstream.describe(asked)).await {
            Ok(Ok(kind)) => self.gate.told(kind).map_err(|refusal| match self.entry.trail() {
                Some(trail) => refused(trail, refusal),
                None => refusal.into(),
            }),
            Ok(Err(error)) if is_about_session(&error) => Err(error.without_doubt()),
            Ok(Err(error)) => {
                self.gate
                    .not_told(&error)
                    .map_err(|refusal| match (refusal, self.entry.trail()) {
                        (Some(refusal), Some(trail)) => refused(trail, refusal),
                        (Some(refusal), None) => refusal.into(),
                        (None, _) => error.without_doubt(),
                    })
            }
            Err(_) => Err(Error::new(
                Reason::Timeout,
                "Snowflake did not say in time what the statement is; nothing was run",
            )),
        }
    }
}

impl Read {
    /// What its reader hears, if it is still there, when the wait for the query's end is interrupted.
    pub(super) fn interrupted(&self, cause: Cause) -> Error {
        match cause {
            Cause::ReaderGone | Cause::Cancelled => Error::new(
                Reason::Cancelled,
                "the query was cancelled while its result was waited for",
            ),
            Cause::DeadlinePassed => still_running(self.timeout),
        }
    }
}

/// The error of a wait for a query's end that was too long.
pub(super) fn still_running(waited: Duration) -> Error {
    Error::new(
        Reason::Timeout,
        format!("the query did not end within {waited:?}; it goes on"),
    )
    .with_hint("ask for its result again later, or wait longer with --timeout")
}

//! What a session does upstream: log in, run one statement, part. The small statements of its own are in
//! [`chores`](super::chores).
//!
//! Each stage is a future that the actor polls beside its mailbox. It owns what it needs and touches no
//! state of the session; the actor turns its result into a transition.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::chores::roll_back;
use super::interrupt::{Cause, Interrupt};
use super::writes::looks::{Sampled, Undelivered};
use crate::domain::context::Context;
use crate::domain::error::{Error, Reason};
use crate::domain::journal::record::Written;
use crate::domain::loss::LossKind;
use crate::domain::names::ConnectionName;
use crate::domain::query::{CancelOutcome, Executed, StatementKind, Submission};
use crate::domain::upstream::{Connector, Execution, Login, Upstream};

/// A stage on its way.
pub(super) type Stage = BoxFuture<'static, Done>;

/// A finished stage.
pub(super) enum Done {
    /// A login ended.
    Login(Result<Login, Error>),
    /// A list of statements ended: what the last successful one said, and the error that ended it early.
    Statements {
        executed: Option<Executed>,
        error: Option<Error>,
    },
    /// Bringing a new upstream session to where the session was ended.
    Restored(Restored),
    /// Snowflake said what a statement is, or could not; or the question was interrupted.
    Described(Result<Result<StatementKind, Error>, Cause>),
    /// A statement ended.
    Ran(Ran),
    /// Snowflake said whether a transaction is open, or could not.
    Asked(Result<bool, Error>),
    /// Rows were looked at for a write.
    Sampled(Result<Box<Sampled>, Error>),
    /// It is known how to take a write back.
    Planned(Result<String, Error>),
    /// A write's own rows reached their reader, or not.
    Delivered(Result<(), Undelivered>),
    /// Names that are near one that was not found.
    Near(Vec<String>),
    /// Whoever asked heard what came of a write, or not.
    Told(bool),
    /// What was to be on disk is there, or is late.
    Written,
    /// The upstream session was given up.
    Closed(super::Closed),
}

/// How far the restoring came.
#[derive(Default)]
pub(super) struct Restored {
    /// Where the upstream session is now, if a statement said so.
    pub(super) context: Option<Context>,
    /// What Snowflake refused, with the cause.
    pub(super) refused: Vec<(LossKind, String, String)>,
    /// Why it was given up half-way.
    pub(super) error: Option<Error>,
}

/// A statement that ended.
pub(super) struct Ran {
    /// What Snowflake said; `None` when it was interrupted before it said anything.
    pub(super) result: Option<Result<Execution, Error>>,
    /// Why it was interrupted and how far the cancellation got.
    pub(super) interrupted: Option<(Cause, CancelOutcome)>,
}

/// Logs in, at most for `limit` and no longer than the query that asks for it is wanted.
pub(super) fn login(
    connector: Arc<dyn Connector>,
    connection: ConnectionName,
    limit: Duration,
    interrupt: Option<Interrupt>,
) -> Stage {
    Box::pin(async move {
        let login = async {
            match timeout(limit, connector.login(&connection)).await {
                Ok(result) => result,
                Err(_) => Err(Error::new(
                    Reason::Timeout,
                    format!("login over connection {connection} took longer than {limit:?}"),
                )
                .with_hint("look at the network, or raise `login.timeout`")),
            }
        };
        let result = match interrupt {
            None => login.await,
            Some(interrupt) => tokio::select! {
                biased;
                result = login => result,
                cause = interrupt.wait() => Err(interrupted_login(cause)),
            },
        };
        Done::Login(result)
    })
}

fn interrupted_login(cause: Cause) -> Error {
    match cause {
        Cause::DeadlinePassed => Error::new(
            Reason::Timeout,
            "the time limit passed during the login; nothing was run",
        ),
        Cause::Cancelled | Cause::ReaderGone => Error::new(
            Reason::Cancelled,
            "the query was cancelled during the login; nothing was run",
        ),
    }
}

/// Waits until something is on disk, at most for `limit`.
pub(super) fn written(written: Written, limit: Duration) -> Stage {
    Box::pin(async move {
        if timeout(limit, written).await.is_err() {
            tracing::warn!(?limit, "the session's journal is not on disk in time");
        }
        Done::Written
    })
}

/// Gives an upstream session up; see [`part_with`].
pub(super) fn give_up(
    upstream: Option<Arc<dyn Upstream>>,
    rollback: bool,
    jobs_left: usize,
    limit: Duration,
) -> Stage {
    Box::pin(async move {
        Done::Closed(match upstream {
            Some(upstream) => part_with(upstream, rollback, jobs_left, limit).await,
            None => super::Closed::nothing(),
        })
    })
}

/// Asks what a statement is without running it; an interruption stops the question.
pub(super) fn describe(
    upstream: Arc<dyn Upstream>,
    submission: Submission,
    interrupt: Interrupt,
    cancel_wait: Duration,
) -> Stage {
    Box::pin(async move {
        let request_id = submission.request_id;
        let mut description = upstream.describe(submission);
        let cause = tokio::select! {
            biased;
            result = &mut description => return Done::Described(Ok(result)),
            cause = interrupt.wait() => cause,
        };
        // Nothing runs, so nothing is lost when this is not confirmed.
        let stop = async { tokio::join!(upstream.cancel(request_id), description) };
        let _ = timeout(cancel_wait, stop).await;
        Done::Described(Err(cause))
    })
}

/// True for an error of the way to Snowflake. What Snowflake says of a statement itself leaves open what its parts did:
/// those of a procedure, a block or a text of several statements that ended before stand.
pub(super) fn is_about_session(error: &Error) -> bool {
    matches!(error.reason(), Reason::SessionLost | Reason::Unreachable)
}

/// Runs one statement; an interruption cancels it at Snowflake and waits at most `cancel_wait` for that.
pub(super) fn run(
    upstream: Arc<dyn Upstream>,
    submission: Submission,
    interrupt: Interrupt,
    cancel_wait: Duration,
) -> Stage {
    Box::pin(async move {
        let request_id = submission.request_id;
        let mut execution = upstream.execute(submission);
        let cause = tokio::select! {
            biased;
            result = &mut execution => return Done::Ran(Ran { result: Some(result), interrupted: None }),
            cause = interrupt.wait() => cause,
        };
        // Both at once: a server may answer the abort only after the statement has ended.
        let stop = async { tokio::join!(upstream.cancel(request_id), execution) };
        let (outcome, result) = match timeout(cancel_wait, stop).await {
            Err(_) => (CancelOutcome::Unconfirmed, None),
            Ok((cancelled, result)) => {
                let outcome = cancelled.unwrap_or_else(|error| {
                    tracing::warn!(%request_id, error = %error, "cancellation failed");
                    CancelOutcome::Unconfirmed
                });
                (
                    if result.is_ok() {
                        CancelOutcome::NotRunning
                    } else {
                        outcome
                    },
                    Some(result),
                )
            }
        };
        Done::Ran(Ran {
            result,
            interrupted: Some((cause, outcome)),
        })
    })
}

/// Parts with an upstream session: rolls back what is open, and logs out, each within `limit`. While submitted
/// statements run in it there is no logout, which would stop them: it is left to Snowflake's idle timeout.
pub(super) async fn part_with(
    upstream: Arc<dyn Upstream>,
    rollback: bool,
    jobs_left: usize,
    limit: Duration,
) -> super::Closed {
    if jobs_left == 0 {
        return close(upstream, rollback, limit).await;
    }
    tracing::info!(
        jobs_left,
        "submitted statements go on, so the upstream session is not logged out"
    );
    super::Closed {
        logout_confirmed: false,
        transaction_rolled_back: rollback && roll_back(&upstream, limit).await,
        jobs_left,
    }
}

/// Ends a session at Snowflake: rolls back what is open, logs out, each within `limit`.
async fn close(upstream: Arc<dyn Upstream>, rollback: bool, limit: Duration) -> super::Closed {
    let transaction_rolled_back = rollback && roll_back(&upstream, limit).await;
    let logout_confirmed = match timeout(limit, upstream.close()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(error = %error, "logout not confirmed");
            false
        }
        Err(_) => {
            tracing::warn!(?limit, "logout not confirmed in time");
            false
        }
    };
    super::Closed {
        logout_confirmed,
        transaction_rolled_back,
        jobs_left: 0,
    }
}

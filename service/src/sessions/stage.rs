//! What a session does upstream: log in, run one statement, run a list of small ones.
//!
//! Each stage is a future that the actor polls beside its mailbox. It owns what it needs and touches no
//! state of the session; the actor turns its result into a transition.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout, timeout_at};

use super::interrupt::{Cause, Interrupt};
use crate::domain::context::Context;
use crate::domain::error::{Error, Reason};
use crate::domain::journal::record::Written;
use crate::domain::journal::restore::RestoreStep;
use crate::domain::loss::LossKind;
use crate::domain::names::{ConnectionName, RequestId};
use crate::domain::query::{CancelOutcome, Executed, Submission};
use crate::domain::session::ASK_TRANSACTION;
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
    /// A statement ended.
    Ran(Ran),
    /// Snowflake said whether a transaction is open, or could not.
    Asked(Result<bool, Error>),
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

/// Runs small statements one after the other until one fails.
pub(super) fn statements(upstream: Arc<dyn Upstream>, sql: Vec<String>, limit: Duration) -> Stage {
    Box::pin(async move {
        let deadline = Instant::now() + limit;
        let mut executed = None;
        for sql in sql {
            match small(&upstream, sql, deadline).await {
                Ok(done) => executed = Some(done),
                Err(error) => {
                    return Done::Statements {
                        executed,
                        error: Some(error),
                    };
                }
            }
        }
        Done::Statements {
            executed,
            error: None,
        }
    })
}

/// Runs one small statement of our own.
async fn small(upstream: &Arc<dyn Upstream>, sql: String, deadline: Instant) -> Result<Executed, Error> {
    let submission = Submission {
        request_id: RequestId::new(uuid::Uuid::new_v4()),
        sql,
        bindings: Vec::new(),
        row_limit: Some(1),
    };
    // The text is not told: it may hold a value that somebody set.
    match timeout_at(deadline, upstream.execute(submission)).await {
        Ok(result) => result.map(|execution| execution.executed),
        Err(_) => Err(Error::new(Reason::Timeout, "Snowflake did not answer in time").with_doubt()),
    }
}

/// Brings a new upstream session to where the session was, within `limit`.
pub(super) fn restore(upstream: Arc<dyn Upstream>, steps: Vec<RestoreStep>, limit: Duration) -> Stage {
    Box::pin(async move {
        let deadline = Instant::now() + limit;
        let mut restored = Restored::default();
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            match small(&upstream, step.sql, deadline).await {
                Ok(executed) => restored.context = Some(executed.context),
                Err(error) if error.reason() == Reason::SqlRejected => {
                    let lost = step
                        .restores
                        .map(|(kind, name)| (kind, name, refusal(kind, &error)));
                    restored.refused.extend(lost);
                    for otherwise in step.otherwise.into_iter().rev() {
                        steps.push_front(otherwise);
                    }
                }
                Err(error) => {
                    restored.error = Some(error);
                    break;
                }
            }
        }
        Done::Restored(restored)
    })
}

/// Why Snowflake did not bring something back. Its words may quote a variable's value, so they are not repeated
/// for one.
fn refusal(kind: LossKind, error: &Error) -> String {
    match (kind, &error.facts().snowflake_code) {
        (LossKind::Variable, Some(code)) => format!("Snowflake refused to set it again with code {code}"),
        (LossKind::Variable, None) => "Snowflake refused to set it again".to_owned(),
        _ => {
            let message = error.to_string();
            // Snowflake's words may have several lines.
            let words: Vec<&str> = message.split_whitespace().collect();
            format!("Snowflake refused it: {}", words.join(" "))
        }
    }
}

/// Asks whether a transaction is open.
pub(super) fn ask_transaction(upstream: Arc<dyn Upstream>, limit: Duration) -> Stage {
    Box::pin(async move {
        let asked = small(&upstream, ASK_TRANSACTION.to_owned(), Instant::now() + limit).await;
        Done::Asked(asked.map(|executed| executed.row_count_total > 0))
    })
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

async fn roll_back(upstream: &Arc<dyn Upstream>, limit: Duration) -> bool {
    let statement = statements(Arc::clone(upstream), vec!["ROLLBACK".to_owned()], limit);
    matches!(
        timeout(limit, statement).await,
        Ok(Done::Statements { error: None, .. })
    )
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

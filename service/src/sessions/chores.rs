//! The small statements that a session sends by itself: changes of context, BEGIN and COMMIT, restoring, a question.
//!
//! Each is given up when its time is over or somebody asks for it; then Snowflake is told to stop it, as with a
//! user's own statement.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::stage::{Done, Restored, Stage};
use crate::domain::error::{Error, Reason};
use crate::domain::journal::restore::RestoreStep;
use crate::domain::loss::LossKind;
use crate::domain::names::RequestId;
use crate::domain::query::{Executed, Submission};
use crate::domain::session::ASK_TRANSACTION;
use crate::domain::upstream::{Looked, Upstream};

/// How long to wait for chores.
#[derive(Clone)]
pub(super) struct Patience {
    /// When the time of all of them together is over.
    pub(super) deadline: Instant,
    /// Fires when nobody wants them any more.
    pub(super) stop: CancellationToken,
    /// How long stopping one may take.
    pub(super) cancel_wait: Duration,
}

/// Runs small statements one after the other until one fails.
pub(super) fn statements(upstream: Arc<dyn Upstream>, sql: Vec<String>, patience: Patience) -> Stage {
    Box::pin(async move {
        let mut executed = None;
        for sql in sql {
            match small(&upstream, sql, &patience).await {
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

/// Stops a statement that an earlier process has left running, then asks whether a transaction is open.
pub(super) fn stop_and_ask_transaction(
    upstream: Arc<dyn Upstream>,
    request_id: RequestId,
    patience: Patience,
) -> Stage {
    Box::pin(async move {
        let limit = patience.cancel_wait;
        let stopped = timeout(limit, upstream.stop_abandoned(request_id)).await;
        tracing::info!(%request_id, outcome = ?stopped.ok(), "stopped what ran when the service ended");
        ask_transaction(upstream, patience).await
    })
}

/// Brings a new upstream session to where the session was.
pub(super) fn restore(upstream: Arc<dyn Upstream>, steps: Vec<RestoreStep>, patience: Patience) -> Stage {
    Box::pin(async move {
        let mut restored = Restored::default();
        let mut steps = VecDeque::from(steps);
        while let Some(step) = steps.pop_front() {
            match small(&upstream, step.sql, &patience).await {
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
pub(super) fn ask_transaction(upstream: Arc<dyn Upstream>, patience: Patience) -> Stage {
    Box::pin(async move {
        let asked = small(&upstream, ASK_TRANSACTION.to_owned(), &patience).await;
        Done::Asked(asked.map(|executed| executed.row_count_total > 0))
    })
}

/// Rolls back what is open, within `limit`; says whether that succeeded.
pub(super) async fn roll_back(upstream: &Arc<dyn Upstream>, limit: Duration) -> bool {
    let patience = Patience {
        deadline: Instant::now() + limit,
        stop: CancellationToken::new(),
        // What comes next is a logout, which stops it too.
        cancel_wait: Duration::ZERO,
    };
    small(upstream, "ROLLBACK".to_owned(), &patience).await.is_ok()
}

/// Runs one query of the service's own and returns its rows.
pub(super) async fn look(
    upstream: &Arc<dyn Upstream>,
    submission: Submission,
    bytes_max: usize,
    patience: &Patience,
) -> Result<Looked, Error> {
    let request_id = submission.request_id;
    given_time(
        upstream,
        request_id,
        upstream.look(submission, bytes_max),
        patience,
    )
    .await
}

/// Runs one small statement. Its text is not told in errors: it may hold a value that somebody set.
async fn small(upstream: &Arc<dyn Upstream>, sql: String, patience: &Patience) -> Result<Executed, Error> {
    let request_id = RequestId::new(uuid::Uuid::new_v4());
    let execution = upstream.execute(Submission {
        request_id,
        sql,
        bindings: Vec::new(),
        row_limit: Some(1),
        tag: None,
    });
    let execution = given_time(upstream, request_id, execution, patience).await?;
    Ok(execution.executed)
}

/// Waits for a statement until somebody stops it or its time is over; then Snowflake is told to stop it.
async fn given_time<T>(
    upstream: &Arc<dyn Upstream>,
    request_id: RequestId,
    statement: impl Future<Output = Result<T, Error>>,
    patience: &Patience,
) -> Result<T, Error> {
    let mut statement = std::pin::pin!(statement);
    let given_up = tokio::select! {
        biased;
        result = &mut statement => return result,
        () = patience.stop.cancelled() => Error::new(Reason::Cancelled, "it was cancelled"),
        () = sleep_until(patience.deadline) => {
            Error::new(Reason::Timeout, "Snowflake did not answer in time")
        }
    };
    // Both at once: a server may answer the abort only after the statement has ended.
    let stop = async { tokio::join!(upstream.cancel(request_id), statement) };
    match timeout(patience.cancel_wait, stop).await {
        // It ended before it could be stopped: then it counts.
        Ok((_, Ok(done))) => Ok(done),
        Ok((_, Err(error))) if !error.may_have_run() => Err(given_up),
        Ok((_, Err(_))) | Err(_) => Err(given_up.with_doubt()),
    }
}

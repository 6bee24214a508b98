//! One announced query: its directive before, its exchange with the server, its answer after.
//!
//! Our side of the crate announces a request id with a [`Directive`] and then lets the crate send the statement. The
//! gateway adds the directive to the body, does the whole exchange (renewal, retries, polling), keeps the answer here
//! and gives the crate an empty success with the query id. The exchange goes on without the crate: one that hangs up
//! (because its future was dropped) does not tear down a statement whose answer is still wanted for confirming a cancel.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::answer::{QueryAnswer, ServerFailure};
use crate::error::GatewayError;
use crate::exchange::exchange;
use crate::upstream::Upstream;

/// What to add to one statement, and how long it may take.
#[derive(Clone, Debug)]
pub struct Directive {
    /// Statement parameters.
    pub parameters: Map<String, Value>,
    /// Compile only.
    pub describe_only: bool,
    /// Return as soon as the statement is submitted.
    pub async_exec: bool,
    /// Longest time to the complete first answer, polling included.
    pub timeout: Duration,
}

/// The answer to an announced query with what it cost.
#[derive(Clone, Debug)]
pub struct CapturedAnswer {
    /// The server's answer, rows undecoded.
    pub answer: QueryAnswer,
    /// From sending to the complete first answer.
    pub elapsed: Duration,
    /// Requests sent.
    pub requests: u32,
    /// Retries among them.
    pub retries: u32,
    /// Renewals of the session token on the way.
    pub renewals: u32,
    /// Bytes of the answer's body after decompression.
    pub body_bytes: u64,
}

/// How far an announced query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Announced,
    Running,
    Finished,
}

/// Shared state of one announced query.
pub(crate) struct QuerySlot {
    directive: Directive,
    phase: watch::Sender<Phase>,
    answer: Mutex<Option<Result<CapturedAnswer, GatewayError>>>,
    /// The server's id, once it is known.
    query_id: OnceLock<String>,
    /// Set when the query ended: whether it ended by cancellation.
    cancelled: OnceLock<bool>,
    /// Nobody will ask for the answer any more.
    forsaken: AtomicBool,
}

/// The announced queries of one session, by request id.
#[derive(Default)]
pub(crate) struct QuerySlots(Mutex<HashMap<String, Arc<QuerySlot>>>);

impl QuerySlots {
    pub(crate) fn get(&self, request_id: &str) -> Option<Arc<QuerySlot>> {
        self.lock().get(request_id).cloned()
    }

    fn insert(&self, request_id: &str, slot: Arc<QuerySlot>) {
        self.lock().insert(request_id.to_owned(), slot);
    }

    fn remove(&self, request_id: &str) {
        self.lock().remove(request_id);
    }

    /// True while the query is announced or under way: an abort may have overtaken it.
    pub(crate) fn is_unfinished(&self, request_id: &str) -> bool {
        self.get(request_id)
            .is_some_and(|slot| *slot.phase.borrow() != Phase::Finished)
    }

    pub(crate) fn progress(&self, request_id: &str) -> Option<QueryProgress> {
        self.get(request_id).map(|slot| QueryProgress { slot })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<QuerySlot>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An announced query. Dropping it forgets the announcement, and the answer if it has come.
pub struct PendingQuery {
    upstream: Arc<Upstream>,
    request_id: String,
    slot: Arc<QuerySlot>,
}

impl PendingQuery {
    pub(crate) fn announce(upstream: Arc<Upstream>, request_id: &str, directive: Directive) -> Self {
        let slot = Arc::new(QuerySlot {
            directive,
            phase: watch::Sender::new(Phase::Announced),
            answer: Mutex::new(None),
            query_id: OnceLock::new(),
            cancelled: OnceLock::new(),
            forsaken: AtomicBool::new(false),
        });
        upstream.slots.insert(request_id, Arc::clone(&slot));
        Self {
            upstream,
            request_id: request_id.to_owned(),
            slot,
        }
    }

    /// Takes the answer. `None` when the statement has not reached the gateway or its exchange has not ended.
    pub fn take(&self) -> Option<Result<CapturedAnswer, GatewayError>> {
        self.slot
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Waits until the answer is there to be taken; for ever when the statement never reaches the gateway.
    pub async fn finished(&self) {
        let mut phase = self.slot.phase.subscribe();
        // The sender lives as long as the slot, which we hold.
        let _ = phase.wait_for(|phase| *phase == Phase::Finished).await;
    }

    /// The server's id of the query, as soon as the server has told it: with the answer, or earlier for a query that
    /// takes long.
    pub fn query_id(&self) -> Option<&str> {
        self.slot.query_id.get().map(String::as_str)
    }

    /// A view of the query's progress that outlives this announcement.
    pub fn progress(&self) -> QueryProgress {
        QueryProgress {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl Drop for PendingQuery {
    fn drop(&mut self) {
        self.slot.forsaken.store(true, Ordering::SeqCst);
        if *self.slot.phase.borrow() != Phase::Running {
            self.upstream.slots.remove(&self.request_id);
        }
    }
}

/// A view of one query's progress.
#[derive(Clone)]
pub struct QueryProgress {
    slot: Arc<QuerySlot>,
}

impl QueryProgress {
    /// Whether it ended by cancellation, once the query's exchange with the server has ended.
    pub fn end(&self) -> Option<bool> {
        self.slot.cancelled.get().copied()
    }

    /// Waits until the query's exchange with the server has ended, and tells whether it ended by cancellation. Returns at
    /// once when it was never sent.
    pub async fn ended(&self) -> bool {
        let mut phase = self.slot.phase.subscribe();
        // The sender lives as long as the slot, which we hold.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
        self.slot.cancelled.get().copied().unwrap_or(false)
    }
}

/// Runs the exchange of an announced query to its end, also when the crate hangs up, and returns what the crate is told.
pub(crate) async fn run_announced(
    upstream: Arc<Upstream>,
    request_id: String,
    slot: Arc<QuerySlot>,
    body: Bytes,
) -> Reply {
    let first = slot.phase.send_if_modified(|phase| {
        let first = *phase == Phase::Announced;
        *phase = if first { Phase::Running } else { *phase };
        first
    });
    if !first {
        return Reply::Failure;
    }
    Detaching::new(async move {
        let outcome = exchange(&upstream, &request_id, &slot.directive, &slot.query_id, &body).await;
        let reply = Reply::for_outcome(&outcome);
        let cancelled = |captured: &CapturedAnswer| {
            captured
                .answer
                .failure
                .as_ref()
                .is_some_and(ServerFailure::is_cancellation)
        };
        let _ = slot.cancelled.set(outcome.as_ref().is_ok_and(cancelled));
        *slot.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        slot.phase.send_replace(Phase::Finished);
        if slot.forsaken.load(Ordering::SeqCst) {
            upstream.slots.remove(&request_id);
        }
        reply
    })
    .await
}

/// Runs a future where it is awaited, and once nobody awaits it any more, in a task of its own to its end. Most
/// statements never need the task.
struct Detaching<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F: Future<Output: Send> + Send + 'static> Detaching<F> {
    fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Detaching<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.0.as_mut().expect("nothing polls a future that has ended");
        let outcome = future.as_mut().poll(context);
        if outcome.is_ready() {
            self.0 = None;
        }
        outcome
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Detaching<F> {
    fn drop(&mut self) {
        // A panic ends the future too, and without a runtime nothing can go on.
        if let (Some(future), Ok(runtime), false) =
            (self.0.take(), Handle::try_current(), std::thread::panicking())
        {
            runtime.spawn(future);
        }
    }
}

/// What the crate is told about an announced query: enough to know that it ended, and how to go on.
pub(crate) enum Reply {
    /// It succeeded; the rows are not for the crate.
    Success { query_id: Option<String> },
    /// The server reported an error.
    SqlFailure {
        query_id: Option<String>,
        code: String,
        message: String,
        sql_state: Option<String>,
    },
    /// The session is over.
    Expired,
    /// There is no answer; our side knows why.
    Failure,
}

impl Reply {
    fn for_outcome(outcome: &Result<CapturedAnswer, GatewayError>) -> Self {
        match outcome {
            Ok(captured) => match captured.answer.failure.clone() {
                None => Self::Success {
                    query_id: captured.answer.query_id.clone(),
                },
                Some(failure) => Self::SqlFailure {
                    query_id: captured.answer.query_id.clone(),
                    code: failure.code,
                    message: failure.message,
                    sql_state: failure.sql_state,
                },
            },
            Err(GatewayError::SessionExpired { .. }) => Self::Expired,
            Err(_) => Self::Failure,
        }
    }

    /// The answer in the connector protocol; `None` stands for HTTP 502.
    pub(crate) fn to_json(&self) -> Option<String> {
        match self {
            Self::Success { query_id } => {
                let query_id = Value::from(query_id.as_deref().unwrap_or_default());
                Some(format!(
                    r#"{{"data":{{"queryId":{query_id},"rowtype":[],"rowset":[],"total":0,"returned":0,"queryResultFormat":"json"}},"code":null,"message":null,"success":true}}"#
                ))
            }
            Self::SqlFailure {
                query_id,
                code,
                message,
                sql_state,
            } => {
                let data = query_id
                    .as_deref()
                    .map(|query_id| json!({ "queryId": query_id, "sqlState": sql_state }));
                let failure = json!({
                    "data": data, "code": code, "message": message, "sqlState": sql_state, "success": false,
                });
                Some(failure.to_string())
            }
            Self::Expired => {
                let failure = json!({
                    "data": null, "code": "390112", "message": "the session is over", "success": false,
                });
                Some(failure.to_string())
            }
            Self::Failure => None,
        }
    }
}

//! One announced query: its directive before, its exchange with the server, its answer after.
//!
//! Our side of the crate announces a request id with a [`Directive`] and then lets the crate send the statement. The
//! gateway adds the directive to the body, does the whole exchange (renewal, retries, polling), keeps the answer here
//! and gives the crate an empty success with the query id. The exchange runs in a task of its own: a crate that hangs up
//! (because its future was dropped) does not tear down a statement whose answer is still wanted for confirming a cancel.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::answer::QueryAnswer;
use crate::error::GatewayError;
use crate::http_client::CallLimits;
use crate::retry::with_jitter;
use crate::upstream::{Cost, Request, Upstream};

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
    /// Waits until the query's exchange with the server has ended, and tells whether it ended by cancellation. Returns at
    /// once when it was never sent.
    pub async fn ended(&self) -> bool {
        let mut phase = self.slot.phase.subscribe();
        // The sender lives as long as the slot, which we hold.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
        self.slot.cancelled.get().copied().unwrap_or(false)
    }
}

/// Runs the exchange of an announced query to its end in a task of its own, and returns what the crate is told.
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
    let exchange = tokio::spawn(async move {
        let outcome = exchange(&upstream, &request_id, &slot.directive, &body).await;
        let reply = Reply::for_outcome(&outcome);
        let cancelled = |captured: &CapturedAnswer| {
            captured
                .answer
                .failure
                .as_ref()
                .is_some_and(crate::answer::ServerFailure::is_cancellation)
        };
        let _ = slot.cancelled.set(outcome.as_ref().is_ok_and(cancelled));
        *slot.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        slot.phase.send_replace(Phase::Finished);
        if slot.forsaken.load(Ordering::SeqCst) {
            upstream.slots.remove(&request_id);
        }
        reply
    });
    exchange.await.unwrap_or(Reply::Failure)
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
    pub(crate) fn to_json(&self) -> Option<Value> {
        match self {
            Self::Success { query_id } => Some(json!({
                "data": {
                    "queryId": query_id.as_deref().unwrap_or_default(),
                    "rowtype": [], "rowset": [], "total": 0, "returned": 0, "queryResultFormat": "json",
                },
                "code": null, "message": null, "success": true,
            })),
            Self::SqlFailure {
                query_id,
                code,
                message,
                sql_state,
            } => Some(json!({
                "data": query_id.as_deref().map(|query_id| json!({ "queryId": query_id, "sqlState": sql_state })),
                "code": code, "message": message, "sqlState": sql_state, "success": false,
            })),
            Self::Expired => Some(json!({
                "data": null, "code": "390112", "message": "the session is over", "success": false,
            })),
            Self::Failure => None,
        }
    }
}

async fn exchange(
    upstream: &Arc<Upstream>,
    request_id: &str,
    directive: &Directive,
    body: &Bytes,
) -> Result<CapturedAnswer, GatewayError> {
    let body = directed_body(body, directive, upstream.next_sequence())?;
    let limits = query_limits(upstream, directive.timeout);
    let request = Request {
        method: Method::POST,
        path: "queries/v1/query-request",
        pairs: Vec::new(),
        request_id,
        body,
        limits,
    };
    follow(upstream, request, directive.async_exec).await
}

/// Reads the result of a query by its id, waiting while it runs.
pub(crate) async fn result_by_id(
    upstream: &Arc<Upstream>,
    query_id: &str,
    timeout: Duration,
) -> Result<CapturedAnswer, GatewayError> {
    let request_id = Uuid::new_v4().to_string();
    let path = format!("queries/{query_id}/result");
    let request = Request {
        method: Method::GET,
        path: &path,
        pairs: Vec::new(),
        request_id: &request_id,
        body: Bytes::new(),
        limits: query_limits(upstream, timeout),
    };
    follow(upstream, request, false).await
}

fn query_limits(upstream: &Upstream, allowed: Duration) -> CallLimits {
    CallLimits {
        deadline: Instant::now() + allowed,
        allowed,
        silence: upstream.config.answer_timeout,
        retry_silence: false,
    }
}

/// Answers that came sooner than this were no long poll, so the next question waits a little.
const QUICK_ANSWER: Duration = Duration::from_secs(1);
const POLL_PAUSE_FIRST: Duration = Duration::from_millis(20);
const POLL_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Sends `request` and asks again while the server says that the statement is still running.
async fn follow(
    upstream: &Arc<Upstream>,
    request: Request<'_>,
    return_when_submitted: bool,
) -> Result<CapturedAnswer, GatewayError> {
    let started = Instant::now();
    let mut cost = Cost::default();
    let mut asked = started;
    let mut received = upstream.send(&request, &mut cost).await?;
    let mut answer = QueryAnswer::parse(&received.body)?;
    let mut pause = POLL_PAUSE_FIRST;
    while answer.in_progress && !return_when_submitted {
        let path = match (&answer.result_url, &answer.query_id) {
            (Some(path), _) => path.trim_start_matches('/').to_owned(),
            (None, Some(query_id)) => format!("queries/{query_id}/result"),
            (None, None) => {
                return Err(GatewayError::protocol(
                    "a running query has neither an address nor an id",
                ));
            }
        };
        if asked.elapsed() < QUICK_ANSWER {
            tokio::time::sleep(with_jitter(pause)).await;
            pause = (pause * 2).min(POLL_PAUSE_MAX);
        } else {
            pause = POLL_PAUSE_FIRST;
        }
        if Instant::now() >= request.limits.deadline {
            return Err(GatewayError::TimedOut {
                after: request.limits.allowed,
            });
        }
        let poll_id = Uuid::new_v4().to_string();
        let poll = Request {
            method: Method::GET,
            path: &path,
            pairs: Vec::new(),
            request_id: &poll_id,
            body: Bytes::new(),
            limits: CallLimits {
                retry_silence: true,
                ..request.limits
            },
        };
        asked = Instant::now();
        received = upstream.send(&poll, &mut cost).await?;
        answer = QueryAnswer::parse(&received.body)?;
    }
    Ok(CapturedAnswer {
        answer,
        elapsed: started.elapsed(),
        requests: cost.requests,
        retries: cost.retries,
        renewals: cost.renewals,
        body_bytes: received.body.len() as u64,
    })
}

/// Adds the directive to the body that the crate made, at its end and without reading the rest: the SQL text in it may
/// be megabytes.
fn directed_body(body: &Bytes, directive: &Directive, sequence: u64) -> Result<Bytes, GatewayError> {
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64;
    let mut extra = json!({
        "asyncExec": directive.async_exec,
        "sequenceId": sequence,
        "querySubmissionTime": now_ms,
        "isInternal": false,
    });
    if directive.describe_only {
        extra["describeOnly"] = json!(true);
    }
    if !directive.parameters.is_empty() {
        extra["parameters"] = Value::Object(directive.parameters.clone());
    }
    let open = body
        .strip_suffix(b"}")
        .filter(|open| open.len() > 1 && open.starts_with(b"{"))
        .ok_or_else(|| GatewayError::protocol("the statement did not arrive as a JSON object"))?;
    let extra = extra.to_string();
    let mut merged = Vec::with_capacity(open.len() + extra.len());
    merged.extend_from_slice(open);
    merged.push(b',');
    merged.extend_from_slice(&extra.as_bytes()[1..]);
    Ok(Bytes::from(merged))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directive() -> Directive {
        Directive {
            parameters: Map::new(),
            describe_only: false,
            async_exec: false,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_directive_is_added_to_the_body() {
        let mut directive = directive();
        directive
            .parameters
            .insert("MULTI_STATEMENT_COUNT".into(), json!(0));
        directive.describe_only = true;
        let body =
            Bytes::from_static(br#"{"sqlText":"select '}'","bindings":{"1":{"type":"TEXT","value":"x"}}}"#);
        let merged: Value = serde_json::from_slice(&directed_body(&body, &directive, 7).unwrap()).unwrap();
        assert_eq!(merged["sqlText"], "select '}'");
        assert_eq!(merged["bindings"]["1"]["value"], "x");
        assert_eq!(merged["sequenceId"], 7);
        assert_eq!(merged["describeOnly"], true);
        assert_eq!(merged["parameters"]["MULTI_STATEMENT_COUNT"], 0);
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        for body in ["", "{}", "[1]", "{\"a\":1"] {
            assert!(
                directed_body(&Bytes::from_static(body.as_bytes()), &directive(), 1).is_err(),
                "{body}"
            );
        }
    }
}

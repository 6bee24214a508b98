//! Stopping queries, with the server's word for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::envelope::ControlAnswer;
use crate::error::GatewayError;
use crate::exchange::check_query_id;
use crate::upstream::Upstream;

/// What the server said to an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortAnswer {
    /// It accepted the abort.
    Accepted,
    /// It knows no such running query.
    NotRunning,
    /// It refused for another reason; the query may be running.
    Refused,
}

/// An abort can overtake its query on the way; while we know that the query is under way, "not running" is asked again
/// this often.
const NOT_RUNNING_TRIES_MAX: u32 = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// Aborts the query that was sent under `request_id`.
pub(crate) async fn abort_request(
    upstream: &Arc<Upstream>,
    request_id: &str,
) -> Result<(AbortAnswer, ControlAnswer), GatewayError> {
    let mut pause = PAUSE_FIRST;
    let mut tries = 1;
    loop {
        let body = Bytes::from(json!({ "requestId": request_id }).to_string());
        let answer = upstream
            .command("queries/v1/abort-request", Vec::new(), body)
            .await?;
        let verdict = read(&answer);
        let overtaken = verdict == AbortAnswer::NotRunning && upstream.slots.is_unfinished(request_id);
        if !overtaken || tries == NOT_RUNNING_TRIES_MAX {
            return Ok((verdict, answer));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        tries += 1;
    }
}

/// Aborts a query by its id.
pub(crate) async fn abort_query(
    upstream: &Arc<Upstream>,
    query_id: &str,
) -> Result<AbortAnswer, GatewayError> {
    check_query_id(query_id)?;
    let path = format!("queries/{query_id}/abort-request");
    let answer = upstream
        .command(&path, Vec::new(), Bytes::from_static(b"{}"))
        .await?;
    Ok(read(&answer))
}

/// Codes with which servers say that nothing runs under an id.
const NOT_RUNNING: [&str; 2] = ["000605", "000709"];

fn read(answer: &ControlAnswer) -> AbortAnswer {
    match answer.code.as_deref() {
        _ if answer.success => AbortAnswer::Accepted,
        None => AbortAnswer::NotRunning,
        Some(code) if NOT_RUNNING.contains(&code) => AbortAnswer::NotRunning,
        Some(_) => AbortAnswer::Refused,
    }
}

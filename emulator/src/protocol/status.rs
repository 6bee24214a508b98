//! Asking after a statement and stopping it: result by id, status, abort.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::session::Progress;

use super::answer::milliseconds;
use super::connector::{ClientSession, Connector};
use super::message::{Exchange, Reply, success};
use super::query::Query;
use super::refusal::{Refusal, cancelled};
use super::submit::answer_within;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AbortRequest {
    request_id: Option<String>,
}

/// `GET /queries/<id>/result`: waits a while for the outcome.
pub(super) async fn result(connector: &Connector, exchange: &Exchange, id: &str) -> Result<Reply, Refusal> {
    let session = connector.authorize(exchange)?;
    let query = find(connector, &session, id).ok_or_else(|| not_found(id))?;
    answer_within(connector, exchange, &query, connector.settings.poll_wait_max).await
}

/// The refusal of a result that is not kept, or never was.
pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::new("000612", format!("Result for query {id} has not been found"))
        .with_data(&json!({ "errorCode": "000612", "sqlState": "02000", "queryId": id }))
}

/// `GET /monitoring/queries/<id>`: how far a statement is; an empty list when it is not known.
pub(super) fn monitor(connector: &Connector, exchange: &Exchange, id: &str) -> Result<Reply, Refusal> {
    let session = connector.authorize(exchange)?;
    let queries: Vec<Value> = find(connector, &session, id)
        .map(|query| describe(&query))
        .into_iter()
        .collect();
    Ok(success(json!({ "queries": queries }).to_string().as_bytes()))
}

/// `POST /queries/v1/abort-request`: stops the statement that a request id started.
pub(super) async fn abort_request(connector: &Connector, exchange: &Exchange) -> Result<Reply, Refusal> {
    let session = connector.authorize(exchange)?;
    let target = exchange.json::<AbortRequest>()?.request_id;
    let Some(target) = target else {
        return Err(Refusal::http(
            StatusCode::BAD_REQUEST,
            "The request has no requestId.",
        ));
    };
    let query = session.requests.get(&target);
    abort(&session, query).await
}

/// `POST /queries/<id>/abort-request`: stops a statement by its id.
pub(super) async fn abort_query(
    connector: &Connector,
    exchange: &Exchange,
    id: &str,
) -> Result<Reply, Refusal> {
    let session = connector.authorize(exchange)?;
    let query = find(connector, &session, id);
    abort(&session, query).await
}

async fn abort(asking: &ClientSession, query: Option<Arc<Query>>) -> Result<Reply, Refusal> {
    let Some(query) = query else {
        return Err(not_running());
    };
    // A user may stop in one session what another one runs; only the session that runs it can.
    let owner = query.session.upgrade();
    let backend = owner.as_ref().map_or(&asking.backend, |owner| &owner.backend);
    if query.stop(backend.as_ref()).await {
        Ok(success(b"null"))
    } else {
        Err(not_running())
    }
}

fn not_running() -> Refusal {
    Refusal::new("000605", "Identified SQL statement is not currently executing.")
}

/// The statement with an id, if the user who asks is the one who ran it.
fn find(connector: &Connector, session: &ClientSession, id: &str) -> Option<Arc<Query>> {
    let id = Uuid::parse_str(id).ok()?;
    connector
        .queries
        .get(id)
        .filter(|query| query.user == session.user())
}

fn describe(query: &Query) -> Value {
    let outcome = query.outcome();
    let error = outcome.and_then(|outcome| outcome.result.as_ref().err());
    let status = match (outcome, error) {
        (None, _) => match query.progress() {
            Progress::Queued => "QUEUED",
            Progress::Blocked => "BLOCKED",
            Progress::Running => "RUNNING",
        },
        (Some(_), None) => "SUCCESS",
        (Some(_), Some(error)) if error.code == cancelled().code => "ABORTED",
        (Some(_), Some(_)) => "FAILED_WITH_ERROR",
    };
    let started = milliseconds(query.started);
    let ended = outcome.map(|outcome| milliseconds(outcome.ended));
    let rows = query.statement().map_or(0, |statement| statement.rows.rows());
    // A long one may lie in the file; so short as it is cut, reading it is no wait.
    let text = query.text.get().ok();
    json!({
        "id": query.id.to_string(),
        "status": status,
        "state": status,
        "sqlText": text.as_deref(),
        "startTime": started,
        "endTime": ended.unwrap_or(0),
        "totalDuration": ended.unwrap_or_else(|| milliseconds(std::time::SystemTime::now())).saturating_sub(started),
        "sessionId": query.session_id,
        "errorCode": error.map(|error| error.code),
        "errorMessage": error.map(|error| &error.message),
        "warehouseId": 0,
        "warehouseName": query.warehouse(),
        "warehouseExternalSize": null,
        "warehouseServerType": null,
        "stats": { "scanBytes": 0, "producedRows": rows },
    })
}

//! `POST /queries/v1/query-request`: runs a statement, or finds the one that the request repeats.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::session::Submission;

use super::answer::{self, RUNNING, RUNNING_DETACHED};
use super::bindings::{self, WireBindings};
use super::connector::{ClientSession, Connector, ended};
use super::execute::{self, Delivery};
use super::fields::Parameters;
use super::format::ResultFormat;
use super::message::{Exchange, Reply, reply_json};
use super::parameters;
use super::query::Query;
use super::query_context::Sent;
use super::refusal::{self, Refusal};
use super::requests::Request;
use super::retention::{Full, forget_requests};
use super::status;

/// The statement parameter that says how many statements the text holds.
const STATEMENT_COUNT: &str = "MULTI_STATEMENT_COUNT";

/// Longest list of query contexts that is read, in bytes; clients keep five short ones.
const CONTEXTS_BYTES_MAX: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryRequest {
    sql_text: Option<String>,
    async_exec: Option<bool>,
    describe_only: Option<bool>,
    parameters: Option<Parameters>,
    bindings: Option<WireBindings>,
    bind_stage: Option<String>,
    #[serde(rename = "queryContextDTO")]
    query_contexts: Option<Box<RawValue>>,
}

/// Answers with the statement's outcome, or with where to ask for it.
pub(super) async fn submit(connector: &Arc<Connector>, exchange: &Exchange) -> Result<Reply, Refusal> {
    let session = connector.authorize_statement(exchange).await?;
    let request: QueryRequest = exchange.json()?;
    let detached = request.async_exec.unwrap_or(false);
    let query = begin(connector, &session, request, exchange.query("requestId"))?;
    let settings = &connector.settings;
    // Even when it has ended already: who does not want to wait does not look for rows in this answer.
    if detached {
        let body = answer::in_progress(&query, RUNNING_DETACHED, settings.session_idle_max);
        return Ok(reply_json(StatusCode::OK, body));
    }
    answer_within(connector, exchange, &query, settings.answer_wait_max).await
}

/// Waits for an outcome and answers with it, or says that the statement still runs.
pub(super) async fn answer_within(
    connector: &Connector,
    exchange: &Exchange,
    query: &Arc<Query>,
    wait_max: std::time::Duration,
) -> Result<Reply, Refusal> {
    let Some(outcome) = query.wait(wait_max).await else {
        let body = answer::in_progress(query, RUNNING, connector.settings.session_idle_max);
        return Ok(reply_json(StatusCode::OK, body));
    };
    let origin = exchange.origin(&connector.settings).unwrap_or_default();
    let body = if query.first_blocks() {
        let (query_id, query) = (query.id, Arc::clone(query));
        let writing = tokio::task::spawn_blocking(move || {
            let outcome = query.outcome().expect("it has ended, as was seen above");
            answer::finished(&query, outcome, &origin)
        });
        writing
            .await
            .map_err(|_| Refusal::sql(&refusal::broken(), query_id))?
    } else {
        answer::finished(query, outcome, &origin)
    };
    if body.is_ok() || outcome.result.is_err() {
        connector.queries.given(query, 0);
    }
    Ok(reply_json(StatusCode::OK, body?))
}

/// Starts the statement, unless one with the same request id was started before: then it is that one.
fn begin(
    connector: &Arc<Connector>,
    session: &Arc<ClientSession>,
    request: QueryRequest,
    request_id: Option<String>,
) -> Result<Arc<Query>, Refusal> {
    let query_id = Uuid::new_v4();
    let detached = request.async_exec.unwrap_or(false);
    let sent = match &request.query_contexts {
        Some(sent) if sent.get().len() <= CONTEXTS_BYTES_MAX => {
            serde_json::from_str(sent.get()).map_or(Sent::Nothing, |sent| session.contexts.merge(&sent))
        }
        _ => Sent::Nothing,
    };
    if let Some(metrics) = &connector.settings.metrics {
        metrics.count_contexts(sent);
    }
    let (submission, format) = read(session, query_id, request)?;
    let text = connector.text(&submission.sql);
    // Without an id the statement cannot be repeated or aborted by one, but ends with its session.
    let request_id = request_id.unwrap_or_else(|| query_id.to_string());
    let mut displaced = Vec::new();
    let entered = session.requests.enter(&request_id, || {
        let query = Arc::new(Query::new(session, query_id, Some(request_id.clone()), text));
        displaced = connector.queries.insert(&query)?;
        if detached && execute::detach(session, &submission) {
            query.detach();
        }
        Ok(query)
    });
    forget_requests(&displaced);
    match entered.map_err(|full: Full| Refusal::sql(&refusal::unplaced(&full), query_id))? {
        Request::New(query) => {
            let delivery = Delivery::new(connector, format);
            execute::start(connector, session, Arc::clone(&query), submission, delivery);
            Ok(query)
        }
        Request::Repeated(query) => Ok(query),
        Request::Forgotten(query_id) => Err(status::not_found(&query_id.to_string())),
        Request::Closed => Err(ended()),
    }
}

/// Reads what is to be run, and the form in which its rows are wanted.
fn read(
    session: &ClientSession,
    query_id: Uuid,
    request: QueryRequest,
) -> Result<(Submission, ResultFormat), Refusal> {
    let Some(sql) = request.sql_text else {
        return Err(Refusal::http(
            StatusCode::BAD_REQUEST,
            "The request has no sqlText.",
        ));
    };
    let mut parameters = parameters::read(&request.parameters.unwrap_or_default());
    let format = ResultFormat::asked(&parameters).unwrap_or_else(|| session.format());
    // A count that is none stays among the parameters, where the session refuses it as it does any other value.
    let statement_count = parameters
        .get(STATEMENT_COUNT)
        .and_then(parameters::integer)
        .and_then(|count| u32::try_from(count).ok());
    if statement_count.is_some() {
        parameters.remove(STATEMENT_COUNT);
    }
    let submission = Submission {
        query_id,
        sql,
        bindings: bindings::read(request.bindings.unwrap_or_default())?,
        bind_stage: request.bind_stage,
        parameters,
        describe_only: request.describe_only.unwrap_or(false),
        statement_count,
    };
    Ok((submission, format))
}

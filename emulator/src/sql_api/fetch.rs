//! `GET /api/v2/statements/<handle>` and `POST …/cancel`: a statement's outcome, its partitions, its end.

use std::sync::Arc;

use http::header::CONTENT_ENCODING;
use http::{HeaderValue, StatusCode};
use uuid::Uuid;

use super::SqlApi;
use super::answer;
use super::order::request_id;
use super::refusal::Refusal;
use crate::protocol::{Connector, Exchange, Query, Reply, ReplyBody, cancelled, unkept};
use crate::session::SqlError;

/// The statement with a handle, if the user who asks is the one who ran it.
pub(super) fn find(connector: &Connector, user: &str, handle: &str) -> Result<Arc<Query>, Refusal> {
    Uuid::parse_str(handle)
        .ok()
        .and_then(|id| connector.queries.get(id))
        .filter(|query| query.user == user)
        .ok_or_else(|| Refusal::unknown_statement(handle))
}

/// Answers with the outcome so far, or with one partition of the result.
pub(super) async fn fetch(
    api: &SqlApi,
    connector: &Connector,
    query: &Arc<Query>,
    exchange: &Exchange,
) -> Result<Reply, Refusal> {
    let request_id = request_id(exchange)?;
    let partition = match exchange.query("partition") {
        None => 0,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Refusal::payload("partition must be a number."))?,
    };
    let Some(statement) = query.statement() else {
        // A statement that runs or has failed has no partitions.
        return match query.outcome() {
            None => Ok(answer::running(query)),
            Some(_) => answer::ended(api, connector, query, request_id).await,
        };
    };
    let partitions = statement.rows.chunks().len() + 1;
    if partition == 0 {
        return answer::ended(api, connector, query, request_id).await;
    }
    if partition >= partitions {
        return Err(Refusal::payload(&format!(
            "There is no partition {partition}; the result has {partitions}."
        )));
    }
    let packed = pack(api, query, partition - 1).await?;
    connector.queries.given(query, partition);
    let mut reply =
        crate::protocol::reply_json(StatusCode::OK, Vec::new()).map(|_| ReplyBody::from(vec![packed]));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer::link(headers, query.id, partition, partitions);
    Ok(reply)
}

/// A chunk as the JSON that a partition is, compressed; so many at a time as memory is meant for.
async fn pack(api: &SqlApi, query: &Arc<Query>, chunk: usize) -> Result<bytes::Bytes, Refusal> {
    let _place = api.packing.acquire().await;
    let packing = Arc::clone(query);
    let packed = tokio::task::spawn_blocking(move || {
        let statement = packing.statement()?;
        let around: [&'static [u8]; 2] = [b"{\"data\":[", b"]}"];
        Some(statement.rows.chunk_json_gzip(chunk, &statement.style, around))
    })
    .await;
    let handle = query.id.to_string();
    match packed {
        Ok(Some(Ok(Some(bytes)))) => Ok(bytes),
        Ok(Some(Err(error))) => {
            tracing::error!(%error, %handle, "failed to read a partition");
            Err(Refusal::unreadable_result(&unkept(&error), handle))
        }
        Ok(None | Some(Ok(None))) => Err(Refusal::unknown_statement(&handle)),
        Err(_) => {
            let broken = SqlError {
                message: "SQL execution internal error: the partition could not be packed.".to_owned(),
                ..crate::protocol::broken()
            };
            Err(Refusal::unreadable_result(&broken, handle))
        }
    }
}

/// Stops a statement that runs.
pub(super) async fn cancel(query: &Arc<Query>) -> Result<Reply, Refusal> {
    let not_running = || Refusal::not_running(query.id.to_string());
    let session = query.session.upgrade().ok_or_else(not_running)?;
    if query.stop(session.backend.as_ref()).await {
        Ok(answer::status(StatusCode::OK, query, &cancelled()))
    } else {
        Err(not_running())
    }
}

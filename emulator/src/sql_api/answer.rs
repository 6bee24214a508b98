//! The answers about a statement: its result, its failure, that it still runs.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::LINK;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::SqlApi;
use super::refusal::Refusal;
use crate::protocol::{
    Connector, ObjectWriter, Query, RUNNING_DETACHED, RUNNING_DETACHED_WORDS, Reply, RowType, Statement,
    broken, milliseconds, reply_json, unkept,
};
use crate::session::SqlError;

/// Path of the statements.
pub(super) const STATEMENTS: &str = "/api/v2/statements";

/// Code of a statement that went well.
const DONE: &str = "090001";
/// Code of a result that was cut because the server keeps no larger ones.
const TOO_LARGE: &str = "391908";
/// Code of a statement whose time was over.
const TIMED_OUT: &str = "000630";
/// Brackets around the rows.
const BRACKETS: usize = 2;

/// Snowflake's code in an answer, for the log.
#[derive(Clone, Debug)]
pub(super) struct Code(pub(super) Cow<'static, str>);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartitionInfo {
    row_count: u64,
    uncompressed_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    compressed_size: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultSetMetaData<'a> {
    num_rows: u64,
    format: &'static str,
    partition_info: Vec<PartitionInfo>,
    row_type: Vec<RowType<'a>>,
}

#[derive(Serialize)]
struct Stats {
    #[serde(rename = "numRowsInserted")]
    inserted: u64,
    #[serde(rename = "numRowsUpdated")]
    updated: u64,
    #[serde(rename = "numRowsDeleted")]
    deleted: u64,
    #[serde(rename = "numDuplicateRowsUpdated")]
    duplicates: u64,
}

/// The answer to a statement that has ended: its failure, or the first partition of its result.
pub(super) async fn ended(
    api: &SqlApi,
    connector: &Connector,
    query: &Arc<Query>,
    request_id: Option<Uuid>,
) -> Result<Reply, Refusal> {
    if query.outcome().is_none() {
        return Ok(running(query));
    }
    let rows_max = api.settings.result_rows_max;
    let reply = if query.first_blocks() {
        let _place = api.packing.acquire().await;
        let writing = Arc::clone(query);
        tokio::task::spawn_blocking(move || outcome(&writing, rows_max, request_id))
            .await
            .map_err(|_| Refusal::unreadable_result(&broken(), query.id.to_string()))?
    } else {
        outcome(query, rows_max, request_id)
    }?;
    connector.queries.given(query, 0);
    Ok(reply)
}

/// Reads a file when [`Query::first_blocks`].
fn outcome(query: &Query, rows_max: Option<u64>, request_id: Option<Uuid>) -> Result<Reply, Refusal> {
    match query.outcome().map(|outcome| &outcome.result) {
        None => Ok(running(query)),
        Some(Err(error)) if error.code == TIMED_OUT => Ok(status(StatusCode::REQUEST_TIMEOUT, query, error)),
        Some(Err(error)) => Ok(status(StatusCode::UNPROCESSABLE_ENTITY, query, error)),
        Some(Ok(statement)) => result_set(query, statement, rows_max, request_id)
            .map_err(|error| Refusal::unreadable_result(&error, query.id.to_string())),
    }
}

/// The answer to a statement that still runs.
pub(super) fn running(query: &Query) -> Reply {
    let mut body = ObjectWriter::new();
    body.field("code", RUNNING_DETACHED);
    body.field("message", RUNNING_DETACHED_WORDS);
    about(&mut body, query);
    coded(StatusCode::ACCEPTED, body, RUNNING_DETACHED)
}

/// The answer that says how a statement failed, or that it was stopped.
pub(super) fn status(status: StatusCode, query: &Query, error: &SqlError) -> Reply {
    let mut body = ObjectWriter::new();
    body.field("code", error.code);
    body.field("sqlState", error.sql_state);
    body.field("message", &error.message);
    about(&mut body, query);
    coded(status, body, error.code)
}

/// Which statement an answer is about.
fn about(body: &mut ObjectWriter, query: &Query) {
    body.field("statementHandle", &query.id.to_string());
    body.field("createdOn", &milliseconds(query.started));
    body.field("statementStatusUrl", &format!("{STATEMENTS}/{}", query.id));
}

/// The first partition of a result, with what is to be known of all.
fn result_set(
    query: &Query,
    statement: &Statement,
    rows_max: Option<u64>,
    request_id: Option<Uuid>,
) -> Result<Reply, SqlError> {
    let rows = &statement.rows;
    let columns = rows.columns().map_err(|error| unkept(&error))?;
    let data = rows
        .inline_json(&statement.style)
        .map_err(|error| unkept(&error))?;
    let first = PartitionInfo {
        row_count: rows.inline_rows(),
        uncompressed_size: (data.len() + BRACKETS) as u64,
        compressed_size: None,
    };
    let others = rows.chunks().map(|chunk| PartitionInfo {
        row_count: chunk.rows,
        uncompressed_size: chunk.bytes,
        compressed_size: Some(chunk.bytes),
    });
    let mut body = ObjectWriter::with_capacity(data.len() + 1024);
    body.field(
        "resultSetMetaData",
        &ResultSetMetaData {
            num_rows: rows.rows(),
            format: "jsonv2",
            partition_info: std::iter::once(first).chain(others).collect(),
            row_type: columns.iter().map(RowType::from).collect(),
        },
    );
    body.write("data", |text| {
        text.push(b'[');
        text.extend_from_slice(&data);
        text.push(b']');
    });
    // A limit that the request itself set is what it asked for, and no news.
    let limit = rows_max.filter(|limit| statement.cut && rows.rows() >= *limit);
    let code = if limit.is_some() { TOO_LARGE } else { DONE };
    body.field("code", code);
    if let Some(stats) = statement.stats {
        body.field(
            "stats",
            &Stats {
                inserted: stats.inserted,
                updated: stats.updated,
                deleted: stats.deleted,
                duplicates: 0,
            },
        );
    }
    if !statement.children.is_empty() {
        let handles: Vec<String> = statement.children.iter().map(|(id, _)| id.to_string()).collect();
        body.field("statementHandles", &handles);
    }
    let request_id = request_id.unwrap_or_else(Uuid::new_v4);
    body.field(
        "statementStatusUrl",
        &format!("{STATEMENTS}/{}?requestId={request_id}", query.id),
    );
    body.field("sqlState", "00000");
    body.field("statementHandle", &query.id.to_string());
    let message = match limit {
        Some(limit) => format!("Result set is too large; only its first {limit} rows are included."),
        None => "Statement executed successfully.".to_owned(),
    };
    body.field("message", &message);
    body.field("createdOn", &milliseconds(query.started));
    let mut reply = coded(StatusCode::OK, body, code);
    link(reply.headers_mut(), query.id, 0, rows.chunks().len() + 1);
    Ok(reply)
}

/// Tells where the other partitions are.
pub(super) fn link(headers: &mut HeaderMap, handle: Uuid, partition: usize, partitions: usize) {
    let last = partitions.saturating_sub(1);
    let mut links = vec![(0, "first")];
    if let Some(before) = partition.checked_sub(1) {
        links.push((before, "prev"));
    }
    if partition < last {
        links.push((partition + 1, "next"));
    }
    links.push((last, "last"));
    let text: Vec<String> = links
        .into_iter()
        .map(|(partition, relation)| {
            let id = Uuid::new_v4();
            format!("<{STATEMENTS}/{handle}?requestId={id}&partition={partition}>; rel=\"{relation}\"")
        })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&text.join(", ")) {
        headers.insert(LINK, value);
    }
}

fn coded(status: StatusCode, body: ObjectWriter, code: &'static str) -> Reply {
    let mut reply = reply_json(status, body.finish());
    reply.extensions_mut().insert(Code(code.into()));
    reply
}

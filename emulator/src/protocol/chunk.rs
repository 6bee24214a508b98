//! `GET /results/<key>/<n>`: a chunk of a result. The key in the URL is all that the client shows.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use uuid::Uuid;

use crate::results::{JsonStyle, ResultError, gzip};

use super::connector::Connector;
use super::format::ResultFormat;
use super::message::{Reply, ReplyBody};
use super::query::{Query, Statement};
use super::refusal::Refusal;

/// Hexadecimal digits of a UUID.
const UUID_DIGITS: usize = 32;

/// The key of a result's chunks: which result, and the secret without which nobody guesses it.
pub(super) fn key(id: Uuid, secret: Uuid) -> String {
    format!("{}{}", id.simple(), secret.simple())
}

/// Gives a chunk to whoever has its URL.
pub(super) async fn chunk(connector: &Connector, key: &str, index: &str) -> Result<Reply, Refusal> {
    let query = find(connector, key).ok_or_else(forbidden)?;
    let index: usize = index.parse().map_err(|_| forbidden())?;
    let statement = query.statement().ok_or_else(forbidden)?;
    let compress = connector.settings.compress_chunks;
    let (segments, packed) = if statement.format == ResultFormat::Arrow && !compress {
        if statement.rows.chunk_blocks(index) {
            let query = Arc::clone(&query);
            (
                aside(move || read(&query, |statement| statement.rows.chunk_arrow(index))).await?,
                false,
            )
        } else {
            (
                statement
                    .rows
                    .chunk_arrow(index)
                    .map_err(|error| unreadable(&error))?,
                false,
            )
        }
    } else {
        let query = Arc::clone(&query);
        (
            aside(move || read(&query, |statement| pack(statement, index))).await?,
            true,
        )
    };
    let segments = segments.ok_or_else(forbidden)?;
    connector.queries.given(&query, index + 1);
    let mut reply = Response::new(ReplyBody::from(segments));
    let headers = reply.headers_mut();
    // As storage has it, for JSON too: rows without brackets are no JSON document, and the Node driver
    // takes the media type at its word.
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(reply)
}

/// The chunk's gzip form. JSON always travels so: a client that gets JSON chunks expects it.
fn pack(statement: &Statement, index: usize) -> Result<Option<Vec<Bytes>>, ResultError> {
    let packed = match statement.format {
        ResultFormat::Json => statement
            .rows
            .chunk_json_gzip(index, &JsonStyle::default(), [b"", b""])?,
        ResultFormat::Arrow => match statement.rows.chunk_arrow(index)? {
            Some(segments) => Some(gzip(&segments)?),
            None => None,
        },
    };
    Ok(packed.map(|bytes| vec![bytes]))
}

type Segments = Option<Vec<Bytes>>;

fn read(
    query: &Query,
    read: impl FnOnce(&Statement) -> Result<Segments, ResultError>,
) -> Result<Segments, Refusal> {
    query
        .statement()
        .map_or(Ok(None), read)
        .map_err(|error| unreadable(&error))
}

async fn aside(
    work: impl FnOnce() -> Result<Segments, Refusal> + Send + 'static,
) -> Result<Segments, Refusal> {
    let failed = |_| Refusal::http(StatusCode::INTERNAL_SERVER_ERROR, "The chunk could not be read.");
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

fn find(connector: &Connector, key: &str) -> Option<Arc<Query>> {
    if key.len() != UUID_DIGITS * 2 || !key.is_ascii() {
        return None;
    }
    let (id, secret) = key.split_at(UUID_DIGITS);
    let query = connector.queries.get(Uuid::try_parse(id).ok()?)?;
    let secret = Uuid::try_parse(secret).ok()?;
    (query.statement()?.chunk_secret == secret).then_some(query)
}

/// As storage answers to a URL that is wrong or whose time is over.
fn forbidden() -> Refusal {
    Refusal::http(
        StatusCode::FORBIDDEN,
        "This URL gives no result, or does so no more.",
    )
}

fn unreadable(error: &ResultError) -> Refusal {
    tracing::error!(%error, "failed to read a chunk");
    Refusal::http(StatusCode::INTERNAL_SERVER_ERROR, "The chunk could not be read.")
}

//! Reads the bodies of requests: within a limit each, within a budget all together, and in time.
//!
//! A body may have a hundred megabytes, and a thousand connections may send one. So what is more than a little waits
//! for its part of a budget before it is read, and what is packed waits again before it is unpacked. The two waits are
//! for two halves of the budget: those that hold what was sent wait for those that hold what was unpacked, never the
//! other way, so that none waits for ever. The parts are given back with the request.

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_ENCODING;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use super::refusal::Refusal;

/// Compressed bodies from this size on are unpacked off the request's task.
const UNPACK_ASIDE_FROM: usize = 64 * 1024;
/// Bytes beyond a body's limit that are read and forgotten before the connection is given up.
const FORGOTTEN_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What was sent or unpacked up to this size takes no part of the budget.
const SMALL_BYTES_MAX: usize = 128 * 1024;
/// The unit in which the budget is counted.
const PERMIT_BYTES: usize = 64 * 1024;

/// The memory that bodies of requests may take together.
#[derive(Debug)]
pub(super) struct BodyBudget {
    sent: Half,
    unpacked: Half,
}

#[derive(Debug)]
struct Half {
    permits: Arc<Semaphore>,
    all: usize,
}

/// A body, with its part of the budget.
#[derive(Debug)]
pub(super) struct RequestBody {
    pub(super) bytes: Bytes,
    _part: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    pub(super) fn new(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let half = || {
            let all = (bytes / 2 / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
            Half {
                permits: Arc::new(Semaphore::new(all)),
                all,
            }
        };
        Self {
            sent: half(),
            unpacked: half(),
        }
    }

    /// Reads a request's body and unpacks it.
    pub(super) async fn read(
        &self,
        parts: &Parts,
        body: Incoming,
        settings: &Settings,
    ) -> Result<RequestBody, Refusal> {
        let limit = settings.body_limit(parts.uri.path());
        tokio::time::timeout(settings.body_wait_max, self.read_within(parts, body, limit))
            .await
            .map_err(|_| {
                let message = "The request's body did not arrive in time.";
                Refusal::http(StatusCode::REQUEST_TIMEOUT, message)
            })?
    }

    async fn read_within(&self, parts: &Parts, body: Incoming, limit: usize) -> Result<RequestBody, Refusal> {
        let too_large = || {
            let message = format!("The request has more than {limit} bytes.");
            Refusal::http(StatusCode::PAYLOAD_TOO_LARGE, message)
        };
        let hint = body.size_hint();
        // One whose length is not told takes the most that it may need.
        let announced = hint
            .upper()
            .map_or(limit, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let (part, kept_max) = if announced > limit {
            // It is read to its end, and none of it is kept.
            (None, 0)
        } else {
            (self.sent.part(announced).await, limit)
        };
        let collected = collect(body, kept_max, hint.exact()).await;
        let packed = collected
            .map_err(|_| Refusal::http(StatusCode::BAD_REQUEST, "The request's body broke off."))?
            .ok_or_else(too_large)?;
        // And gives back what it did not need, before its request is worked on: that may take minutes.
        let part = part.and_then(|part| keep(part, packed.len()));
        match parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(RequestBody {
                bytes: packed,
                _part: part,
            }),
            Some(b"gzip") => {
                let (bytes, part) = self.unpack(packed, limit).await?.ok_or_else(too_large)?;
                Ok(RequestBody { bytes, _part: part })
            }
            Some(_) => {
                let message = "The body's Content-Encoding is not supported; send gzip or none.";
                Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
            }
        }
    }

    /// Unpacks gzip; nothing when there is more than `limit` inside.
    async fn unpack(
        &self,
        packed: Bytes,
        limit: usize,
    ) -> Result<Option<(Bytes, Option<OwnedSemaphorePermit>)>, Refusal> {
        let small = gunzip_aside(packed.clone(), limit.min(SMALL_BYTES_MAX)).await?;
        if let Some(bytes) = small {
            return Ok(Some((bytes, None)));
        }
        if limit <= SMALL_BYTES_MAX {
            return Ok(None);
        }
        let part = self.unpacked.part(limit).await;
        let bytes = gunzip_aside(packed, limit).await?;
        // Most have far less than they may have, and the others wait.
        let part = part.and_then(|part| keep(part, bytes.as_ref().map_or(0, Bytes::len)));
        Ok(bytes.map(|bytes| (bytes, part)))
    }
}

impl Half {
    /// Waits for the part of so many bytes; for all that there is, when that is less.
    async fn part(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        if bytes <= SMALL_BYTES_MAX {
            return None;
        }
        let wanted = bytes.div_ceil(PERMIT_BYTES).min(self.all);
        let permits = Arc::clone(&self.permits);
        // Never closed.
        permits.acquire_many_owned(wanted as u32).await.ok()
    }
}

/// Gives back what a part has beyond so many bytes.
fn keep(mut part: OwnedSemaphorePermit, bytes: usize) -> Option<OwnedSemaphorePermit> {
    if bytes <= SMALL_BYTES_MAX {
        return None;
    }
    let kept = bytes.div_ceil(PERMIT_BYTES).min(part.num_permits());
    part.split(kept)
}

/// Collects a body; `None` when it has more than `limit` bytes. What is too much is still read, up to a point, and
/// forgotten: a client that is cut off while it sends does not see the answer that says why.
async fn collect(
    mut body: Incoming,
    limit: usize,
    announced: Option<u64>,
) -> Result<Option<Bytes>, hyper::Error> {
    // Most bodies come in one piece, which needs no copy. Pieces may be as small as a byte, so that they are not kept
    // as such.
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        length += piece.len();
        if length > limit {
            (first, all) = (Bytes::new(), Vec::new());
            if length > limit.saturating_add(FORGOTTEN_BYTES_MAX) {
                break;
            }
        } else if first.is_empty() && all.is_empty() {
            first = piece;
        } else {
            if all.is_empty() {
                // All at once, as far as that is known: a buffer that grows takes twice what it needs.
                let announced = announced.and_then(|length| usize::try_from(length).ok());
                all.reserve_exact(announced.map_or(0, |length| length.min(limit)));
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&piece);
        }
    }
    Ok((length <= limit).then(|| if all.is_empty() { first } else { all.into() }))
}

/// Unpacks gzip, large ones where blocking is allowed; `None` when there is more than `limit` inside.
async fn gunzip_aside(packed: Bytes, limit: usize) -> Result<Option<Bytes>, Refusal> {
    let broken = || Refusal::http(StatusCode::BAD_REQUEST, "The body is not gzip.");
    if packed.len() < UNPACK_ASIDE_FROM && limit <= SMALL_BYTES_MAX {
        return gunzip(&packed, limit).map_err(|_| broken());
    }
    let unpacking = tokio::task::spawn_blocking(move || gunzip(&packed, limit));
    unpacking.await.map_err(|_| broken())?.map_err(|_| broken())
}

fn gunzip(packed: &[u8], limit: usize) -> std::io::Result<Option<Bytes>> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(packed)
        .take(limit as u64 + 1)
        .read_to_end(&mut unpacked)?;
    Ok((unpacked.len() <= limit).then(|| Bytes::from(unpacked)))
}

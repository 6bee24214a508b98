//! HTTP messages: reading a request's body, writing the envelope around every answer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Settings;
use super::refusal::Refusal;

/// Compressed bodies from this size on are unpacked off the request's task.
const UNPACK_ASIDE_FROM: usize = 64 * 1024;
/// Bytes beyond a body's limit that are read and forgotten before the connection is given up.
const FORGOTTEN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of a file that are sent at a time.
const FILE_PART_BYTES: usize = 128 * 1024;

/// An HTTP answer.
pub type Reply = Response<ReplyBody>;

/// A body of known length, in segments or from a file.
#[derive(Debug, Default)]
pub struct ReplyBody {
    segments: VecDeque<Bytes>,
    remaining: u64,
    /// What follows the segments, read as it is sent.
    file: Option<File>,
}

impl From<Vec<Bytes>> for ReplyBody {
    fn from(segments: Vec<Bytes>) -> Self {
        let remaining = segments.iter().map(|segment| segment.len() as u64).sum();
        Self {
            segments: segments.into(),
            remaining,
            file: None,
        }
    }
}

impl From<Vec<u8>> for ReplyBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(vec![Bytes::from(bytes)])
    }
}

impl ReplyBody {
    /// A file of so many bytes.
    pub(super) fn file(file: File, bytes: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            remaining: bytes,
            file: Some(file),
        }
    }

    /// Takes the next part out. A part of a file is read from the disk; it is small, and mostly in memory.
    pub(super) fn next_segment(&mut self) -> Option<Bytes> {
        if let Some(file) = &mut self.file {
            let wanted = usize::try_from(self.remaining)
                .unwrap_or(usize::MAX)
                .min(FILE_PART_BYTES);
            let mut part = vec![0; wanted];
            let read = match file.read(&mut part) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "failed to read a file that is being sent");
                    0
                }
            };
            // A file that ends too early ends the connection: fewer bytes come than were announced.
            part.truncate(read);
            self.remaining -= read as u64;
            return (read > 0).then(|| Bytes::from(part));
        }
        let segment = self.segments.pop_front()?;
        self.remaining -= segment.len() as u64;
        Some(segment)
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.next_segment().map(|segment| Ok(Frame::data(segment))))
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty() && (self.file.is_none() || self.remaining == 0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// A request with its body read.
#[derive(Debug)]
pub struct Exchange {
    parts: Parts,
    body: Bytes,
}

impl Exchange {
    /// Reads a request's body, unpacked, within the limits. What cannot be read is answered by the API whose path it
    /// was sent to, hence the head that comes back with the refusal.
    pub(super) async fn read(
        parts: Parts,
        body: Incoming,
        settings: &Settings,
    ) -> Result<Self, (Parts, Refusal)> {
        match body_of(&parts, body, settings).await {
            Ok(body) => Ok(Self { parts, body }),
            Err(refusal) => Err((parts, refusal)),
        }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A value of the query string; an empty one counts as absent.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .filter(|value| !value.is_empty())
    }

    /// The body, unpacked.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON; an empty body counts as an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let text: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(text).map_err(|error| {
            // The text itself may hold secrets: only where it broke is told.
            let place = format!("line {} column {}", error.line(), error.column());
            Refusal::http(
                StatusCode::BAD_REQUEST,
                format!("The request is not the expected JSON ({place})."),
            )
        })
    }

    /// Where the client reached us, for URLs that it is to fetch: scheme and authority.
    pub(super) fn origin(&self, settings: &Settings) -> Option<String> {
        let host = self.parts.headers.get(HOST)?.to_str().ok()?;
        let authority: http::uri::Authority = host.parse().ok()?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        Some(format!("{scheme}://{authority}"))
    }

    pub(crate) fn accepts_gzip(&self) -> bool {
        let accepted = self
            .parts
            .headers
            .get(ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok());
        accepted.is_some_and(|value| {
            value
                .split(',')
                .map(str::trim)
                .any(|coding| coding == "gzip" || coding.starts_with("gzip;"))
        })
    }
}

/// A request's body, unpacked.
async fn body_of(parts: &Parts, body: Incoming, settings: &Settings) -> Result<Bytes, Refusal> {
    let limit = settings.body_limit(parts.uri.path());
    let too_large = || {
        Refusal::http(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("The request has more than {limit} bytes."),
        )
    };
    let collected = tokio::time::timeout(settings.body_wait_max, collect(body, limit))
        .await
        .map_err(|_| {
            Refusal::http(
                StatusCode::REQUEST_TIMEOUT,
                "The request's body did not arrive in time.",
            )
        })?
        .map_err(|_| Refusal::http(StatusCode::BAD_REQUEST, "The request's body broke off."))?;
    let mut body = collected.ok_or_else(too_large)?;
    let encoding = parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match encoding {
        None | Some(b"" | b"identity") => {}
        Some(b"gzip") => {
            let unpacked = if body.len() < UNPACK_ASIDE_FROM {
                gunzip(&body, limit)
            } else {
                let unpacking = tokio::task::spawn_blocking(move || gunzip(&body, limit));
                unpacking
                    .await
                    .map_err(|_| Refusal::http(StatusCode::BAD_REQUEST, "The body is not gzip."))?
            };
            body = match unpacked {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Err(too_large()),
                Err(_) => return Err(Refusal::http(StatusCode::BAD_REQUEST, "The body is not gzip.")),
            };
        }
        Some(_) => {
            let message = "The body's Content-Encoding is not supported; send gzip or none.";
            return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    }
    Ok(body)
}

/// Collects a body; `None` when it has more than `limit` bytes. What is too much is still read, up to a point, and
/// forgotten: a client that is cut off while it sends does not see the answer that says why.
async fn collect(mut body: Incoming, limit: usize) -> Result<Option<Bytes>, hyper::Error> {
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
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&piece);
        }
    }
    Ok((length <= limit).then(|| if all.is_empty() { first } else { all.into() }))
}

/// Unpacks gzip; `None` when there is more than `limit` inside.
fn gunzip(packed: &[u8], limit: usize) -> std::io::Result<Option<Bytes>> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(packed)
        .take(limit as u64 + 1)
        .read_to_end(&mut unpacked)?;
    Ok((unpacked.len() <= limit).then(|| Bytes::from(unpacked)))
}

/// The envelope around every answer; `data` is JSON.
pub(super) fn envelope(data: &[u8], code: Option<&str>, message: Option<&str>, success: bool) -> Vec<u8> {
    let mut object = ObjectWriter::with_capacity(data.len() + 128);
    object.raw("data", data);
    object.field("code", &code);
    object.field("message", &message);
    object.field("success", &success);
    object.raw("headers", b"null");
    object.finish()
}

/// A successful answer with `data`, which is JSON.
pub(super) fn success(data: &[u8]) -> Reply {
    reply_json(StatusCode::OK, envelope(data, None, None, true))
}

/// An answer with a JSON body.
pub(crate) fn reply_json(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(ReplyBody::from(body));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Writes a JSON object field by field, so that large parts go in as they are.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    text: Vec<u8>,
}

impl ObjectWriter {
    pub(crate) fn new() -> Self {
        Self::with_capacity(512)
    }

    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes);
        text.push(b'{');
        Self { text }
    }

    /// Adds a field; the names are ours and need no escaping.
    pub(crate) fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        serde_json::to_writer(&mut self.text, value).expect("plain values always have a JSON form");
    }

    /// Adds a field whose value is already JSON.
    pub(crate) fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.text.extend_from_slice(json);
    }

    /// Adds a field whose value `write` appends.
    pub(crate) fn write(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        write(&mut self.text);
    }

    fn name(&mut self, name: &str) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }
}

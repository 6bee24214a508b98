//! HTTP messages: reading a request's body, writing the envelope around every answer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::body::RequestBody;
use super::refusal::Refusal;
use super::{Connector, Settings};

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
    body: RequestBody,
}

impl Exchange {
    /// Reads a request's body, unpacked, within the limits. What cannot be read is answered by the API whose path it
    /// was sent to, hence the head that comes back with the refusal.
    pub(super) async fn read(
        parts: Parts,
        body: Incoming,
        connector: &Connector,
    ) -> Result<Self, (Parts, Refusal)> {
        let settings = &connector.settings;
        let read = connector.bodies.read(&parts, body, settings).await;
        // Afterwards: a client that is cut off while it sends does not see the answer that says why.
        match read.and_then(|body| content_type(&parts, settings).map(|()| body)) {
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
        &self.body.bytes
    }

    /// The body as JSON; an empty body counts as an empty object.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = self.body();
        let text = if body.is_empty() { b"{}" } else { body };
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

/// Checks that a body is JSON, if it says what it is. What is mounted beside this protocol checks that itself.
fn content_type(parts: &Parts, settings: &Settings) -> Result<(), Refusal> {
    let Some(value) = parts.headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = value.to_str().unwrap_or_default().split(';').next();
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    // Some libraries name a type also where they send nothing.
    let sends_nothing = parts.method != Method::POST || settings.mounted_at(parts.uri.path()).is_some();
    if sends_nothing
        || kind.is_empty()
        || ["application/json", "application/snowflake"].contains(&kind.as_str())
    {
        return Ok(());
    }
    Err(Refusal::http(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The request's Content-Type is not supported; send application/json.",
    ))
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

//! What the SQL API says no with: HTTP status, code, words.

use std::borrow::Cow;

use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use super::answer::Code;
use crate::protocol::{Full, INVALID_PAYLOAD, ObjectWriter, Reply, ReplyBody, reply_json};
use crate::session::SqlError;

/// The code of too many requests.
const TOO_MANY: &str = "390505";
/// The code of a header that is missing or means something else.
const ACCEPT: &str = "391902";
const USER_AGENT: &str = "391903";
/// The code of an API that is not enabled.
const FORBIDDEN: &str = "390403";
/// The code of a path that leads nowhere.
const NOT_FOUND: &str = "390404";

/// Seconds after which a client that was refused a place may ask again.
const PLACE_RETRY_SECONDS: u64 = 1;

/// A request that is not answered as asked.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    /// SQLSTATE and handle, when a statement is concerned.
    statement: Option<(&'static str, String)>,
    retry_after: Option<u64>,
}

impl Refusal {
    fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            statement: None,
            retry_after: None,
        }
    }

    /// The request is not of the form that the endpoint takes.
    pub(super) fn payload(detail: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            INVALID_PAYLOAD,
            format!("Incoming request does not contain a valid payload. {detail}"),
        )
    }

    /// The connection's side of a request went wrong: its size, its time, its encoding.
    pub(super) fn unreadable(status: StatusCode, message: &str) -> Self {
        Self::new(status, INVALID_PAYLOAD, message.to_owned())
    }

    /// Nobody is known by what the request shows.
    pub(super) fn unauthorized(code: &str, message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code.to_owned(), message.to_owned())
    }

    /// The client takes no JSON.
    pub(super) fn accept(header: Option<&str>) -> Self {
        let shown = header.unwrap_or("null");
        Self::new(
            StatusCode::BAD_REQUEST,
            ACCEPT,
            format!("Unsupported Accept header {shown} is specified."),
        )
    }

    /// The client does not say what it is.
    pub(super) fn user_agent() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            USER_AGENT,
            "Unsupported User-Agent header null is specified.",
        )
    }

    /// The body is no JSON by its own word.
    pub(super) fn content_type(header: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            INVALID_PAYLOAD,
            format!("Unsupported Content-Type header {header} is specified."),
        )
    }

    /// The API is not enabled.
    pub(super) fn disabled() -> Self {
        Self::new(StatusCode::FORBIDDEN, FORBIDDEN, "The SQL API is not enabled.")
    }

    /// The path leads nowhere.
    pub(super) fn endpoint() -> Self {
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, "No such endpoint.")
    }

    /// The user asks too fast.
    pub(super) fn too_fast(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, "Too many requests.")
        }
    }

    /// Too many statements run.
    pub(super) fn no_place(whose: &str) -> Self {
        Self {
            retry_after: Some(PLACE_RETRY_SECONDS),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                TOO_MANY,
                format!("Too many requests. {whose} run as many statements as may run at a time."),
            )
        }
    }

    /// Too many statements wait to be read.
    pub(super) fn too_many_kept(full: &Full) -> Self {
        Self {
            retry_after: Some(PLACE_RETRY_SECONDS),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                TOO_MANY,
                format!("Too many requests. The statement was refused: {full}."),
            )
        }
    }

    /// A statement that is not known, or not this user's.
    pub(super) fn unknown_statement(handle: &str) -> Self {
        /// Characters of a handle that the answer repeats; a real one has 36.
        const SHOWN_CHARACTERS: usize = 64;
        let shown: String = handle.chars().take(SHOWN_CHARACTERS).collect();
        Self {
            statement: Some(("02000", shown.clone())),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "000709",
                format!("Statement {shown} not found"),
            )
        }
    }

    /// A statement that cannot be stopped any more.
    pub(super) fn not_running(handle: String) -> Self {
        Self {
            statement: Some(("02000", handle)),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "000605",
                "Identified SQL statement is not currently executing.",
            )
        }
    }

    /// A result that cannot be read.
    pub(super) fn unreadable_result(error: &SqlError, handle: String) -> Self {
        Self {
            statement: Some((error.sql_state, handle)),
            ..Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                error.code,
                error.message.clone(),
            )
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        let mut body = ObjectWriter::new();
        body.field("code", &self.code);
        body.field("message", &self.message);
        if let Some((sql_state, handle)) = &self.statement {
            body.field("sqlState", sql_state);
            body.field("statementHandle", handle);
        }
        let mut reply = reply_json(self.status, body.finish());
        if let Some(seconds) = self.retry_after {
            reply
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply.extensions_mut().insert(Code(self.code));
        reply
    }
}

/// The answer to another method than the endpoint's: without a body, as Snowflake has it.
pub(super) fn method_not_allowed(allowed: &'static str) -> Reply {
    let mut reply = Response::new(ReplyBody::default());
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

//! Everything the protocol says no with: code, words, HTTP status.

use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use crate::results::ResultError;
use crate::session::SqlError;

use super::message::{ObjectWriter, Reply, envelope, reply_json};
use super::retention::Full;

/// A request that is not answered as asked.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: Cow<'static, str>,
    message: String,
    /// JSON of the envelope's `data`.
    data: Option<Vec<u8>>,
}

impl Refusal {
    /// A refusal that clients take as Snowflake's word: HTTP 200 and a code.
    pub(super) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            code: code.into(),
            message: message.into(),
            data: None,
        }
    }

    /// A refusal on the level of HTTP.
    pub(super) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: INVALID_PAYLOAD.into(),
            message: message.into(),
            data: None,
        }
    }

    /// An SQL failure, with the query it befell.
    pub(super) fn sql(error: &SqlError, query_id: Uuid) -> Self {
        let mut data = ObjectWriter::new();
        data.field("internalError", &(error.sql_state == INTERNAL_SQL_STATE));
        data.field("errorCode", error.code);
        data.field("age", &0);
        data.field("sqlState", error.sql_state);
        data.field("queryId", &query_id.to_string());
        data.field("line", &error.position.map_or(-1, |(line, _)| i64::from(line)));
        data.field(
            "pos",
            &error.position.map_or(-1, |(_, position)| i64::from(position)),
        );
        let compilation = error.message.starts_with("SQL compilation error");
        data.field("type", if compilation { "COMPILATION" } else { "EXECUTION" });
        let data = Some(data.finish());
        Self {
            status: StatusCode::OK,
            code: error.code.into(),
            message: error.message.clone(),
            data,
        }
    }

    /// Adds what the failure of a login tells.
    pub(super) fn with_data(mut self, data: &impl Serialize) -> Self {
        self.data = serde_json::to_vec(data).ok();
        self
    }

    /// HTTP status, code and words, for an API that writes them in its own way.
    pub(crate) fn parts(&self) -> (StatusCode, &str, &str) {
        (self.status, &self.code, &self.message)
    }

    pub(super) fn into_reply(self) -> Reply {
        let data = self.data.as_deref().unwrap_or(b"null");
        reply_json(
            self.status,
            envelope(data, Some(&self.code), Some(&self.message), false),
        )
    }
}

/// The request is not of the form that the endpoint takes.
pub(crate) const INVALID_PAYLOAD: &str = "390142";
/// The SQLSTATE of failures that are not the statement's fault.
const INTERNAL_SQL_STATE: &str = "XX000";

/// The outcome of a statement that was stopped.
pub(crate) fn cancelled() -> SqlError {
    SqlError {
        code: "000604",
        sql_state: "57014",
        message: "SQL execution canceled".to_owned(),
        position: None,
    }
}

/// The outcome of a statement that was not begun because too many wait to be read.
pub(super) fn unplaced(full: &Full) -> SqlError {
    SqlError {
        code: "000617",
        sql_state: "57014",
        message: format!("The statement was refused: {full}."),
        position: None,
    }
}

/// The outcome of a statement whose task broke.
pub(crate) fn broken() -> SqlError {
    SqlError {
        code: "000603",
        sql_state: INTERNAL_SQL_STATE,
        message: "SQL execution internal error: the statement ended without an outcome.".to_owned(),
        position: None,
    }
}

/// The outcome of a statement whose rows could not be kept.
pub(crate) fn unkept(error: &ResultError) -> SqlError {
    let mut message = format!("SQL execution internal error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message.push('.');
    SqlError {
        code: "000603",
        sql_state: INTERNAL_SQL_STATE,
        message,
        position: None,
    }
}

//! Asking how a query is, by its id, without waiting for its end.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::envelope::{ControlAnswer, integer, text};
use crate::error::{Fate, GatewayError};
use crate::exchange::check_query_id;
use crate::upstream::{Cost, Request, Upstream};

/// What the server's monitoring says about one query, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryReport {
    /// The server's word for the state, for example `RUNNING` or `FAILED_WITH_ERROR`.
    pub status: String,
    /// Code of the error, six digits; `None` when there is none.
    pub error_code: Option<String>,
    /// Text of the error.
    pub error_message: Option<String>,
    /// The SQL text.
    pub sql_text: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub start_ms: Option<u64>,
    /// When it ended, in milliseconds since 1970.
    pub end_ms: Option<u64>,
    /// Rows of its result, once it has ended.
    pub rows_produced: Option<u64>,
}

/// Asks the server's monitoring about a query; `None` when it knows no such query.
pub(crate) async fn query_report(
    upstream: &Arc<Upstream>,
    query_id: &str,
) -> Result<Option<QueryReport>, GatewayError> {
    check_query_id(query_id)?;
    let request_id = Uuid::new_v4().to_string();
    let path = format!("monitoring/queries/{query_id}");
    let request = Request {
        method: Method::GET,
        path: &path,
        pairs: Vec::new(),
        request_id: &request_id,
        body: Bytes::new(),
        limits: upstream.control_limits(),
        // What is asked about has been sent.
        before: Fate::MayHaveRun,
    };
    let received = upstream.send(&request, &mut Cost::default()).await?;
    let answer = ControlAnswer::parse(&received.body)?;
    if !answer.success {
        return Err(GatewayError::protocol(format!(
            "the state of a query was not told: {}",
            answer.message_or("no reason given")
        )));
    }
    Ok(answer.data["queries"]
        .as_array()
        .and_then(|queries| queries.first())
        .map(read))
}

fn read(query: &Value) -> QueryReport {
    let said = |value: &Value| text(value).filter(|text| !text.is_empty());
    // A query that runs has an end of 0.
    let moment = |value: &Value| {
        integer(value)
            .and_then(|moment| u64::try_from(moment).ok())
            .filter(|moment| *moment > 0)
    };
    QueryReport {
        // Servers give both; where they differ, `status` is the one that drivers go by.
        status: said(&query["status"])
            .or_else(|| said(&query["state"]))
            .unwrap_or_default(),
        error_code: said(&query["errorCode"]).map(|code| format!("{code:0>6}")),
        error_message: said(&query["errorMessage"]),
        sql_text: said(&query["sqlText"]),
        start_ms: moment(&query["startTime"]),
        end_ms: moment(&query["endTime"]),
        rows_produced: integer(&query["stats"]["producedRows"]).and_then(|rows| u64::try_from(rows).ok()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_texts_are_read_alike() {
        let report = read(&json!({
            "status": "FAILED_WITH_ERROR", "errorCode": 2003, "errorMessage": "no such table",
            "sqlText": "select * from t", "startTime": 1000, "endTime": "2000",
            "stats": { "producedRows": 7 },
        }));
        assert_eq!(report.status, "FAILED_WITH_ERROR");
        assert_eq!(report.error_code.as_deref(), Some("002003"));
        assert_eq!((report.start_ms, report.end_ms), (Some(1000), Some(2000)));
        assert_eq!(report.rows_produced, Some(7));
    }

    #[test]
    fn what_is_missing_or_empty_is_nothing() {
        let report = read(&json!({ "state": "RUNNING", "errorCode": "", "endTime": 0 }));
        let expected = QueryReport {
            status: "RUNNING".to_owned(),
            ..QueryReport::default()
        };
        assert_eq!(report, expected);
    }
}

//! Turns errors into gRPC statuses with `google.rpc.ErrorInfo`, once, at the border.

use std::collections::HashMap;
use std::time::Duration;

use snowflake_session_proto::ERROR_DOMAIN;
use snowflake_session_proto::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::domain::error::{Chain, Error, Reason};

/// Longest message, in bytes after percent-encoding. It travels twice in the trailers (as text and inside
/// the details), and 16 KiB is what HTTP/2 clients accept for all trailers together.
const MESSAGE_ENCODED_MAX: usize = 4096;

/// How soon a call that a stopping service has not taken may come again: by then the next run is there, or a manager lets it
/// wait.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Longest value in the metadata.
const FACT_BYTES_MAX: usize = 1024;

/// The status of an error. Logs it: this is where errors of requests are handled.
pub(super) fn status(error: &Error) -> Status {
    log(error);
    let (code, reason) = code_and_reason(error.reason());
    let message = fit(&error.to_string(), MESSAGE_ENCODED_MAX);
    let reason = reason.as_str_name().trim_start_matches("ERROR_REASON_");
    let mut details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata(error));
    if error.reason() == Reason::Draining && !error.may_have_run() {
        // For clients that know nothing of our reasons, but of retries.
        details.set_retry_info(Some(RETRY_DELAY));
    }
    Status::with_error_details(code, message, details)
}

fn log(error: &Error) {
    match error.reason() {
        Reason::Internal => {
            tracing::error!(error = %Chain(error), "request failed by a defect of the service");
        }
        // Their texts quote SQL, and they are the caller's business.
        Reason::SqlRejected
        | Reason::InvalidRequest
        | Reason::Refused
        | Reason::Cancelled
        | Reason::NotFound
        | Reason::SessionLost => {
            tracing::info!(reason = ?error.reason(), "request failed");
            tracing::debug!(error = %Chain(error), "request failed");
        }
        _ => tracing::warn!(reason = ?error.reason(), error = %Chain(error), "request failed"),
    }
}

/// The transport's code and the contract's reason; exhaustive, so that a new reason is thought through here.
fn code_and_reason(reason: Reason) -> (Code, ErrorReason) {
    match reason {
        Reason::SqlRejected => (Code::InvalidArgument, ErrorReason::SqlRejected),
        Reason::InvalidRequest => (Code::InvalidArgument, ErrorReason::InvalidRequest),
        Reason::Configuration => (Code::FailedPrecondition, ErrorReason::Configuration),
        Reason::Unreachable => (Code::Unavailable, ErrorReason::Unreachable),
        Reason::LoginRefused => (Code::Unauthenticated, ErrorReason::LoginRefused),
        Reason::Timeout => (Code::DeadlineExceeded, ErrorReason::Timeout),
        Reason::Refused => (Code::PermissionDenied, ErrorReason::Refused),
        Reason::Cancelled => (Code::Cancelled, ErrorReason::Cancelled),
        Reason::SessionLost => (Code::Aborted, ErrorReason::SessionLost),
        Reason::LimitReached => (Code::ResourceExhausted, ErrorReason::LimitReached),
        Reason::Draining => (Code::Unavailable, ErrorReason::Draining),
        Reason::VersionSkew => (Code::FailedPrecondition, ErrorReason::VersionSkew),
        Reason::NotFound => (Code::NotFound, ErrorReason::NotFound),
        Reason::Internal => (Code::Internal, ErrorReason::Internal),
    }
}

/// The contract's reason of an error that is told inside an answer.
pub(super) fn error_reason(reason: Reason) -> ErrorReason {
    code_and_reason(reason).1
}

fn metadata(error: &Error) -> HashMap<String, String> {
    let facts = error.facts();
    let line = facts.line.map(|line| line.to_string());
    let position = facts.position.map(|position| position.to_string());
    let row_offset = facts.row_offset.map(|offset| offset.to_string());
    [
        ("snowflake_code", facts.snowflake_code.as_deref()),
        ("sql_state", facts.sql_state.as_deref()),
        ("query_id", facts.query_id.as_deref()),
        ("line", line.as_deref()),
        ("position", position.as_deref()),
        ("hint", facts.hint.as_deref()),
        ("session", facts.session.as_deref()),
        ("connection", facts.connection.as_deref()),
        ("lost", facts.lost.as_deref()),
        ("rule", facts.rule.as_deref()),
        ("row_offset", row_offset.as_deref()),
        ("may_have_run", may_have_run(error)),
    ]
    .into_iter()
    .filter_map(|(key, value)| value.map(|value| (key.to_owned(), fit(value, FACT_BYTES_MAX))))
    .collect()
}

/// Whether the statement may have had an effect, where the reason alone does not say it.
fn may_have_run(error: &Error) -> Option<&'static str> {
    match (error.reason(), error.may_have_run()) {
        (_, true) => Some("true"),
        (Reason::Unreachable, false) => Some("false"),
        (_, false) => None,
    }
}

/// Cuts a text so that it has at most `encoded_max` bytes once everything but plain ASCII is
/// percent-encoded.
fn fit(text: &str, encoded_max: usize) -> String {
    const MARK: &str = " … (cut)";
    let cost = |character: char| match character {
        ' '..='~' if character != '%' => 1,
        _ => character.len_utf8() * 3,
    };
    let mark_cost: usize = MARK.chars().map(cost).sum();
    let total: usize = text.chars().map(cost).sum();
    if total <= encoded_max {
        return text.to_owned();
    }
    let mut used = mark_cost;
    let kept = text.chars().take_while(|character| {
        used += cost(*character);
        used <= encoded_max
    });
    kept.chain(MARK.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::Facts;

    #[test]
    fn only_what_has_not_run_is_to_be_tried_again() {
        let delay = |error: Error| {
            let info = status(&error).get_details_retry_info();
            info.and_then(|info| info.retry_delay)
        };
        let stopping = || Error::new(Reason::Draining, "the service is stopping");
        assert_eq!(delay(stopping()), Some(RETRY_DELAY));
        assert_eq!(delay(stopping().with_doubt()), None);
        assert_eq!(delay(Error::new(Reason::Timeout, "x")), None);
    }

    #[test]
    fn doubt_is_told_and_so_is_certainty_where_it_helps() {
        for (reason, doubt, told) in [
            (Reason::Unreachable, true, Some("true")),
            (Reason::Unreachable, false, Some("false")),
            (Reason::Timeout, true, Some("true")),
            (Reason::SqlRejected, false, None),
        ] {
            let error = Error::new(reason, "x");
            let error = if doubt { error.with_doubt() } else { error };
            let info = status(&error).get_details_error_info().unwrap();
            let found = info.metadata.get("may_have_run").map(String::as_str);
            assert_eq!(found, told, "{reason:?} {doubt}");
        }
    }

    #[test]
    fn facts_travel_in_the_error_info() {
        let facts = Facts {
            snowflake_code: Some("002003".into()),
            sql_state: Some("42S02".into()),
            line: Some(1),
            position: Some(14),
            hint: Some("create it".into()),
            ..Facts::default()
        };
        let status = status(&Error::new(Reason::SqlRejected, "Object 'T' does not exist").with_facts(facts));
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, "Object 'T' does not exist")
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            ("SQL_REJECTED", "snowflake-session")
        );
        let mut metadata: Vec<_> = info.metadata.into_iter().collect();
        metadata.sort();
        let expected = [
            ("hint", "create it"),
            ("line", "1"),
            ("position", "14"),
            ("snowflake_code", "002003"),
            ("sql_state", "42S02"),
        ];
        assert_eq!(
            metadata,
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn long_messages_fit_the_trailers() {
        for text in ["x".repeat(100_000), "ü".repeat(50_000), "%".repeat(9_000)] {
            let status = status(&Error::new(Reason::SqlRejected, text).with_hint("ö".repeat(10_000)));
            assert!(status.message().ends_with(" … (cut)"));
            let mut headers = http::HeaderMap::new();
            status.add_header(&mut headers).unwrap();
            let bytes: usize = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 32)
                .sum();
            assert!(bytes < 16 * 1024, "{bytes} bytes of trailers");
        }
        assert_eq!(fit("short", 10), "short");
    }

    #[test]
    fn the_inside_cause_stays_inside() {
        let error = Error::internal("cannot do it").with_source("token=abc");
        assert!(!format!("{:?}", status(&error)).contains("abc"));
    }
}

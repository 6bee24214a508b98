//! A gRPC error status as a failure: the reason that the service stated, in words for the screen.

use std::collections::HashMap;
use std::error::Error;

use snowflake_session_proto::ERROR_DOMAIN;
use snowflake_session_proto::v1::{ErrorReason, Query};
use tonic::Status;
use tonic_types::StatusExt;

use crate::exit_code::Exit;
use crate::failure::{Failure, Parting, Place, SqlPosition, root_cause};

/// Said when nobody can tell whether a statement had an effect.
const MAY_HAVE_RUN: &str = "it may have run: look before running it again";

/// Said when it is certain that nothing happened although Snowflake could not be reached.
const NOTHING_RAN: &str = "nothing was run";

/// Translates a status.
pub(super) fn failure(status: &Status) -> Failure {
    match status
        .get_details_error_info()
        .filter(|info| info.domain == ERROR_DOMAIN)
    {
        Some(info) => {
            let reason = ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
            stated(
                reason.unwrap_or(ErrorReason::Unspecified),
                status.message(),
                &info.metadata,
            )
        }
        None => unstated(status),
    }
}

/// Why a query failed that somebody else ran, as if this command had run it.
pub(crate) fn query_failure(query: &Query) -> Failure {
    let error = query.error.clone().unwrap_or_default();
    let details = [
        ("snowflake_code", error.snowflake_code.clone()),
        ("sql_state", error.sql_state.clone()),
        ("query_id", query.query_id.clone()),
        ("hint", error.hint.clone()),
    ];
    let details = details
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    stated(error.reason(), &error.message, &details)
}

/// A failure whose reason the service stated.
fn stated(reason: ErrorReason, message: &str, details: &HashMap<String, String>) -> Failure {
    let what = match reason {
        // It names the session and what it has lost; nothing general would say more.
        ErrorReason::SessionLost if !message.is_empty() => message,
        // It leaves everybody, or this client alone.
        ErrorReason::Draining if message.starts_with("the service ") => {
            message.split_once("; ").map_or(message, |(what, _)| what)
        }
        _ => what(reason),
    };
    let mut failure = Failure::new(Exit::of_reason(reason), what);
    failure.parting = (reason == ErrorReason::Draining).then_some(Parting::Said);
    let detail = |key: &str| details.get(key).filter(|value| !value.is_empty());
    // A loss has said it all, and so has a cancelled query.
    if !message.is_empty() && message != failure.what {
        failure = failure.caused_by(match (detail("snowflake_code"), detail("sql_state")) {
            (Some(code), state)
                if message.contains(code.as_str())
                    && state.is_none_or(|state| message.contains(state.as_str())) =>
            {
                message.to_owned()
            }
            (Some(code), Some(state)) => format!("{code} ({state}): {message}"),
            (Some(code), None) => format!("{code}: {message}"),
            (None, _) => message.to_owned(),
        });
    }
    if let Some(line) = detail("line").and_then(|line| line.parse().ok()) {
        // Snowflake says -1 where it knows only the line.
        let position = detail("position").and_then(|position| position.parse().ok());
        failure.place = Place::At(SqlPosition { line, position });
    }
    if let Some(rule) = detail("rule") {
        failure.facts.push(format!("rule: {rule}"));
    }
    for lost in detail("lost").into_iter().flat_map(|lost| lost.lines()) {
        failure.facts.push(format!("lost: {lost}"));
    }
    let effect = match detail("may_have_run").map(String::as_str) {
        Some("true") => Some(MAY_HAVE_RUN),
        Some("false") => Some(NOTHING_RAN),
        _ => None,
    };
    // Most messages say it in these words themselves.
    let effect = effect.filter(|effect| !message.contains(effect));
    failure.facts.extend(effect.map(str::to_owned));
    if let Some(query_id) = detail("query_id") {
        failure.facts.push(format!("query id: {query_id}"));
    }
    failure.hint = detail("hint")
        .cloned()
        .or_else(|| hint(reason).map(str::to_owned));
    failure
}

/// A failure of the transport, or of a service that does not state reasons.
fn unstated(status: &Status) -> Failure {
    // A status with a source was made on this side: the connection broke under the call.
    let Some(source) = status.source() else {
        let exit = Exit::of_code(status.code());
        let failure = Failure::new(exit, "the service answered with an error");
        let message = status.message();
        let cause = if message.is_empty() {
            status.code().description()
        } else {
            message
        };
        return failure
            .caused_by(cause)
            .hint("see how it is with `sfctl service status`");
    };
    let mut failure = Failure::unreachable("the service went away during the call")
        .caused_by(root_cause(source))
        .hint("what it was doing may have been done; see how it is with `sfctl service status`");
    failure.parting = Some(Parting::Gone);
    failure
}

fn what(reason: ErrorReason) -> &'static str {
    match reason {
        ErrorReason::SqlRejected => "Snowflake rejected the SQL",
        ErrorReason::InvalidRequest => "the request is not valid",
        ErrorReason::Configuration => "the configuration is wrong",
        ErrorReason::Unreachable => "cannot reach Snowflake",
        ErrorReason::LoginRefused => "Snowflake refused the login",
        ErrorReason::Timeout => "the time limit passed",
        ErrorReason::Refused => "the service refused it",
        ErrorReason::Cancelled => "the query was cancelled",
        ErrorReason::SessionLost => "the session has lost what cannot be restored",
        ErrorReason::LimitReached => "a limit of the service is reached",
        ErrorReason::Draining => "the service is stopping",
        ErrorReason::VersionSkew => "sfctl and the service are of different versions",
        ErrorReason::NotFound => "not found",
        ErrorReason::Internal | ErrorReason::Unspecified => "the service failed",
    }
}

/// What to do when the service gave no hint.
fn hint(reason: ErrorReason) -> Option<&'static str> {
    match reason {
        ErrorReason::Timeout => Some("give it more time with `--timeout`"),
        ErrorReason::SessionLost => {
            Some("`--accept-loss` goes on without it, `sfctl session reset` begins the session anew")
        }
        ErrorReason::Draining => Some("run it again when the service has stopped; it is then started anew"),
        ErrorReason::VersionSkew => Some("restart the service with `sfctl service restart`"),
        ErrorReason::Internal | ErrorReason::Unspecified => {
            Some("this is a defect; the service's log says more")
        }
        ErrorReason::SqlRejected
        | ErrorReason::InvalidRequest
        | ErrorReason::Configuration
        | ErrorReason::Unreachable
        | ErrorReason::LoginRefused
        | ErrorReason::Refused
        | ErrorReason::Cancelled
        | ErrorReason::LimitReached
        | ErrorReason::NotFound => None,
    }
}

//! A query as it is shown.

use std::time::Duration;

use serde_json::json;
use snowflake_session_proto::v1::{DmlStats, Query, QueryError, QueryState, StatementKind};

use super::super::result;
use crate::render::record::{Record, Value};
use crate::render::{Clock, since_1970};

/// Everything about a query.
pub(super) fn everything(query: &Query, clock: Clock) -> Record {
    vec![
        ("query_id", Value::text(&query.query_id)),
        ("request_id", Value::text_if_any(&query.request_id)),
        ("state", Value::text(state(query.state()))),
        (
            "queue_position",
            match query.queue_position {
                0 => Value::Absent,
                position => Value::Number(position.into()),
            },
        ),
        ("session", Value::text(&query.session)),
        ("connection", Value::text(&query.connection)),
        ("sql", Value::text(&query.sql)),
        ("kind", Value::text_if_any(kind(query.statement_kind()))),
        ("submitted", Value::Flag(query.submitted)),
        ("created", query.create_time.map_or(Value::Nothing, Value::Time)),
        ("started", Value::time_if_any(query.start_time)),
        ("ended", Value::time_if_any(query.end_time)),
        ("elapsed_ms", elapsed_value(query, clock)),
        (
            "rows",
            // A query that failed has none, not zero.
            query
                .row_count_total
                .filter(|_| query.state() == QueryState::Succeeded)
                .map_or(Value::Absent, Value::Number),
        ),
        ("changed", query.dml.as_ref().map_or(Value::Absent, changed)),
        ("error", query.error.as_ref().map_or(Value::Absent, error)),
    ]
}

/// Queries in a list for people: no more than fits beside an id on a common screen.
pub(super) fn lines(queries: &[Query], clock: Clock) -> Vec<Record> {
    let is_mixed = queries.iter().any(|query| query.session != queries[0].session);
    let line = |query: &Query| {
        let mut line = vec![
            ("id", Value::Whole(id(query).to_owned())),
            ("state", Value::Whole(state(query.state()).to_owned())),
            ("elapsed_ms", elapsed_value(query, clock)),
            ("sql", Value::text(what(query))),
        ];
        if is_mixed {
            line.insert(2, ("session", Value::text(&query.session)));
        }
        line
    };
    queries.iter().map(line).collect()
}

/// A query's text; where it is not kept, as after a restart of the service, why it failed.
fn what(query: &Query) -> String {
    match &query.error {
        Some(error) if query.sql.is_empty() => {
            let first = error.message.lines().next().unwrap_or_default();
            match error.snowflake_code.as_str() {
                "" => format!("(failed: {first})"),
                code => format!("(failed: {code}: {first})"),
            }
        }
        _ => query.sql.clone(),
    }
}

/// What names the query in other commands: Snowflake's id as soon as it has one.
pub(super) fn id(query: &Query) -> &str {
    if query.query_id.is_empty() {
        &query.request_id
    } else {
        &query.query_id
    }
}

/// How long it has taken so far, or took in all.
pub(super) fn elapsed(query: &Query, clock: Clock) -> Option<Duration> {
    let start = query.create_time.or(query.start_time)?;
    match query.end_time {
        Some(end) => Some(since_1970(&end).saturating_sub(since_1970(&start))),
        None => Some(clock.since(&start)),
    }
}

/// A query's state as one word.
pub(super) fn state(state: QueryState) -> &'static str {
    match state {
        QueryState::Unspecified => "",
        QueryState::Waiting => "waiting",
        QueryState::Queued => "queued",
        QueryState::Running => "running",
        QueryState::Succeeded => "succeeded",
        QueryState::Failed => "failed",
        QueryState::Cancelled => "cancelled",
        QueryState::Unknown => "unknown",
    }
}

fn elapsed_value(query: &Query, clock: Clock) -> Value {
    elapsed(query, clock).map_or(Value::Nothing, Value::Duration)
}

fn changed(dml: &DmlStats) -> Value {
    let mut lines = result::changes(dml);
    if lines.is_empty() {
        lines.push("nothing".to_owned());
    }
    Value::Several {
        lines,
        document: json!({
            "rows_inserted": dml.rows_inserted,
            "rows_updated": dml.rows_updated,
            "rows_deleted": dml.rows_deleted,
        }),
    }
}

/// Why a query failed.
pub(super) fn error(error: &QueryError) -> Value {
    let set = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let code = match (error.snowflake_code.as_str(), error.sql_state.as_str()) {
        ("", _) => String::new(),
        (code, "") => format!("{code}: "),
        (code, state) => format!("{code} ({state}): "),
    };
    let mut lines: Vec<String> = format!("{code}{}", error.message)
        .lines()
        .map(str::to_owned)
        .collect();
    lines.extend(set(&error.hint).map(|hint| format!("hint: {hint}")));
    let reason = error.reason().as_str_name();
    Value::Several {
        lines,
        document: json!({
            "reason": reason.strip_prefix("ERROR_REASON_").unwrap_or(reason),
            "message": error.message,
            "snowflake_code": set(&error.snowflake_code),
            "sql_state": set(&error.sql_state),
            "hint": set(&error.hint),
        }),
    }
}

/// A kind of statement as one word; empty where Snowflake did not say.
pub(in super::super) fn kind(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Unspecified => "",
        StatementKind::Query => "query",
        StatementKind::Dml => "dml",
        StatementKind::Ddl => "ddl",
        StatementKind::Session => "session",
        StatementKind::Transaction => "transaction",
        StatementKind::Call => "call",
        StatementKind::Multi => "multi",
        StatementKind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    #[test]
    fn a_running_query_takes_until_now() {
        let clock = Clock::stopped(1_100, 0);
        let mut query = Query {
            create_time: Some(at(1_000)),
            start_time: Some(at(1_040)),
            ..Query::default()
        };
        assert_eq!(elapsed(&query, clock), Some(Duration::from_secs(100)));
        query.end_time = Some(at(1_060));
        assert_eq!(elapsed(&query, clock), Some(Duration::from_mins(1)));
        assert_eq!(elapsed(&Query::default(), clock), None);
    }
}

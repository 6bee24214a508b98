//! `job history`: statements of the audit log.

use std::time::Duration;

use serde_json::json;
use snowflake_session_proto::v1::{AuditRecord, QueryState, SearchHistoryRequest};

use super::super::{Run, session};
use super::record::{error, state};
use crate::arguments::{Decision, EndState, HistoryArguments, Moment, RowLimit};
use crate::failure::Failure;
use crate::launch;
use crate::render::Clock;
use crate::render::record::{Record, Value, utc};

/// Prints what the search finds, the latest first.
pub(super) async fn history(arguments: HistoryArguments, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let clock = Clock::read();
    let session = if arguments.session_only {
        let named = session::named(&client, None, run).await?;
        session::or_default(&named).to_owned()
    } else {
        run.settings.session.clone()
    };
    let search = SearchHistoryRequest {
        session,
        connection: run.settings.connection.clone(),
        agent: arguments.agent.unwrap_or_default(),
        text: arguments.text.unwrap_or_default(),
        decision: arguments.decision.map(decision).unwrap_or_default().to_owned(),
        state: arguments.state.map_or(QueryState::Unspecified, end_state).into(),
        since: arguments.since.map(|moment| timestamp(moment, clock)),
        until: arguments.until.map(|moment| timestamp(moment, clock)),
        ..SearchHistoryRequest::default()
    };
    let records_max = match arguments.limit {
        RowLimit::All => usize::MAX,
        RowLimit::Rows(rows) => rows.get() as usize,
    };
    let (records, has_more) = client.history(search, records_max).await?;
    if records.is_empty() {
        run.ui.note("no statements");
    }
    let shown = if run.format().is_for_people() {
        lines(&records)
    } else {
        records.iter().map(everything).collect()
    };
    run.print_list(shown)?;
    if has_more {
        let last = records.last().and_then(|record| record.time.as_ref());
        let before = last.map_or_else(String::new, |time| {
            format!(", `--until {}` those before", utc(time))
        });
        run.ui
            .note(&format!("there are older ones; `--limit N` shows more{before}"));
    }
    Ok(())
}

/// Everything about a statement.
fn everything(record: &AuditRecord) -> Record {
    vec![
        ("time", record.time.map_or(Value::Nothing, Value::Time)),
        ("session", Value::text(&record.session)),
        ("connection", Value::text(&record.connection)),
        ("query_id", Value::text(&record.query_id)),
        ("request_id", Value::text(&record.request_id)),
        ("class", Value::text(&record.class)),
        (
            "targets",
            Value::Several {
                lines: record.targets.clone(),
                document: json!(record.targets),
            },
        ),
        ("decision", Value::text(&record.decision)),
        ("rule", Value::text(&record.rule)),
        ("state", Value::text(state(record.state()))),
        ("outcome", Value::text(&record.outcome)),
        ("rows", Value::Number(record.row_count)),
        ("bytes", Value::Number(record.byte_count)),
        ("elapsed_ms", elapsed(record)),
        ("error", record.error.as_ref().map_or(Value::Absent, error)),
        ("sql", Value::text(&record.sql)),
        ("sql_hash", Value::text(&record.sql_hash)),
        ("uid", Value::Number(record.uid)),
        (
            "pid",
            match record.pid {
                0 => Value::Nothing,
                pid => Value::Number(pid),
            },
        ),
        ("identity", Value::text(&record.identity)),
        ("address", Value::text(&record.address)),
        ("client", Value::text(&record.client)),
        ("agent", Value::text(&record.agent)),
    ]
}

/// Statements in a list for people: when, which, what, and how it went. What all have in common is left out.
fn lines(records: &[AuditRecord]) -> Vec<Record> {
    let is_mixed = records.iter().any(|record| record.session != records[0].session);
    let line = |record: &AuditRecord| {
        let id = match record.query_id.as_str() {
            "" => &record.request_id,
            id => id,
        };
        let decision = match record.rule.as_str() {
            "" => record.decision.clone(),
            rule => format!("{} ({rule})", record.decision),
        };
        // The text is kept only where that is configured.
        let what = match record.sql.as_str() {
            "" => record.targets.join(", "),
            sql => sql.to_owned(),
        };
        // Of a write that ran and was rolled back, the latter counts.
        let end = match record.outcome.as_str() {
            "" => state(record.state()).to_owned(),
            outcome => outcome.replace('_', " "),
        };
        let mut line = vec![
            ("time", record.time.map_or(Value::Nothing, Value::Time)),
            ("id", Value::Whole(id.to_owned())),
            ("class", Value::text(&record.class)),
            ("decision", Value::text(decision)),
            ("state", Value::text(end)),
            ("rows", Value::Number(record.row_count)),
            ("elapsed_ms", elapsed(record)),
            ("what", Value::text(what)),
        ];
        if is_mixed {
            line.insert(1, ("session", Value::text(&record.session)));
        }
        line
    };
    records.iter().map(line).collect()
}

fn elapsed(record: &AuditRecord) -> Value {
    record
        .elapsed
        .and_then(|elapsed| Duration::try_from(elapsed).ok())
        .map_or(Value::Nothing, Value::Duration)
}

fn timestamp(moment: Moment, clock: Clock) -> prost_types::Timestamp {
    match moment {
        Moment::Ago(ago) => clock.before(ago),
        Moment::At(time) => prost_types::Timestamp {
            seconds: time.as_second(),
            nanos: time.subsec_nanosecond(),
        },
    }
}

fn decision(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::Confirmed => "confirmed",
        Decision::Held => "held",
        Decision::Refused => "refused",
    }
}

fn end_state(state: EndState) -> QueryState {
    match state {
        EndState::Running => QueryState::Running,
        EndState::Succeeded => QueryState::Succeeded,
        EndState::Failed => QueryState::Failed,
        EndState::Cancelled => QueryState::Cancelled,
        EndState::Unknown => QueryState::Unknown,
    }
}

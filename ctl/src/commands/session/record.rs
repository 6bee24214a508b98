//! A session as it is shown.

use std::time::Duration;

use serde_json::json;
use snowflake_session_proto::v1::{HeldWrite, Loss, LossKind, PolicyLevel, Session, SessionState};

use super::super::result;
use crate::render::Clock;
use crate::render::record::{Record, Value, utc};

/// Who a session is and where its statements run.
pub(crate) fn context(session: &Session) -> Record {
    let context = session.context.clone().unwrap_or_default();
    vec![
        ("session", Value::text(&session.name)),
        ("connection", Value::text(&session.connection)),
        ("user", Value::text(&session.user)),
        ("account", Value::text(&session.account)),
        ("role", Value::text(context.role)),
        ("warehouse", Value::text(context.warehouse)),
        ("database", Value::text(context.database)),
        ("schema", Value::text(context.schema)),
        ("transaction", Value::text(transaction(session))),
        (
            "transaction_since",
            Value::time_if_any(session.transaction_begin_time),
        ),
        (
            "transaction_ends",
            Value::time_if_any(session.transaction_expire_time),
        ),
        ("policy", Value::text_if_any(policy(session.policy()))),
        (
            "held_write",
            session.held_write.as_ref().map_or(Value::Absent, held_write),
        ),
        ("lost", losses(&session.losses)),
        ("state", Value::text(state(session.state()))),
    ]
}

/// Everything about a session.
pub(crate) fn everything(session: &Session) -> Record {
    let upstream = session.upstream_session_id;
    let mut record = context(session);
    record.extend([
        ("running_query", Value::text_if_any(&session.running_request_id)),
        ("running_since", Value::time_if_any(session.running_start_time)),
        ("waiting", Value::Number(session.waiting_count.into())),
        ("reading", Value::Number(session.reading_count.into())),
        ("jobs", Value::Number(session.job_count.into())),
        ("last_query", Value::text(&session.last_query_id)),
        ("temporary_objects", several(&session.temporary_objects)),
        ("parameters", parameters(session)),
        ("variables", several(&session.variables)),
        ("host", Value::text(&session.host)),
        ("server_version", Value::text(&session.server_version)),
        (
            "upstream_session",
            if upstream == 0 {
                Value::Nothing
            } else {
                Value::Number(upstream)
            },
        ),
        ("logged_in", Value::time_if_any(session.login_time)),
        (
            "idle_limit_ms",
            session
                .idle_limit
                .and_then(|limit| Duration::try_from(limit).ok())
                .map_or(Value::Absent, Value::Duration),
        ),
        ("created", session.create_time.map_or(Value::Nothing, Value::Time)),
        (
            "last_used",
            session.last_use_time.map_or(Value::Nothing, Value::Time),
        ),
    ]);
    record
}

/// A session in a list for people; `current` marks the one that would be used, `with_writes` says whether any
/// of the list holds a write.
pub(crate) fn line(session: &Session, current: bool, with_writes: bool) -> Record {
    let context = session.context.clone().unwrap_or_default();
    let place = match (context.database.as_str(), context.schema.as_str()) {
        (database, "") => database.to_owned(),
        ("", schema) => schema.to_owned(),
        (database, schema) => format!("{database}.{schema}"),
    };
    let mut line = vec![
        ("current", Value::Text(if current { "*" } else { "" }.to_owned())),
        ("session", Value::Whole(session.name.clone())),
        ("state", Value::text(state(session.state()))),
        ("connection", Value::text(&session.connection)),
        ("user", Value::text(&session.user)),
        ("schema", Value::text(place)),
        ("policy", Value::text(policy(session.policy()))),
        ("transaction", Value::text(transaction(session))),
        ("jobs", Value::Number(session.job_count.into())),
        (
            "last_used",
            session.last_use_time.map_or(Value::Nothing, Value::Time),
        ),
    ];
    if with_writes {
        let write = match &session.held_write {
            None => "",
            Some(write) if write.ran => "held",
            Some(_) => "waiting",
        };
        line.insert(7, ("write", Value::text(write)));
    }
    line
}

/// A session in a list for programs.
pub(crate) fn row(session: &Session, current: bool) -> Record {
    let mut record = everything(session);
    record.insert(1, ("current", Value::Flag(current)));
    record
}

fn transaction(session: &Session) -> &'static str {
    if session.transaction_open { "open" } else { "none" }
}

fn policy(level: PolicyLevel) -> &'static str {
    match level {
        PolicyLevel::Unspecified => "",
        PolicyLevel::ReadOnly => "read-only",
        PolicyLevel::Guarded => "guarded",
        PolicyLevel::Open => "open",
    }
}

fn held_write(write: &HeldWrite) -> Value {
    let clock = Clock::read();
    let effect = if write.ran {
        format!("{} changed, not committed", result::rows(write.row_count))
    } else {
        "it has not run".to_owned()
    };
    let mut lines = vec![write.sql.clone(), effect];
    if let Some(end) = &write.expire_time {
        lines.push(format!("given up {} ({})", clock.relative(end), clock.local(end)));
    }
    Value::Several {
        lines,
        document: json!({
            "sql": write.sql,
            "ran": write.ran,
            "rows": write.row_count,
            "expires": write.expire_time.as_ref().map(utc),
        }),
    }
}

fn several(names: &[String]) -> Value {
    Value::Several {
        lines: names.to_vec(),
        document: names.into(),
    }
}

fn parameters(session: &Session) -> Value {
    let mut lines: Vec<String> = session
        .parameters
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    lines.sort();
    Value::Several {
        lines,
        document: json!(session.parameters),
    }
}

fn losses(losses: &[Loss]) -> Value {
    let document = losses.iter().map(|loss| {
        let name = Some(&loss.name).filter(|name| !name.is_empty());
        json!({"kind": kind(loss.kind()), "name": name, "cause": loss.cause})
    });
    Value::Several {
        lines: losses.iter().map(loss_line).collect(),
        document: document.collect(),
    }
}

fn loss_line(loss: &Loss) -> String {
    let name = &loss.name;
    let what = match loss.kind() {
        LossKind::Transaction => "the open transaction, its changes were rolled back".to_owned(),
        LossKind::Write => "the write that was held, it was rolled back".to_owned(),
        LossKind::TemporaryObject => format!("temporary {name}"),
        LossKind::Variable => format!("variable {name}"),
        LossKind::Parameter => format!("parameter {name}"),
        LossKind::Context | LossKind::Unspecified => name.clone(),
    };
    if loss.cause.is_empty() {
        what
    } else {
        format!("{what} ({})", loss.cause)
    }
}

/// A kind of loss as one word for programs.
fn kind(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Unspecified => "other",
        LossKind::Transaction => "transaction",
        LossKind::Write => "write",
        LossKind::TemporaryObject => "temporary_object",
        LossKind::Variable => "variable",
        LossKind::Parameter => "parameter",
        LossKind::Context => "context",
    }
}

/// A session's state as one word.
fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Unspecified => "",
        SessionState::New => "new",
        SessionState::Connecting => "connecting",
        SessionState::Idle => "idle",
        SessionState::Busy => "busy",
        SessionState::Disconnected => "disconnected",
        SessionState::Closing => "closing",
    }
}

//! A write as programs are told of it: one object with everything.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use snowflake_session_proto::v1::{DmlStats, RowSample, Write, WriteState};

use super::super::{Run, invocation, job, session};
use super::{Aim, Written};
use crate::failure::Failure;
use crate::render::Sample;
use crate::render::record::{Record, Value};

/// Everything about a write.
pub(super) fn everything(written: &Written, run: &Run) -> Result<Record, Failure> {
    let write = &written.write;
    let context = write.context.clone().unwrap_or_default();
    let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let concerns: Vec<_> = write
        .concerns
        .iter()
        .map(|concern| json!({"rule": concern.rule, "message": concern.message}))
        .collect();
    Ok(vec![
        ("state", Value::text(state(write.state()))),
        ("dry_run", Value::Flag(written.aim == Aim::DryRun)),
        ("rows", write.dml.as_ref().map_or(Value::Nothing, changed)),
        (
            "rows_max",
            // Negative where nothing limits it.
            match write.rows_max {
                ..0 => Value::Nothing,
                rows => Value::Number(rows),
            },
        ),
        ("token", Value::text(&write.token)),
        ("expires", Value::time_if_any(write.expire_time)),
        ("confirm", command(write, "--confirm", run)),
        ("abandon", command(write, "--abandon", run)),
        ("concerns", Value::Document(json!(concerns).to_string())),
        ("query_id", Value::text(&write.query_id)),
        ("kind", Value::text(job::kind(write.statement_kind()))),
        ("target", Value::text(&write.target)),
        ("before", sample(write.before.as_ref())?),
        ("after", sample(write.after.as_ref())?),
        (
            "key_columns",
            Value::Document(json!(write.key_columns).to_string()),
        ),
        ("sample_omitted", Value::text(&write.sample_omitted)),
        ("undo_sql", Value::text(&write.undo_sql)),
        ("undo", Value::text(undo(write, run).unwrap_or_default())),
        ("result", result(written.result.as_ref())?),
        ("session", Value::text(&write.session)),
        ("connection", Value::text(&write.connection)),
        (
            "context",
            Value::Document(
                json!({
                    "role": set(&context.role),
                    "warehouse": set(&context.warehouse),
                    "database": set(&context.database),
                    "schema": set(&context.schema),
                })
                .to_string(),
            ),
        ),
        ("transaction_open", Value::Flag(write.transaction_open)),
        ("transaction_joined", Value::Flag(write.transaction_joined)),
        ("notices", Value::Document(json!(write.notices).to_string())),
        ("elapsed_ms", Value::Duration(elapsed(write))),
    ])
}

/// The command that takes a committed write back, where that can be.
pub(super) fn undo(write: &Write, run: &Run) -> Option<String> {
    let can_be_undone = write.state() == WriteState::Committed && !write.undo_sql.is_empty();
    (can_be_undone && !write.query_id.is_empty()).then(|| {
        let mut words = vec!["write", "--undo", &write.query_id];
        // It is the session's own record that knows the statement.
        if !matches!(write.session.as_str(), "" | session::DEFAULT_NAME) {
            words.extend(["--session", &write.session]);
        }
        invocation(run, &words)
    })
}

/// Reads a sample of the contract; `None` where there is none.
pub(super) fn read(sample: Option<&RowSample>) -> Result<Option<Sample>, Failure> {
    let Some(sample) = sample.filter(|sample| !sample.arrow_schema.is_empty()) else {
        return Ok(None);
    };
    let rows = usize::try_from(sample.row_count).unwrap_or(0);
    let mut read = Sample::start(sample.arrow_schema.clone(), rows)?;
    for batch in &sample.arrow_batches {
        read.add(Bytes::clone(batch))?;
    }
    read.truncated |= sample.truncated;
    Ok(Some(read))
}

/// Time from acceptance to the end.
pub(super) fn elapsed(write: &Write) -> Duration {
    write
        .elapsed
        .and_then(|elapsed| Duration::try_from(elapsed).ok())
        .unwrap_or_default()
}

fn command(write: &Write, flag: &str, run: &Run) -> Value {
    if write.token.is_empty() {
        return Value::Nothing;
    }
    Value::Text(invocation(run, &["write", flag, &write.token]))
}

fn changed(dml: &DmlStats) -> Value {
    Value::Document(
        json!({
            "inserted": dml.rows_inserted,
            "updated": dml.rows_updated,
            "deleted": dml.rows_deleted,
        })
        .to_string(),
    )
}

fn sample(sample: Option<&RowSample>) -> Result<Value, Failure> {
    result(read(sample)?.as_ref())
}

fn result(rows: Option<&Sample>) -> Result<Value, Failure> {
    let Some(rows) = rows else {
        return Ok(Value::Nothing);
    };
    Ok(Value::Document(format!(
        "{{\"rows\":{},\"truncated\":{}}}",
        rows.json()?,
        rows.truncated
    )))
}

/// A write's state as one word.
fn state(state: WriteState) -> &'static str {
    match state {
        WriteState::Unspecified => "",
        WriteState::Committed => "committed",
        WriteState::Joined => "joined",
        WriteState::Held => "held",
        WriteState::Waiting => "waiting",
        WriteState::RolledBack => "rolled_back",
        WriteState::Abandoned => "abandoned",
    }
}

//! Writes: what is asked for, and what came of it.

use std::time::Duration;

use snowflake_session_proto::v1;

use super::{
    bindings, connection_name, context, count, dml_stats, duration, level, new_request_id, proto_duration,
    query_event, session_asked, statement_kind, timestamp,
};
use crate::domain::audit::Caller;
use crate::domain::error::Error;
use crate::domain::history::QueryRef;
use crate::domain::policy::Concern;
use crate::domain::query::QueryEvent;
use crate::domain::write::{Mode, Report, Sample, State};
use crate::sessions::{UndoRequest, WriteRequest};

/// A statement to write. `call_timeout` is the time that the client gives the whole call.
pub(in crate::rpc) fn write_request(
    request: v1::PrepareWriteRequest,
    call_timeout: Option<Duration>,
    caller: Caller,
) -> Result<WriteRequest, Error> {
    let (mode, policy) = (mode(request.mode)?, level(request.policy)?);
    let asked = request.timeout.map(duration).transpose()?;
    Ok(WriteRequest {
        session: session_asked(&request.session)?,
        connection: connection_name(&request.connection)?,
        request_id: new_request_id(&request.request_id)?,
        sql: request.sql,
        bindings: bindings(request.bindings)?,
        timeout: asked.into_iter().chain(call_timeout).min(),
        accept_loss: request.accept_loss,
        policy,
        caller,
        mode,
        rows_max: request
            .rows_max
            .map(|rows| rows_of("rows_max", rows))
            .transpose()?,
        confirmed: request.confirmed,
        sample_rows: sample_rows(request.sample_rows)?,
    })
}

/// A write to take back.
pub(in crate::rpc) fn undo_request(
    request: v1::PrepareUndoRequest,
    call_timeout: Option<Duration>,
    caller: Caller,
) -> Result<UndoRequest, Error> {
    let policy = level(request.policy)?;
    let asked = request.timeout.map(duration).transpose()?;
    Ok(UndoRequest {
        session: session_asked(&request.session)?,
        connection: connection_name(&request.connection)?,
        query: QueryRef::parse(&request.query)?,
        table: Some(request.table).filter(|table| !table.is_empty()),
        timeout: asked.into_iter().chain(call_timeout).min(),
        request_id: new_request_id(&request.request_id)?,
        accept_loss: request.accept_loss,
        dry_run: request.dry_run,
        confirmed: request.confirmed,
        policy,
        caller,
        sample_rows: sample_rows(request.sample_rows)?,
    })
}

fn rows_of(what: &str, rows: i64) -> Result<u64, Error> {
    u64::try_from(rows).map_err(|_| Error::invalid(format!("{what} {rows} is negative")))
}

/// Most rows of a sample that a request may ask for.
const SAMPLE_ROWS_MAX: u64 = 1000;

fn sample_rows(rows: i32) -> Result<Option<u64>, Error> {
    match rows_of("sample_rows", i64::from(rows))? {
        0 => Ok(None),
        rows if rows <= SAMPLE_ROWS_MAX => Ok(Some(rows)),
        rows => Err(Error::invalid(format!(
            "a sample of {rows} rows is more than the {SAMPLE_ROWS_MAX} that are allowed"
        ))),
    }
}

/// What is not known here must not be taken for the mode that commits.
fn mode(mode: i32) -> Result<Mode, Error> {
    match v1::WriteMode::try_from(mode) {
        Ok(v1::WriteMode::Unspecified) => Ok(Mode::Commit),
        Ok(v1::WriteMode::DryRun) => Ok(Mode::DryRun),
        Ok(v1::WriteMode::NoTransaction) => Ok(Mode::NoTransaction),
        Ok(v1::WriteMode::Hold) => Ok(Mode::Hold),
        Err(_) => Err(Error::invalid(format!("write mode {mode} is none that is known"))),
    }
}

/// An event of a write.
pub(in crate::rpc) fn prepared(event: QueryEvent) -> Option<v1::PrepareWriteResponse> {
    use v1::execute_query_response::Event as Query;
    use v1::prepare_write_response::Event;
    let event = match event {
        QueryEvent::Write(write) => Event::Write(report(*write)),
        event => match query_event(event).event? {
            Query::Schema(schema) => Event::Schema(schema),
            Query::Batch(batch) => Event::Batch(batch),
            Query::Accepted(_) | Query::Summary(_) => return None,
        },
    };
    Some(v1::PrepareWriteResponse { event: Some(event) })
}

/// An event of an undo, whose own result is not shown.
pub(in crate::rpc) fn undone(event: QueryEvent) -> Option<v1::PrepareUndoResponse> {
    match event {
        QueryEvent::Write(write) => Some(v1::PrepareUndoResponse {
            event: Some(v1::prepare_undo_response::Event::Write(report(*write))),
        }),
        QueryEvent::Schema(_) | QueryEvent::Batch { .. } | QueryEvent::Summary(_) => None,
    }
}

/// What came of a write.
pub(in crate::rpc) fn report(report: Report) -> v1::Write {
    let state = match report.state {
        State::Committed => v1::WriteState::Committed,
        State::Joined => v1::WriteState::Joined,
        State::Held => v1::WriteState::Held,
        State::Waiting => v1::WriteState::Waiting,
        State::RolledBack => v1::WriteState::RolledBack,
        State::Abandoned => v1::WriteState::Abandoned,
    };
    v1::Write {
        state: state.into(),
        token: report
            .token
            .map(|token| token.expose().to_owned())
            .unwrap_or_default(),
        expire_time: report.expire_time.map(timestamp),
        concerns: report.concerns.into_iter().map(concern).collect(),
        query_id: report.query_id,
        statement_kind: statement_kind(report.kind).into(),
        dml: report.dml.map(dml_stats),
        rows_max: report.rows_max.map_or(-1, count),
        before: report.before.map(sample),
        after: report.after.map(sample),
        key_columns: report.key_columns,
        sample_omitted: report.sample_omitted,
        undo_sql: report.undo_sql,
        session: report.session.to_string(),
        connection: report.connection.to_string(),
        context: Some(context(report.context)),
        transaction_open: report.transaction_open,
        transaction_joined: report.joined,
        notices: report.notices,
        elapsed: Some(proto_duration(report.elapsed)),
        target: report.target,
    }
}

fn concern(concern: Concern) -> v1::WriteConcern {
    v1::WriteConcern {
        rule: concern.rule.to_owned(),
        message: concern.message,
    }
}

fn sample(sample: Sample) -> v1::RowSample {
    v1::RowSample {
        arrow_schema: sample.arrow_schema,
        arrow_batches: sample.batches.into_iter().map(|batch| batch.bytes).collect(),
        row_count: count(sample.row_count),
        truncated: sample.truncated,
    }
}

//! Between the contract's types and the domain's, both ways: what is asked for, and the events of queries. Queries
//! that are named are in [`queries`], sessions in [`session`](mod@session).

mod audit;
mod queries;
mod session;
mod writes;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use snowflake_session_proto::v1;

use crate::domain::audit::Caller;
use crate::domain::context::{Context, ContextChange};
use crate::domain::error::Error;
use crate::domain::names::{ConnectionName, ObjectName, RequestId, SessionName};
use crate::domain::policy::Level;
use crate::domain::pool::{BreakerStatus, PoolStatus};
use crate::domain::query::{
    Binding, BindingKind, CancelOutcome, DmlStats, QueryEvent, StatementKind, Summary,
};
use crate::sessions::QueryRequest;

pub(super) use audit::{audit_page, search_request};
pub(super) use queries::{
    cancellation, list_request, page, query, query_target, read_request, result_part, submit_request,
};
pub(super) use session::{new_session, session};
pub(super) use writes::{prepared, report, undo_request, undone, write_request};

/// A session's name; empty means the default session.
pub(super) fn session_name(text: &str) -> Result<SessionName, Error> {
    if text.is_empty() {
        Ok(SessionName::default_name())
    } else {
        text.parse()
    }
}

/// A session's name where a connection can say which session is meant; empty means that none was named.
pub(super) fn session_asked(text: &str) -> Result<Option<SessionName>, Error> {
    if text.is_empty() {
        Ok(None)
    } else {
        text.parse().map(Some)
    }
}

/// A connection's name; empty means that none was asked for.
pub(super) fn connection_name(text: &str) -> Result<Option<ConnectionName>, Error> {
    if text.is_empty() {
        Ok(None)
    } else {
        text.parse().map(Some)
    }
}

/// Identity of a new request; empty means one that is drawn here.
fn new_request_id(text: &str) -> Result<RequestId, Error> {
    if text.is_empty() {
        Ok(RequestId::new(uuid::Uuid::new_v4()))
    } else {
        text.parse()
    }
}

/// A statement to run. `call_timeout` is the time that the client gives the whole call.
pub(super) fn query_request(
    request: v1::ExecuteQueryRequest,
    call_timeout: Option<Duration>,
    caller: Caller,
) -> Result<QueryRequest, Error> {
    let asked = request.timeout.map(duration).transpose()?;
    Ok(QueryRequest {
        session: session_asked(&request.session)?,
        connection: connection_name(&request.connection)?,
        request_id: new_request_id(&request.request_id)?,
        sql: request.sql,
        bindings: bindings(request.bindings)?,
        row_limit: row_limit(request.row_limit)?,
        timeout: asked.into_iter().chain(call_timeout).min(),
        accept_loss: request.accept_loss,
        policy: level(request.policy)?,
        caller,
    })
}

/// A level that is asked for; unspecified is none.
pub(super) fn level(level: i32) -> Result<Option<Level>, Error> {
    match v1::PolicyLevel::try_from(level) {
        Ok(v1::PolicyLevel::Unspecified) => Ok(None),
        Ok(v1::PolicyLevel::ReadOnly) => Ok(Some(Level::ReadOnly)),
        Ok(v1::PolicyLevel::Guarded) => Ok(Some(Level::Guarded)),
        Ok(v1::PolicyLevel::Open) => Ok(Some(Level::Open)),
        Err(_) => Err(Error::invalid(format!("policy {level} is none that is known"))),
    }
}

/// A level that is in force.
fn proto_level(level: Level) -> v1::PolicyLevel {
    match level {
        Level::ReadOnly => v1::PolicyLevel::ReadOnly,
        Level::Guarded => v1::PolicyLevel::Guarded,
        Level::Open => v1::PolicyLevel::Open,
    }
}

fn bindings(bindings: Vec<v1::Binding>) -> Result<Vec<Binding>, Error> {
    let bindings = bindings.into_iter().map(binding).collect::<Result<Vec<_>, _>>()?;
    if bindings.iter().any(|binding| binding.name.is_some())
        && bindings.iter().any(|binding| binding.name.is_none())
    {
        return Err(Error::invalid(
            "bindings by name and by position cannot be mixed in one statement",
        ));
    }
    Ok(bindings)
}

fn row_limit(rows: i64) -> Result<Option<u64>, Error> {
    match u64::try_from(rows) {
        Ok(0) => Ok(None),
        Ok(rows) => Ok(Some(rows)),
        Err(_) => Err(Error::invalid(format!("row limit {rows} is negative"))),
    }
}

fn binding(binding: v1::Binding) -> Result<Binding, Error> {
    let kind = match binding.r#type.to_ascii_uppercase().as_str() {
        "" | "TEXT" => BindingKind::Text,
        "FIXED" => BindingKind::Fixed,
        "REAL" => BindingKind::Real,
        "BOOLEAN" => BindingKind::Boolean,
        "DATE" => BindingKind::Date,
        "TIME" => BindingKind::Time,
        "TIMESTAMP_NTZ" => BindingKind::TimestampNtz,
        "TIMESTAMP_LTZ" => BindingKind::TimestampLtz,
        "TIMESTAMP_TZ" => BindingKind::TimestampTz,
        "BINARY" => BindingKind::Binary,
        _ => {
            return Err(Error::invalid("a binding has an unknown type").with_hint(
                "types are TEXT, FIXED, REAL, BOOLEAN, DATE, TIME, TIMESTAMP_NTZ, TIMESTAMP_LTZ, TIMESTAMP_TZ, BINARY",
            ));
        }
    };
    let name = (!binding.name.is_empty()).then_some(binding.name);
    Ok(Binding {
        name,
        kind,
        value: binding.value,
    })
}

/// A duration that is not negative.
pub(super) fn duration(duration: prost_types::Duration) -> Result<Duration, Error> {
    Duration::try_from(duration).map_err(|_| Error::invalid("a time limit is negative or out of range"))
}

fn proto_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// A point in time; times before 1970 do not occur.
pub(super) fn timestamp(time: SystemTime) -> prost_types::Timestamp {
    let since = proto_duration(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    prost_types::Timestamp {
        seconds: since.seconds,
        nanos: since.nanos,
    }
}

/// The spare logins of a connection, at a moment by two clocks.
pub(super) fn pool(status: PoolStatus, now: Instant, date: SystemTime) -> v1::PoolStatus {
    let (blocked_by, retry_time) = match status.breaker {
        BreakerStatus::Open { until, cause } if until > now => (cause, Some(timestamp(date + (until - now)))),
        BreakerStatus::Open { .. } | BreakerStatus::HalfOpen | BreakerStatus::Closed => (String::new(), None),
    };
    v1::PoolStatus {
        connection: status.connection.to_string(),
        spare_count: i32::try_from(status.spares).unwrap_or(i32::MAX),
        logging_in: status.logging_in,
        blocked_by,
        retry_time,
    }
}

/// A wanted change of context.
pub(super) fn context_change(request: &v1::UpdateSessionContextRequest) -> Result<ContextChange, Error> {
    let name = |text: &Option<String>, parts_max| {
        text.as_deref()
            .map(|text| ObjectName::parse(text, parts_max))
            .transpose()
    };
    Ok(ContextChange {
        role: name(&request.role, 1)?,
        warehouse: name(&request.warehouse, 1)?,
        database: name(&request.database, 1)?,
        schema: name(&request.schema, 2)?,
    })
}

/// An event of a running query.
pub(super) fn query_event(event: QueryEvent) -> v1::ExecuteQueryResponse {
    use v1::execute_query_response::Event;
    let event = Some(match event {
        QueryEvent::Schema(schema) => Event::Schema(v1::ResultSchema {
            arrow_schema: schema.arrow_schema,
            query_id: schema.query_id,
            statement_kind: statement_kind(schema.kind).into(),
        }),
        QueryEvent::Batch { batch, row_offset } => Event::Batch(v1::ResultBatch {
            arrow_batch: batch.bytes,
            row_count: count(batch.row_count),
            row_offset: count(row_offset),
        }),
        QueryEvent::Summary(summary) => Event::Summary(query_summary(*summary)),
        // Writes have a stream of their own.
        QueryEvent::Write(_) => return v1::ExecuteQueryResponse { event: None },
    });
    v1::ExecuteQueryResponse { event }
}

fn query_summary(summary: Summary) -> v1::QuerySummary {
    v1::QuerySummary {
        query_id: summary.query_id,
        row_count: count(summary.row_count),
        row_count_total: count(summary.row_count_total),
        truncated: summary.truncated,
        elapsed: Some(proto_duration(summary.elapsed)),
        session: summary.session.to_string(),
        connection: summary.connection.to_string(),
        context: Some(context(summary.context)),
        statement_kind: statement_kind(summary.kind).into(),
        dml: summary.dml.map(dml_stats),
        transaction_open: summary.transaction_open,
        notices: summary.notices,
    }
}

fn dml_stats(dml: DmlStats) -> v1::DmlStats {
    v1::DmlStats {
        rows_inserted: count(dml.rows_inserted),
        rows_updated: count(dml.rows_updated),
        rows_deleted: count(dml.rows_deleted),
    }
}

fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

fn context(context: Context) -> v1::SessionContext {
    v1::SessionContext {
        database: context.database.unwrap_or_default(),
        schema: context.schema.unwrap_or_default(),
        warehouse: context.warehouse.unwrap_or_default(),
        role: context.role.unwrap_or_default(),
    }
}

fn statement_kind(kind: StatementKind) -> v1::StatementKind {
    match kind {
        StatementKind::Unknown => v1::StatementKind::Unspecified,
        StatementKind::Query => v1::StatementKind::Query,
        StatementKind::Dml => v1::StatementKind::Dml,
        StatementKind::Ddl => v1::StatementKind::Ddl,
        StatementKind::Session => v1::StatementKind::Session,
        StatementKind::Transaction => v1::StatementKind::Transaction,
        StatementKind::Call => v1::StatementKind::Call,
        StatementKind::Multi => v1::StatementKind::Multi,
        StatementKind::Other => v1::StatementKind::Other,
    }
}

/// How far a cancellation got.
fn cancel_outcome(outcome: CancelOutcome) -> v1::CancelOutcome {
    match outcome {
        CancelOutcome::Confirmed => v1::CancelOutcome::Confirmed,
        CancelOutcome::Unconfirmed => v1::CancelOutcome::Unconfirmed,
        CancelOutcome::NotRunning => v1::CancelOutcome::NotRunning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_blocked_only_while_it_is() {
        let (now, date) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(100));
        let shown = |breaker| {
            let status = PoolStatus {
                connection: ConnectionName::local(),
                spares: 2,
                logging_in: false,
                breaker,
            };
            let shown = pool(status, now, date);
            (shown.blocked_by, shown.retry_time.map(|time| time.seconds))
        };
        let open = |until| BreakerStatus::Open {
            until,
            cause: "no network".to_owned(),
        };
        assert_eq!(
            shown(open(now + Duration::from_secs(7))),
            ("no network".to_owned(), Some(107))
        );
        for breaker in [open(now), BreakerStatus::HalfOpen, BreakerStatus::Closed] {
            assert_eq!(shown(breaker), (String::new(), None));
        }
    }
}

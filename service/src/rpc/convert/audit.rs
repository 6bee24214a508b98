//! Records of the audit log.

use std::time::SystemTime;

use snowflake_session_proto::v1;

use super::queries::query_state;
use super::{connection_name, count, proto_duration, session_asked, timestamp};
use crate::domain::audit::{AuditFilter, AuditPage, AuditRecord, Verdict};
use crate::domain::error::Error;
use crate::domain::history::QueryState;
use crate::rpc::status;

/// Records in an answer for which the caller named no size, and the most.
const PAGE_SIZE: (usize, usize) = (100, 1000);

/// What to look for, from where on, and how many at most.
pub(in crate::rpc) fn search_request(
    request: v1::SearchHistoryRequest,
) -> Result<(AuditFilter, Option<String>, usize), Error> {
    let size = usize::try_from(request.page_size)
        .map_err(|_| Error::invalid(format!("page size {} is negative", request.page_size)))?;
    let verdict = match request.decision.as_str() {
        "" => None,
        text => Some(Verdict::parse(text).ok_or_else(|| {
            Error::invalid("a decision is one of \"allowed\", \"confirmed\", \"held\", \"refused\"")
        })?),
    };
    let filter = AuditFilter {
        session: session_asked(&request.session)?,
        connection: connection_name(&request.connection)?,
        agent: some(request.agent),
        text: some(request.text),
        verdict,
        state: state(request.state)?,
        since: request.since.map(time).transpose()?,
        until: request.until.map(time).transpose()?,
    };
    let size = if size == 0 {
        PAGE_SIZE.0
    } else {
        size.min(PAGE_SIZE.1)
    };
    Ok((filter, some(request.page_token), size))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn time(time: prost_types::Timestamp) -> Result<SystemTime, Error> {
    SystemTime::try_from(time).map_err(|_| Error::invalid("a time is out of range"))
}

fn state(state: i32) -> Result<Option<QueryState>, Error> {
    Ok(Some(match v1::QueryState::try_from(state) {
        Ok(v1::QueryState::Unspecified) => return Ok(None),
        Ok(v1::QueryState::Waiting) => QueryState::Waiting,
        Ok(v1::QueryState::Queued) => QueryState::Queued,
        Ok(v1::QueryState::Running) => QueryState::Running,
        Ok(v1::QueryState::Succeeded) => QueryState::Succeeded,
        Ok(v1::QueryState::Failed) => QueryState::Failed,
        Ok(v1::QueryState::Cancelled) => QueryState::Cancelled,
        Ok(v1::QueryState::Unknown) => QueryState::Unknown,
        Err(_) => {
            return Err(Error::invalid(format!(
                "query state {state} is none that is known"
            )));
        }
    }))
}

/// A page of records.
pub(in crate::rpc) fn audit_page(page: AuditPage) -> v1::SearchHistoryResponse {
    v1::SearchHistoryResponse {
        records: page.records.into_iter().map(record).collect(),
        next_page_token: page.next.unwrap_or_default(),
    }
}

fn record(record: AuditRecord) -> v1::AuditRecord {
    let caller = record.caller;
    let error = record.failure.map(|failure| v1::QueryError {
        reason: status::error_reason(failure.reason).into(),
        message: failure.message,
        snowflake_code: failure.code,
        sql_state: failure.sql_state,
        hint: String::new(),
    });
    v1::AuditRecord {
        time: Some(timestamp(record.time)),
        uid: caller.uid.map_or(-1, i64::from),
        pid: caller.pid.map_or(0, i64::from),
        identity: caller.identity,
        address: caller.address,
        client: caller.client,
        agent: caller.agent,
        session: record.session.to_string(),
        connection: record.connection.to_string(),
        request_id: record.request_id.to_string(),
        query_id: record.query_id,
        class: record.class,
        targets: record.targets,
        decision: record.verdict.to_string(),
        rule: record.rule,
        state: query_state(record.state).into(),
        row_count: count(record.row_count),
        byte_count: count(record.byte_count),
        elapsed: Some(proto_duration(record.elapsed)),
        error,
        sql: record.sql.text,
        sql_hash: record.sql.hash,
        outcome: record.outcome,
    }
}

//! Queries that are asked for by name, and what is remembered of them.

use std::time::Duration;

use snowflake_session_proto::v1;

use super::{
    bindings, connection_name, count, dml_stats, duration, level, new_request_id, query_event, row_limit,
    session_asked, statement_kind, timestamp,
};
use crate::domain::audit::Caller;
use crate::domain::error::Error;
use crate::domain::history::{Failure, Page, QueryRecord, QueryRef, QueryState};
use crate::domain::names::SessionName;
use crate::domain::query::{QueryEvent, RowWindow};
use crate::rpc::status;
use crate::sessions::{Cancellation, QueryRequest, QueryTarget, ReadRequest};

/// Queries in an answer, whatever size the caller names.
const PAGE_SIZE_MAX: usize = 1000;

/// A statement to submit.
pub(in crate::rpc) fn submit_request(
    request: v1::SubmitQueryRequest,
    caller: Caller,
) -> Result<QueryRequest, Error> {
    Ok(QueryRequest {
        session: session_asked(&request.session)?,
        connection: connection_name(&request.connection)?,
        request_id: new_request_id(&request.request_id)?,
        sql: request.sql,
        bindings: bindings(request.bindings)?,
        row_limit: None,
        timeout: request.timeout.map(duration).transpose()?,
        accept_loss: request.accept_loss,
        policy: level(request.policy)?,
        caller,
    })
}

/// A query that somebody names.
pub(in crate::rpc) fn query_target(
    session: &str,
    connection: &str,
    query: &str,
) -> Result<QueryTarget, Error> {
    Ok(QueryTarget {
        session: session_asked(session)?,
        connection: connection_name(connection)?,
        query: QueryRef::parse(query)?,
    })
}

/// A result to read. `call_timeout` is the time that the client gives the whole call.
pub(in crate::rpc) fn read_request(
    request: &v1::ReadQueryResultsRequest,
    call_timeout: Option<Duration>,
) -> Result<ReadRequest, Error> {
    let offset = u64::try_from(request.row_offset)
        .map_err(|_| Error::invalid(format!("row offset {} is negative", request.row_offset)))?;
    let asked = request.timeout.map(duration).transpose()?;
    Ok(ReadRequest {
        target: query_target(&request.session, &request.connection, &request.query)?,
        window: RowWindow {
            offset,
            limit: row_limit(request.row_limit)?,
        },
        timeout: asked.into_iter().chain(call_timeout).min(),
    })
}

/// Which queries to list: of which session, from before which number on, and how many.
pub(in crate::rpc) fn list_request(
    request: &v1::ListQueriesRequest,
) -> Result<(Option<SessionName>, Option<u64>, usize), Error> {
    let size = usize::try_from(request.page_size)
        .map_err(|_| Error::invalid(format!("page size {} is negative", request.page_size)))?;
    let before = match request.page_token.as_str() {
        "" => None,
        token => Some(
            token
                .parse()
                .map_err(|_| Error::invalid("the page token is not from an earlier answer"))?,
        ),
    };
    let size = if size == 0 {
        PAGE_SIZE_MAX
    } else {
        size.min(PAGE_SIZE_MAX)
    };
    Ok((session_asked(&request.session)?, before, size))
}

/// A page of queries.
pub(in crate::rpc) fn page(page: Page) -> v1::ListQueriesResponse {
    v1::ListQueriesResponse {
        queries: page.records.into_iter().map(query).collect(),
        next_page_token: page.next.map(|next| next.to_string()).unwrap_or_default(),
    }
}

/// A query as it is remembered.
pub(in crate::rpc) fn query(record: QueryRecord) -> v1::Query {
    v1::Query {
        query_id: record.query_id.unwrap_or_default(),
        request_id: record.request_id.map(|id| id.to_string()).unwrap_or_default(),
        session: record.session.to_string(),
        connection: record.connection.to_string(),
        state: query_state(record.state).into(),
        sql: record.sql,
        submitted: record.submitted,
        create_time: record.create_time.map(timestamp),
        start_time: record.start_time.map(timestamp),
        end_time: record.end_time.map(timestamp),
        statement_kind: statement_kind(record.kind).into(),
        row_count_total: record.row_count_total.map(count),
        dml: record.dml.map(dml_stats),
        error: record.failure.map(query_error),
        queue_position: i32::try_from(record.queue_position).unwrap_or(i32::MAX),
    }
}

pub(super) fn query_state(state: QueryState) -> v1::QueryState {
    match state {
        QueryState::Waiting => v1::QueryState::Waiting,
        QueryState::Queued => v1::QueryState::Queued,
        QueryState::Running => v1::QueryState::Running,
        QueryState::Succeeded => v1::QueryState::Succeeded,
        QueryState::Failed => v1::QueryState::Failed,
        QueryState::Cancelled => v1::QueryState::Cancelled,
        QueryState::Unknown => v1::QueryState::Unknown,
    }
}

fn query_error(failure: Failure) -> v1::QueryError {
    v1::QueryError {
        reason: status::error_reason(failure.reason).into(),
        message: failure.message,
        snowflake_code: failure.facts.snowflake_code.unwrap_or_default(),
        sql_state: failure.facts.sql_state.unwrap_or_default(),
        hint: failure.facts.hint.unwrap_or_default(),
    }
}

/// A part of a result.
pub(in crate::rpc) fn result_part(event: QueryEvent) -> v1::ReadQueryResultsResponse {
    use v1::execute_query_response::Event;
    use v1::read_query_results_response::Part;
    let part = query_event(event).event.and_then(|event| match event {
        Event::Accepted(_) => None,
        Event::Schema(schema) => Some(Part::Schema(schema)),
        Event::Batch(batch) => Some(Part::Batch(batch)),
        Event::Summary(summary) => Some(Part::Summary(summary)),
    });
    v1::ReadQueryResultsResponse { part }
}

/// What came of a cancellation.
pub(in crate::rpc) fn cancellation(cancellation: Cancellation) -> v1::CancelQueryResponse {
    v1::CancelQueryResponse {
        outcome: super::cancel_outcome(cancellation.outcome).into(),
        request_id: cancellation
            .request_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        query_id: cancellation.query_id.unwrap_or_default(),
    }
}

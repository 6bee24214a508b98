//! Queries by Snowflake's id: submitting, looking at, reading and cancelling them.

use std::time::Duration;

use snowflake_session_driver as driver;
use snowflake_session_driver::{DriverError, ParameterValue, UpstreamSession};

use super::error::{from_driver, is_unavailable};
use super::upstream::{dml_stats, query_request, statement_kind};
use crate::domain::history::{Failure, Observed, QueryState};
use crate::domain::query::{CancelOutcome, RowWindow, StatementKind, Submission};

/// Snowflake's own time limit of a statement, in seconds.
const TIME_LIMIT: &str = "STATEMENT_TIMEOUT_IN_SECONDS";

/// Sends a statement that goes on by itself; `submit_timeout` is for sending it, `time_limit` for running it.
pub(super) async fn submit(
    session: &UpstreamSession,
    submission: Submission,
    submit_timeout: Duration,
    time_limit: Duration,
) -> driver::Result<String> {
    let seconds = i64::try_from(time_limit.as_secs()).unwrap_or(i64::MAX).max(1);
    let request = query_request(submission)
        .with_timeout(submit_timeout)
        .with_parameter(TIME_LIMIT, ParameterValue::Integer(seconds));
    Ok(session.submit(request).await?.query_id)
}

/// Looks at a query. What its result alone can tell (kind, rows, the whole error) is read with it once it has ended.
pub(super) async fn observe(session: &UpstreamSession, query_id: &str) -> driver::Result<Option<Observed>> {
    let Some(status) = session.query_status(query_id).await? else {
        return Ok(None);
    };
    let mut observed = Observed {
        state: match status.state {
            driver::QueryState::Queued => QueryState::Queued,
            driver::QueryState::Running => QueryState::Running,
            driver::QueryState::Succeeded => QueryState::Succeeded,
            driver::QueryState::Failed => QueryState::Failed,
            driver::QueryState::Cancelled => QueryState::Cancelled,
        },
        sql: status.sql,
        start_time: status.start_time,
        end_time: status.end_time,
        kind: StatementKind::Unknown,
        row_count_total: status
            .rows_produced
            .filter(|_| status.state == driver::QueryState::Succeeded),
        dml: None,
        failure: None,
    };
    if !observed.state.is_settled() {
        return Ok(Some(observed));
    }
    let nothing = driver::RowWindow {
        offset: 0,
        limit: Some(0),
    };
    match session.result_of(query_id, nothing).await {
        Ok(result) => {
            let head = result.head();
            observed.kind = statement_kind(head.statement_type);
            observed.row_count_total = head.rows_total.or(observed.row_count_total);
            observed.dml = head.dml_counts.map(dml_stats);
        }
        Err(error @ (DriverError::Sql(_) | DriverError::Cancelled { .. })) if !is_unavailable(&error) => {
            observed.failure = Some(Failure::of(&from_driver(error)));
        }
        // The monitoring has said the main thing.
        Err(_) => {}
    }
    if observed.failure.is_none() && observed.state != QueryState::Succeeded {
        let error = match observed.state {
            QueryState::Cancelled => DriverError::Cancelled {
                query_id: Some(query_id.to_owned()),
            },
            _ => status.error.map_or_else(
                || DriverError::Cancelled { query_id: None },
                |error| DriverError::Sql(Box::new(error)),
            ),
        };
        observed.failure = Some(Failure::of(&from_driver(error)));
    }
    Ok(Some(observed))
}

/// Opens the result of a query.
pub(super) async fn read(
    session: &UpstreamSession,
    query_id: &str,
    window: RowWindow,
) -> driver::Result<driver::QueryResult> {
    let window = driver::RowWindow {
        offset: window.offset,
        limit: window.limit,
    };
    session.result_of(query_id, window).await
}

/// Cancels a query.
pub(super) async fn cancel(session: &UpstreamSession, query_id: &str) -> CancelOutcome {
    outcome(session.cancel_query(query_id).await)
}

/// The driver's outcome in our words.
pub(super) fn outcome(outcome: driver::CancelOutcome) -> CancelOutcome {
    match outcome {
        driver::CancelOutcome::Confirmed => CancelOutcome::Confirmed,
        driver::CancelOutcome::Unconfirmed => CancelOutcome::Unconfirmed,
        driver::CancelOutcome::NotRunning => CancelOutcome::NotRunning,
    }
}

//! Queries that go on by themselves: submitting one, and asking for it, reading it and cancelling it by its id.
//!
//! Everything here but the submission works from any session of the same user, because Snowflake keeps queries and their
//! results (for 24 hours) by query id and not by session.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use snowflake_session_gateway::{AbortAnswer, QueryReport};

use crate::error::{from_gateway, from_server};
use crate::prepared::{Sending, open_result};
use crate::query::{CancelOutcome, QueryRequest, RowWindow};
use crate::result::QueryResult;
use crate::{DriverError, Result, SqlError, UpstreamSession};

/// A statement that the server has taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubmittedQuery {
    /// Snowflake's id of the query.
    pub query_id: String,
    /// Request id it was sent under.
    pub request_id: String,
    /// True when it has ended already, as with servers that do not run statements by themselves.
    pub has_ended: bool,
}

/// How far a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// Waits for a warehouse or for locks, or is so new that the server's monitoring has no data about it yet.
    Queued,
    /// Runs.
    Running,
    /// Ended well; its result can be read.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Was cancelled, by anybody.
    Cancelled,
}

impl QueryState {
    /// True when it will not change any more.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How a query is, as the server's monitoring says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryStatus {
    /// How far it is.
    pub state: QueryState,
    /// The server's error, for [`QueryState::Failed`] and [`QueryState::Cancelled`].
    pub error: Option<SqlError>,
    /// The SQL text, when the server told it.
    pub sql: Option<String>,
    /// When it began.
    pub start_time: Option<SystemTime>,
    /// When it ended.
    pub end_time: Option<SystemTime>,
    /// Rows of its result, once it has ended.
    pub rows_produced: Option<u64>,
}

/// Pauses between questions while a cancellation is being confirmed.
const CONFIRM_PAUSE_FIRST: Duration = Duration::from_millis(50);
const CONFIRM_PAUSE_MAX: Duration = Duration::from_secs(1);

impl UpstreamSession {
    /// Sends `request` and returns as soon as Snowflake has given the query an id. It goes on without this session's
    /// doing; [`query_status`](Self::query_status), [`result_of`](Self::result_of) and
    /// [`cancel_query`](Self::cancel_query) take its id. The request's row limit has no meaning here, and its time limit
    /// is for the submission only: to limit the statement, set the parameter `STATEMENT_TIMEOUT_IN_SECONDS`.
    ///
    /// # Errors
    ///
    /// Any [`DriverError`] but `LoginRefused`. After `Unreachable` and `Timeout` the statement may have been taken on.
    pub async fn submit(&self, request: QueryRequest) -> Result<SubmittedQuery> {
        let prepared = self.prepare_as(request, Sending::Submit)?;
        let request_id = prepared.request_id().to_owned();
        let (captured, _run) = prepared.send().await?;
        let answer = captured.answer;
        if let Some(failure) = answer.failure {
            return Err(from_server(failure, answer.query_id));
        }
        let query_id = answer
            .query_id
            .ok_or_else(|| DriverError::protocol("a submitted query was given no id"))?;
        Ok(SubmittedQuery {
            query_id,
            request_id,
            has_ended: !answer.in_progress,
        })
    }

    /// Asks how a query is, without waiting for its end; `None` when the server knows no such query of this user.
    ///
    /// # Errors
    ///
    /// `Unreachable`, `SessionExpired`, `Protocol`, or `Configuration` for what cannot be a query id.
    pub async fn query_status(&self, query_id: &str) -> Result<Option<QueryStatus>> {
        let report = self
            .inner
            .gateway
            .query_report(query_id)
            .await
            .map_err(from_gateway)?;
        Ok(report.map(|report| status(report, query_id)))
    }

    /// Reads the result of a finished (or still running) query of this user by Snowflake's query id. Waits while it
    /// runs. A result can be read any number of times, from any row, while Snowflake keeps it.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); a failed query gives its own error again, and an unknown id or a result that is no
    /// longer kept is a [`DriverError::Sql`] too.
    pub async fn result_of(&self, query_id: &str, window: RowWindow) -> Result<QueryResult> {
        let timeout = self.inner.config.query_timeout_max;
        let captured = self
            .inner
            .gateway
            .result_of(query_id, timeout)
            .await
            .map_err(from_gateway)?;
        open_result(&self.inner, captured, String::new(), window).await
    }

    /// Cancels a query by Snowflake's query id, also one of another session of the same user, and waits at most
    /// [`DriverConfig::cancel_timeout`](crate::DriverConfig::cancel_timeout) for it to end.
    ///
    /// `Confirmed` means that the server accepted the abort and no longer has the query among those that run.
    pub async fn cancel_query(&self, query_id: &str) -> CancelOutcome {
        let stop = async {
            match self.inner.gateway.abort_query(query_id).await {
                Ok(AbortAnswer::Accepted) => self.end_of_aborted(query_id).await,
                Ok(AbortAnswer::NotRunning) => CancelOutcome::NotRunning,
                Ok(AbortAnswer::Refused) | Err(_) => CancelOutcome::Unconfirmed,
            }
        };
        let wait = self.inner.config.cancel_timeout;
        tokio::time::timeout(wait, stop)
            .await
            .unwrap_or(CancelOutcome::Unconfirmed)
    }

    /// Asks until a query whose abort was accepted has ended.
    async fn end_of_aborted(&self, query_id: &str) -> CancelOutcome {
        let mut pause = CONFIRM_PAUSE_FIRST;
        loop {
            match self.query_status(query_id).await {
                // A server without monitoring has said all it will say: it accepted the abort.
                Ok(None) => return CancelOutcome::Confirmed,
                Ok(Some(status)) if status.state == QueryState::Succeeded => {
                    return CancelOutcome::NotRunning;
                }
                Ok(Some(status)) if status.state.is_end() => return CancelOutcome::Confirmed,
                Ok(Some(_)) => {}
                Err(_) => return CancelOutcome::Unconfirmed,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(CONFIRM_PAUSE_MAX);
        }
    }
}

/// Code of a cancelled statement.
const CANCELLED: &str = "000604";

fn status(report: QueryReport, query_id: &str) -> QueryStatus {
    let state = match report.status.as_str() {
        "SUCCESS" => QueryState::Succeeded,
        "ABORTED" => QueryState::Cancelled,
        "FAILED_WITH_ERROR" if report.error_code.as_deref() == Some(CANCELLED) => QueryState::Cancelled,
        "FAILED_WITH_ERROR" | "FAILED_WITH_INCIDENT" | "DISCONNECTED" => QueryState::Failed,
        // Snowflake's own spelling has a typing error; drivers know both.
        "QUEUED"
        | "RESUMING_WAREHOUSE"
        | "QUEUED_REPARING_WAREHOUSE"
        | "QUEUED_REPAIRING_WAREHOUSE"
        | "BLOCKED"
        | "NO_DATA" => QueryState::Queued,
        // RUNNING, RESTARTED (Snowflake runs it again by itself), ABORTING, and words that are yet to come.
        _ => QueryState::Running,
    };
    let failed = matches!(state, QueryState::Failed | QueryState::Cancelled);
    let moment = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
    let error = failed.then(|| SqlError {
        code: report.error_code.unwrap_or_default(),
        sql_state: None,
        message: report
            .error_message
            .unwrap_or_else(|| format!("the query ended as {}", report.status)),
        query_id: Some(query_id.to_owned()),
        line: None,
        position: None,
    });
    QueryStatus {
        state,
        error,
        sql: report.sql_text,
        start_time: report.start_ms.map(moment),
        end_time: report.end_ms.map(moment).filter(|_| state.is_end()),
        rows_produced: report.rows_produced.filter(|_| state.is_end()),
    }
}

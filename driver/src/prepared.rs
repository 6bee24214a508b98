//! A statement that is ready to run: its request id, its canceller, its way through crate and gateway.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use snowflake_connector_rs::bind::{BindType as CrateBindType, RawBind};
use snowflake_connector_rs::{
    QueryCancelStatus, QueryCanceller, QueryHandle, QueryOptions, Session, Statement,
};
use snowflake_session_gateway::{CapturedAnswer, Directive, PendingQuery, QueryAnswer, QueryProgress};

use crate::error::{from_gateway, from_server};
use crate::fetch::RowStream;
use crate::query::{BindType, BindValue, Bindings, CancelOutcome, QueryRequest};
use crate::result::{
    ChildStatement, DmlCounts, Exchange, QueryResult, ResultHead, SessionContext, StatementType, WireFormat,
};
use crate::session::Inner;
use crate::{DriverError, Result, RowWindow};

/// A statement that has its request id and is ready to be sent. Dropping it forgets the statement.
pub struct PreparedQuery {
    handle: QueryHandle,
    run: Run,
}

/// How a statement is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Its answer is waited for.
    Execute,
    /// The server answers as soon as it has given it an id.
    Submit,
}

/// What an execution needs besides the crate's handle. Its drop takes the query off the list of the active ones.
pub(crate) struct Run {
    inner: Arc<Inner>,
    pending: PendingQuery,
    canceller: Canceller,
    window: RowWindow,
    timeout: Duration,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.inner.active().remove(self.canceller.request_id());
    }
}

impl PreparedQuery {
    pub(crate) fn new(
        inner: Arc<Inner>,
        handle: QueryHandle,
        request: QueryRequest,
        timeout: Duration,
        sending: Sending,
    ) -> Self {
        let parameters: Map<_, _> = request
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect();
        let directive = Directive {
            parameters,
            describe_only: request.describe_only,
            async_exec: sending == Sending::Submit,
            timeout,
        };
        let pending = inner.gateway.announce_query(handle.request_id(), directive);
        let canceller = Canceller {
            handle: handle.canceller(),
            progress: pending.progress(),
            wait: inner.config.cancel_timeout,
        };
        inner
            .active()
            .insert(handle.request_id().to_owned(), canceller.clone());
        Self {
            handle,
            run: Run {
                inner,
                pending,
                canceller,
                window: RowWindow {
                    offset: 0,
                    limit: request.row_limit,
                },
                timeout,
            },
        }
    }

    /// The id under which the statement will be sent (a UUID), also the key for
    /// [`UpstreamSession::cancel`](crate::UpstreamSession::cancel).
    pub fn request_id(&self) -> &str {
        self.handle.request_id()
    }

    /// A handle that cancels this query from any task, before, during and after its execution.
    pub fn canceller(&self) -> Canceller {
        self.run.canceller.clone()
    }

    /// Sends the statement. See [`UpstreamSession::execute`](crate::UpstreamSession::execute).
    ///
    /// # Errors
    ///
    /// As [`UpstreamSession::execute`](crate::UpstreamSession::execute).
    pub async fn execute(self) -> Result<QueryResult> {
        let request_id = self.request_id().to_owned();
        let (captured, run) = self.send().await?;
        open_result(&run.inner, captured, request_id, run.window).await
    }

    /// Sends the statement and returns the server's first complete answer.
    pub(crate) async fn send(self) -> Result<(CapturedAnswer, Run)> {
        let Self { handle, run } = self;
        // What the gateway tells the crate in the end is no news, and waiting until the crate has read it would cost
        // every statement one more turn on the loopback connection. So the answer is taken as soon as it is there.
        let told = tokio::select! {
            biased;
            () = run.pending.finished() => Ok(()),
            told = handle.execute() => told.map(drop),
        };
        match (run.pending.take(), told) {
            (Some(Ok(captured)), _) if has_lost_outcome(&captured) => {
                let query_id = captured.answer.query_id;
                Err(DriverError::OutcomeLost {
                    query_id: query_id.or_else(|| run.pending.query_id().map(str::to_owned)),
                })
            }
            (Some(Ok(captured)), _) => Ok((captured, run)),
            (Some(Err(error)), _) => Err(match from_gateway(error) {
                DriverError::Timeout { after, .. } => {
                    let query_id = run.pending.query_id().map(str::to_owned);
                    DriverError::Timeout { after, query_id }
                }
                other => other,
            }),
            (None, Err(error)) if error.is_cancelled() => Err(DriverError::Cancelled { query_id: None }),
            (None, Err(error)) if error.is_timeout() => Err(DriverError::Timeout {
                after: run.timeout,
                query_id: None,
            }),
            (None, Err(error)) => Err(DriverError::protocol(format!(
                "the statement was not sent: {error}"
            ))),
            (None, Ok(())) => Err(DriverError::protocol("the statement took another way")),
        }
    }
}

impl std::fmt::Debug for PreparedQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedQuery")
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

/// Snowflake's code for an outcome that is not kept any more.
const NOT_KEPT: &str = "000612";

/// True when the answer says that the statement ran before, in an earlier request for it.
fn has_lost_outcome(captured: &CapturedAnswer) -> bool {
    let failure = captured.answer.failure.as_ref();
    captured.requests > 1 && failure.is_some_and(|failure| failure.code == NOT_KEPT)
}

/// Snowflake's code for an abort of what does not run.
const NOT_RUNNING: &str = "000605";

/// Cancels one query. Cheap to clone, usable from any task.
#[derive(Clone)]
pub struct Canceller {
    handle: QueryCanceller,
    progress: QueryProgress,
    wait: Duration,
}

impl Canceller {
    /// The request id of the query.
    pub fn request_id(&self) -> &str {
        self.handle.request_id()
    }

    /// Asks the server to abort the query and waits until that is confirmed, or until
    /// [`DriverConfig::cancel_timeout`](crate::DriverConfig::cancel_timeout) is over.
    ///
    /// The running [`PreparedQuery::execute`] then returns [`DriverError::Cancelled`]. A query that is cancelled before
    /// it is sent is never sent.
    pub async fn cancel(&self) -> CancelOutcome {
        // The crate does not hear the end of every statement; see `PreparedQuery::send`.
        match self.progress.end() {
            Some(true) => return CancelOutcome::Confirmed,
            Some(false) => return CancelOutcome::NotRunning,
            None => {}
        }
        match self.handle.cancel().await {
            Ok(QueryCancelStatus::NotSubmitted) => CancelOutcome::Confirmed,
            Ok(QueryCancelStatus::AlreadyFinished) => CancelOutcome::NotRunning,
            Err(error) if error.snowflake_code() == Some(NOT_RUNNING) => CancelOutcome::NotRunning,
            Ok(_) => match tokio::time::timeout(self.wait, self.progress.ended()).await {
                Ok(true) => CancelOutcome::Confirmed,
                Ok(false) => CancelOutcome::NotRunning,
                Err(_) => CancelOutcome::Unconfirmed,
            },
            Err(_) => CancelOutcome::Unconfirmed,
        }
    }
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canceller")
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

/// Makes the crate's handle for a statement.
pub(crate) fn statement_handle(
    session: &Session,
    request: &QueryRequest,
    timeout: Duration,
) -> Result<QueryHandle> {
    let options = QueryOptions::new().with_query_response_timeout(timeout);
    let sql = request.sql.clone();
    let handle = match &request.bindings {
        Bindings::Positional(values) if !values.is_empty() => {
            let statement = Statement::new_positional(sql);
            let statement = values
                .iter()
                .fold(statement, |statement, value| statement.bind(raw(value)));
            session.query_handle_with_options(statement, options)
        }
        Bindings::Named(values) if !values.is_empty() => {
            let statement = Statement::new_named(sql);
            let statement = values.iter().fold(statement, |statement, (name, value)| {
                statement.bind_named(name.clone(), raw(value))
            });
            session.query_handle_with_options(statement, options)
        }
        _ => session.query_handle_with_options(Statement::new(sql), options),
    };
    handle.map_err(|error| DriverError::Configuration {
        message: error.to_string(),
        hint: None,
    })
}

fn raw(value: &BindValue) -> RawBind {
    let kind = match value.kind {
        BindType::Fixed => CrateBindType::Fixed,
        BindType::Real => CrateBindType::Real,
        BindType::Text => CrateBindType::Text,
        BindType::Boolean => CrateBindType::Boolean,
        BindType::Date => CrateBindType::Date,
        BindType::Time => CrateBindType::Time,
        BindType::TimestampNtz => CrateBindType::TimestampNtz,
        BindType::TimestampLtz => CrateBindType::TimestampLtz,
        BindType::TimestampTz => CrateBindType::TimestampTz,
        BindType::Binary => CrateBindType::Binary,
        BindType::DecFloat => CrateBindType::DecFloat,
    };
    match &value.text {
        Some(text) => RawBind::new(kind, text),
        None => RawBind::null(kind),
    }
}

/// Makes a result of an answer, or the error that the answer is.
pub(crate) async fn open_result(
    inner: &Arc<Inner>,
    mut captured: CapturedAnswer,
    request_id: String,
    window: RowWindow,
) -> Result<QueryResult> {
    let query_id = captured.answer.query_id.clone();
    if let Some(failure) = captured.answer.failure.take() {
        return Err(from_server(failure, query_id));
    }
    if let Some(command) = &captured.answer.command {
        let what = if command == "UPLOAD" { "PUT" } else { "GET" };
        return Err(DriverError::Unsupported {
            what: format!("file transfer with {what}"),
            query_id,
        });
    }
    let rows = RowStream::open(
        inner.gateway.clone(),
        Arc::clone(&inner.config),
        &mut captured,
        window,
    )
    .await?;
    let head = result_head(&captured, request_id, &rows);
    Ok(QueryResult {
        head: Arc::new(head),
        rows,
    })
}

fn result_head(captured: &CapturedAnswer, request_id: String, rows: &RowStream) -> ResultHead {
    let answer: &QueryAnswer = &captured.answer;
    let statement_type = StatementType(answer.statement_type_id.unwrap_or(0));
    let types = answer.result_types.iter().copied().chain(std::iter::repeat(0));
    let child = |(query_id, id): (&String, i64)| ChildStatement {
        query_id: query_id.clone(),
        statement_type: StatementType(id),
    };
    let counts = |stats: snowflake_session_gateway::DmlStats| DmlCounts {
        inserted: stats.inserted,
        updated: stats.updated,
        deleted: stats.deleted,
        duplicates: stats.duplicates,
    };
    ResultHead {
        query_id: answer.query_id.clone().unwrap_or_default(),
        request_id,
        schema: rows.schema(),
        statement_type,
        context: SessionContext {
            database: answer.database.clone(),
            schema: answer.schema.clone(),
            warehouse: answer.warehouse.clone(),
            role: answer.role.clone(),
        },
        parameters: answer.parameters.clone(),
        dml_counts: answer.stats.map(counts).filter(|_| statement_type.is_dml()),
        rows_total: answer.total,
        bind_count: answer.bind_count,
        children: answer.result_ids.iter().zip(types).map(child).collect(),
        wire_format: if answer.is_arrow {
            WireFormat::Arrow
        } else {
            WireFormat::Json
        },
        chunk_count: rows.chunk_count(),
        exchange: Exchange {
            elapsed: captured.elapsed,
            requests: captured.requests,
            retries: captured.retries,
            renewals: captured.renewals,
            body_bytes: captured.body_bytes,
        },
    }
}

//! A client of the service that says of each statement what it was told of its end.

use std::path::Path;

use anyhow::{Context, Result, bail};
use hyper_util::rt::TokioIo;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::v1::session_service_client::SessionServiceClient;
use snowflake_session_proto::v1::{
    BeginTransactionRequest, CommitTransactionRequest, DeleteSessionRequest, ExecuteQueryRequest,
    PolicyLevel, QueryState, ResetSessionRequest, RollbackTransactionRequest, SubmitQueryRequest,
    WatchQueryRequest,
};
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;
use tower::service_fn;

use super::CONNECTION;
use super::ledger::Fate;

/// A client of one session.
pub(super) struct Client {
    queries: QueryServiceClient<Channel>,
    sessions: SessionServiceClient<Channel>,
    session: String,
}

/// What the client was told of a statement's end.
#[derive(Debug)]
pub(super) enum Told {
    /// It ended well, with so many rows.
    Done(i64),
    /// It did not run, or was undone.
    NotRun(String),
    /// Nobody knows whether it ran.
    Unknown(String),
}

impl Told {
    /// What that means for rows that the statement wrote.
    pub(super) fn fate(&self) -> Fate {
        match self {
            Self::Done(_) => Fate::Written,
            Self::NotRun(_) => Fate::Absent,
            Self::Unknown(_) => Fate::Unknown,
        }
    }
}

impl Client {
    /// Connects to the service; `session` is made on its first use.
    pub(super) async fn connect(socket: &Path, session: String) -> Result<Self> {
        let socket = socket.to_owned();
        // The address is never looked up: the connector below dials the socket.
        let channel = Endpoint::from_static("http://localhost")
            .connect_with_connector(service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await?;
        Ok(Self {
            queries: QueryServiceClient::new(channel.clone()),
            sessions: SessionServiceClient::new(channel),
            session,
        })
    }

    /// Runs a statement to the end of its result.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<Told> {
        let message = ExecuteQueryRequest {
            session: self.session.clone(),
            connection: CONNECTION.to_owned(),
            sql: sql.to_owned(),
            policy: PolicyLevel::Open.into(),
            ..ExecuteQueryRequest::default()
        };
        let mut events = match self.queries.execute_query(request(message)).await {
            Ok(events) => events.into_inner(),
            Err(status) => return told(&status),
        };
        loop {
            match events.message().await {
                Ok(Some(response)) => {
                    if let Some(Event::Summary(summary)) = response.event {
                        return Ok(Told::Done(summary.row_count));
                    }
                }
                Ok(None) => bail!("the stream of {sql:?} ended without a summary"),
                Err(status) => return told(&status),
            }
        }
    }

    /// Runs a query of one number.
    pub(super) async fn number(&mut self, sql: &str) -> Result<Option<i64>> {
        // The number is in the row count: no Arrow is read here.
        match self.execute(&format!("select 1 from ({sql})")).await? {
            Told::Done(rows) => Ok(Some(rows)),
            Told::NotRun(_) | Told::Unknown(_) => Ok(None),
        }
    }

    /// Submits a statement and watches it to its end.
    pub(super) async fn submit(&mut self, sql: &str) -> Result<Told> {
        let message = SubmitQueryRequest {
            session: self.session.clone(),
            connection: CONNECTION.to_owned(),
            sql: sql.to_owned(),
            policy: PolicyLevel::Open.into(),
            ..SubmitQueryRequest::default()
        };
        let submitted = match self.queries.submit_query(request(message)).await {
            Ok(answer) => answer.into_inner().query.context("a submitted query")?,
            Err(status) => return told(&status),
        };
        let message = WatchQueryRequest {
            session: self.session.clone(),
            query: submitted.request_id,
            ..WatchQueryRequest::default()
        };
        let mut last = None;
        match self.queries.watch_query(request(message)).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                while let Ok(Some(response)) = stream.message().await {
                    last = response.query;
                }
            }
            Err(status) => return Ok(Told::Unknown(status.to_string())),
        }
        let Some(query) = last else {
            return Ok(Told::Unknown("nothing was heard of it".to_owned()));
        };
        let error = query.error.clone().unwrap_or_default().message;
        Ok(match query.state() {
            QueryState::Succeeded => Told::Done(query.row_count_total()),
            QueryState::Failed | QueryState::Cancelled => Told::NotRun(error),
            other => Told::Unknown(format!("{other:?} {error}")),
        })
    }

    /// Opens a transaction.
    pub(super) async fn begin(&mut self) -> Result<Told> {
        let message = BeginTransactionRequest {
            session: self.session.clone(),
            connection: CONNECTION.to_owned(),
            ..BeginTransactionRequest::default()
        };
        answered(self.sessions.begin_transaction(request(message)).await)
    }

    /// Commits it.
    pub(super) async fn commit(&mut self) -> Result<Told> {
        let session = self.session.clone();
        let message = CommitTransactionRequest { session };
        answered(self.sessions.commit_transaction(request(message)).await)
    }

    /// Rolls it back.
    pub(super) async fn roll_back(&mut self) -> Result<Told> {
        let session = self.session.clone();
        let message = RollbackTransactionRequest { session };
        answered(self.sessions.rollback_transaction(request(message)).await)
    }

    /// Begins anew: acknowledges every loss.
    pub(super) async fn reset(&mut self) -> Result<Told> {
        let session = self.session.clone();
        answered(
            self.sessions
                .reset_session(request(ResetSessionRequest { session }))
                .await,
        )
    }

    /// Ends the session.
    pub(super) async fn close(&mut self) -> Result<Told> {
        let session = self.session.clone();
        answered(
            self.sessions
                .delete_session(request(DeleteSessionRequest { session }))
                .await,
        )
    }
}

fn answered<T>(answer: Result<T, Status>) -> Result<Told> {
    match answer {
        Ok(_) => Ok(Told::Done(0)),
        Err(status) => told(&status),
    }
}

/// What an error says of the statement's end; a defect of the service ends the run.
fn told(status: &Status) -> Result<Told> {
    let details = status
        .get_details_error_info()
        .with_context(|| format!("an error without a reason: {status:?}"))?;
    let text = format!("{}: {}", details.reason, status.message());
    Ok(match details.reason.as_str() {
        "SQL_REJECTED" | "SESSION_LOST" | "LOGIN_REFUSED" | "LIMIT_REACHED" | "NOT_FOUND" => {
            Told::NotRun(text)
        }
        "UNREACHABLE"
            if details
                .metadata
                .get("may_have_run")
                .is_some_and(|run| run == "false") =>
        {
            Told::NotRun(text)
        }
        "UNREACHABLE" | "TIMEOUT" | "CANCELLED" => Told::Unknown(text),
        _ => bail!("{text}"),
    })
}

fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let build = BUILD_ID.parse().expect("a version is metadata");
    request.metadata_mut().insert(BUILD_ID_KEY, build);
    request
}

//! The service as seen from here: one connection over its socket, one method a call.
//!
//! This room holds the only uses of tonic and of the contract's requests; [`status`] turns an error status
//! into a [`Failure`].

pub(crate) mod dial;
mod status;

use std::time::Duration;

use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::v1::session_service_client::SessionServiceClient;
use snowflake_session_proto::v1::{
    CancelQueryRequest, CancelQueryResponse, CreateSessionRequest, DeleteSessionRequest,
    DeleteSessionResponse, ExecuteQueryRequest, ExecuteQueryResponse, GetSessionRequest, GetStatusRequest,
    GetStatusResponse, ListSessionsRequest, Session, ShutdownRequest, ShutdownResponse,
    UpdateSessionContextRequest,
};
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

use crate::exit_code::Exit;
use crate::failure::Failure;

/// Largest message taken from the service, in bytes. Batches are a few MiB.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// Most time for a call when the user set none: a login may wait for a person.
const CALL_WAIT_MAX: Duration = Duration::from_mins(10);

/// Most time for asking how the service is, when the user set none.
const STATUS_WAIT_MAX: Duration = Duration::from_secs(10);

/// A connection to the service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
    /// Most time for one call that is not a query.
    timeout: Option<Duration>,
}

/// The events of a running query.
pub(crate) struct QueryEvents {
    stream: Streaming<ExecuteQueryResponse>,
}

impl QueryEvents {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<ExecuteQueryResponse>, Failure> {
        self.stream
            .message()
            .await
            .map_err(|status| status::failure(&status))
    }
}

impl Client {
    /// Asks how the service is. Works across versions.
    pub(crate) async fn status(&self) -> Result<GetStatusResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let call = lifecycle.get_status(request(GetStatusRequest {}));
        answer(self.timeout.unwrap_or(STATUS_WAIT_MAX), call).await
    }

    /// Tells the service to stop. Works across versions.
    pub(crate) async fn shutdown(&self, grace_period: Option<Duration>) -> Result<ShutdownResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let grace_period = grace_period.and_then(duration);
        let call = lifecycle.shutdown(request(ShutdownRequest { grace_period }));
        answer(STATUS_WAIT_MAX, call).await
    }

    /// Makes a session, or answers the existing one if `allow_existing`.
    pub(crate) async fn create_session(&self, message: CreateSessionRequest) -> Result<Session, Failure> {
        let mut sessions = SessionServiceClient::new(self.channel.clone());
        let call = sessions.create_session(request(message));
        present(answer(self.wait_max(), call).await?.session)
    }

    /// Shows a session.
    pub(crate) async fn session(&self, name: &str) -> Result<Session, Failure> {
        let mut sessions = SessionServiceClient::new(self.channel.clone());
        let call = sessions.get_session(request(GetSessionRequest {
            session: name.to_owned(),
        }));
        present(answer(self.wait_max(), call).await?.session)
    }

    /// Lists all sessions by name.
    pub(crate) async fn sessions(&self) -> Result<Vec<Session>, Failure> {
        let mut client = SessionServiceClient::new(self.channel.clone());
        let (mut sessions, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = ListSessionsRequest {
                page_size: 0,
                page_token,
            };
            let page = answer(self.wait_max(), client.list_sessions(request(message))).await?;
            sessions.extend(page.sessions);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(sessions);
            }
        }
    }

    /// Changes where a session's statements run.
    pub(crate) async fn update_context(
        &self,
        message: UpdateSessionContextRequest,
    ) -> Result<Session, Failure> {
        let mut sessions = SessionServiceClient::new(self.channel.clone());
        let call = sessions.update_session_context(request(message));
        present(answer(self.wait_max(), call).await?.session)
    }

    /// Ends a session.
    pub(crate) async fn delete_session(&self, name: &str) -> Result<DeleteSessionResponse, Failure> {
        let mut sessions = SessionServiceClient::new(self.channel.clone());
        let call = sessions.delete_session(request(DeleteSessionRequest {
            session: name.to_owned(),
        }));
        answer(self.wait_max(), call).await
    }

    /// Starts a query. Dropping the events cancels it.
    pub(crate) async fn execute(&self, message: ExecuteQueryRequest) -> Result<QueryEvents, Failure> {
        let mut queries =
            QueryServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let response = queries.execute_query(request(message)).await;
        let stream = response.map_err(|status| status::failure(&status))?.into_inner();
        Ok(QueryEvents { stream })
    }

    /// Cancels a query and waits at most `wait_max` for what came of it.
    pub(crate) async fn cancel(
        &self,
        session: &str,
        request_id: &str,
        wait_max: Duration,
    ) -> Result<CancelQueryResponse, Failure> {
        let mut queries = QueryServiceClient::new(self.channel.clone());
        let message = CancelQueryRequest {
            session: session.to_owned(),
            connection: String::new(),
            query: request_id.to_owned(),
        };
        answer(wait_max, queries.cancel_query(request(message))).await
    }

    fn wait_max(&self) -> Duration {
        self.timeout.unwrap_or(CALL_WAIT_MAX)
    }
}

/// A duration for the wire; `None` beyond what it can carry.
pub(crate) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

fn request<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(BUILD_ID_KEY, AsciiMetadataValue::from_static(BUILD_ID));
    request
}

async fn answer<M>(
    wait_max: Duration,
    call: impl Future<Output = Result<Response<M>, Status>>,
) -> Result<M, Failure> {
    match tokio::time::timeout(wait_max, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(status::failure(&status)),
        Err(_) => Err(Failure::new(
            Exit::Timeout,
            format!("the service did not answer within {} s", wait_max.as_secs_f64()),
        )
        .hint("see how it is with `sfctl service status`")),
    }
}

fn present(session: Option<Session>) -> Result<Session, Failure> {
    session.ok_or_else(|| Failure::new(Exit::Defect, "the service answered without a session"))
}

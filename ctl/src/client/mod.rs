//! The service as seen from here: one connection over its socket, one method a call.
//!
//! This room holds the only uses of tonic; its messages are the contract's. [`sessions`], [`queries`]
//! and [`writes`] hold the calls, [`status`] turns an error status into a [`Failure`].

pub(crate) mod dial;
mod queries;
mod sessions;
mod status;
mod writes;

use std::time::Duration;

use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use snowflake_session_proto::v1::{
    GetMetricsRequest, GetMetricsResponse, GetStatusRequest, GetStatusResponse, HelloRequest, HelloResponse,
    ReloadRequest, ReloadResponse, ShutdownRequest, ShutdownResponse,
};
use snowflake_session_proto::{AGENT_KEY, BUILD_ID, BUILD_ID_KEY, CLIENT_KEY, PROTOCOL, PROTOCOL_KEY};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

pub(crate) use queries::{QueryName, ResultEvents};
pub(crate) use status::query_failure;
pub(crate) use writes::WriteEvents;

use crate::exit_code::Exit;
use crate::failure::Failure;

/// Most time for a call when the user set none: a login may wait for a person.
const CALL_WAIT_MAX: Duration = Duration::from_mins(10);

/// Largest message taken from the service, in bytes. Batches are a few MiB.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// Most time for asking how the service is, when the user set none.
const STATUS_WAIT_MAX: Duration = Duration::from_secs(10);

/// Who calls, as the service's audit log and query tags name it.
const CLIENT_NAME: &str = concat!("sfctl/", env!("CARGO_PKG_VERSION"));

/// A connection to the service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
    /// Most time for one call that is not a query.
    timeout: Option<Duration>,
    /// Session of the agent that runs us, if one does.
    agent: Option<AsciiMetadataValue>,
    /// The span that runs us, if one does.
    trace: Vec<(&'static str, AsciiMetadataValue)>,
}

impl Client {
    /// Asks what the service speaks. Works across versions; services that know no hello answer with a failure.
    pub(crate) async fn hello(&self) -> Result<HelloResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let call = lifecycle.hello(self.request(HelloRequest {
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol_min: PROTOCOL.min,
            protocol_max: PROTOCOL.max,
        }));
        answer(self.timeout.unwrap_or(STATUS_WAIT_MAX), call).await
    }

    /// Asks how the service is. Works across versions.
    pub(crate) async fn status(&self) -> Result<GetStatusResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let call = lifecycle.get_status(self.request(GetStatusRequest {}));
        answer(self.timeout.unwrap_or(STATUS_WAIT_MAX), call).await
    }

    /// Asks what the service has counted. Works across versions.
    pub(crate) async fn metrics(&self) -> Result<GetMetricsResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let call = lifecycle.get_metrics(self.request(GetMetricsRequest {}));
        answer(self.timeout.unwrap_or(STATUS_WAIT_MAX), call).await
    }

    /// Tells the service to stop. Works across versions.
    pub(crate) async fn shutdown(&self, grace_period: Option<Duration>) -> Result<ShutdownResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        let grace_period = grace_period.and_then(duration);
        let call = lifecycle.shutdown(self.request(ShutdownRequest { grace_period }));
        answer(STATUS_WAIT_MAX, call).await
    }

    /// Tells the service to read its configuration again. Works across versions that know it.
    pub(crate) async fn reload(&self) -> Result<ReloadResponse, Failure> {
        let mut lifecycle = LifecycleServiceClient::new(self.channel.clone());
        answer(STATUS_WAIT_MAX, lifecycle.reload(self.request(ReloadRequest {}))).await
    }

    /// The same connection with another limit for its calls.
    pub(crate) fn with_timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    fn wait_max(&self) -> Duration {
        self.timeout.unwrap_or(CALL_WAIT_MAX)
    }

    /// A message with what every call says of the caller.
    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert(BUILD_ID_KEY, AsciiMetadataValue::from_static(BUILD_ID));
        if let Ok(range) = PROTOCOL.to_string().parse() {
            metadata.insert(PROTOCOL_KEY, range);
        }
        metadata.insert(CLIENT_KEY, AsciiMetadataValue::from_static(CLIENT_NAME));
        if let Some(agent) = &self.agent {
            metadata.insert(AGENT_KEY, agent.clone());
        }
        for (key, value) in &self.trace {
            metadata.insert(*key, value.clone());
        }
        request
    }
}

/// A duration for the wire; `None` beyond what it can carry.
pub(crate) fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

async fn next<M>(stream: &mut Streaming<M>) -> Result<Option<M>, Failure> {
    told(stream.message().await)
}

fn told<T>(answer: Result<T, Status>) -> Result<T, Failure> {
    answer.map_err(|status| status::failure(&status))
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

/// What an answer must hold.
fn present<T>(what: &str, part: Option<T>) -> Result<T, Failure> {
    part.ok_or_else(|| Failure::new(Exit::Defect, format!("the service answered without a {what}")))
}

//! A gRPC client of the service on one kept channel.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hyper_util::rt::TokioIo;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::v1::{ExecuteQueryRequest, PolicyLevel};
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY};
use tokio::net::UnixStream;
use tonic::Request;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

/// Largest message: a batch.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A kept channel to the service.
pub(crate) struct Calls {
    client: QueryServiceClient<Channel>,
    connection: String,
    session: String,
}

/// The service's health, on a channel of its own.
pub(crate) struct Health(HealthClient<Channel>);

impl Health {
    /// Connects to the service's socket.
    pub(crate) async fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(HealthClient::new(channel(socket).await?)))
    }

    /// Asks whether it serves.
    pub(crate) async fn check(&mut self) -> Result<()> {
        let answer = self.0.check(HealthCheckRequest::default()).await?.into_inner();
        anyhow::ensure!(answer.status() == ServingStatus::Serving, "it does not serve");
        Ok(())
    }
}

/// A channel to the service's socket.
async fn channel(socket: &Path) -> Result<Channel> {
    let socket = socket.to_owned();
    // The address is never looked up: the connector below dials the socket.
    let endpoint = Endpoint::from_static("http://localhost");
    let dial = service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Ok(endpoint.connect_with_connector(dial).await?)
}

/// What came of a query.
pub(crate) struct Streamed {
    /// Rows received.
    pub(crate) rows: i64,
    /// From the call to the first batch.
    pub(crate) first_batch: Duration,
    /// From the call to the end.
    pub(crate) all: Duration,
}

impl Calls {
    /// Connects to the service's socket; queries run in a session of this connection's name.
    pub(crate) async fn connect(socket: &Path, connection: &str) -> Result<Self> {
        let client = QueryServiceClient::new(channel(socket).await?);
        Ok(Self {
            client: client.max_decoding_message_size(MESSAGE_BYTES_MAX),
            connection: connection.to_owned(),
            session: connection.to_owned(),
        })
    }

    /// The same, in a session of another name.
    pub(crate) fn in_session(self, name: &str) -> Self {
        let session = name.to_owned();
        Self { session, ..self }
    }

    /// Runs a query and drops its rows as they come.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Streamed> {
        let start = Instant::now();
        let mut request = Request::new(ExecuteQueryRequest {
            session: self.session.clone(),
            connection: self.connection.clone(),
            sql: sql.to_owned(),
            policy: PolicyLevel::Open.into(),
            ..ExecuteQueryRequest::default()
        });
        request.metadata_mut().insert(BUILD_ID_KEY, BUILD_ID.parse()?);
        let mut events = self.client.execute_query(request).await?.into_inner();
        let (mut rows, mut first_batch, mut ended) = (0, None, false);
        while let Some(response) = events.message().await? {
            match response.event.context("an event")? {
                Event::Batch(batch) => {
                    first_batch.get_or_insert_with(|| start.elapsed());
                    rows += batch.row_count;
                }
                Event::Summary(_) => ended = true,
                Event::Accepted(_) | Event::Schema(_) => {}
            }
        }
        anyhow::ensure!(ended, "the stream ended without a summary");
        Ok(Streamed {
            rows,
            first_batch: first_batch.unwrap_or_default(),
            all: start.elapsed(),
        })
    }
}

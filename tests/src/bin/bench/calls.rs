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
use tower::service_fn;

/// Largest message: a batch.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A kept channel to the service.
pub(crate) struct Calls {
    client: QueryServiceClient<Channel>,
    connection: String,
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
        let socket = socket.to_owned();
        // The address is never looked up: the connector below dials the socket.
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint
            .connect_with_connector(service_fn(move |_: Uri| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await?;
        let client = QueryServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self {
            client,
            connection: connection.to_owned(),
        })
    }

    /// Runs a query and drops its rows as they come.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Streamed> {
        let start = Instant::now();
        let mut request = Request::new(ExecuteQueryRequest {
            session: self.connection.clone(),
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

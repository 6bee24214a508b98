//! Serves all services on connections that somebody else accepted.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use snowflake_session_proto::FILE_DESCRIPTOR_SET;
use snowflake_session_proto::v1::lifecycle_service_server::LifecycleServiceServer;
use snowflake_session_proto::v1::query_service_server::QueryServiceServer;
use snowflake_session_proto::v1::session_service_server::SessionServiceServer;
use snowflake_session_proto::v1::write_service_server::WriteServiceServer;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tower::util::option_layer;

use super::build_check;
use super::connection::{Connection, Lease};
use super::count_calls::CountCallsLayer;
use super::dismissal::DismissCallsLayer;
use super::lifecycle_service::{About, Counted, Lifecycle, ReloadRequests, ShutdownRequests};
use super::query_service::Queries;
use super::session_service::SessionRpc;
use super::traced::TraceCalls;
use super::write_service::Writes;
use crate::domain::audit::AuditSearch;
use crate::sessions::Sessions;
use crate::traces::Traces;

/// Limits of the gRPC server.
#[derive(Debug, Clone)]
pub struct RpcLimits {
    /// Largest request message in bytes.
    pub request_bytes_max: usize,
    /// Most calls at a time on one connection.
    pub calls_max: u32,
    /// HTTP/2 flow-control window of one stream, for what clients send.
    pub stream_window_bytes: u32,
    /// HTTP/2 flow-control window of one connection, for what clients send.
    pub connection_window_bytes: u32,
    /// How long the connection of a client that is dismissed may last after its calls were told.
    pub parting_timeout: Duration,
}

/// What the services need.
pub struct Rpc {
    /// What the service says of itself.
    pub about: About,
    /// The session engine.
    pub sessions: Sessions,
    /// Where the audit log is searched.
    pub audit: Arc<dyn AuditSearch>,
    /// What tells of calls, where anybody is told.
    pub traces: Option<Traces>,
    /// What the service has counted.
    pub counted: Counted,
    /// Where wishes to stop go.
    pub shutdown: ShutdownRequests,
    /// Where wishes to read the configuration again go.
    pub reload: ReloadRequests,
    /// Limits.
    pub limits: RpcLimits,
}

/// Serves until `stop` fires and the calls that were open by then have ended. Each connection has a server of its own, so
/// that one can be said goodbye to while the others go on.
pub async fn serve<G: Send + Unpin + 'static>(
    rpc: Rpc,
    connections: impl Stream<Item = Connection<G>>,
    stop: CancellationToken,
) {
    let Rpc {
        about,
        sessions,
        audit,
        traces,
        counted,
        shutdown,
        reload,
        limits,
    } = rpc;
    let (health, health_service) = tonic_health::server::health_reporter();
    for name in [
        "",
        "snowflake_session.v1.QueryService",
        "snowflake_session.v1.SessionService",
        "snowflake_session.v1.WriteService",
    ] {
        health.set_service_status(name, ServingStatus::Serving).await;
    }
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptor sets were made by the same compiler as this code");
    let queries = QueryServiceServer::new(Queries {
        sessions: sessions.clone(),
        audit,
    })
    .max_decoding_message_size(limits.request_bytes_max);
    let session_rpc = SessionServiceServer::new(SessionRpc {
        sessions: sessions.clone(),
    });
    let writes = WriteServiceServer::new(Writes {
        sessions: sessions.clone(),
    })
    .max_decoding_message_size(limits.request_bytes_max);
    let routes = Routes::new(InterceptedService::new(queries, build_check::check))
        .add_service(InterceptedService::new(session_rpc, build_check::check))
        .add_service(InterceptedService::new(writes, build_check::check))
        .add_service(LifecycleServiceServer::new(Lifecycle {
            about,
            sessions,
            counted,
            shutdown,
            reload,
        }))
        .add_service(health_service)
        .add_service(reflection)
        .prepare();
    let server = Server::builder()
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_concurrent_streams(limits.calls_max)
        .layer(CountCallsLayer)
        .layer(option_layer(traces.map(TraceCalls)))
        .layer(DismissCallsLayer);
    let served = TaskTracker::new();
    let mut connections = pin!(connections.take_until(stop.cancelled()));
    while let Some(mut connection) = connections.next().await {
        let ends = farewell(connection.begin(), stop.clone(), limits.parting_timeout);
        let incoming = stream::iter([Ok::<_, Infallible>(connection)]).chain(stream::pending());
        let serving = server
            .clone()
            .serve_with_incoming_shutdown(routes.clone(), incoming, ends);
        served.spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection cannot be served");
            }
        });
    }
    health.set_service_status("", ServingStatus::NotServing).await;
    served.close();
    served.wait().await;
}

/// Waits until a connection is to be said goodbye to, if it does not end before that. A client that is dismissed has until
/// `limit` to hear it.
async fn farewell(lease: Lease, stop: CancellationToken, limit: Duration) {
    let Lease { notice, gone, cut } = lease;
    let dismissed = async {
        match notice {
            Some((notice, dismissal)) => (notice.await, dismissal),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = gone.cancelled() => {}
        () = stop.cancelled() => {}
        (why, dismissal) = dismissed => {
            dismissal.tell(why);
            tokio::spawn(async move {
                if timeout(limit, gone.cancelled()).await.is_err() {
                    cut.cancel();
                }
            });
        }
    }
}

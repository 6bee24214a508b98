//! Accepts connections and serves the protocol on them until told to stop.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Connector, Tls, faulty, route};

/// How often unused sessions and outdated outcomes are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Longest greeting of a TLS client.
const TLS_WAIT_MAX: Duration = Duration::from_secs(10);
/// Wait after a failed accept: the usual cause, too many open files, does not go at once.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(100);

/// A listener with the protocol behind it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    connector: Arc<Connector>,
}

impl Server {
    /// Serves `connector` on `listener`.
    pub fn new(listener: TcpListener, connector: Arc<Connector>) -> Self {
        Self { listener, connector }
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`; then takes no more connections, gives running requests the grace period,
    /// and ends all sessions.
    pub async fn serve(self, stop: CancellationToken) {
        let connector = self.connector;
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(connector.settings.connections_max));
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let accept = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            tokio::select! {
                () = stop.cancelled() => break,
                _ = sweep.tick() => {
                    let connector = Arc::clone(&connector);
                    connections.spawn(async move { connector.sweep().await });
                }
                (place, accepted) = accept => match (place, accepted) {
                    (Ok(place), Ok((stream, peer))) => {
                        let connection = serve_connection(stream, peer, Arc::clone(&connector), stop.clone(), place);
                        connections.spawn(connection);
                    }
                    (_, Err(error)) => {
                        tracing::warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(ACCEPT_RETRY_WAIT).await;
                    }
                    (Err(_), _) => break,
                },
            }
        }
        drop(self.listener);
        connections.close();
        // Sessions first: it stops their statements, so that requests waiting for them get an answer.
        let closing = async {
            connector.close().await;
            connections.wait().await;
        };
        if tokio::time::timeout(connector.settings.shutdown_grace, closing)
            .await
            .is_err()
        {
            tracing::warn!("statements or connections were still busy when the server stopped");
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    connector: Arc<Connector>,
    stop: CancellationToken,
    place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    if let Some(faults) = connector.settings.faults.clone() {
        faulty::serve(stream, peer, connector, faults, stop).await;
    } else {
        let head_wait_max = connector.settings.head_wait_max;
        let connector_tls = connector.settings.tls.clone();
        let service = service_fn(move |request| {
            let connector = Arc::clone(&connector);
            async move { Ok::<_, Infallible>(route::answer(connector, request, peer).await) }
        });
        serve_line(stream, connector_tls.as_ref(), service, head_wait_max, &stop).await;
    }
    drop(place);
}

/// Serves requests on a connection, under TLS when there is a certificate.
pub(super) async fn serve_line<I, S, B>(
    line: I,
    tls: Option<&Tls>,
    service: S,
    head_wait_max: Duration,
    stop: &CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let Some(tls) = tls else {
        return serve_http(line, service, head_wait_max, stop).await;
    };
    tokio::select! {
        greeted = tls.accept(line, TLS_WAIT_MAX) => {
            if let Some(stream) = greeted {
                serve_http(stream, service, head_wait_max, stop).await;
            }
        }
        () = stop.cancelled() => {}
    }
}

/// Serves requests on a connection until either side ends it, or `stop`.
async fn serve_http<I, S, B>(stream: I, service: S, head_wait_max: Duration, stop: &CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_wait_max)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended early");
    }
}

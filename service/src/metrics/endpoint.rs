//! `/metrics`, `/health` and `/ready` over HTTP, for Prometheus and for containers.
//!
//! Off unless it is configured, and on this machine alone unless that is configured too. It answers GET and HEAD,
//! one small answer each, and gives nobody long.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Type of Prometheus' text.
pub const CONTENT_TYPE_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is asked when somebody looks.
#[derive(Clone)]
pub struct Sources {
    /// Everything as Prometheus reads it; `None` when that cannot be told in time.
    pub text: Arc<dyn Fn() -> BoxFuture<'static, Option<String>> + Send + Sync>,
    /// How the service is. Both have a limit of their own, below that of a connection.
    pub condition: Arc<dyn Fn() -> BoxFuture<'static, Condition> + Send + Sync>,
}

/// How the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It takes new work.
    Ready,
    /// It does what it is there for, but takes no new work.
    Stopping,
    /// It does not do what it is there for.
    Hung,
}

/// Limits of the endpoint.
#[derive(Debug, Clone, Copy)]
pub struct EndpointLimits {
    /// Most connections at a time; more wait.
    pub connections_max: usize,
    /// How long a connection may last.
    pub connection_time_max: Duration,
}

/// Pause after the system refused a connection, for lack of descriptors for example.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Questions that may be on their way at a time: that for the text, and that for the condition.
const QUESTIONS_MAX: usize = 2;

/// Listens; the address says which port it came to.
///
/// # Errors
///
/// When the address cannot be listened on.
pub fn bind(address: SocketAddr) -> std::io::Result<(StdListener, SocketAddr)> {
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Answers until `stop` fires, from a thread and a runtime of its own: of a service whose threads all hang it is said here
/// that it does.
///
/// # Errors
///
/// When there is no thread or the socket cannot be watched.
pub fn start(
    listener: StdListener,
    sources: Sources,
    limits: EndpointLimits,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(QUESTIONS_MAX)
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    drop(entered);
    let local_only = listener.local_addr()?.ip().is_loopback();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let answering = stop.run_until_cancelled_owned(async move {
        loop {
            let Ok(permit) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(error = %error, "connection for metrics not accepted");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                    continue;
                }
            };
            let sources = sources.clone();
            tokio::spawn(async move {
                let served = serve(stream, sources, local_only, limits.connection_time_max);
                // Whoever is slow or breaks off has no use for an error, and we none for theirs.
                let _ = tokio::time::timeout(limits.connection_time_max, served).await;
                drop(permit);
            });
        }
    });
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || {
            runtime.block_on(answering);
            // A question that is never answered keeps nobody.
            runtime.shutdown_background();
        })?;
    Ok(())
}

async fn serve(
    stream: TcpStream,
    sources: Sources,
    local_only: bool,
    header_time_max: Duration,
) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
        let sources = sources.clone();
        async move { Ok::<_, Infallible>(reply(&request, &sources, local_only).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time_max)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await
}

async fn reply<B>(request: &Request<B>, sources: &Sources, local_only: bool) -> Response<Full<Bytes>> {
    if local_only && !names_this_machine(request) {
        // Somebody's name leads here: a page in a browser that would read what is only for this machine.
        return text(StatusCode::FORBIDDEN, "only for this machine\n".to_owned());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD are answered\n".to_owned(),
        );
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/metrics" => match (sources.text)().await {
            Some(counted) => text(StatusCode::OK, counted),
            None => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "the sessions do not answer\n".to_owned(),
            ),
        },
        path @ ("/health" | "/ready") => {
            let (status, said) = match ((sources.condition)().await, path) {
                (Condition::Hung, _) => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "connections are not accepted, or the sessions do not answer\n",
                ),
                (_, "/health") => (StatusCode::OK, "alive\n"),
                (Condition::Ready, _) => (StatusCode::OK, "ready\n"),
                (Condition::Stopping, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            };
            text(status, said.to_owned())
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /health and /ready\n".to_owned(),
        ),
    }
}

/// True when the request was meant for this machine by a name that nobody else can give it.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let Some(host) = request.headers().get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_TEXT));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(
        is: Condition,
        local_only: bool,
        (method, host, path): (Method, &str, &str),
        expected: u16,
    ) {
        let sources = Sources {
            text: Arc::new(|| Box::pin(std::future::ready(Some("counted 1\n".to_owned())))),
            condition: Arc::new(move || Box::pin(std::future::ready(is))),
        };
        let request = Request::builder().method(method).uri(path).header(HOST, host);
        let response = reply(&request.body(()).unwrap(), &sources, local_only).await;
        assert_eq!(response.status(), expected, "{host} {path}");
    }

    #[tokio::test]
    async fn three_paths_are_answered() {
        for (is, path, expected) in [
            (Condition::Ready, "/metrics", 200),
            (Condition::Ready, "/health", 200),
            (Condition::Ready, "/ready", 200),
            (Condition::Stopping, "/ready", 503),
            (Condition::Stopping, "/health", 200),
            (Condition::Hung, "/health", 503),
            (Condition::Hung, "/ready", 503),
            // What is counted is told all the more then.
            (Condition::Hung, "/metrics", 200),
            (Condition::Ready, "/", 404),
        ] {
            check(is, true, (Method::GET, "127.0.0.1:9", path), expected).await;
        }
        check(
            Condition::Ready,
            true,
            (Method::HEAD, "localhost", "/metrics"),
            200,
        )
        .await;
        check(
            Condition::Ready,
            true,
            (Method::POST, "localhost", "/metrics"),
            405,
        )
        .await;
    }

    #[tokio::test]
    async fn names_that_others_can_give_us_are_refused_on_this_machine_alone() {
        for (host, expected) in [
            ("localhost:9464", 200),
            ("127.0.0.1", 200),
            ("[::1]:9464", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("", 403),
        ] {
            check(Condition::Ready, true, (Method::GET, host, "/metrics"), expected).await;
        }
        check(
            Condition::Ready,
            false,
            (Method::GET, "pod.example", "/metrics"),
            200,
        )
        .await;
    }
}

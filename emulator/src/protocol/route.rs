//! From a request's method and path to the endpoint that answers it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::results::gzip;

use super::message::{Exchange, Reply, ReplyBody, success};
use super::refusal::Refusal;
use super::{Connector, chunk, health, lifecycle, login, metrics, stage_urls, status, submit};

/// Answers up to this size are never compressed.
const COMPRESS_FROM: u64 = 4096;

/// Answers one request of `peer`.
pub(super) async fn answer(connector: Arc<Connector>, request: Request<Incoming>, peer: SocketAddr) -> Reply {
    let (parts, body) = request.into_parts();
    if stage_urls::is_put(&parts) {
        let reply = stage_urls::put(&connector, &parts, body).await;
        return reply.unwrap_or_else(Refusal::into_reply);
    }
    match Exchange::read(parts, body, &connector).await {
        Ok(exchange) => respond(&connector, &exchange, peer).await,
        Err((head, refusal)) => refuse(&connector, &head, refusal),
    }
}

/// Answers one request whose body could not be read.
pub(super) fn refuse(connector: &Connector, head: &Parts, refusal: Refusal) -> Reply {
    let settings = &connector.settings;
    let path = head.uri.path();
    let (reply, endpoint) = match settings.mounted_at(path) {
        Some(api) => {
            let (status, _, message) = refusal.parts();
            (api.refuse(head, status, message), api.endpoint(path))
        }
        None => (refusal.into_reply(), metrics::endpoint(path)),
    };
    if let Some(metrics) = &settings.metrics {
        metrics.count(endpoint, &head.method, reply.status(), std::time::Duration::ZERO);
    }
    reply
}

/// Answers one request whose body has been read.
pub(super) async fn respond(connector: &Arc<Connector>, exchange: &Exchange, peer: SocketAddr) -> Reply {
    let settings = &connector.settings;
    let Some(metrics) = &settings.metrics else {
        return handle(connector, exchange).await;
    };
    let (method, path) = (exchange.method(), exchange.path());
    if path == metrics::PATH {
        return metrics
            .answer(connector, exchange, peer)
            .unwrap_or_else(Refusal::into_reply);
    }
    let began = Instant::now();
    let reply = handle(connector, exchange).await;
    let endpoint = match settings.mounted_at(path) {
        Some(api) => api.endpoint(path),
        None => metrics::endpoint(path),
    };
    metrics.count(endpoint, method, reply.status(), began.elapsed());
    reply
}

async fn handle(connector: &Arc<Connector>, exchange: &Exchange) -> Reply {
    let answered = match connector.settings.mounted_at(exchange.path()) {
        Some(api) => Ok(api.answer(connector, exchange).await),
        None => dispatch(connector, exchange).await,
    };
    match answered {
        // A file goes as it is: it would have to be read whole.
        Ok(reply)
            if connector.settings.compress_answers
                && exchange.accepts_gzip()
                && !exchange.path().starts_with("/stages/") =>
        {
            compressed(reply).await
        }
        Ok(reply) => reply,
        Err(refusal) => refusal.into_reply(),
    }
}

async fn dispatch(connector: &Arc<Connector>, exchange: &Exchange) -> Result<Reply, Refusal> {
    let path = exchange.path();
    if stage_urls::is_look(exchange) {
        return stage_urls::look(connector, exchange).await;
    }
    // Empty segments do not count: Python's connector 5 asks for `/monitoring/queries//<id>`.
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let route: [&str; 4] = std::array::from_fn(|_| segments.next().unwrap_or_default());
    if segments.next().is_some() {
        return Err(unknown(path));
    }
    let get = *exchange.method() == Method::GET;
    let post = *exchange.method() == Method::POST;
    match route {
        ["queries", "v1", "query-request", ""] if post => submit::submit(connector, exchange).await,
        ["results", key, index, ""] if get => chunk::chunk(connector, key, index).await,
        [stage_urls::FOLDER, secret, "", ""] if get => stage_urls::get(connector, secret).await,
        ["queries", "v1", "abort-request", ""] if post => status::abort_request(connector, exchange).await,
        ["queries", id, "abort-request", ""] if post => status::abort_query(connector, exchange, id).await,
        ["queries", id, "result", ""] if get => status::result(connector, exchange, id).await,
        ["monitoring", "queries", id, ""] if get => status::monitor(connector, exchange, id),
        ["session", "v1", "login-request", ""] if post => login::login(connector, exchange).await,
        ["session", "token-request", "", ""] if post => lifecycle::renew(connector, exchange).await,
        ["session", "heartbeat", "", ""] if post => lifecycle::heartbeat(connector, exchange),
        ["session", "", "", ""] if post => lifecycle::logout(connector, exchange).await,
        ["session", "authenticator-request", "", ""] | ["console", "login", "", ""] if post => {
            Err(no_browser())
        }
        ["health", "", "", ""] if get => Ok(health::health(connector)),
        // What clients tell about themselves is taken and forgotten: nothing leaves the machine.
        ["telemetry", "send", "" | "sessionless", ""] if post => Ok(success(b"\"Log Received\"")),
        route => match methods(route) {
            Some(methods) => Ok(other_method(exchange.method(), methods)),
            None => Err(unknown(path)),
        },
    }
}

/// The methods that an endpoint takes; nothing when there is no such endpoint.
fn methods(route: [&str; 4]) -> Option<&'static str> {
    match route {
        ["queries", "v1", "query-request" | "abort-request", ""]
        | ["queries", _, "abort-request", ""]
        | ["session", "v1", "login-request", ""]
        | [
            "session",
            "token-request" | "heartbeat" | "authenticator-request" | "",
            "",
            "",
        ]
        | ["console", "login", "", ""]
        | ["telemetry", "send", "" | "sessionless", ""] => Some("POST"),
        ["results", _, _, ""]
        | ["queries", _, "result", ""]
        | ["monitoring", "queries", _, ""]
        | ["health", "", "", ""] => Some("GET"),
        [stage_urls::FOLDER, _, "", ""] => Some("GET, HEAD, PUT"),
        _ => None,
    }
}

/// The answer to another method than the endpoint's.
fn other_method(method: &Method, allowed: &'static str) -> Reply {
    let message = format!("The endpoint does not take {method}; it takes {allowed}.");
    let mut reply = Refusal::http(StatusCode::METHOD_NOT_ALLOWED, message).into_reply();
    reply
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

fn no_browser() -> Refusal {
    Refusal::new(
        "390190",
        "Single sign-on through a browser or an identity provider is not available here. Use a password, an OAuth or programmatic access token, or a key pair.",
    )
}

fn unknown(path: &str) -> Refusal {
    Refusal::http(StatusCode::NOT_FOUND, format!("No such endpoint: {path}"))
}

/// Compresses an answer when that is worth it.
async fn compressed(reply: Reply) -> Reply {
    let (mut parts, body) = reply.into_parts();
    let large = http_body::Body::size_hint(&body)
        .exact()
        .is_some_and(|size| size >= COMPRESS_FROM);
    if !large || parts.headers.contains_key(CONTENT_ENCODING) {
        return Reply::from_parts(parts, body);
    }
    let Ok(collected) = body.collect().await;
    let bytes = collected.to_bytes();
    let plain = bytes.clone();
    let packed = tokio::task::spawn_blocking(move || gzip(&[plain])).await;
    let body: Vec<Bytes> = match packed {
        Ok(Ok(packed)) => {
            parts
                .headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            vec![packed]
        }
        _ => vec![bytes],
    };
    Reply::from_parts(parts, ReplyBody::from(body))
}

//! The loopback side: what snowflake-connector-rs talks to.
//!
//! Nothing is served without a local token that this gateway gave out, or, for a login, a nonce that our side of the
//! crate registered just before. Other programs of this machine can connect to the port and get 401.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;
use uuid::Uuid;

use crate::abort::{AbortAnswer, abort_request};
use crate::error::Fate;
use crate::gateway::Shared;
use crate::http_client::CallLimits;
use crate::query::run_announced;
use crate::upstream::{self, Cost, Upstream};

/// A client of ours writes its head at once; whoever does not is not ours.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (too many open files), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Reply = Response<Full<Bytes>>;

/// Accepts loopback connections until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Weak<Shared>,
    stop: CancellationToken,
    connections_max: usize,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a loopback connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let shared = shared.clone();
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = serve_connection(stream, shared) => {}
            }
            drop(place);
        });
    }
}

async fn serve_connection(stream: TcpStream, shared: Weak<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(shared, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        // The crate hangs up when its future is dropped; that is no news.
        tracing::trace!(%error, "a loopback connection ended early");
    }
}

async fn answer(shared: Weak<Shared>, request: Request<Incoming>) -> Reply {
    let Some(shared) = shared.upgrade() else {
        return status(StatusCode::SERVICE_UNAVAILABLE);
    };
    let path = request.uri().path().trim_matches('/').to_owned();
    if request.method() == Method::POST && path == "session/v1/login-request" {
        return answer_login(&shared, request).await;
    }
    let Some(upstream) = local_token(&request).and_then(|token| shared.session(token)) else {
        return json_reply(
            StatusCode::UNAUTHORIZED,
            &json!({ "data": null, "code": "390104", "message": "unknown local token", "success": false }),
        );
    };
    let pairs = query_pairs(&request);
    let method = request.method().clone();
    let body = match read_body(request, shared.config.request_body_bytes_max).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    match (method.as_str(), path.as_str()) {
        ("POST", "queries/v1/query-request") => answer_query(upstream, pairs, body).await,
        ("POST", "queries/v1/abort-request") => answer_abort(&upstream, &body).await,
        ("GET" | "POST", path) if is_forwarded(path) => forward(&upstream, method, path, pairs, body).await,
        _ => status(StatusCode::NOT_FOUND),
    }
}

async fn answer_login(shared: &Arc<Shared>, request: Request<Incoming>) -> Reply {
    let pairs = query_pairs(&request);
    let body = match read_body(request, shared.config.request_body_bytes_max).await {
        Ok(body) => body,
        Err(reply) => return reply,
    };
    match shared.log_in(pairs, &body).await {
        None => status(StatusCode::UNAUTHORIZED),
        Some(Ok(local_token)) => json_reply(
            StatusCode::OK,
            &json!({ "data": { "token": local_token }, "code": null, "message": null, "success": true }),
        ),
        Some(Err(())) => json_reply(
            StatusCode::OK,
            &json!({ "data": null, "code": null, "message": "login refused", "success": false }),
        ),
    }
}

async fn answer_query(upstream: Arc<Upstream>, pairs: Vec<(String, String)>, body: Bytes) -> Reply {
    let request_id = pairs
        .iter()
        .find(|(name, _)| name == "requestId")
        .map(|(_, value)| value.clone());
    let Some((request_id, slot)) = request_id.and_then(|id| Some((id.clone(), upstream.slots.get(&id)?)))
    else {
        return forward(&upstream, Method::POST, "queries/v1/query-request", pairs, body).await;
    };
    match run_announced(upstream, request_id, slot, body).await.to_json() {
        Some(reply) => body_reply(StatusCode::OK, Bytes::from(reply)),
        None => status(StatusCode::BAD_GATEWAY),
    }
}

/// What the crate is told when nothing runs under an id, whichever code the server has for it.
const NOT_RUNNING: &str = "000605";

async fn answer_abort(upstream: &Arc<Upstream>, body: &Bytes) -> Reply {
    let target = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body["requestId"].as_str().map(str::to_owned));
    let Some(target) = target else {
        return status(StatusCode::BAD_REQUEST);
    };
    match abort_request(upstream, &target).await {
        Ok((AbortAnswer::Accepted, _)) => json_reply(
            StatusCode::OK,
            &json!({ "data": null, "code": null, "message": null, "success": true }),
        ),
        Ok((verdict, answer)) => json_reply(
            StatusCode::OK,
            &json!({
                "data": null, "success": false,
                "code": if verdict == AbortAnswer::NotRunning { Some(NOT_RUNNING) } else { answer.code.as_deref() },
                "message": answer.message_or("the query is not running"),
            }),
        ),
        // The gateway has retried already; a 5xx would make the crate do so again.
        Err(_) => status(StatusCode::FAILED_DEPENDENCY),
    }
}

/// Requests that go through as they are, for clients that did not announce anything.
fn is_forwarded(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["queries", _, "result" | "abort-request"] | ["monitoring", "queries", _] | ["telemetry", "send"]
    )
}

async fn forward(
    upstream: &Arc<Upstream>,
    method: Method,
    path: &str,
    pairs: Vec<(String, String)>,
    body: Bytes,
) -> Reply {
    let given = pairs
        .iter()
        .find(|(name, _)| name == "requestId")
        .map(|(_, value)| value.clone());
    let request_id = given.unwrap_or_else(|| Uuid::new_v4().to_string());
    let ours = [
        "requestId",
        "request_guid",
        "retryCount",
        "retryReason",
        "clientStartTime",
    ];
    let silence = upstream.config.answer_timeout;
    let allowed = silence * upstream.config.retry.silent_attempts_max;
    let request = upstream::Request {
        method,
        path,
        pairs: pairs
            .into_iter()
            .filter(|(name, _)| !ours.contains(&name.as_str()))
            .collect(),
        request_id: &request_id,
        body,
        limits: CallLimits::lasting(allowed, silence),
        before: Fate::NotRun,
    };
    match upstream.send(&request, &mut Cost::default()).await {
        Ok(answer) => body_reply(StatusCode::OK, answer.body),
        Err(crate::GatewayError::SessionExpired { .. }) => json_reply(
            StatusCode::OK,
            &json!({ "data": null, "code": "390112", "message": "the session is over", "success": false }),
        ),
        Err(_) => status(StatusCode::BAD_GATEWAY),
    }
}

fn local_token(request: &Request<Incoming>) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Snowflake Token=\"")?.strip_suffix('"')
}

fn query_pairs(request: &Request<Incoming>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

async fn read_body(request: Request<Incoming>, bytes_max: usize) -> Result<Bytes, Reply> {
    match Limited::new(request.into_body(), bytes_max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(status(StatusCode::PAYLOAD_TOO_LARGE)),
        Err(_) => Err(status(StatusCode::BAD_REQUEST)),
    }
}

fn status(code: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = code;
    reply
}

fn json_reply(code: StatusCode, value: &Value) -> Reply {
    body_reply(code, Bytes::from(value.to_string()))
}

fn body_reply(code: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = code;
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    reply
}

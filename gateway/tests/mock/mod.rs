//! A Snowflake for tests: canned exchanges over real HTTP, and a record of what was asked.
//!
//! It keeps just enough state to be honest about tokens (a token it did not give out is refused) and leaves the rest to
//! closures of the test. Shared by the tests of the gateway and of the driver.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(dead_code, reason = "each test binary uses its own part of the mock")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use url::{Url, form_urlencoded};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub pairs: HashMap<String, String>,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Seen {
    pub fn token(&self) -> Option<String> {
        let value = self.headers.get("authorization")?.to_str().ok()?;
        Some(
            value
                .strip_prefix("Snowflake Token=\"")?
                .strip_suffix('"')?
                .to_owned(),
        )
    }

    pub fn request_id(&self) -> String {
        self.pairs.get("requestId").cloned().unwrap_or_default()
    }

    pub fn sql(&self) -> &str {
        self.body["sqlText"].as_str().unwrap_or_default()
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn json(value: &Value) -> Self {
        Self::bytes(value.to_string())
    }

    pub fn bytes(body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A successful answer with `data`.
pub fn success(data: Value) -> Reply {
    Reply::json(&json!({ "data": data, "code": null, "message": null, "success": true }))
}

/// A failure with `code`.
pub fn failure(code: &str, message: &str, data: Value) -> Reply {
    Reply::json(&json!({ "data": data, "code": code, "message": message, "success": false }))
}

/// The answer to a select of one number.
pub fn one(query_id: &str) -> Reply {
    success(json!({
        "queryId": query_id,
        "rowtype": [{ "name": "ONE", "type": "fixed", "nullable": false, "precision": 1, "scale": 0, "length": null }],
        "rowset": [["1"]],
        "total": 1,
        "returned": 1,
        "queryResultFormat": "json",
        "statementTypeId": 4096,
        "finalDatabaseName": "DB",
        "finalSchemaName": "PUBLIC",
        "finalWarehouseName": null,
        "finalRoleName": "ANALYST",
    }))
}

type Future_ = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Handler = Arc<dyn Fn(Seen) -> Future_ + Send + Sync>;

#[derive(Clone)]
pub struct Mock {
    inner: Arc<Inner>,
}

struct Inner {
    url: Url,
    seen: Mutex<Vec<Seen>>,
    handlers: Mutex<HashMap<&'static str, Handler>>,
    tokens: Mutex<TokenState>,
    expired_status: AtomicUsize,
    /// Holds refusals back until so many requests have been refused.
    refusals: Mutex<Option<Arc<Barrier>>>,
    /// Downloads; of several replies each is given once, the last one for ever.
    files: Mutex<HashMap<String, VecDeque<Reply>>>,
    downloads_now: AtomicUsize,
    downloads_peak: AtomicUsize,
}

struct TokenState {
    generation: usize,
    expired: bool,
}

impl Mock {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let inner = Inner {
            url,
            seen: Mutex::default(),
            handlers: Mutex::default(),
            tokens: Mutex::new(TokenState {
                generation: 0,
                expired: false,
            }),
            expired_status: AtomicUsize::new(200),
            refusals: Mutex::default(),
            files: Mutex::default(),
            downloads_now: AtomicUsize::new(0),
            downloads_peak: AtomicUsize::new(0),
        };
        let mock = Self {
            inner: Arc::new(inner),
        };
        let router = Router::new().fallback(serve).with_state(mock.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        mock
    }

    pub fn url(&self) -> Url {
        self.inner.url.clone()
    }

    /// Sets the answer to requests whose path starts with `prefix` (without the leading slash).
    pub fn on<F, R>(&self, prefix: &'static str, handler: F)
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |seen| Box::pin(handler(seen)));
        self.inner.handlers.lock().unwrap().insert(prefix, handler);
    }

    pub fn on_query<F, R>(&self, handler: F)
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        self.on("queries/v1/query-request", handler);
    }

    /// Offers `reply` for download and returns its address.
    pub fn offer(&self, name: &str, reply: Reply) -> String {
        self.offer_in_turn(name, [reply])
    }

    /// Offers `replies` for download, one after the other, and returns their address.
    pub fn offer_in_turn(&self, name: &str, replies: impl IntoIterator<Item = Reply>) -> String {
        self.inner
            .files
            .lock()
            .unwrap()
            .insert(format!("files/{name}"), replies.into_iter().collect());
        self.inner.url.join(&format!("files/{name}")).unwrap().to_string()
    }

    /// The most downloads that were under way at one time.
    pub fn downloads_peak(&self) -> usize {
        self.inner.downloads_peak.load(Ordering::SeqCst)
    }

    /// Makes the current session token expire, with HTTP `status` in the answers that say so.
    pub fn expire_token(&self, status: u16) {
        self.inner.expired_status.store(status.into(), Ordering::SeqCst);
        self.inner.tokens.lock().unwrap().expired = true;
    }

    /// Holds answers that refuse a token back until `count` requests have been refused.
    pub fn hold_refusals(&self, count: usize) {
        *self.inner.refusals.lock().unwrap() = Some(Arc::new(Barrier::new(count)));
    }

    pub fn seen(&self, path: &str) -> Vec<Seen> {
        self.inner
            .seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| seen.path == path)
            .cloned()
            .collect()
    }

    pub fn queries(&self) -> Vec<Seen> {
        self.seen("queries/v1/query-request")
    }

    fn session_token(&self) -> String {
        format!("session-{}", self.inner.tokens.lock().unwrap().generation)
    }

    pub fn renew(&self, seen: &Seen) -> Reply {
        let mut tokens = self.inner.tokens.lock().unwrap();
        let generation = tokens.generation;
        if seen.token() != Some(format!("master-{generation}")) {
            return failure(
                "390114",
                "Authentication token has expired. The user must authenticate again.",
                Value::Null,
            );
        }
        assert_eq!(seen.body["oldSessionToken"], format!("session-{generation}"));
        assert_eq!(seen.body["requestType"], "RENEW");
        *tokens = TokenState {
            generation: generation + 1,
            expired: false,
        };
        success(json!({
            "sessionToken": format!("session-{}", generation + 1),
            "masterToken": format!("master-{}", generation + 1),
            "validityInSecondsST": 3600, "validityInSecondsMT": 14400, "sessionId": 77,
        }))
    }

    /// Refuses a request that does not carry the current token.
    fn check_token(&self, seen: &Seen) -> Option<Reply> {
        let good = seen.token() == Some(self.session_token()) && !self.inner.tokens.lock().unwrap().expired;
        let status = self.inner.expired_status.load(Ordering::SeqCst) as u16;
        let code = if status == 401 { "390104" } else { "390112" };
        (!good).then(|| failure(code, "Session token has expired.", Value::Null).with_status(status))
    }

    async fn download(&self, path: &str) -> Option<Reply> {
        let reply = {
            let mut files = self.inner.files.lock().unwrap();
            let replies = files.get_mut(path)?;
            let reply = replies.front().cloned()?;
            if replies.len() > 1 {
                replies.pop_front();
            }
            reply
        };
        let now = self.inner.downloads_now.fetch_add(1, Ordering::SeqCst) + 1;
        self.inner.downloads_peak.fetch_max(now, Ordering::SeqCst);
        // Gives the other downloads that may be under way the time to arrive.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.inner.downloads_now.fetch_sub(1, Ordering::SeqCst);
        Some(reply)
    }

    async fn answer(&self, seen: Seen) -> Reply {
        self.inner.seen.lock().unwrap().push(seen.clone());
        if let Some(reply) = self.download(&seen.path).await {
            return reply;
        }
        let path = seen.path.clone();
        let open = matches!(
            path.as_str(),
            "session/v1/login-request" | "session/token-request" | "slow-part"
        );
        if !open && let Some(refusal) = self.check_token(&seen) {
            let barrier = self.inner.refusals.lock().unwrap().clone();
            if let Some(barrier) = barrier {
                barrier.wait().await;
            }
            return refusal;
        }
        let handler = {
            let handlers = self.inner.handlers.lock().unwrap();
            handlers
                .iter()
                .find(|(prefix, _)| path.starts_with(**prefix))
                .map(|(_, handler)| Arc::clone(handler))
        };
        if let Some(handler) = handler {
            return handler(seen).await;
        }
        match path.as_str() {
            "session/v1/login-request" => self.log_in(),
            "session/token-request" => self.renew(&seen),
            "session" | "session/heartbeat" | "queries/v1/abort-request" => success(Value::Null),
            "queries/v1/query-request" => one("query-1"),
            _ => Reply::status(404),
        }
    }

    fn log_in(&self) -> Reply {
        let generation = self.inner.tokens.lock().unwrap().generation;
        success(json!({
            "token": format!("session-{generation}"),
            "masterToken": format!("master-{generation}"),
            "validityInSeconds": 3600,
            "masterValidityInSeconds": 14400,
            "sessionId": 77,
            "serverVersion": "9.9.9",
            "displayUserName": "ME",
            "parameters": [{ "name": "TIMEZONE", "value": "UTC" }, { "name": "AUTOCOMMIT", "value": true }],
            "sessionInfo": { "databaseName": "DB", "schemaName": "PUBLIC", "warehouseName": null, "roleName": "ANALYST" },
        }))
    }
}

async fn serve(State(mock): State<Mock>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().trim_start_matches('/').to_owned(),
        pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let reply = mock.answer(seen).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

/// Waits until `condition` holds, for at most ten seconds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

//! A server of the protocol and the simplest client for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Clock, Connector, Server, Settings};
use snowflake_emulator::results::{Spool, SpoolLimits};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::double::Double;

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(super) struct Fixture {
    pub(super) address: SocketAddr,
    pub(super) backend: Arc<Double>,
    pub(super) spool: Arc<Spool>,
    pub(super) connector: Arc<Connector>,
    skipped_millis: Arc<AtomicU64>,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An HTTP answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A logged-in client.
pub(super) struct Login {
    pub(super) address: SocketAddr,
    pub(super) token: String,
    pub(super) master: String,
    pub(super) data: Value,
}

impl Fixture {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}, Accounts::Anyone).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings), accounts: Accounts) -> Self {
        Self::with_spool(
            change,
            accounts,
            SpoolLimits {
                memory_bytes_max: 64 << 20,
                first_bytes_max: 32 << 20,
                disk_bytes_max: 64 << 20,
            },
        )
        .await
    }

    pub(super) async fn with_spool(
        change: impl FnOnce(&mut Settings),
        accounts: Accounts,
        limits: SpoolLimits,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let skipped_millis = Arc::new(AtomicU64::new(0));
        let start = Instant::now();
        let skipped = Arc::clone(&skipped_millis);
        let clock = Clock::new(move || start + Duration::from_millis(skipped.load(Ordering::SeqCst)));
        let mut settings = Settings {
            clock,
            ..Settings::default()
        };
        change(&mut settings);
        let backend = Double::new();
        let spool = Spool::open(folder.path(), limits).unwrap();
        let shared: Arc<Double> = Arc::clone(&backend);
        let connector = Connector::new(settings, accounts, shared, Arc::clone(&spool));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(listener, Arc::clone(&connector));
        let address = server.address().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(stop.clone()));
        Self {
            address,
            backend,
            spool,
            connector,
            skipped_millis,
            stop,
            _folder: folder,
        }
    }

    /// Lets the server's clock jump ahead.
    pub(super) fn skip(&self, time: Duration) {
        self.skipped_millis
            .fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn login(&self) -> Login {
        self.login_as(json!({ "LOGIN_NAME": "ann", "PASSWORD": "any" }))
            .await
    }

    /// Logs in as a client that reads Arrow.
    pub(super) async fn login_arrow(&self) -> Login {
        self.login_as(json!({ "LOGIN_NAME": "ann", "PASSWORD": "any", "CLIENT_APP_ID": "PythonConnector" }))
            .await
    }

    pub(super) async fn login_as(&self, data: Value) -> Login {
        let answer = self.try_login(data).await;
        assert_eq!(answer["success"], true, "{answer}");
        let data = answer["data"].clone();
        Login {
            address: self.address,
            token: data["token"].as_str().unwrap().to_owned(),
            master: data["masterToken"].as_str().unwrap().to_owned(),
            data,
        }
    }

    pub(super) async fn try_login(&self, data: Value) -> Value {
        let body = json!({ "data": data });
        post(
            self.address,
            "/session/v1/login-request?databaseName=&schemaName=s1&request_id=x",
            None,
            &body,
        )
        .await
        .json()
    }
}

impl Login {
    pub(super) async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = post(self.address, path, Some(&self.token), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.json()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = send(
            self.address,
            Method::GET,
            path,
            &[authorization(&self.token)],
            Bytes::new(),
        )
        .await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        answer.json()
    }

    pub(super) async fn query(&self, sql: &str) -> Value {
        self.request(&json!({ "sqlText": sql })).await
    }

    pub(super) async fn request(&self, body: &Value) -> Value {
        self.post(
            &format!("/queries/v1/query-request?requestId={}", uuid::Uuid::new_v4()),
            body,
        )
        .await
    }

    pub(super) async fn renew(&self, kind: &str) -> Value {
        let body = json!({ "oldSessionToken": self.token, "requestType": kind });
        post(
            self.address,
            "/session/token-request?requestId=1",
            Some(&self.master),
            &body,
        )
        .await
        .json()
    }
}

pub(super) fn authorization(token: &str) -> (&'static str, String) {
    ("authorization", format!("Snowflake Token=\"{token}\""))
}

pub(super) async fn post(address: SocketAddr, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let headers: Vec<_> = token.map(authorization).into_iter().collect();
    send(
        address,
        Method::POST,
        path,
        &headers,
        Bytes::from(body.to_string()),
    )
    .await
}

pub(super) async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, Method::GET, path, &[], Bytes::new()).await
}

/// Sends one request on a connection of its own.
pub(super) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, String)],
    body: Bytes,
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = sender
        .send_request(request.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Waits until `done` holds; fails the test when it never does.
pub(super) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::task::yield_now().await;
    }
}

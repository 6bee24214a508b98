//! A server with an instance in memory, and the simplest client for its SQL API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Backend, Connector, Metrics, Mounted, Server, Settings};
use snowflake_emulator::results::{Spool, SpoolLimits};
use snowflake_emulator::session::{Instance, InstanceConfig};
use snowflake_emulator::sql_api::{SqlApi, SqlApiSettings};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must come. Less than what `fuzz/mutate.rs` waits before it ends the process.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const STATEMENTS: &str = "/api/v2/statements";

/// A running server.
pub(super) struct Fixture {
    pub(super) address: SocketAddr,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How a server is set up.
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) api: SqlApiSettings,
    pub(super) accounts: Accounts,
}

/// An HTTP answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(super) fn with(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self.json()
    }

    /// Checks status and Snowflake's code.
    #[track_caller]
    pub(super) fn refused(&self, status: u16, code: &str) -> Value {
        let json = self.with(status);
        assert_eq!(json["code"], code, "{json}");
        json
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A request to be changed before it is sent.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Call {
    /// One with all headers that the API wants.
    pub(super) fn new(method: Method, path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: vec![
                ("authorization", "Bearer any".to_owned()),
                ("accept", "application/json".to_owned()),
                ("content-type", "application/json".to_owned()),
                ("user-agent", "tests/1.0".to_owned()),
            ],
            body: body.into(),
        }
    }

    /// Another value for a header.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }
}

impl Fixture {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut setup = Setup {
            settings: Settings {
                metrics: Some(Metrics::new()),
                ..Settings::default()
            },
            api: SqlApiSettings::default(),
            accounts: Accounts::Anyone,
        };
        change(&mut setup);
        setup.settings.mounted = Some(SqlApi::new(setup.api) as Arc<dyn Mounted>);
        let limits = SpoolLimits {
            memory_bytes_max: 64 << 20,
            first_bytes_max: 32 << 20,
            disk_bytes_max: 64 << 20,
        };
        let spool = Spool::open(folder.path(), limits).unwrap();
        let instance = tokio::task::spawn_blocking(|| Instance::open(&InstanceConfig::in_memory()).unwrap())
            .await
            .unwrap();
        let instance = Arc::new(instance);
        let backend: Arc<dyn Backend> = Arc::new(Arc::clone(&instance));
        let connector = Connector::new(setup.settings, setup.accounts, backend, spool);
        instance.give_results(connector.results());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(listener, connector);
        let address = server.address().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(stop.clone()));
        Self {
            address,
            stop,
            _folder: folder,
        }
    }

    /// Submits a body.
    pub(super) async fn submit(&self, body: &Value) -> Answer {
        self.submit_to(STATEMENTS, body).await
    }

    /// Submits a body to a path with a query string.
    pub(super) async fn submit_to(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::new(Method::POST, path, body.to_string())).await
    }

    /// Submits a statement that must go well, and gives its answer.
    pub(super) async fn ok(&self, sql: &str) -> Value {
        self.submit(&json!({ "statement": sql })).await.with(200)
    }

    /// The rows of a statement.
    pub(super) async fn data(&self, sql: &str) -> Value {
        self.ok(sql).await["data"].clone()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Call::new(Method::GET, path, "")).await
    }

    pub(super) async fn fetch(&self, handle: &str) -> Answer {
        self.get(&format!("{STATEMENTS}/{handle}")).await
    }

    pub(super) async fn cancel(&self, handle: &str) -> Answer {
        self.send(Call::new(
            Method::POST,
            &format!("{STATEMENTS}/{handle}/cancel"),
            "",
        ))
        .await
    }

    /// Asks until the statement does not run any more.
    pub(super) async fn ended(&self, handle: &str) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.fetch(handle).await;
            if answer.status != StatusCode::ACCEPTED {
                return answer;
            }
            assert!(Instant::now() < deadline, "the statement never ended");
            tokio::task::yield_now().await;
        }
    }

    /// Sends a request that must be answered in time, and that the server must not be at fault for.
    #[allow(dead_code, reason = "for tests that send made-up requests")]
    pub(super) async fn answered(&self, call: Call) -> Answer {
        let path = call.path.clone();
        let answer = tokio::time::timeout(PATIENCE, self.send(call)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{path}: no answer"));
        // SQL's own way of saying the same.
        let defect = answer.body.windows(8).any(|code| code == b"\"000603\"");
        assert!(
            answer.status.as_u16() < 500 && !defect,
            "{path}: {} {:?}",
            answer.status,
            answer.body
        );
        answer
    }

    /// Sends one request on a connection of its own.
    pub(super) async fn send(&self, call: Call) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header("host", self.address.to_string());
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let answer = sender
            .send_request(request.body(Full::new(call.body)).unwrap())
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
}

pub(super) fn handle(answer: &Value) -> String {
    answer["statementHandle"].as_str().unwrap().to_owned()
}

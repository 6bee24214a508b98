//! Asynchronous statements as official drivers use them, on the real engine: submit, ask, read, stop, go away.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Backend, Connector, Server, Settings};
use snowflake_emulator::results::{Spool, SpoolLimits};
use snowflake_emulator::session::{Instance, InstanceConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);
/// A statement that runs until it is stopped.
const FOREVER: &str = "call system$wait(1, 'days')";

struct Emulator {
    address: SocketAddr,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Client {
    address: SocketAddr,
    token: String,
}

impl Emulator {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let instance = Arc::new(Instance::open(&InstanceConfig::in_memory()).unwrap());
        let backend: Arc<dyn Backend> = Arc::new(instance);
        let limits = SpoolLimits {
            memory_bytes_max: 64 << 20,
            first_bytes_max: 32 << 20,
            disk_bytes_max: 64 << 20,
        };
        let spool = Spool::open(folder.path(), limits).unwrap();
        let connector = Connector::new(Settings::default(), Accounts::Anyone, backend, spool);
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

    async fn login(&self) -> Client {
        let nobody = Client {
            address: self.address,
            token: "None".to_owned(),
        };
        let data = json!({ "data": { "LOGIN_NAME": "ann", "PASSWORD": "x" } });
        let answer = nobody.post("/session/v1/login-request", &data).await;
        Client {
            token: answer["data"]["token"].as_str().unwrap().to_owned(),
            ..nobody
        }
    }
}

impl Client {
    async fn send(&self, method: &str, path: &str, body: String) -> Value {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("authorization", format!("Snowflake Token=\"{}\"", self.token))
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body.to_string()).await
    }

    async fn query(&self, sql: &str) -> Value {
        let answer = self
            .post("/queries/v1/query-request", &json!({ "sqlText": sql }))
            .await;
        assert_eq!(answer["success"], true, "{sql}: {answer}");
        answer["data"]["rowset"].clone()
    }

    /// Submits without waiting, as `execute_async` does; gives the query id.
    async fn submit(&self, sql: &str) -> String {
        let answer = self
            .post(
                "/queries/v1/query-request",
                &json!({ "sqlText": sql, "asyncExec": true }),
            )
            .await;
        assert_eq!(answer["code"], "333334", "{sql}: {answer}");
        answer["data"]["queryId"].as_str().unwrap().to_owned()
    }

    async fn status(&self, id: &str) -> Value {
        let path = format!("/monitoring/queries/{id}");
        self.send("GET", &path, String::new()).await["data"]["queries"][0]["status"].clone()
    }

    async fn until(&self, id: &str, status: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.status(id).await;
            if now == status {
                return;
            }
            assert!(Instant::now() < deadline, "{id} is {now}, never {status}");
        }
    }

    async fn abort(&self, id: &str) {
        let answer = self
            .post(&format!("/queries/{id}/abort-request"), &json!({}))
            .await;
        assert_eq!(answer["success"], true, "{answer}");
        self.until(id, "ABORTED").await;
    }

    async fn logout(&self) {
        self.post("/session?delete=true", &json!({})).await;
    }
}

#[tokio::test]
async fn detached_statements_run_side_by_side() {
    let emulator = Emulator::start().await;
    let client = emulator.login().await;
    let (one, two) = (client.submit(FOREVER).await, client.submit(FOREVER).await);
    client.until(&one, "RUNNING").await;
    client.until(&two, "RUNNING").await;
    assert_eq!(
        client.query("select 1").await,
        json!([["1"]]),
        "and beside the session's own"
    );
    client.abort(&one).await;
    assert_eq!(client.status(&two).await, "RUNNING");
    client.abort(&two).await;

    let id = client
        .submit("select 'a' || column1 from values (1), (2) order by 1")
        .await;
    client.until(&id, "SUCCESS").await;
    let text = format!("select * from table(result_scan('{id}'))");
    assert_eq!(client.query(&text).await, json!([["a1"], ["a2"]]));
    let id = client.submit("select nonsense").await;
    client.until(&id, "FAILED_WITH_ERROR").await;
}

#[tokio::test]
async fn in_a_transaction_they_wait_for_their_turn() {
    let emulator = Emulator::start().await;
    let client = emulator.login().await;
    client.query("create database d").await;
    client.query("create table t (a int)").await;
    client.query("begin").await;
    client.query("insert into t values (1)").await;
    let (one, two) = (
        client.submit(FOREVER).await,
        client.submit("select count(*) from t").await,
    );
    client.until(&one, "RUNNING").await;
    client.until(&two, "QUEUED").await;
    client.abort(&one).await;
    client.until(&two, "SUCCESS").await;
    let text = format!("select * from table(result_scan('{two}'))");
    assert_eq!(
        client.query(&text).await,
        json!([["1"]]),
        "it sees the transaction that it is part of"
    );
    client.query("rollback").await;
    assert_eq!(client.query("select count(*) from t").await, json!([["0"]]));
}

#[tokio::test]
async fn a_logout_stops_only_what_needs_the_session() {
    let emulator = Emulator::start().await;
    let (client, later) = (emulator.login().await, emulator.login().await);
    client.query("create database d").await;
    client
        .query("create table t as select seq4() n from table(generator(rowcount => 1000))")
        .await;
    let forever = client.submit(FOREVER).await;
    // Gone at once, as a job that is submitted by a short-lived program.
    let write = client
        .submit("insert into d.public.t select n + 1000 from d.public.t")
        .await;
    client.logout().await;
    later.until(&write, "SUCCESS").await;
    assert_eq!(
        later.query("select count(*) from d.public.t").await,
        json!([["2000"]])
    );
    assert_eq!(later.status(&forever).await, "RUNNING");
    later.abort(&forever).await;

    let client = emulator.login().await;
    client.query("create temporary table d.public.own (a int)").await;
    let bound = client.submit(FOREVER).await;
    client.until(&bound, "RUNNING").await;
    client.logout().await;
    later.until(&bound, "ABORTED").await;
}

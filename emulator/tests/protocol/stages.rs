//! Files under signed URLs, with real sessions behind them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Connector, Server, Settings};
use snowflake_emulator::results::{Spool, SpoolLimits};
use snowflake_emulator::session::{Instance, InstanceConfig};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::client::{Answer, post, send};

struct Served {
    address: SocketAddr,
    token: String,
    _stop: DropGuard,
    _folder: TempDir,
}

impl Served {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let limits = SpoolLimits {
            memory_bytes_max: 1 << 20,
            first_bytes_max: 32 << 20,
            disk_bytes_max: 1 << 20,
        };
        let spool = Spool::open(folder.path(), limits).unwrap();
        let instance = Arc::new(Instance::open(&InstanceConfig::in_memory()).unwrap());
        let connector = Connector::new(
            Settings::default(),
            Accounts::Anyone,
            Arc::new(Arc::clone(&instance)),
            spool,
        );
        instance.give_results(connector.results());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::new(listener, connector);
        let address = server.address().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(stop.clone()));
        let mut served = Self {
            address,
            token: String::new(),
            _stop: stop.drop_guard(),
            _folder: folder,
        };
        served.log_in(json!({})).await;
        served.run("create database d").await;
        served
    }

    /// Goes on as a client that identifies itself so.
    async fn log_in(&mut self, mut data: Value) {
        data["LOGIN_NAME"] = json!("ann");
        data["PASSWORD"] = json!("any");
        let login = json!({ "data": data });
        let answer = post(self.address, "/session/v1/login-request", None, &login).await;
        let answer = answer.json();
        self.token = String::from(answer["data"]["token"].as_str().unwrap());
    }

    async fn ask(&self, body: Value) -> Value {
        let path = format!("/queries/v1/query-request?requestId={}", uuid::Uuid::new_v4());
        post(self.address, &path, Some(&self.token), &body).await.json()
    }

    async fn run(&self, sql: &str) -> Value {
        let answer = self.ask(json!({ "sqlText": sql })).await;
        assert_eq!(answer["success"], true, "{sql}: {answer}");
        answer["data"].clone()
    }

    /// Uses a URL of an answer.
    async fn go(&self, method: Method, url: &Value, headers: &[(&str, String)], body: &str) -> Answer {
        let url = url.as_str().unwrap();
        let path = url.strip_prefix(&format!("http://{}", self.address)).unwrap();
        let body = Bytes::from(body.to_owned());
        send(self.address, method, path, headers, body).await
    }
}

#[tokio::test]
async fn a_file_goes_in_and_comes_out() {
    let served = Served::start().await;
    served.run("create stage s").await;
    let put = served.run("put file:///tmp/a.csv @s/in parallel=7").await;
    assert_eq!(
        (&put["command"], &put["parallel"], &put["statementTypeId"]),
        (&json!("UPLOAD"), &json!(7), &json!(0x7102))
    );
    let url = &put["stageInfo"]["presignedUrl"];
    let text = "1,one\n".repeat(100_000);
    let done = served.go(Method::PUT, url, &[], &text).await;
    assert_eq!(done.status, StatusCode::OK);
    let listed = served.run("list @s").await;
    assert_eq!(listed["rowset"][0][0], "s/in/a.csv.gz");
    assert_eq!(listed["rowset"][0][1], text.len().to_string());

    // Who must not replace anything is told; who does not say so leaves what is there.
    let new = [("x-goog-if-generation-match", "0".to_owned())];
    let refused = served.go(Method::PUT, url, &new, "other").await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(
        served.go(Method::PUT, url, &[], "other").await.status,
        StatusCode::OK
    );

    let get = served.run("get @s/in file:///tmp").await;
    assert_eq!(
        (&get["command"], &get["src_locations"]),
        (&json!("DOWNLOAD"), &json!(["a.csv.gz"]))
    );
    let got = served.go(Method::GET, &get["presignedUrls"][0], &[], "").await;
    assert_eq!(got.status, StatusCode::OK);
    assert!(got.body == text.as_bytes(), "{} bytes came", got.body.len());

    // A URL is good for what it was made for, and for nothing else.
    let (to_put, to_get) = (url.clone(), get["presignedUrls"][0].clone());
    for (method, url) in [
        (Method::GET, to_put),
        (Method::PUT, to_get),
        (
            Method::PUT,
            json!(format!("http://{}/stages/0123456789abcdef", served.address)),
        ),
    ] {
        let answer = served.go(method, &url, &[], "x").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{url}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_all_files_of_a_place() {
    let mut served = Served::start().await;
    served.run("create stage s").await;
    served.run("create stage other").await;
    served
        .log_in(json!({ "CLIENT_APP_ID": "PythonConnector", "CLIENT_APP_VERSION": "5.2.0" }))
        .await;
    let put = served.run("put file:///tmp/*.csv @d.public.s/in").await;
    let place = &put["stageInfo"];
    assert_eq!(place["presignedUrl"], Value::Null);
    let folder = format!(
        "{}/{}",
        place["endPoint"].as_str().unwrap(),
        place["location"].as_str().unwrap()
    );
    let token = place["creds"]["GCS_ACCESS_TOKEN"].as_str().unwrap();
    let bearer = |token: &str| [("authorization", format!("Bearer {token}"))];
    let try_all = async |name: &str, token: &str| {
        let url = json!(format!("{folder}{name}"));
        let looked = served.go(Method::HEAD, &url, &bearer(token), "").await.status;
        let put = served.go(Method::PUT, &url, &bearer(token), name).await.status;
        (looked, put)
    };
    for name in ["a.csv.gz", "b%20%C3%BC.csv.gz"] {
        assert_eq!(
            try_all(name, token).await,
            (StatusCode::NOT_FOUND, StatusCode::OK)
        );
        assert_eq!(try_all(name, token).await, (StatusCode::OK, StatusCode::OK));
    }
    let listed = served.run("list @d.public.s").await;
    assert_eq!(
        [&listed["rowset"][0][0], &listed["rowset"][1][0]],
        ["s/in/a.csv.gz", "s/in/b ü.csv.gz"]
    );

    let forbidden = (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN);
    for name in ["../x", "%2e%2e/x", "", "%zz", "../../named-2/x"] {
        assert_eq!(try_all(name, token).await, forbidden, "{name}");
    }
    let unknown = (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED);
    assert_eq!(try_all("a.csv.gz", "0123").await, unknown);
    // A token is no URL, and a URL's secret no token.
    let url = json!(format!("http://{}/stages/{token}", served.address));
    let answer = served.go(Method::PUT, &url, &[], "x").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let get = served.run("get @d.public.s/in file:///tmp").await;
    let secret = get["presignedUrls"][0]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap();
    assert_eq!(try_all("a.csv.gz", secret).await, forbidden);
    assert_eq!(served.run("list @d.public.other").await["rowset"], json!([]));
}

#[tokio::test]
async fn names_that_lead_out_are_refused() {
    let served = Served::start().await;
    served.run("create stage s").await;
    for sql in [
        "put file:///tmp/a.csv @s/../../etc",
        "put file:///tmp/a.csv @s//a",
        "put file:///tmp/a.csv '@~/../x'",
    ] {
        let answer = served.ask(json!({ "sqlText": sql })).await;
        assert_eq!(answer["code"], "001003", "{sql}: {answer}");
    }
    let put = served.run("put 'file:///tmp/..' @s auto_compress=false").await;
    let url = &put["stageInfo"]["presignedUrl"];
    assert_eq!(
        served.go(Method::PUT, url, &[], "x").await.status,
        StatusCode::FORBIDDEN
    );
    let answer = served
        .ask(json!({ "sqlText": "copy into @s/../x from (select 1)" }))
        .await;
    assert_eq!(answer["code"], "001003", "{answer}");
}

#[tokio::test]
async fn bound_values_come_by_way_of_a_stage_and_results_are_read_again() {
    let served = Served::start().await;
    served.run("create table t (a int, b varchar, d date)").await;
    served.run("begin").await;
    served.run("insert into t values (0, 'open', null)").await;
    served
        .run("create or replace temporary stage SYSTEM$BIND file_format=(type=csv field_optionally_enclosed_by='\"')")
        .await;
    let put = served
        .run("put file:///tmp/1 @SYSTEM$BIND/req auto_compress=false")
        .await;
    let rows = "\"1\",\"x, y\",\"2024-02-29\"\n2,\"\",\n";
    let url = &put["stageInfo"]["presignedUrl"];
    assert_eq!(
        served.go(Method::PUT, url, &[], rows).await.status,
        StatusCode::OK
    );
    let inserted = served
        .ask(json!({ "sqlText": "insert into t values (?, ?, ?)", "bindStage": "@SYSTEM$BIND/req" }))
        .await;
    assert_eq!(inserted["data"]["rowset"], json!([["2"]]), "{inserted}");
    // The stage did not commit what was open.
    served.run("rollback").await;
    assert_eq!(
        served.run("select count(*) from t").await["rowset"],
        json!([["0"]])
    );
    served
        .ask(json!({ "sqlText": "insert into t values (?, ?, ?)", "bindStage": "@SYSTEM$BIND/req" }))
        .await;
    let all = served.run("select * from t order by a").await;
    assert_eq!(
        all["rowset"],
        json!([["1", "x, y", "19782"], ["2", "", null]]),
        "{all}"
    );
    let again = served
        .run("select max(d), count(b) from table(result_scan(last_query_id())) where a > 0")
        .await;
    assert_eq!(again["rowset"], json!([["19782", "2"]]));
    let other = served
        .ask(json!({ "sqlText": format!("select 1 from table(result_scan('{}'))", uuid::Uuid::new_v4()) }))
        .await;
    assert_eq!(other["code"], "000709");
}

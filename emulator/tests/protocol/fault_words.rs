//! Each word for a fault, as a client meets it.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::json;
use snowflake_emulator::faults::{Faults, Rule};
use snowflake_emulator::protocol::{Accounts, Settings};
use snowflake_emulator::results::ChunkLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Fixture, get};

async fn start(rule: &str) -> Fixture {
    let rule = Rule::parse(rule).unwrap();
    let change = |settings: &mut Settings| {
        settings.faults = Some(Faults::new(1, vec![rule], settings.clock.now()));
        settings.chunk_limits = ChunkLimits {
            inline_weight_max: 1000,
            chunk_weight_max: 20_000,
        };
    };
    Fixture::with(change, Accounts::Anyone).await
}

#[tokio::test]
async fn drop_connection() {
    let fixture = start("drop-connection,on=query,times=1").await;
    let login = fixture.login().await;
    let mut stream = TcpStream::connect(fixture.address).await.unwrap();
    let body = r#"{"sqlText":"insert"}"#;
    let request = format!(
        "POST /queries/v1/query-request?requestId=r HTTP/1.1\r\nhost: x\r\nauthorization: Snowflake Token=\"{}\"\r\n\
         content-length: {}\r\n\r\n{body}",
        login.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(answer.is_empty());
    // What every client does then.
    assert_eq!(login.query("insert").await["data"]["rowset"], json!([["3"]]));
}

#[tokio::test]
async fn session_gone() {
    let fixture = start("session-gone,on=query,times=1").await;
    let login = fixture.login().await;
    assert_eq!(login.query("select 1").await["code"], "390111");
    assert_eq!(fixture.backend.runs.load(Ordering::SeqCst), 0);
    // It is gone for good: no token of it helps, and a new login does.
    assert_eq!(login.query("select 1").await["code"], "390111");
    assert_eq!(login.renew("RENEW").await["code"], "390111");
    assert_eq!(fixture.connector.session_count(), 0);
    assert_eq!(fixture.login().await.query("select 1").await["success"], true);
}

#[tokio::test]
async fn expire_token() {
    let fixture = start("expire-token,on=query,times=1").await;
    let mut login = fixture.login().await;
    assert_eq!(login.query("select 1").await["code"], "390112");
    let renewed = login.renew("RENEW").await;
    login.token = renewed["data"]["sessionToken"].as_str().unwrap().to_owned();
    assert_eq!(login.query("select 1").await["data"]["rowset"], json!([["1"]]));
    assert_eq!(fixture.connector.session_count(), 1, "the session went on");
}

#[tokio::test]
async fn warehouse_suspended() {
    let fixture = start("warehouse-suspended,on=query,times=1").await;
    let login = fixture.login().await;
    let refused = login.query("select 1").await;
    assert_eq!(
        (&refused["success"], &refused["code"]),
        (&json!(false), &json!("000606"))
    );
    assert!(
        refused["message"].as_str().unwrap().contains("warehouse"),
        "{refused}"
    );
    assert_eq!(fixture.backend.runs.load(Ordering::SeqCst), 0);
    assert_eq!(login.query("select 1").await["success"], true, "it is resumed");
}

#[tokio::test]
async fn too_many_requests_and_unavailable() {
    for status in [429, 503] {
        let fixture = start(&format!("status={status},retry-after=1s,on=query,times=1")).await;
        let login = fixture.login().await;
        let path = "/queries/v1/query-request?requestId=r";
        let body = json!({ "sqlText": "select 1" });
        let refused = super::client::post(fixture.address, path, Some(&login.token), &body).await;
        assert_eq!(refused.status.as_u16(), status);
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(login.query("select 1").await["success"], true);
    }
}

#[tokio::test]
async fn slow_chunks() {
    let fixture = start("throttle=10,on=chunk,times=1").await;
    let login = fixture.login_arrow().await;
    let answer = login.query("rows 1000").await;
    let url = answer["data"]["chunks"][0]["url"].as_str().unwrap();
    let path = &url[url.find("/results/").unwrap()..];
    let mut stream = TcpStream::connect(fixture.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // Thousands of bytes were promised, and the rest takes minutes at this pace.
    let mut more = [0; 4096];
    let come = stream.try_read(&mut more).unwrap_or_default();
    assert!(come < 1000, "{come} bytes at once");
    // Others are not slowed, and neither is the same chunk later.
    let whole = get(fixture.address, path).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert!(whole.body.len() > 1000);
}

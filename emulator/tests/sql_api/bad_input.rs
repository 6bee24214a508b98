//! What is not as it should be gets Snowflake's kind of answer, and the server goes on.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::json;
use snowflake_emulator::protocol::{Accounts, Secret, User};
use uuid::Uuid;

use super::client::{Call, Fixture, STATEMENTS, handle};

fn post(body: impl Into<Bytes>) -> Call {
    Call::new(Method::POST, STATEMENTS, body)
}

fn select() -> Call {
    post(json!({ "statement": "select 1" }).to_string())
}

#[tokio::test]
async fn bodies_that_are_no_submission_are_refused() {
    let fixture = Fixture::start().await;
    for body in [
        Bytes::new(),
        Bytes::from_static(b"{"),
        Bytes::from_static(b"[]"),
        Bytes::from_static(b"null"),
        Bytes::from_static(b"{}"),
        Bytes::from_static(b"{\"statement\": 1}"),
        Bytes::from_static(b"{\"statement\": \"select '\xff\xfe'\"}"),
        Bytes::from_static(b"{\"statement\": \"select 1\", \"timeout\": -1}"),
        Bytes::from_static(b"{\"statement\": \"select 1\", \"bindings\": [1]}"),
        Bytes::from_static(b"{\"statement\": \"select 1\", \"parameters\": {\"nonsense\": 1}}"),
        Bytes::from_static(b"{\"statement\": \"select 1\", \"resultSetMetaData\": {\"format\": \"arrow\"}}"),
        Bytes::from("[".repeat(100_000)),
        Bytes::from(format!(
            "{{\"statement\":{}1{}}}",
            "[".repeat(1000),
            "]".repeat(1000)
        )),
    ] {
        let json = fixture.send(post(body)).await.refused(400, "390142");
        let message = json["message"].as_str().unwrap();
        assert!(
            message.starts_with("Incoming request does not contain a valid payload."),
            "{message}"
        );
    }
    fixture.send(select()).await.with(200);
}

#[tokio::test]
async fn query_strings_are_checked() {
    let fixture = Fixture::start().await;
    for query in ["requestId=7", "async=maybe", "nullable=1", "retry=x"] {
        let mut call = select();
        call.path = format!("{STATEMENTS}?{query}");
        fixture.send(call).await.refused(400, "390142");
    }
    let handle = handle(&fixture.ok("select 1").await);
    for query in ["partition=-1", "partition=x", "partition=1", "requestId=7"] {
        fixture
            .get(&format!("{STATEMENTS}/{handle}?{query}"))
            .await
            .refused(400, "390142");
    }
}

#[tokio::test]
async fn headers_are_checked() {
    let fixture = Fixture::start().await;
    fixture
        .send(select().without("user-agent"))
        .await
        .refused(400, "391903");
    let json = fixture
        .send(select().without("accept"))
        .await
        .refused(400, "391902");
    assert_eq!(json["message"], "Unsupported Accept header null is specified.");
    fixture
        .send(select().with("accept", "text/html"))
        .await
        .refused(400, "391902");
    for accept in ["*/*", "text/html, application/json;q=0.9", "application/*"] {
        fixture.send(select().with("accept", accept)).await.with(200);
    }
    fixture
        .send(select().with("content-type", "text/plain"))
        .await
        .refused(415, "390142");
    fixture
        .send(select().with("content-encoding", "br"))
        .await
        .refused(415, "390142");
    for kind in ["application/json; charset=utf-8", "Application/JSON"] {
        fixture.send(select().with("content-type", kind)).await.with(200);
    }
    fixture.send(select().without("content-type")).await.with(200);
}

#[tokio::test]
async fn endpoints_and_methods_are_checked() {
    let fixture = Fixture::start().await;
    for path in [
        "/api/v2",
        "/api/v2/hello",
        "/api/v2/statements/x/y",
        "/api/v2/statements/x/cancel/y",
    ] {
        fixture.get(path).await.refused(404, "390404");
    }
    for (method, path, allowed) in [
        (Method::GET, STATEMENTS, "POST"),
        (Method::DELETE, STATEMENTS, "POST"),
        (Method::POST, "/api/v2/statements/x", "GET"),
        (Method::GET, "/api/v2/statements/x/cancel", "POST"),
    ] {
        let answer = fixture.send(Call::new(method, path, "")).await;
        assert_eq!(answer.status.as_u16(), 405);
        assert_eq!(answer.header("allow"), Some(allowed));
        assert!(answer.body.is_empty());
    }
}

#[tokio::test]
async fn handles_of_nobody_and_of_others_are_unknown() {
    let fixture = Fixture::with(|setup| {
        let user = |name: &str| User::new(name).with_token(Secret::new(format!("token-of-{name}")));
        setup.accounts = Accounts::from(vec![user("ann"), user("bob")]);
    })
    .await;
    let as_ann = |call: Call| call.with("authorization", "Bearer token-of-ann");
    let as_bob = |call: Call| call.with("authorization", "Bearer token-of-bob");
    let own = handle(&fixture.send(as_ann(select())).await.with(200));
    let unknown = Uuid::new_v4().to_string();
    for handle in [own.as_str(), &unknown, "no-uuid", &"x".repeat(5000)] {
        let path = format!("{STATEMENTS}/{handle}");
        let json = fixture
            .send(as_bob(Call::new(Method::GET, &path, "")))
            .await
            .refused(422, "000709");
        assert_eq!(json["sqlState"], "02000");
        assert!(json["message"].as_str().unwrap().ends_with("not found"));
        let cancel = Call::new(Method::POST, &format!("{path}/cancel"), "");
        fixture.send(as_bob(cancel)).await.refused(422, "000709");
    }
    let path = format!("{STATEMENTS}/{own}");
    fixture
        .send(as_ann(Call::new(Method::GET, &path, "")))
        .await
        .with(200);
}

#[tokio::test]
async fn large_bodies_are_refused_and_forgotten() {
    let fixture = Fixture::start().await;
    let body = Bytes::from(vec![b' '; 100 * 1024 * 1024]);
    fixture.send(post(body)).await.refused(413, "390142");
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1024 * 1024];
    for _ in 0..64 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1024 * 1024);
    fixture
        .send(post(bomb).with("content-encoding", "gzip"))
        .await
        .refused(413, "390142");
    fixture
        .send(post("no gzip").with("content-encoding", "gzip"))
        .await
        .refused(400, "390142");
    fixture.send(select()).await.with(200);
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let fixture = Fixture::start().await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed
        .write_all(json!({ "statement": "select 7" }).to_string().as_bytes())
        .unwrap();
    let call = post(packed.finish().unwrap()).with("content-encoding", "gzip");
    assert_eq!(fixture.send(call).await.with(200)["data"], json!([["7"]]));
}

#[tokio::test]
async fn a_huge_statement_is_the_statements_fault() {
    let fixture = Fixture::start().await;
    let sql = format!("select '{}'", "x".repeat(2 * 1024 * 1024));
    let json = fixture.submit(&json!({ "statement": sql })).await.with(422);
    assert_eq!(json["sqlState"], "54000");
}

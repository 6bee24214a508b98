//! Limits: statements at a time, requests a second; and what is counted.

use std::num::NonZeroU32;

use serde_json::json;
use snowflake_emulator::protocol::{Accounts, Secret, User};
use snowflake_emulator::sql_api::RateLimit;

use super::client::{Call, Fixture, STATEMENTS, handle};

const LONG: &str = "call system$wait(60)";

fn submission(user: &str, sql: &str) -> Call {
    let body = json!({ "statement": sql }).to_string();
    Call::new(http::Method::POST, &format!("{STATEMENTS}?async=true"), body)
        .with("authorization", &format!("Bearer token-of-{user}"))
}

fn ann_and_bob() -> Accounts {
    let user = |name: &str| User::new(name).with_token(Secret::new(format!("token-of-{name}")));
    Accounts::from(vec![user("ann"), user("bob")])
}

#[tokio::test]
async fn a_user_runs_only_so_much_at_a_time() {
    let fixture = Fixture::with(|setup| {
        setup.accounts = ann_and_bob();
        setup.api.statements_per_user_max = 2;
        setup.api.statements_max = 3;
    })
    .await;
    let first = fixture.send(submission("ann", LONG)).await.with(202);
    fixture.send(submission("ann", LONG)).await.with(202);
    let answer = fixture.send(submission("ann", LONG)).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.refused(429, "390505");
    fixture.send(submission("bob", LONG)).await.with(202);
    fixture.send(submission("bob", LONG)).await.refused(429, "390505");
    // A place is free as soon as its statement is known to have ended.
    let path = format!("{STATEMENTS}/{}", handle(&first));
    let as_ann =
        |method, path: &str| Call::new(method, path, "").with("authorization", "Bearer token-of-ann");
    fixture
        .send(as_ann(http::Method::POST, &format!("{path}/cancel")))
        .await
        .with(200);
    while fixture
        .send(as_ann(http::Method::GET, &path))
        .await
        .status
        .as_u16()
        == 202
    {}
    fixture.send(submission("ann", LONG)).await.with(202);
}

#[tokio::test]
async fn a_user_asks_only_so_fast() {
    let fixture = Fixture::with(|setup| {
        setup.accounts = ann_and_bob();
        setup.api.rate = Some(RateLimit {
            // As good as never again within the test.
            per_second: NonZeroU32::new(1).unwrap(),
            burst: NonZeroU32::new(2).unwrap(),
        });
        let start = std::time::Instant::now();
        setup.settings.clock = snowflake_emulator::protocol::Clock::new(move || start);
    })
    .await;
    for _ in 0..2 {
        fixture.send(submission("ann", "select 1")).await.with(202);
    }
    let answer = fixture.send(submission("ann", "select 1")).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    let json = answer.refused(429, "390505");
    assert_eq!(json["message"], "Too many requests.");
    fixture.send(submission("bob", "select 1")).await.with(202);
}

#[tokio::test]
async fn what_was_asked_is_counted() {
    let fixture = Fixture::start().await;
    fixture.ok("select 1").await;
    fixture
        .submit(&json!({ "statement": "select nope" }))
        .await
        .with(422);
    fixture.get("/api/v2/hello").await.with(404);
    let answer = fixture.get("/metrics").await;
    assert_eq!(answer.status.as_u16(), 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let text = std::str::from_utf8(&answer.body).unwrap();
    for line in [
        "snowflake_emulator_http_requests_total{endpoint=\"sql_api_submit\",method=\"POST\",status=\"200\"} 1",
        "snowflake_emulator_http_requests_total{endpoint=\"sql_api_submit\",method=\"POST\",status=\"422\"} 1",
        "snowflake_emulator_http_requests_total{endpoint=\"sql_api_other\",method=\"GET\",status=\"404\"} 1",
        "snowflake_emulator_http_request_duration_seconds_count{endpoint=\"sql_api_submit\"} 2",
        "snowflake_emulator_statements_running 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn nothing_is_counted_unless_asked_for() {
    let fixture = Fixture::with(|setup| setup.settings.metrics = None).await;
    assert_eq!(fixture.get("/metrics").await.status.as_u16(), 404);
}

//! The SQL API under faults, and turned off.

use std::time::Instant;

use serde_json::json;
use snowflake_emulator::faults::{Faults, Rule};

use super::client::Fixture;

async fn faulty(rules: &[&str]) -> Fixture {
    let rules = rules.iter().map(|rule| Rule::parse(rule).unwrap()).collect();
    Fixture::with(|setup| setup.settings.faults = Some(Faults::new(0, rules, Instant::now()))).await
}

#[tokio::test]
async fn faults_meet_its_requests() {
    let fixture = faulty(&["status=429,retry-after=2,on=/api/v2/statements,times=1"]).await;
    let answer = fixture.submit(&json!({ "statement": "select 1" })).await;
    assert_eq!(answer.status.as_u16(), 429);
    assert_eq!(answer.header("retry-after"), Some("2"));
    assert_eq!(fixture.data("select 1").await, json!([["1"]]));
}

#[tokio::test]
async fn faults_look_at_its_statements() {
    let fixture = faulty(&["status=503,sql~=^create"]).await;
    let create = fixture.submit(&json!({ "statement": "create database d" })).await;
    assert_eq!(create.status.as_u16(), 503);
    assert_eq!(fixture.data("select 1").await, json!([["1"]]));
}

#[tokio::test]
async fn what_is_not_enabled_is_forbidden() {
    let fixture = Fixture::with(|setup| setup.api.enabled = false).await;
    let answer = fixture.submit(&json!({ "statement": "select 1" })).await;
    answer.refused(403, "390403");
    fixture.get("/health").await.with(200);
}

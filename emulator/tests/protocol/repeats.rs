//! Requests that are sent again: whatever became of the first one, its statement runs once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use snowflake_emulator::protocol::Accounts;

use super::client::{Fixture, Login, eventually};

/// Sends a statement under request id `r1` for the so-manieth time, as drivers do.
async fn attempt(login: &Login, sql: &str, number: u32) -> Value {
    let retry = match number {
        0 => String::new(),
        _ => format!("&clientStartTime=1700000000000&retryCount={number}&retryReason=503"),
    };
    let guid = uuid::Uuid::new_v4();
    let path = format!("/queries/v1/query-request?requestId=r1&request_guid={guid}{retry}");
    login.post(&path, &json!({ "sqlText": sql })).await
}

fn runs(fixture: &Fixture) -> usize {
    fixture.backend.runs.load(Ordering::SeqCst)
}

#[tokio::test]
async fn while_it_runs_and_after() {
    let soon = |settings: &mut snowflake_emulator::protocol::Settings| {
        settings.answer_wait_max = Duration::from_millis(20);
    };
    let fixture = Fixture::with(soon, Accounts::Anyone).await;
    let login = fixture.login().await;
    let first = attempt(&login, "wait", 0).await;
    let second = attempt(&login, "wait", 1).await;
    for answer in [&first, &second] {
        assert_eq!(answer["code"], "333333");
        assert_eq!(answer["data"]["queryId"], first["data"]["queryId"]);
    }
    fixture.backend.release.notify_waiters();
    eventually("it ends", async || {
        attempt(&login, "wait", 2).await["code"].is_null()
    })
    .await;
    let last = attempt(&login, "wait", 3).await;
    assert_eq!(last["data"]["rowset"], json!([["7"]]));
    assert_eq!(last["data"]["queryId"], first["data"]["queryId"]);
    assert_eq!(runs(&fixture), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_at_once() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let login = Arc::new(login);
    let attempts: Vec<_> = (0..16)
        .map(|number| {
            let login = Arc::clone(&login);
            tokio::spawn(async move { attempt(&login, "insert", number).await })
        })
        .collect();
    let mut ids = HashSet::new();
    for attempt in attempts {
        ids.insert(attempt.await.unwrap()["data"]["queryId"].to_string());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(runs(&fixture), 1);
}

#[tokio::test]
async fn after_it_failed_or_was_stopped() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let first = attempt(&login, "fail", 0).await;
    let second = attempt(&login, "fail", 1).await;
    assert_eq!(first["code"], "002003");
    assert_eq!(first, second);
    assert_eq!(runs(&fixture), 1);

    let login = fixture.login().await;
    let body = json!({ "sqlText": "wait", "asyncExec": true });
    let path = "/queries/v1/query-request?requestId=r1";
    let first = login.post(path, &body).await;
    eventually("it is stopped", async || {
        let abort = login
            .post("/queries/v1/abort-request", &json!({ "requestId": "r1" }))
            .await;
        abort["code"] == "000605"
    })
    .await;
    let second = attempt(&login, "wait", 1).await;
    assert_eq!(second["code"], "000604");
    assert_eq!(second["data"]["queryId"], first["data"]["queryId"]);
    let third = login.post(path, &body).await;
    assert_eq!(third, first, "who does not wait is told again where to ask");
}

#[tokio::test]
async fn with_new_tokens() {
    let fixture = Fixture::start().await;
    let mut login = fixture.login().await;
    let first = attempt(&login, "insert", 0).await;
    let renewed = login.renew("RENEW").await;
    login.token = renewed["data"]["sessionToken"].as_str().unwrap().to_owned();
    let second = attempt(&login, "insert", 1).await;
    assert_eq!(first["data"]["queryId"], second["data"]["queryId"]);
    assert_eq!(runs(&fixture), 1);
}

#[tokio::test]
async fn after_its_outcome_is_forgotten_it_is_refused() {
    let fixture = Fixture::with(|settings| settings.queries_kept_max = 1, Accounts::Anyone).await;
    let login = fixture.login().await;
    let first = attempt(&login, "insert", 0).await;
    login.query("select 1").await;
    eventually("it is forgotten", async || {
        attempt(&login, "insert", 1).await["code"] == "000612"
    })
    .await;
    let refused = attempt(&login, "insert", 2).await;
    assert_eq!(refused["data"]["queryId"], first["data"]["queryId"]);
    assert_eq!(runs(&fixture), 2);
    // So many statements later nobody repeats it any more, and its id is forgotten too.
    for _ in 0..1002 {
        login.query("select 1").await;
    }
    eventually("its id is forgotten", async || {
        attempt(&login, "insert", 3).await["success"] == true
    })
    .await;
}

//! Asking after statements, stopping them, and how long they are known.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use snowflake_emulator::protocol::Accounts;

use super::client::{Fixture, Login, eventually, get};

/// Starts a statement that waits, and gives its query id.
async fn waiting(fixture: &Fixture, login: &Login, request_id: &str) -> String {
    submitted(fixture, login, request_id, "wait").await
}

/// Starts a detached statement, and gives its query id.
async fn submitted(fixture: &Fixture, login: &Login, request_id: &str, sql: &str) -> String {
    let before = fixture.backend.runs.load(Ordering::SeqCst);
    let path = format!("/queries/v1/query-request?requestId={request_id}");
    let answer = login
        .post(&path, &json!({ "sqlText": sql, "asyncExec": true }))
        .await;
    eventually("it runs", async || {
        fixture.backend.runs.load(Ordering::SeqCst) > before
    })
    .await;
    answer["data"]["queryId"].as_str().unwrap().to_owned()
}

async fn monitored(login: &Login, id: &str) -> Value {
    login.get(&format!("/monitoring/queries/{id}")).await["data"]["queries"][0].clone()
}

#[tokio::test]
async fn a_statement_is_stopped_by_its_request_id() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let id = waiting(&fixture, &login, "r1").await;
    let abort = async |target: &str| {
        login
            .post(
                "/queries/v1/abort-request?requestId=new",
                &json!({ "requestId": target }),
            )
            .await
    };
    assert_eq!(abort("r1").await["success"], true);
    let outcome = login.get(&format!("/queries/{id}/result")).await;
    assert_eq!(outcome["code"], "000604");
    assert_eq!(outcome["data"]["sqlState"], "57014");
    assert_eq!(outcome["data"]["queryId"], id);
    for target in ["r1", "never"] {
        let refused = abort(target).await;
        assert_eq!(
            (&refused["success"], &refused["code"]),
            (&json!(false), &json!("000605"))
        );
    }
}

#[tokio::test]
async fn a_statement_is_stopped_by_its_query_id_also_from_another_session() {
    let fixture = Fixture::start().await;
    let (owner, colleague) = (fixture.login().await, fixture.login().await);
    let stranger = fixture
        .login_as(json!({ "LOGIN_NAME": "bob", "PASSWORD": "x" }))
        .await;
    let id = waiting(&fixture, &owner, "r1").await;
    let path = format!("/queries/{id}/abort-request");
    assert_eq!(stranger.post(&path, &json!({})).await["code"], "000605");
    eventually("it has its place", async || {
        monitored(&owner, &id).await["status"] == "QUEUED"
    })
    .await;
    assert_eq!(colleague.post(&path, &json!({})).await["success"], true);
    eventually("it is stopped", async || {
        monitored(&owner, &id).await["status"] == "ABORTED"
    })
    .await;
}

#[tokio::test]
async fn monitoring_tells_how_a_statement_went() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let id = |answer: Value| answer["data"]["queryId"].as_str().unwrap().to_owned();
    let good = monitored(&login, &id(login.query("select 1").await)).await;
    assert_eq!(good["status"], "SUCCESS");
    assert_eq!(
        good["errorCode"],
        Value::Null,
        "any text here is an error to some clients"
    );
    assert_eq!(good["sqlText"], "select 1");
    assert_eq!(good["sessionId"], login.data["sessionId"]);
    assert_eq!(good["stats"]["producedRows"], 1);
    assert!(good["endTime"].as_u64() >= good["startTime"].as_u64());
    let bad = monitored(&login, &id(login.query("fail").await)).await;
    assert_eq!(bad["status"], "FAILED_WITH_ERROR");
    assert_eq!(bad["errorCode"], "002003");
    let running = monitored(&login, &waiting(&fixture, &login, "r1").await).await;
    assert_eq!(running["endTime"], 0);
    for told in [good, bad, running] {
        assert_eq!(told["warehouseName"], "WH", "{told}");
    }
    let unknown = login
        .get(&format!("/monitoring/queries/{}", uuid::Uuid::new_v4()))
        .await;
    assert_eq!(unknown["data"]["queries"], json!([]));
}

#[tokio::test]
async fn results_can_be_read_again_by_the_same_user_only() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let id = login.query("select 4").await["data"]["queryId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/queries/{id}/result");
    let later = fixture.login().await;
    assert_eq!(later.get(&path).await["data"]["rowset"], json!([["4"]]));
    let stranger = fixture
        .login_as(json!({ "LOGIN_NAME": "bob", "PASSWORD": "x" }))
        .await;
    assert_eq!(stranger.get(&path).await["code"], "000612");
    assert_eq!(later.get("/queries/nonsense/result").await["code"], "000612");
}

#[tokio::test]
async fn outcomes_are_forgotten_in_time() {
    let fixture = Fixture::with(
        |settings| {
            settings.queries_kept_max = 2;
            settings.result_life = Duration::from_secs(100);
        },
        Accounts::Anyone,
    )
    .await;
    let login = fixture.login().await;
    let mut paths = Vec::new();
    for number in 0..3 {
        let answer = login.query(&format!("select {number}")).await;
        paths.push(format!(
            "/queries/{}/result",
            answer["data"]["queryId"].as_str().unwrap()
        ));
    }
    eventually("the oldest goes", async || {
        login.get(&paths[0]).await["code"] == "000612"
    })
    .await;
    assert_eq!(login.get(&paths[2]).await["success"], true);

    let other = fixture.login().await;
    login.post("/session?delete=true", &json!({})).await;
    fixture.connector.sweep().await;
    assert_eq!(
        other.get(&paths[2]).await["success"],
        true,
        "a result outlives its session"
    );
    fixture.skip(Duration::from_secs(101));
    fixture.connector.sweep().await;
    assert_eq!(other.get(&paths[2]).await["code"], "000612");
}

#[tokio::test]
async fn health_needs_no_login_and_counts() {
    let fixture = Fixture::start().await;
    let _one = fixture.login().await;
    let two = fixture.login().await;
    waiting(&fixture, &two, "r1").await;
    let health = get(two.address, "/health").await.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(
        (&health["sessions"], &health["statements"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test]
async fn a_detached_statement_outlives_its_session_and_the_others_do_not() {
    let fixture = Fixture::start().await;
    let (login, later) = (fixture.login().await, fixture.login().await);
    let alone = submitted(&fixture, &login, "r1", "wait alone").await;
    let bound = submitted(&fixture, &login, "r2", "wait").await;
    assert_eq!(monitored(&later, &alone).await["status"], "RUNNING");
    login.post("/session?delete=true", &json!({})).await;
    eventually("what needs the session ends with it", async || {
        monitored(&later, &bound).await["status"] == "ABORTED"
    })
    .await;
    assert_eq!(monitored(&later, &alone).await["status"], "RUNNING");
    fixture.backend.release.notify_waiters();
    let outcome = later.get(&format!("/queries/{alone}/result")).await;
    assert_eq!(outcome["data"]["rowset"], json!([["7"]]));

    // Also when it is told to stop by whoever has the same user.
    let login = fixture.login().await;
    let alone = submitted(&fixture, &login, "r1", "wait alone").await;
    login.post("/session?delete=true", &json!({})).await;
    let abort = format!("/queries/{alone}/abort-request");
    assert_eq!(later.post(&abort, &json!({})).await["success"], true);
    let outcome = later.get(&format!("/queries/{alone}/result")).await;
    assert_eq!(outcome["code"], "000604");
}

#[tokio::test]
async fn a_session_may_want_its_detached_statements_aborted() {
    let fixture = Fixture::start().await;
    let later = fixture.login().await;
    let login = fixture
        .login_as(json!({ "LOGIN_NAME": "ann", "PASSWORD": "x",
            "SESSION_PARAMETERS": { "ABORT_DETACHED_QUERY": true } }))
        .await;
    let alone = submitted(&fixture, &login, "r1", "wait alone").await;
    login.post("/session?delete=true", &json!({})).await;
    let outcome = later.get(&format!("/queries/{alone}/result")).await;
    assert_eq!(outcome["code"], "000604");
}

#[tokio::test]
async fn the_end_of_the_server_ends_what_outlived_its_session() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    submitted(&fixture, &login, "r1", "wait alone").await;
    login.post("/session?delete=true", &json!({})).await;
    // Would never come back otherwise.
    fixture.connector.close().await;
}

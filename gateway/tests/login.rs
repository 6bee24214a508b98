//! Logging in, staying logged in, logging out, and who is let in at the loopback door.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod client;
mod mock;

use std::time::Duration;

use client::{Client, config, plan};
use mock::{Mock, failure, success, until};
use serde_json::{Value, json};
use snowflake_session_gateway::{
    Fate, Gateway, GatewayConfig, GatewayError, LoginFailure, LoginPlan, NONCE_PARAMETER,
};
use url::Url;

#[tokio::test]
async fn login_adds_identity_and_hides_the_nonce() {
    let mock = Mock::start().await;
    let client = Client::connect(&mock).await;
    let login = &mock.seen("session/v1/login-request")[0];
    let data = &login.body["data"];
    assert_eq!(
        (&data["CLIENT_APP_ID"], &data["PASSWORD"]),
        (&json!("Go"), &json!("hunter2"))
    );
    assert_eq!(data["CLIENT_ENVIRONMENT"]["APPLICATION"], "snowflake-session");
    assert_eq!(
        data["SESSION_PARAMETERS"],
        json!({}),
        "always there, without the nonce"
    );
    assert_eq!(login.pairs["warehouse"], "WH");
    assert!(
        login.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("snowflake-session/")
    );
    assert_eq!(client.session.facts().session_id, Some(77));
}

#[tokio::test]
async fn a_login_answer_with_only_a_token_is_enough() {
    let mock = Mock::start().await;
    mock.on("session/v1/login-request", |_| async {
        success(json!({ "token": "session-0" }))
    });
    let client = Client::connect(&mock).await;
    assert_eq!(
        client.query("select 1").await.unwrap().answer.query_id.as_deref(),
        Some("query-1")
    );
}

#[tokio::test]
async fn the_authenticator_can_be_replaced() {
    let mock = Mock::start().await;
    let plan = LoginPlan {
        authenticator: Some("PROGRAMMATIC_ACCESS_TOKEN"),
        ..plan(mock.url())
    };
    Client::start(&mock, config(), plan).await.unwrap();
    assert_eq!(
        mock.seen("session/v1/login-request")[0].body["data"]["AUTHENTICATOR"],
        "PROGRAMMATIC_ACCESS_TOKEN"
    );
}

#[tokio::test]
async fn a_refused_login_keeps_code_and_state() {
    let mock = Mock::start().await;
    mock.on("session/v1/login-request", |_| async {
        failure(
            "390100",
            "Incorrect username or password was specified.",
            json!({ "sqlState": "28000" }),
        )
    });
    let Err(failure) = Client::start(&mock, config(), plan(mock.url())).await else {
        panic!("logged in")
    };
    let LoginFailure::Refused {
        code,
        sql_state,
        message,
    } = failure
    else {
        panic!("{failure:?}")
    };
    assert_eq!(
        (code.as_deref(), sql_state.as_deref()),
        (Some("390100"), Some("28000"))
    );
    assert!(message.contains("Incorrect username"));
}

#[tokio::test]
async fn nothing_is_served_without_our_token_or_nonce() {
    let mock = Mock::start().await;
    let client = Client::connect(&mock).await;
    let url = |path: &str| client.gateway.local_url().join(path).unwrap();
    let login = json!({ "data": { "SESSION_PARAMETERS": { (NONCE_PARAMETER): "guess" } } });
    let attempts = [
        client.http.post(url("session/v1/login-request")).json(&login),
        client.http.post(url("session/v1/login-request")).body("not json"),
        client
            .http
            .post(url("queries/v1/query-request?requestId=1"))
            .json(&json!({ "sqlText": "select 1" })),
        client
            .http
            .post(url("queries/v1/query-request"))
            .header("authorization", "Snowflake Token=\"session-0\""),
        client
            .http
            .get(url("queries/x/result"))
            .header("authorization", "Snowflake Token=\"guess\""),
    ];
    for attempt in attempts {
        assert_eq!(attempt.send().await.unwrap().status(), 401);
    }
    assert_eq!(mock.seen("session/v1/login-request").len(), 1);
    assert!(mock.queries().is_empty());
}

#[tokio::test]
async fn a_nonce_works_once() {
    let mock = Mock::start().await;
    let gateway = Gateway::start(config()).await.unwrap();
    let login = gateway.announce_login(plan(mock.url()));
    let body = json!({ "data": { "SESSION_PARAMETERS": { (NONCE_PARAMETER): login.nonce() } } });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let send = || {
        http.post(gateway.local_url().join("session/v1/login-request").unwrap())
            .json(&body)
            .send()
    };
    assert_eq!(send().await.unwrap().status(), 200);
    assert_eq!(send().await.unwrap().status(), 401);
    login.finish().unwrap();
}

#[tokio::test]
async fn an_unreachable_server_is_reported_with_its_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let gateway = Gateway::start(config()).await.unwrap();
    let login = gateway.announce_login(plan(Url::parse(&format!("http://{address}/")).unwrap()));
    let body = json!({ "data": { "SESSION_PARAMETERS": { (NONCE_PARAMETER): login.nonce() } } });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(gateway.local_url().join("session/v1/login-request").unwrap())
        .json(&body)
        .send()
        .await
        .unwrap();
    let Err(LoginFailure::Gateway(GatewayError::Unreachable {
        endpoint,
        attempts,
        reason,
        fate,
    })) = login.finish()
    else {
        panic!("reached nobody");
    };
    assert_eq!(
        (endpoint, attempts, fate),
        (format!("http://{address}"), 3, Fate::NotRun)
    );
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_request_body_over_the_limit_is_refused_at_the_door() {
    let mock = Mock::start().await;
    let client = Client::start(
        &mock,
        GatewayConfig {
            request_body_bytes_max: 1024,
            ..config()
        },
        plan(mock.url()),
    );
    let client = client.await.unwrap();
    let sql = "x".repeat(2048);
    let reply = client
        .post("queries/v1/query-request?requestId=1", json!({ "sqlText": sql }))
        .await;
    assert_eq!(reply.status(), 413);
    assert!(mock.queries().is_empty());
}

#[tokio::test]
async fn an_idle_session_sends_heartbeats() {
    let mock = Mock::start().await;
    let plan = LoginPlan {
        keep_alive: true,
        ..plan(mock.url())
    };
    let config = GatewayConfig {
        heartbeat_interval: Duration::from_millis(5),
        ..config()
    };
    let client = Client::start(&mock, config, plan).await.unwrap();
    until("heartbeats came", || mock.seen("session/heartbeat").len() >= 2).await;
    mock.expire_token(200);
    until("a heartbeat renewed the token", || {
        mock.seen("session/token-request").len() == 1
    })
    .await;
    assert!(client.session.log_out().await);
    let logged_out = mock.seen("session");
    assert_eq!(logged_out[0].pairs["delete"], "true");
}

#[tokio::test]
async fn logout_of_a_session_the_server_forgot_counts() {
    let mock = Mock::start().await;
    mock.on("session", |seen| async move {
        if seen.path == "session" {
            failure("390111", "Session no longer exists.", Value::Null)
        } else {
            success(json!({ "token": "session-0" }))
        }
    });
    let client = Client::connect(&mock).await;
    assert!(client.session.log_out().await);
    assert!(client.session.is_over());
}

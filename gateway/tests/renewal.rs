//! What happens when tokens expire.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod client;
mod mock;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::Client;
use mock::{Mock, Reply, failure, success};
use serde_json::{Value, json};
use snowflake_session_gateway::{Fate, GatewayError};

#[tokio::test]
async fn eight_queries_that_meet_an_expired_token_renew_it_once() {
    for status in [200, 401] {
        let mock = Mock::start().await;
        let client = Arc::new(Client::connect(&mock).await);
        mock.expire_token(status);
        // All eight are refused before any of them hears of it, so that all of them want a renewal.
        mock.hold_refusals(8);
        let queries = (0..8).map(|number| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.query(&format!("select {number}")).await })
        });
        for query in queries.collect::<Vec<_>>() {
            assert!(query.await.unwrap().unwrap().answer.failure.is_none());
        }
        assert_eq!(mock.seen("session/token-request").len(), 1, "status {status}");
        let seen = mock.queries();
        let ids = |token: &str| {
            let mut ids: Vec<String> = seen
                .iter()
                .filter(|seen| seen.token().as_deref() == Some(token))
                .map(mock::Seen::request_id)
                .collect();
            ids.sort();
            ids
        };
        assert_eq!(ids("session-1").len(), 8);
        assert!(
            ids("session-0").iter().all(|id| ids("session-1").contains(id)),
            "replays keep their request id"
        );
    }
}

#[tokio::test]
async fn a_renewal_counts_in_the_cost_and_keeps_the_session() {
    let mock = Mock::start().await;
    let client = Client::connect(&mock).await;
    assert_eq!(client.query("select 1").await.unwrap().requests, 1);
    for _ in 0..3 {
        mock.expire_token(200);
        let captured = client.query("select 1").await.unwrap();
        assert_eq!(
            (captured.renewals, captured.requests, captured.retries),
            (1, 2, 0)
        );
    }
    assert!(!client.session.is_over());
}

#[tokio::test]
async fn an_expired_master_token_ends_the_session_for_good() {
    let mock = Mock::start().await;
    mock.on("session/token-request", |_| async {
        failure("390114", "Authentication token has expired.", Value::Null)
    });
    let client = Client::connect(&mock).await;
    mock.expire_token(200);
    for _ in 0..2 {
        let error = client.query("select 1").await.unwrap_err();
        assert!(
            matches!(&error, GatewayError::SessionExpired { code, .. } if code.as_deref() == Some("390114"))
        );
    }
    assert_eq!(
        mock.seen("session/token-request").len(),
        1,
        "a session that is over is not asked about again"
    );
    assert!(client.session.is_over());
}

#[tokio::test]
async fn a_gone_session_is_not_renewed() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { failure("390111", "Session no longer exists.", Value::Null) });
    let client = Client::connect(&mock).await;
    assert!(matches!(
        client.query("select 1").await,
        Err(GatewayError::SessionExpired { .. })
    ));
    assert!(mock.seen("session/token-request").is_empty());
}

#[tokio::test]
async fn without_a_master_token_expiry_is_final() {
    let mock = Mock::start().await;
    mock.on("session/v1/login-request", |_| async {
        success(json!({ "token": "session-0" }))
    });
    let client = Client::connect(&mock).await;
    mock.expire_token(401);
    let error = client.query("select 1").await.unwrap_err();
    assert!(matches!(&error, GatewayError::SessionExpired { code, .. } if code.as_deref() == Some("390104")));
}

#[tokio::test]
async fn a_renewal_that_cannot_reach_the_server_does_not_end_the_session() {
    let mock = Mock::start().await;
    let down = Arc::new(AtomicUsize::new(1));
    let client = Client::connect(&mock).await;
    mock.expire_token(200);
    mock.on("session/token-request", {
        let (mock, down) = (mock.clone(), Arc::clone(&down));
        move |seen| {
            let reply = if down.load(Ordering::SeqCst) == 1 {
                Reply::status(503)
            } else {
                mock.renew(&seen)
            };
            async move { reply }
        }
    });
    assert!(matches!(
        client.query("select 1").await,
        Err(GatewayError::Unreachable { .. })
    ));
    assert!(!client.session.is_over());
    down.store(0, Ordering::SeqCst);
    assert!(client.query("select 1").await.is_ok());
}

#[tokio::test]
async fn a_refusal_that_is_not_about_the_tokens_does_not_end_the_session() {
    for refusal in [
        Reply::status(403),
        Reply::bytes("<html>sign in to the network</html>"),
        Reply::bytes("<html>who are you</html>").with_status(401),
        failure("390422", "IP address is not allowed.", Value::Null),
        failure("000603", "Internal error.", Value::Null),
        success(json!({})),
    ] {
        let mock = Mock::start().await;
        let client = Client::connect(&mock).await;
        mock.expire_token(200);
        mock.on("session/token-request", {
            let (mock, asked) = (mock.clone(), AtomicUsize::new(0));
            move |seen| {
                let reply = if asked.fetch_add(1, Ordering::SeqCst) == 0 {
                    refusal.clone()
                } else {
                    mock.renew(&seen)
                };
                async move { reply }
            }
        });
        let error = client.query("insert into t values (1)").await.unwrap_err();
        assert!(!matches!(error, GatewayError::SessionExpired { .. }), "{error:?}");
        assert_eq!(error.fate(), Fate::NotRun, "{error:?}");
        assert!(client.query("select 1").await.is_ok());
    }
}

//! Sessions that begin with a statement: a programmatic access token and the client's own id in every request.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Secret, User};

use super::client::{Fixture, send};

async fn ask(fixture: &Fixture, path: &str, token: &str, id: &str, body: &Value) -> Value {
    let headers = [
        ("authorization", format!("Bearer {token}")),
        ("x-snowflake-external-session-id", id.to_owned()),
        ("user-agent", "PythonConnector/4.8.1 (Linux)".to_owned()),
    ];
    let body = Bytes::from(body.to_string());
    send(fixture.address, Method::POST, path, &headers, body)
        .await
        .json()
}

async fn query(fixture: &Fixture, token: &str, id: &str, sql: &str) -> Value {
    let body = json!({ "sqlText": sql });
    ask(fixture, "/queries/v1/query-request", token, id, &body).await
}

fn users() -> Accounts {
    Accounts::from(vec![
        User::new("ann").with_token(Secret::new("one")),
        User::new("bob").with_token(Secret::new("two")),
    ])
}

#[tokio::test]
async fn the_first_statement_opens_the_session_of_a_token_and_an_id() {
    let fixture = Fixture::with(|_| {}, users()).await;
    let beat = "/session/heartbeat";
    assert_eq!(
        ask(&fixture, beat, "one", "x", &json!({})).await["code"],
        "390111"
    );
    let (first, second) = tokio::join!(
        query(&fixture, "one", "x", "select 1"),
        query(&fixture, "one", "x", "select 1")
    );
    assert_eq!(
        (&first["success"], &second["success"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(first["data"]["queryResultFormat"], "arrow", "{first}");
    assert_eq!(fixture.connector.session_count(), 1);
    assert_eq!(ask(&fixture, beat, "one", "x", &json!({})).await["success"], true);
    query(&fixture, "one", "y", "select 1").await;
    query(&fixture, "two", "x", "select 1").await;
    let users: Vec<String> = fixture
        .backend
        .specs
        .lock()
        .unwrap()
        .iter()
        .map(|spec| spec.user.clone())
        .collect();
    assert_eq!(users, ["ANN", "ANN", "BOB"]);
    // It needs no token that lives on, and is kept as long as any session.
    fixture.skip(std::time::Duration::from_mins(5));
    fixture.connector.sweep().await;
    assert_eq!(fixture.connector.session_count(), 3);
    let left = ask(&fixture, "/session?delete=true", "one", "x", &json!({})).await;
    assert_eq!(
        (&left["success"], fixture.connector.session_count()),
        (&json!(true), 2)
    );
    assert_eq!(
        ask(&fixture, beat, "one", "x", &json!({})).await["code"],
        "390111"
    );
    assert_eq!(query(&fixture, "one", "x", "select 1").await["success"], true);
    assert_eq!(fixture.connector.session_count(), 3);
}

#[tokio::test]
async fn whose_token_opens_nothing_is_refused() {
    let fixture = Fixture::with(|_| {}, users()).await;
    for (token, id) in [("three", "x"), ("", "x"), ("one", "")] {
        let refused = query(&fixture, token, id, "select 1").await;
        assert_eq!(refused["code"], "394400", "{refused}");
    }
    assert_eq!(fixture.connector.session_count(), 0);
}

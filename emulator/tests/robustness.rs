//! Whatever comes in on either protocol is answered, or the connection ends; the server goes on.
//!
//! Each test sends a few hundred made-up requests to one parser: bodies that are nearly right, headers, paths,
//! bytes that are no HTTP. None may be answered with a failure of the server's own, and after all of them a
//! usual request is answered as ever.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "sql_api/client.rs"]
#[expect(dead_code, reason = "the client of other tests can do more")]
mod client;

use std::time::Duration;

use client::{Call, Fixture, STATEMENTS};
use http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const CASES: u32 = 200;

/// Longest wait for the end of a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs made-up cases against one server; always the same ones, so that what fails can be found again.
fn check<S: Strategy>(cases: S, send: impl AsyncFn(&Fixture, S::Value)) {
    let runtime = Runtime::new().unwrap();
    let fixture = runtime.block_on(Fixture::start());
    let config = Config {
        cases: CASES,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&cases, |case| {
            runtime.block_on(send(&fixture, case));
            Ok(())
        })
        .unwrap();
    let usual = runtime.block_on(fixture.data("select 1"));
    assert_eq!(usual, json!([["1"]]));
}

/// JSON of any shape, with the names that the protocols know among its keys.
fn any_json(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "select 1",
            "SNOWFLAKE_JWT",
            "OAUTH",
            "a.b.c",
            "0",
            "FIXED",
            "{}"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        let key = prop_oneof![
            3 => prop::sample::select(names).prop_map(str::to_owned),
            1 => ".{0,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A body: JSON of any shape, cut or damaged JSON, or any bytes.
fn any_body(names: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => any_json(names).prop_map(|json| json.to_string().into_bytes()),
        1 => (any_json(names), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(json, place, byte)| {
            let mut text = json.to_string().into_bytes();
            let place = place.index(text.len());
            text[place] = byte;
            text
        }),
        1 => prop::collection::vec(any::<u8>(), 0..128),
    ]
}

#[test]
fn submissions_of_the_sql_api() {
    let names = &[
        "statement",
        "timeout",
        "database",
        "schema",
        "warehouse",
        "role",
        "bindings",
        "parameters",
        "type",
        "value",
        "1",
        "multi_statement_count",
        "date_output_format",
        "timezone",
        "resultSetMetaData",
        "format",
    ];
    check(any_body(names), async |fixture, body| {
        fixture.answered(Call::new(Method::POST, STATEMENTS, body)).await;
    });
}

#[test]
fn query_strings_and_handles_of_the_sql_api() {
    check(
        ("[ -~]{0,40}", "[ -~]{0,40}", any::<bool>()),
        async |fixture, (handle, query, cancel)| {
            let encode =
                |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let end = if cancel { "/cancel" } else { "" };
            let path = format!(
                "{STATEMENTS}/{}{end}?{}&partition={}",
                encode(&handle),
                encode(&query),
                encode(&query)
            );
            let method = if cancel { Method::POST } else { Method::GET };
            fixture.answered(Call::new(method, &path, "")).await;
        },
    );
}

#[test]
fn headers_of_the_sql_api() {
    let value = "[ -~]{0,60}";
    check(
        (value, value, value, value),
        async |fixture, (token, kind, accept, content)| {
            let call = Call::new(Method::POST, STATEMENTS, "{}")
                .with("authorization", &format!("Bearer {token}"))
                .with("x-snowflake-authorization-token-type", &kind)
                .with("accept", &accept)
                .with("content-type", &content);
            fixture.answered(call).await;
        },
    );
}

#[test]
fn logins_of_the_connector_protocol() {
    let names = &[
        "data",
        "LOGIN_NAME",
        "PASSWORD",
        "AUTHENTICATOR",
        "TOKEN",
        "CLIENT_APP_ID",
        "SESSION_PARAMETERS",
        "TIMEZONE",
    ];
    check(any_body(names), async |fixture, body| {
        fixture
            .answered(Call::new(Method::POST, "/session/v1/login-request", body))
            .await;
    });
}

#[test]
fn statements_of_the_connector_protocol() {
    let names = &[
        "sqlText",
        "asyncExec",
        "describeOnly",
        "parameters",
        "bindings",
        "bindStage",
        "type",
        "value",
        "1",
        "requestId",
        "MULTI_STATEMENT_COUNT",
        "queryContextDTO",
        "requestType",
    ];
    let path = prop::sample::select(vec![
        "/queries/v1/query-request?requestId=x",
        "/queries/v1/abort-request",
        "/session/token-request",
        "/session/heartbeat",
        "/telemetry/send",
    ]);
    check((path, any_body(names)), async |fixture, (path, body)| {
        let login = json!({ "data": { "LOGIN_NAME": "ann", "PASSWORD": "any" } }).to_string();
        let login = fixture
            .send(Call::new(Method::POST, "/session/v1/login-request", login))
            .await;
        let login = login.json();
        let token = login["data"]["token"].as_str().unwrap().to_owned();
        let as_ann = |call: Call| call.with("authorization", &format!("Snowflake Token=\"{token}\""));
        fixture
            .answered(as_ann(Call::new(Method::POST, path, body)))
            .await;
        fixture
            .answered(as_ann(Call::new(Method::POST, "/session?delete=true", "")))
            .await;
    });
}

#[test]
fn bytes_that_are_no_http() {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "(GET|POST) [ -~]{0,40} HTTP/1\\.[01]\r\n([a-z-]{1,12}: [ -~]{0,20}\r\n){0,4}(\r\n)?"
            .prop_map(String::into_bytes),
    ];
    check(bytes, async |fixture, bytes| {
        let talk = async {
            let mut stream = TcpStream::connect(fixture.address).await?;
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        // A connection that is reset is an answer, too; one that stays open is none.
        let talked = tokio::time::timeout(PATIENCE, talk)
            .await
            .expect("the connection ends");
        if let Ok(answer) = talked {
            assert!(
                !answer.starts_with(b"HTTP/1.1 5"),
                "{:?}",
                String::from_utf8_lossy(&answer)
            );
        }
    });
}

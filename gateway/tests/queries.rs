//! Queries, retries, aborts and downloads.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod client;
mod mock;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::{Client, config, plan};
use mock::{Mock, Reply, failure, one, success, until};
use serde_json::{Map, Value, json};
use snowflake_session_gateway::{AbortAnswer, Directive, GatewayConfig, GatewayError, InlineRows};

#[tokio::test]
async fn the_crate_hears_success_and_the_rows_stay_here() {
    let mock = Mock::start().await;
    let client = Client::connect(&mock).await;
    let directive = Directive {
        parameters: Map::from_iter([("QUERY_TAG".to_owned(), json!("tag"))]),
        describe_only: true,
        async_exec: false,
        timeout: Duration::from_secs(5),
    };
    let pending = client.session.announce_query("request-1", directive);
    let reply: Value = client
        .post(
            "queries/v1/query-request?requestId=request-1",
            json!({ "sqlText": "select 1" }),
        )
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&reply["data"]["queryId"], &reply["data"]["rowset"]),
        (&json!("query-1"), &json!([]))
    );
    let captured = pending.take().unwrap().unwrap();
    assert!(matches!(&captured.answer.inline, InlineRows::Json(rows) if &rows[..] == b"[[\"1\"]]"));
    let query = &mock.queries()[0];
    assert_eq!(
        (query.request_id().as_str(), query.token().as_deref()),
        ("request-1", Some("session-0"))
    );
    assert_eq!(
        (
            &query.body["describeOnly"],
            &query.body["parameters"]["QUERY_TAG"]
        ),
        (&json!(true), &json!("tag"))
    );
}

#[tokio::test]
async fn an_unannounced_query_goes_through_as_it_is() {
    let mock = Mock::start().await;
    let client = Client::connect(&mock).await;
    let reply = client
        .post(
            "queries/v1/query-request?requestId=mine",
            json!({ "sqlText": "select 1" }),
        )
        .await;
    let reply: Value = reply.json().await.unwrap();
    assert_eq!(reply["data"]["rowset"], json!([["1"]]));
    assert_eq!(mock.queries()[0].body, json!({ "sqlText": "select 1" }));
}

#[tokio::test]
async fn busy_answers_are_retried_under_the_same_request_id() {
    for status in [503, 429, 408, 500] {
        let mock = Mock::start().await;
        let calls = Arc::new(AtomicUsize::new(0));
        mock.on_query(move |_| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                if call < 2 {
                    Reply::status(status)
                } else {
                    one("query-2")
                }
            }
        });
        let client = Client::connect(&mock).await;
        let captured = client.query("insert into t values (1)").await.unwrap();
        assert_eq!((captured.requests, captured.retries), (3, 2));
        let seen = mock.queries();
        assert_eq!(seen.len(), 3);
        assert!(
            seen.iter()
                .all(|again| again.request_id() == seen[0].request_id())
        );
        assert!(seen.iter().all(|again| again.body == seen[0].body));
        let guids: std::collections::HashSet<_> =
            seen.iter().map(|seen| &seen.pairs["request_guid"]).collect();
        assert_eq!(guids.len(), 3, "each attempt has its own guid");
        assert!(!seen[0].pairs.contains_key("retryCount"));
        let last = &seen[2].pairs;
        assert_eq!(
            (last["retryCount"].as_str(), last["retryReason"].as_str()),
            ("2", status.to_string().as_str())
        );
        assert!(last["clientStartTime"].parse::<u64>().is_ok());
    }
}

#[tokio::test]
async fn retries_end() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { Reply::status(503) });
    let mut config = config();
    config.retry.attempts_max = 3;
    let client = Client::start(&mock, config, plan(mock.url())).await.unwrap();
    let error = client.query("select 1").await.unwrap_err();
    let GatewayError::Unreachable { attempts, reason, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*attempts, reason.as_str()), (3, "HTTP status 503"));
    assert_eq!(mock.queries().len(), 3);
}

#[tokio::test]
async fn a_client_error_is_not_retried() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { Reply::status(400) });
    let client = Client::connect(&mock).await;
    assert!(matches!(
        client.query("select 1").await,
        Err(GatewayError::Refused { status: 400, .. })
    ));
    assert_eq!(mock.queries().len(), 1);
}

#[tokio::test]
async fn gzip_answers_are_read_and_limited() {
    let mock = Mock::start().await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&one("query-z").body).unwrap();
    let packed = packed.finish().unwrap();
    mock.on_query(move |seen| {
        assert_eq!(seen.headers["accept-encoding"], "gzip");
        let reply = Reply::bytes(packed.clone()).with_header("content-encoding", "gzip");
        async move { reply }
    });
    let client = Client::connect(&mock).await;
    assert_eq!(
        client.query("select 1").await.unwrap().answer.query_id.as_deref(),
        Some("query-z")
    );

    let small = GatewayConfig {
        answer_body_bytes_max: 500,
        ..config()
    };
    mock.on("session/v1/login-request", |_| async {
        success(json!({ "token": "session-0" }))
    });
    mock.on_query(|_| async { Reply::bytes(vec![b' '; 501]) });
    let client = Client::start(&mock, small, plan(mock.url())).await.unwrap();
    let error = client.query("select 1").await.unwrap_err();
    assert!(
        matches!(&error, GatewayError::Protocol { message } if message.contains("limit")),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_abort_that_overtakes_its_query_is_repeated() {
    let mock = Mock::start().await;
    let aborts = Arc::new(AtomicUsize::new(0));
    mock.on_query(|_| std::future::pending());
    mock.on("queries/v1/abort-request", {
        let aborts = Arc::clone(&aborts);
        move |_| {
            let round = aborts.fetch_add(1, Ordering::SeqCst);
            async move {
                if round < 2 {
                    failure("000605", "not running", Value::Null)
                } else {
                    success(Value::Null)
                }
            }
        }
    });
    let client = Arc::new(Client::connect(&mock).await);
    let running = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.query("select forever()").await }
    });
    until("the query arrived", || mock.queries().len() == 1).await;
    let request_id = mock.queries()[0].request_id();
    assert_eq!(
        client.session.abort_request(&request_id).await.unwrap(),
        AbortAnswer::Accepted
    );
    assert_eq!(aborts.load(Ordering::SeqCst), 3);
    assert_eq!(
        client.session.abort_request("unknown").await.unwrap(),
        AbortAnswer::Accepted
    );
    running.abort();
}

#[tokio::test]
async fn downloads_carry_the_given_headers_only_and_are_retried() {
    let mock = Mock::start().await;
    let client = Client::connect(&mock).await;
    let address = mock.offer("part", Reply::bytes("data"));
    let mut headers = http::HeaderMap::new();
    headers.insert("x-key", "secret".parse().unwrap());
    assert_eq!(client.session.download(&address, &headers).await.unwrap(), "data");
    let seen = &mock.seen("files/part")[0];
    assert_eq!(seen.headers["x-key"], "secret");
    assert!(
        seen.token().is_none(),
        "the session token is not shown to the storage"
    );

    let gone = mock.offer("gone", Reply::status(403));
    assert!(matches!(
        client.session.download(&gone, &headers).await,
        Err(GatewayError::Refused { status: 403, .. })
    ));
    let busy = mock.offer("busy", Reply::status(503));
    assert!(matches!(
        client.session.download(&busy, &headers).await,
        Err(GatewayError::Unreachable { .. })
    ));
    assert_eq!(mock.seen("files/busy").len(), 7);
}

#[tokio::test]
async fn a_download_that_falls_silent_is_tried_again() {
    let mock = Mock::start().await;
    let config = GatewayConfig {
        chunk_timeout: Duration::from_millis(50),
        ..config()
    };
    let client = Client::start(&mock, config, plan(mock.url())).await.unwrap();
    mock.on("slow-part", {
        let calls = Arc::new(AtomicUsize::new(0));
        move |_| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                if call == 0 {
                    std::future::pending().await
                } else {
                    Reply::bytes("data")
                }
            }
        }
    });
    let address = mock.url().join("slow-part").unwrap();
    let data = client
        .session
        .download(address.as_str(), &http::HeaderMap::new())
        .await
        .unwrap();
    assert_eq!(data, "data");
    assert_eq!(mock.seen("slow-part").len(), 2);
}

//! Sessions and queries end to end: driver, crate, gateway, and a mock Snowflake.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use mock::{Mock, Reply, failure, one, success, until};
use serde_json::{Value, json};
use snowflake_session_driver::{
    BindValue, CancelOutcome, CloseOutcome, ConnectOptions, Driver, DriverError, QueryRequest, RowWindow,
    SessionContext, StatementKind,
};
use support::{config, connect, settings};
use tokio::sync::Notify;

#[tokio::test]
async fn a_select_takes_one_request_and_comes_back_as_arrow() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let mut result = session
        .execute(QueryRequest::new("select 1 as one"))
        .await
        .unwrap();
    let head = result.head().clone();
    assert_eq!((head.query_id.as_str(), head.rows_total), ("query-1", Some(1)));
    assert_eq!(head.statement_type.kind(), StatementKind::Select);
    assert_eq!((head.exchange.requests, head.exchange.retries), (1, 0));
    let context = SessionContext {
        database: Some("DB".into()),
        schema: Some("PUBLIC".into()),
        warehouse: None,
        role: Some("ANALYST".into()),
    };
    assert_eq!(head.context, context);
    let batch = result.next_batch().await.unwrap().unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[1]);
    assert!(result.next_batch().await.unwrap().is_none() && !result.is_truncated());
    let queries = mock.queries();
    assert_eq!(queries.len(), 1);
    assert_eq!(queries[0].request_id(), head.request_id);
    assert_eq!(queries[0].sql(), "select 1 as one");
}

#[tokio::test]
async fn login_facts_and_context_go_both_ways() {
    let mock = Mock::start().await;
    let driver = Driver::start(config()).await.unwrap();
    let mut settings = settings(&mock);
    settings.context.database = Some("DB".into());
    settings.context.schema = Some("FROM_SETTINGS".into());
    let mut options = ConnectOptions {
        application: Some("tester".into()),
        ..ConnectOptions::default()
    };
    options.context.schema = Some("FROM_OPTIONS".into());
    options
        .session_parameters
        .insert("QUERY_TAG".into(), "tag".into());
    let session = driver.connect(&settings, &options).await.unwrap();

    let info = session.info();
    assert_eq!(
        (info.user.as_str(), info.server_version.as_str(), info.session_id),
        ("ME", "9.9.9", Some(77))
    );
    assert!(info.parameters.contains(&("AUTOCOMMIT".into(), "true".into())));
    let login = &mock.seen("session/v1/login-request")[0];
    assert_eq!(
        (
            login.pairs["databaseName"].as_str(),
            login.pairs["schemaName"].as_str()
        ),
        ("DB", "FROM_OPTIONS")
    );
    let data = &login.body["data"];
    assert_eq!(
        (&data["LOGIN_NAME"], &data["ACCOUNT_NAME"]),
        (&json!("me"), &json!("acct"))
    );
    assert_eq!(
        data["SESSION_PARAMETERS"],
        json!({ "QUERY_TAG": "tag" }),
        "the nonce does not go upstream"
    );
    assert_eq!(data["CLIENT_ENVIRONMENT"]["APPLICATION"], "tester");
}

#[tokio::test]
async fn bindings_and_parameters_reach_the_server() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let request = QueryRequest::new("select ?, ?")
        .bind(BindValue::integer(42))
        .bind(BindValue::text("x"))
        .with_parameter("MULTI_STATEMENT_COUNT", 0);
    session.execute(request).await.unwrap();
    let named = QueryRequest::new("select :a").bind_named("a", BindValue::boolean(true));
    session.execute(named).await.unwrap();
    let queries = mock.queries();
    assert_eq!(
        queries[0].body["bindings"]["1"],
        json!({ "type": "FIXED", "value": "42" })
    );
    assert_eq!(
        queries[0].body["bindings"]["2"],
        json!({ "type": "TEXT", "value": "x" })
    );
    assert_eq!(
        queries[0].body["parameters"],
        json!({ "MULTI_STATEMENT_COUNT": 0 })
    );
    assert_eq!(
        queries[1].body["bindings"]["a"],
        json!({ "type": "BOOLEAN", "value": "true" })
    );
    assert_eq!(queries[1].body["sequenceId"], 2);
}

#[tokio::test]
async fn an_sql_error_keeps_code_state_place_and_id() {
    let mock = Mock::start().await;
    mock.on_query(|_| async {
        failure(
            "002003",
            "SQL compilation error:\nObject 'T' does not exist",
            json!({ "errorCode": "002003", "sqlState": "42S02", "queryId": "q-9", "line": 1, "pos": 14 }),
        )
    });
    let session = connect(&mock).await;
    let error = session
        .execute(QueryRequest::new("select * from t"))
        .await
        .unwrap_err();
    let DriverError::Sql(sql) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (sql.code.as_str(), sql.sql_state.as_deref()),
        ("002003", Some("42S02"))
    );
    assert_eq!(
        (sql.query_id.as_deref(), sql.line, sql.position),
        (Some("q-9"), Some(1), Some(14))
    );
    assert!(sql.message.contains("does not exist"));
}

#[tokio::test]
async fn an_error_without_query_id_is_still_an_sql_error() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { failure("001003", "syntax error", json!({ "sqlState": "42000" })) });
    let session = connect(&mock).await;
    let error = session.execute(QueryRequest::new("selec")).await.unwrap_err();
    assert!(
        matches!(&error, DriverError::Sql(sql) if sql.code == "001003" && sql.query_id.is_none()),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_file_transfer_is_refused_by_name() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { success(json!({ "queryId": "q", "command": "UPLOAD", "stageInfo": {} })) });
    let session = connect(&mock).await;
    let error = session
        .execute(QueryRequest::new("put file:///x @s"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, DriverError::Unsupported { what, .. } if what.contains("PUT")),
        "{error:?}"
    );
}

#[tokio::test]
async fn dml_counts_come_from_the_statistics() {
    let mock = Mock::start().await;
    mock.on_query(|_| async {
        success(json!({
            "queryId": "q", "statementTypeId": 0x3100, "total": 1, "returned": 1, "queryResultFormat": "json",
            "rowtype": [{ "name": "number of rows inserted", "type": "fixed", "nullable": false, "precision": 19, "scale": 0 }],
            "rowset": [["3"]],
            "stats": { "numRowsInserted": 3, "numRowsUpdated": 0, "numRowsDeleted": 0, "numDmlDuplicates": 0 },
        }))
    });
    let session = connect(&mock).await;
    let result = session
        .execute(QueryRequest::new("insert into t values (1),(2),(3)"))
        .await
        .unwrap();
    assert_eq!(result.head().statement_type.kind(), StatementKind::Insert);
    assert_eq!(result.head().dml_counts.unwrap().affected(), 3);
}

#[tokio::test]
async fn children_of_a_multi_statement_are_read_by_id() {
    let mock = Mock::start().await;
    mock.on_query(|_| async {
        success(json!({
            "queryId": "parent", "statementTypeId": 0xA000, "total": 1, "returned": 1, "queryResultFormat": "json",
            "rowtype": [{ "name": "multiple statement execution", "type": "text", "nullable": false, "length": 16 }],
            "rowset": [["Multiple statements executed successfully."]],
            "resultIds": "child-1,child-2", "resultTypes": "4096,4096",
        }))
    });
    mock.on("queries/child-2/result", |_| async { one("child-2") });
    let session = connect(&mock).await;
    let parent = session
        .execute(QueryRequest::new("select 1; select 1"))
        .await
        .unwrap();
    assert_eq!(parent.head().statement_type.kind(), StatementKind::Multi);
    let child = &parent.head().children[1];
    let mut result = session
        .result_of(&child.query_id, RowWindow::default())
        .await
        .unwrap();
    assert_eq!(result.next_batch().await.unwrap().unwrap().num_rows(), 1);
}

#[tokio::test]
async fn a_running_query_is_polled_until_it_ends() {
    let mock = Mock::start().await;
    let polls = Arc::new(AtomicUsize::new(0));
    let in_progress = |code: &str| {
        Reply::json(&json!({
            "success": true, "code": code, "message": "in progress",
            "data": { "queryId": "q-slow", "getResultUrl": "/queries/q-slow/result", "queryAbortsAfterSecs": 300 },
        }))
    };
    mock.on_query(move |_| async move { in_progress("333334") });
    mock.on("queries/q-slow/result", {
        let polls = Arc::clone(&polls);
        move |_| {
            let round = polls.fetch_add(1, Ordering::SeqCst);
            async move {
                if round < 2 {
                    in_progress("333333")
                } else {
                    one("q-slow")
                }
            }
        }
    });
    let session = connect(&mock).await;
    let result = session.execute(QueryRequest::new("select slow()")).await.unwrap();
    assert_eq!(
        (polls.load(Ordering::SeqCst), result.head().exchange.requests),
        (3, 4)
    );
    assert_eq!(result.query_id(), "q-slow");
}

#[tokio::test]
async fn a_cancel_is_confirmed_by_the_end_of_the_query() {
    let mock = Mock::start().await;
    let aborted = Arc::new(Notify::new());
    mock.on_query({
        let aborted = Arc::clone(&aborted);
        move |_| {
            let aborted = Arc::clone(&aborted);
            async move {
                aborted.notified().await;
                failure(
                    "000604",
                    "SQL execution canceled",
                    json!({ "queryId": "q-c", "sqlState": "57014" }),
                )
            }
        }
    });
    mock.on("queries/v1/abort-request", move |_| {
        aborted.notify_one();
        async { success(Value::Null) }
    });
    let session = connect(&mock).await;
    let prepared = session.prepare(QueryRequest::new("select forever()")).unwrap();
    let (request_id, canceller) = (prepared.request_id().to_owned(), prepared.canceller());
    let running = tokio::spawn(prepared.execute());
    until("the query arrived", || mock.queries().len() == 1).await;
    assert_eq!(canceller.cancel().await, CancelOutcome::Confirmed);
    let error = running.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, DriverError::Cancelled { query_id: Some(id) } if id == "q-c"),
        "{error:?}"
    );
    assert_eq!(
        mock.seen("queries/v1/abort-request")[0].body["requestId"],
        request_id.as_str()
    );
    assert_eq!(
        canceller.cancel().await,
        CancelOutcome::Confirmed,
        "cancelling twice is harmless"
    );
}

#[tokio::test]
async fn a_query_whose_future_was_dropped_can_still_be_cancelled() {
    let mock = Mock::start().await;
    let aborted = Arc::new(Notify::new());
    mock.on_query({
        let aborted = Arc::clone(&aborted);
        move |_| {
            let aborted = Arc::clone(&aborted);
            async move {
                aborted.notified().await;
                failure("000604", "SQL execution canceled", json!({ "queryId": "q" }))
            }
        }
    });
    mock.on("queries/v1/abort-request", move |_| {
        aborted.notify_one();
        async { success(Value::Null) }
    });
    let session = connect(&mock).await;
    let prepared = session.prepare(QueryRequest::new("select forever()")).unwrap();
    let request_id = prepared.request_id().to_owned();
    let running = tokio::spawn(prepared.execute());
    until("the query arrived", || mock.queries().len() == 1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(session.cancel(&request_id).await, CancelOutcome::Confirmed);
}

#[tokio::test]
async fn a_query_cancelled_before_it_is_sent_is_never_sent() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let prepared = session.prepare(QueryRequest::new("select 1")).unwrap();
    assert_eq!(
        session.cancel(prepared.request_id()).await,
        CancelOutcome::Confirmed
    );
    let error = prepared.execute().await.unwrap_err();
    assert!(
        matches!(error, DriverError::Cancelled { query_id: None }),
        "{error:?}"
    );
    assert!(mock.queries().is_empty());
}

#[tokio::test]
async fn cancelling_what_does_not_run_says_so() {
    let mock = Mock::start().await;
    mock.on("queries/", |_| async {
        failure(
            "000605",
            "Identified SQL statement is not currently executing.",
            Value::Null,
        )
    });
    let session = connect(&mock).await;
    assert_eq!(session.cancel("no-such-request").await, CancelOutcome::NotRunning);
    assert_eq!(
        session.cancel_query("no-such-query").await,
        CancelOutcome::NotRunning
    );
}

#[tokio::test]
async fn an_abort_that_is_refused_or_lost_is_unconfirmed() {
    for refusal in [
        failure("003001", "Insufficient privileges", Value::Null),
        Reply::status(400),
    ] {
        let mock = Mock::start().await;
        mock.on_query(|_| std::future::pending());
        mock.on("queries/v1/abort-request", move |_| {
            let refusal = refusal.clone();
            async move { refusal }
        });
        let session = connect(&mock).await;
        let prepared = session.prepare(QueryRequest::new("select forever()")).unwrap();
        let canceller = prepared.canceller();
        let running = tokio::spawn(prepared.execute());
        until("the query arrived", || mock.queries().len() == 1).await;
        assert_eq!(canceller.cancel().await, CancelOutcome::Unconfirmed);
        assert_eq!(mock.seen("queries/v1/abort-request").len(), 1);
        running.abort();
    }
}

#[tokio::test]
async fn a_query_that_finishes_despite_the_abort_was_not_cancelled() {
    let mock = Mock::start().await;
    let aborted = Arc::new(Notify::new());
    mock.on_query({
        let aborted = Arc::clone(&aborted);
        move |_| {
            let aborted = Arc::clone(&aborted);
            async move {
                aborted.notified().await;
                one("query-1")
            }
        }
    });
    mock.on("queries/v1/abort-request", move |_| {
        aborted.notify_one();
        async { success(Value::Null) }
    });
    let session = connect(&mock).await;
    let prepared = session
        .prepare(QueryRequest::new("insert into t values (1)"))
        .unwrap();
    let canceller = prepared.canceller();
    let running = tokio::spawn(prepared.execute());
    until("the query arrived", || mock.queries().len() == 1).await;
    assert_eq!(canceller.cancel().await, CancelOutcome::NotRunning);
    assert!(running.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_time_limit_ends_the_wait() {
    let mock = Mock::start().await;
    mock.on_query(|_| std::future::pending());
    let session = connect(&mock).await;
    let request = QueryRequest::new("select forever()").with_timeout(Duration::from_millis(50));
    let error = session.execute(request).await.unwrap_err();
    assert!(matches!(error, DriverError::Timeout { .. }), "{error:?}");
    assert_eq!(mock.queries().len(), 1, "a silent statement is not sent twice");
}

#[tokio::test]
async fn a_time_limit_during_polling_knows_the_query_id() {
    let mock = Mock::start().await;
    mock.on("queries/", |_| async {
        let data = json!({ "queryId": "q-slow", "getResultUrl": "/queries/q-slow/result" });
        Reply::json(&json!({ "success": true, "code": "333333", "message": "in progress", "data": data }))
    });
    let session = connect(&mock).await;
    let request = QueryRequest::new("select slow()").with_timeout(Duration::from_millis(100));
    let error = session.execute(request).await.unwrap_err();
    assert!(
        matches!(&error, DriverError::Timeout { query_id: Some(id), .. } if id == "q-slow"),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_no_query_id_never_becomes_an_address() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let error = session
        .result_of("../session?delete=true", RowWindow::default())
        .await
        .unwrap_err();
    assert!(matches!(error, DriverError::Configuration { .. }), "{error:?}");
    assert_eq!(mock.seen("session").len(), 0);
}

#[tokio::test]
async fn logout_is_confirmed_and_ends_the_session() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    session.heartbeat().await.unwrap();
    assert_eq!(session.close().await, CloseOutcome::Confirmed);
    assert!(session.is_expired());
    let logout = &mock.seen("session")[0];
    assert_eq!(
        (logout.pairs["delete"].as_str(), logout.token()),
        ("true", Some("session-0".into()))
    );
    let error = session.execute(QueryRequest::new("select 1")).await.unwrap_err();
    assert!(error.is_session_lost(), "{error:?}");
    assert!(mock.queries().is_empty());
}

#[test]
fn proxy_variables_of_the_environment_are_not_followed() {
    // The variables must be there before the process starts, so another run of one test is the witness.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_select_takes_one_request_and_comes_back_as_arrow"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        child.env(name, "http://127.0.0.1:9/");
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

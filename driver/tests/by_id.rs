//! Submitted queries: their ids, their states, their results and their cancellation.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use mock::{Mock, Reply, failure, one, success};
use serde_json::{Value, json};
use snowflake_session_driver::{
    CancelOutcome, DriverError, ParameterValue, QueryRequest, QueryState, RowWindow,
};
use support::{config, connect, connect_with};

const ID: &str = "01b2c3d4-0000-1111-0000-000000000001";

/// The answer to a statement that goes on by itself.
fn taken_on(code: &str) -> Reply {
    let data =
        json!({ "queryId": ID, "getResultUrl": format!("/queries/{ID}/result"), "progressDesc": null });
    Reply::json(&json!({ "success": true, "code": code, "message": "in progress", "data": data }))
}

/// Makes the monitoring say `query` about every query.
fn monitor(mock: &Mock, query: Value) {
    mock.on("monitoring/queries/", move |_| {
        let reply = success(json!({ "queries": [query] }));
        async move { reply }
    });
}

#[tokio::test]
async fn a_submission_returns_with_the_id_and_asks_nothing_more() {
    for code in ["333334", "333333"] {
        let mock = Mock::start().await;
        mock.on_query(move |_| async move { taken_on(code) });
        let session = connect(&mock).await;
        let request = QueryRequest::new("insert into t select * from u")
            .with_parameter("STATEMENT_TIMEOUT_IN_SECONDS", ParameterValue::Integer(60));
        let submitted = session.submit(request).await.unwrap();
        assert_eq!((submitted.query_id.as_str(), submitted.has_ended), (ID, false));
        let queries = mock.queries();
        assert_eq!(queries.len(), 1);
        assert_eq!(queries[0].request_id(), submitted.request_id);
        assert_eq!(queries[0].body["asyncExec"], true);
        assert_eq!(queries[0].body["parameters"]["STATEMENT_TIMEOUT_IN_SECONDS"], 60);
        assert!(mock.seen(&format!("queries/{ID}/result")).is_empty());
    }
}

#[tokio::test]
async fn a_server_that_runs_it_at_once_is_understood() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { one(ID) });
    let session = connect(&mock).await;
    let submitted = session.submit(QueryRequest::new("select 1")).await.unwrap();
    assert_eq!((submitted.query_id.as_str(), submitted.has_ended), (ID, true));
}

#[tokio::test]
async fn a_submission_that_is_rejected_is_an_error() {
    let mock = Mock::start().await;
    mock.on_query(|_| async { failure("001003", "syntax error", json!({ "queryId": ID })) });
    let session = connect(&mock).await;
    let error = session.submit(QueryRequest::new("selekt")).await.unwrap_err();
    assert!(
        matches!(&error, DriverError::Sql(sql) if sql.code == "001003"),
        "{error:?}"
    );
    assert_eq!(error.query_id(), Some(ID));
}

#[tokio::test]
async fn states_are_told_as_the_monitoring_has_them() {
    for (status, code, expected) in [
        ("RUNNING", json!(null), QueryState::Running),
        ("RESTARTED", json!(""), QueryState::Running),
        ("ABORTING", json!(null), QueryState::Running),
        ("A_NEW_WORD", json!(null), QueryState::Running),
        ("QUEUED", json!(null), QueryState::Queued),
        ("RESUMING_WAREHOUSE", json!(null), QueryState::Queued),
        ("QUEUED_REPARING_WAREHOUSE", json!(null), QueryState::Queued),
        ("BLOCKED", json!(null), QueryState::Queued),
        ("NO_DATA", json!(null), QueryState::Queued),
        ("SUCCESS", json!(""), QueryState::Succeeded),
        ("FAILED_WITH_ERROR", json!("100038"), QueryState::Failed),
        ("FAILED_WITH_ERROR", json!(604), QueryState::Cancelled),
        ("FAILED_WITH_INCIDENT", json!(null), QueryState::Failed),
        ("DISCONNECTED", json!(null), QueryState::Failed),
        ("ABORTED", json!(null), QueryState::Cancelled),
    ] {
        let mock = Mock::start().await;
        monitor(
            &mock,
            json!({
                "id": ID, "status": status, "sqlText": "select 1", "errorCode": code, "errorMessage": "why",
                "startTime": 1_700_000_000_000_u64, "endTime": 1_700_000_002_500_u64, "stats": { "producedRows": 7 },
            }),
        );
        let session = connect(&mock).await;
        let told = session.query_status(ID).await.unwrap().unwrap();
        assert_eq!(told.state, expected, "{status}");
        assert_eq!(told.sql.as_deref(), Some("select 1"));
        assert_eq!(
            told.start_time,
            Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        );
        let is_end = expected.is_end();
        assert_eq!(told.end_time.is_some(), is_end, "{status}");
        assert_eq!(told.rows_produced, is_end.then_some(7), "{status}");
        let failed = matches!(expected, QueryState::Failed | QueryState::Cancelled);
        assert_eq!(
            told.error.map(|error| error.message),
            failed.then(|| "why".to_owned()),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_unknown_query_is_nothing_and_no_address() {
    let mock = Mock::start().await;
    mock.on("monitoring/queries/", |_| async {
        success(json!({ "queries": [] }))
    });
    let session = connect(&mock).await;
    assert_eq!(session.query_status(ID).await.unwrap(), None);
    let error = session.query_status("../session?delete=true").await.unwrap_err();
    assert!(matches!(error, DriverError::Configuration { .. }), "{error:?}");
}

#[tokio::test]
async fn a_state_is_asked_for_again_after_a_renewal_and_a_failure_of_the_way() {
    let mock = Mock::start().await;
    let asked = AtomicUsize::new(0);
    mock.on("monitoring/queries/", move |_| {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                Reply::status(503)
            } else {
                success(json!({ "queries": [{ "status": "RUNNING" }] }))
            }
        }
    });
    let session = connect(&mock).await;
    mock.expire_token(200);
    let told = session.query_status(ID).await.unwrap().unwrap();
    assert_eq!(told.state, QueryState::Running);
    assert_eq!(mock.seen("session/token-request").len(), 1);
}

#[tokio::test]
async fn a_result_waits_for_the_end_and_a_failure_is_told_again() {
    let mock = Mock::start().await;
    let asked = AtomicUsize::new(0);
    mock.on("queries/", move |seen| {
        assert_eq!(seen.method, "GET");
        let turn = asked.fetch_add(1, Ordering::SeqCst);
        async move {
            match turn {
                0 => taken_on("333333"),
                1 => one(ID),
                _ => failure(
                    "100038",
                    "Numeric value 'x' is not recognized",
                    json!({ "sqlState": "22018", "queryId": ID }),
                ),
            }
        }
    });
    let session = connect(&mock).await;
    let result = session.result_of(ID, RowWindow::default()).await.unwrap();
    assert_eq!(result.head().rows_total, Some(1));
    let error = session.result_of(ID, RowWindow::default()).await.unwrap_err();
    assert!(
        matches!(&error, DriverError::Sql(sql) if sql.sql_state.as_deref() == Some("22018")),
        "{error:?}"
    );
    assert_eq!(mock.queries().len(), 0, "nothing is run");
}

#[tokio::test]
async fn cancelling_by_id_waits_for_the_end() {
    for (last, outcome) in [
        (
            json!({ "status": "FAILED_WITH_ERROR", "errorCode": "000604" }),
            CancelOutcome::Confirmed,
        ),
        (json!({ "status": "SUCCESS" }), CancelOutcome::NotRunning),
    ] {
        let mock = Mock::start().await;
        let asked = AtomicUsize::new(0);
        mock.on("monitoring/queries/", move |_| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            let query = if first {
                json!({ "status": "ABORTING" })
            } else {
                last.clone()
            };
            async move { success(json!({ "queries": [query] })) }
        });
        mock.on("queries/", |_| async { success(Value::Null) });
        let session = connect(&mock).await;
        assert_eq!(session.cancel_query(ID).await, outcome);
        assert_eq!(mock.seen(&format!("queries/{ID}/abort-request")).len(), 1);
        assert_eq!(mock.seen(&format!("monitoring/queries/{ID}")).len(), 2);
    }
}

#[tokio::test]
async fn cancelling_by_id_without_an_end_is_unconfirmed() {
    let mock = Mock::start().await;
    monitor(&mock, json!({ "status": "ABORTING" }));
    mock.on("queries/", |_| async { success(Value::Null) });
    let mut limits = config();
    limits.cancel_timeout = Duration::from_millis(120);
    let session = connect_with(&mock, limits).await;
    assert_eq!(session.cancel_query(ID).await, CancelOutcome::Unconfirmed);
}

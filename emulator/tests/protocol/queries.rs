//! Statements: answers, errors, binds, describe, several at once, repeats, detached runs.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Settings};
use snowflake_emulator::session::{Binding, ParameterValue};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::client::{Fixture, authorization, eventually, send};

#[tokio::test]
async fn an_answer_has_every_field_that_a_client_reads() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let answer = login.query("select 1").await;
    assert_eq!(answer["success"], true);
    assert_eq!(answer["code"], Value::Null);
    let data = &answer["data"];
    assert_eq!(
        data["rowtype"],
        json!([{
            "name": "N", "database": "", "schema": "", "table": "", "type": "fixed", "nullable": true,
            "precision": 38, "scale": 0, "length": null, "byteLength": null, "collation": null,
        }])
    );
    assert_eq!(data["rowset"], json!([["1"]]));
    assert_eq!(data["queryResultFormat"], "json");
    assert_eq!((&data["total"], &data["returned"]), (&json!(1), &json!(1)));
    assert_eq!(data["finalDatabaseName"], "DB");
    assert_eq!(data["finalSchemaName"], Value::Null);
    assert_eq!(data["finalRoleName"], "R");
    assert_eq!(data["statementTypeId"], 0x1000);
    assert_eq!(data["numberOfBinds"], 0);
    assert_eq!(data["version"], 1);
    let parameters = data["parameters"].as_array().unwrap();
    assert!(
        parameters
            .iter()
            .any(|parameter| parameter["name"] == "CLIENT_RESULT_CHUNK_SIZE")
    );
    assert!(uuid::Uuid::parse_str(data["queryId"].as_str().unwrap()).is_ok());
    for absent in ["chunks", "qrmk", "getResultUrl", "stats", "resultIds"] {
        assert_eq!(data.get(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn an_sql_error_is_told_in_full() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    for sql in ["fail", "broken stream"] {
        let answer = login.query(sql).await;
        assert_eq!(answer["success"], false);
        assert_eq!(answer["code"], "002003");
        assert!(
            answer["message"]
                .as_str()
                .unwrap()
                .starts_with("SQL compilation error:\n")
        );
        let data = &answer["data"];
        assert_eq!(data["errorCode"], "002003");
        assert_eq!(data["sqlState"], "42S02");
        assert_eq!((&data["line"], &data["pos"]), (&json!(1), &json!(14)));
        assert_eq!(data["type"], "COMPILATION");
        assert!(uuid::Uuid::parse_str(data["queryId"].as_str().unwrap()).is_ok());
    }
}

#[tokio::test]
async fn a_statement_whose_task_breaks_has_an_outcome() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let answer = login.query("break").await;
    assert_eq!(answer["code"], "000603");
    assert_eq!(answer["data"]["sqlState"], "XX000");
    assert_eq!(login.query("select 2").await["data"]["rowset"], json!([["2"]]));
}

#[tokio::test]
async fn query_contexts_are_merged_and_given_back() {
    let fixture = Fixture::start().await;
    let parameters = json!({ "QUERY_CONTEXT_CACHE_SIZE": 2 });
    let login = fixture
        .login_as(json!({ "LOGIN_NAME": "ann", "PASSWORD": "any", "SESSION_PARAMETERS": parameters }))
        .await;
    let first = login.query("select 2").await;
    let entries = &first["data"]["queryContext"]["entries"];
    assert_eq!(
        (&entries[0]["id"], &entries[0]["priority"]),
        (&json!(0), &json!(0))
    );
    assert!(entries[0]["timestamp"].is_i64() && entries[0]["context"].is_string());
    let entry = |id: i64, priority: i64| json!({ "id": id, "timestamp": 5, "priority": priority, "context": { "base64Data": "eA==" } });
    let sent = json!({ "entries": [entry(0, 0), entry(4, 2), entry(3, 1)] });
    let second = login
        .request(&json!({ "sqlText": "select 2", "queryContextDTO": sent }))
        .await;
    let told = second["data"]["queryContext"]["entries"].as_array().unwrap();
    let shape = |entry: &Value| (entry["id"].clone(), entry["priority"].clone());
    let shapes: Vec<_> = told.iter().map(shape).collect();
    assert_eq!(shapes, [(json!(0), json!(0)), (json!(3), json!(1))]);
    assert_eq!(told[1]["context"], "eA==");
    assert!(told[0]["timestamp"].as_i64() > entries[0]["timestamp"].as_i64());

    // Who keeps none is told none; what is no context is left alone.
    let plain = fixture.login().await;
    let answer = plain
        .request(&json!({ "sqlText": "select 2", "queryContextDTO": { "entries": "none" } }))
        .await;
    assert_eq!(answer["success"], true);
    assert!(answer["data"].get("queryContext").is_none());
}

#[tokio::test]
async fn dml_counts_are_json_for_everyone() {
    let fixture = Fixture::start().await;
    let login = fixture.login_arrow().await;
    let data = &login.query("insert").await["data"];
    assert_eq!(data["queryResultFormat"], "json");
    assert_eq!(data["rowset"], json!([["3"]]));
    assert_eq!(data["statementTypeId"], 0x3100);
    assert_eq!(data["arrayBindSupported"], true);
    assert_eq!(
        data["stats"],
        json!({ "numRowsInserted": 3, "numRowsUpdated": 0, "numRowsDeleted": 0, "numDmlDuplicates": 0 })
    );
}

#[tokio::test]
async fn a_count_of_statements_that_is_none_is_the_session_s_to_refuse() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    for count in [json!(-1), json!("two"), json!(4_294_967_296_u64)] {
        let request = json!({ "sqlText": "insert", "parameters": { "multi_statement_count": count } });
        login.request(&request).await;
    }
    let submissions = fixture.backend.submissions.lock().unwrap();
    let seen: Vec<_> = submissions
        .iter()
        .map(|submission| {
            assert_eq!(submission.statement_count, None);
            submission.parameters["MULTI_STATEMENT_COUNT"].clone()
        })
        .collect();
    assert_eq!(
        seen,
        [
            ParameterValue::Integer(-1),
            ParameterValue::Text("two".to_owned()),
            ParameterValue::Integer(4_294_967_296),
        ]
    );
}

#[tokio::test]
async fn everything_in_a_request_reaches_the_session() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let request = json!({
        "sqlText": "insert",
        "sequenceId": 4, "isInternal": false, "queryContextDTO": {}, "unknown": [1, 2],
        "parameters": { "MULTI_STATEMENT_COUNT": "0", "query_tag": "nightly", "STATEMENT_TIMEOUT_IN_SECONDS": 30 },
        "bindings": {
            "1": { "type": "FIXED", "value": ["1", null, 3] },
            "2": { "type": "text", "value": ["a", "b", ""], "fmt": "json" },
        },
    });
    assert_eq!(login.request(&request).await["success"], true);
    let submission = fixture.backend.submissions.lock().unwrap()[0].clone();
    let some = |text: &str| Some(text.to_owned());
    let array = |type_name: &str, values: [Option<String>; 3]| Binding {
        type_name: type_name.to_owned(),
        values: values.into(),
        is_array: true,
    };
    assert_eq!(
        submission.bindings["1"],
        array("FIXED", [some("1"), None, some("3")])
    );
    assert_eq!(
        submission.bindings["2"],
        array("TEXT", [some("a"), some("b"), some("")])
    );
    assert_eq!(submission.statement_count, Some(0));
    assert_eq!(
        submission.parameters["QUERY_TAG"],
        ParameterValue::Text("nightly".to_owned())
    );
    assert_eq!(
        submission.parameters["STATEMENT_TIMEOUT_IN_SECONDS"],
        ParameterValue::Integer(30)
    );
    assert!(!submission.describe_only);
}

#[tokio::test]
async fn requests_that_cannot_be_run_are_refused() {
    let fixture = Fixture::with(|settings| settings.body_bytes_max = 2000, Accounts::Anyone).await;
    let login = fixture.login().await;
    let ask = async |body: Bytes, encoding: &str| {
        let headers = [
            authorization(&login.token),
            ("content-encoding", encoding.to_owned()),
        ];
        send(
            fixture.address,
            Method::POST,
            "/queries/v1/query-request?requestId=r",
            &headers,
            body,
        )
        .await
    };
    let pack = |text: &str| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(text.as_bytes()).unwrap();
        Bytes::from(packer.finish().unwrap())
    };
    let uneven = json!({ "sqlText": "insert", "bindings": {
        "1": { "type": "FIXED", "value": ["1"] }, "2": { "type": "FIXED", "value": ["1", "2"] } } });
    assert_eq!(
        ask(Bytes::from(uneven.to_string()), "identity").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ask(Bytes::from_static(b"{}"), "identity").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ask(Bytes::from_static(b"{}"), "br").await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        ask(Bytes::from_static(b"no gzip"), "gzip").await.status,
        StatusCode::BAD_REQUEST
    );
    // Small when packed, too large when unpacked.
    let bomb = pack(&json!({ "sqlText": "select 1", "pad": " ".repeat(100_000) }).to_string());
    assert!(bomb.len() < 2000);
    assert_eq!(ask(bomb, "gzip").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let plain = Bytes::from(json!({ "sqlText": "x".repeat(3000) }).to_string());
    assert_eq!(ask(plain, "identity").await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(fixture.backend.runs.load(Ordering::SeqCst), 0);
    let packed = pack(&json!({ "sqlText": "select 5" }).to_string());
    assert_eq!(ask(packed, "gzip").await.json()["data"]["rowset"], json!([["5"]]));
}

#[tokio::test]
async fn a_repeated_request_runs_once() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let path = "/queries/v1/query-request?requestId=same&request_guid=";
    let body = json!({ "sqlText": "insert" });
    let first = login.post(&format!("{path}1"), &body).await;
    let second = login.post(&format!("{path}2&retryCount=1"), &body).await;
    assert_eq!(first["data"]["queryId"], second["data"]["queryId"]);
    assert_eq!(first["data"]["rowset"], second["data"]["rowset"]);
    assert_eq!(fixture.backend.runs.load(Ordering::SeqCst), 1);
    // Another session may use the same id for something else.
    let other = fixture.login().await;
    let third = other.post(&format!("{path}1"), &body).await;
    assert_ne!(first["data"]["queryId"], third["data"]["queryId"]);
}

#[tokio::test]
async fn a_describe_gives_columns_and_no_rows() {
    let fixture = Fixture::start().await;
    let login = fixture.login_arrow().await;
    let request = json!({
        "sqlText": "insert", "describeOnly": true,
        "bindings": { "1": { "type": "TEXT", "value": null }, "2": { "type": "TEXT", "value": "x" } },
    });
    let data = &login.request(&request).await["data"];
    assert!(fixture.backend.submissions.lock().unwrap()[0].describe_only);
    assert_eq!(data["queryResultFormat"], "json");
    assert_eq!(data["numberOfBinds"], 2);
    assert_eq!(data["metaDataOfBinds"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn each_of_several_statements_can_be_read() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let answer = login.query("several").await;
    let data = &answer["data"];
    assert_eq!(data["statementTypeId"], 0xA000);
    assert_eq!(data["resultTypes"], "4096,4096");
    let ids: Vec<_> = data["resultIds"].as_str().unwrap().split(',').collect();
    assert_eq!(ids.len(), 2);
    for (id, value) in ids.into_iter().zip(["11", "12"]) {
        let child = login.get(&format!("/queries/{id}/result")).await;
        assert_eq!(child["data"]["rowset"], json!([[value]]));
        assert_eq!(child["data"]["queryId"], id);
    }
}

#[tokio::test]
async fn a_long_statement_is_answered_with_where_to_wait() {
    let soon = Duration::from_millis(20);
    let fixture = Fixture::with(
        |settings| {
            settings.answer_wait_max = soon;
            settings.poll_wait_max = soon;
        },
        Accounts::Anyone,
    )
    .await;
    let login = fixture.login().await;
    let answer = login.query("wait").await;
    assert_eq!(
        (&answer["success"], &answer["code"]),
        (&json!(true), &json!("333333"))
    );
    let url = answer["data"]["getResultUrl"].as_str().unwrap();
    assert_eq!(
        url,
        format!("/queries/{}/result", answer["data"]["queryId"].as_str().unwrap())
    );
    let polled = login.get(url).await;
    assert_eq!(polled["code"], "333333");
    assert_eq!(polled["data"]["getResultUrl"], url);
    fixture.backend.release.notify_waiters();
    eventually("the statement ends", async || {
        login.get(url).await["code"].is_null()
    })
    .await;
    let done = login.get(url).await;
    assert_eq!(done["data"]["rowset"], json!([["7"]]));
    assert_eq!(done["data"].get("getResultUrl"), None);
}

#[tokio::test]
async fn a_detached_statement_runs_on_without_its_client() {
    let fixture = Fixture::start().await;
    let login = fixture.login().await;
    let answer = login
        .request(&json!({ "sqlText": "wait", "asyncExec": true }))
        .await;
    assert_eq!(
        (&answer["success"], &answer["code"]),
        (&json!(true), &json!("333334"))
    );
    let url = answer["data"]["getResultUrl"].as_str().unwrap().to_owned();
    eventually("it runs", async || {
        fixture.backend.runs.load(Ordering::SeqCst) == 1
    })
    .await;
    let waiting = tokio::spawn(async move { login.get(&url).await });
    eventually("the poll is answered", async || {
        fixture.backend.release.notify_waiters();
        waiting.is_finished()
    })
    .await;
    assert_eq!(waiting.await.unwrap()["data"]["rowset"], json!([["7"]]));
}

#[tokio::test]
async fn a_result_is_read_again_by_the_text_that_drivers_send() {
    let fixture = Fixture::start().await;
    let login = fixture.login_arrow().await;
    let first = login.query("insert").await;
    let id = first["data"]["queryId"].as_str().unwrap().to_owned();
    let text = format!("select * from table(result_scan('{id}'))");
    let again = fixture.login().await.query(&text).await;
    assert_eq!(again["data"]["rowset"], json!([["3"]]));
    assert_ne!(again["data"]["queryId"], id);
    assert_eq!(again["data"]["statementTypeId"], 0x1000);
    assert_eq!(login.query(&text).await["data"]["queryResultFormat"], "arrow");
    assert_eq!(fixture.backend.runs.load(Ordering::SeqCst), 1);
    let stranger = fixture
        .login_as(json!({ "LOGIN_NAME": "bob", "PASSWORD": "x" }))
        .await;
    assert_eq!(stranger.query(&text).await["code"], "000709");
}

#[tokio::test]
async fn small_bodies_of_unknown_length_take_no_room_while_they_run() {
    let change = |settings: &mut Settings| {
        settings.body_bytes_max = 1 << 20;
        // Half of it is for what is sent: as much as two bodies may have.
        settings.bodies_bytes_max = 4 << 20;
        settings.body_wait_max = Duration::from_secs(5);
    };
    let fixture = Fixture::with(change, Accounts::Anyone).await;
    let mut waiting = Vec::new();
    for number in 0..3 {
        // Each in a session of its own, as a session runs one statement at a time.
        let login = fixture.login().await;
        let mut stream = TcpStream::connect(fixture.address).await.unwrap();
        let body = json!({ "sqlText": "wait" }).to_string();
        let request = format!(
            "POST /queries/v1/query-request?requestId={number} HTTP/1.1\r\nHost: x\r\n\
             Authorization: Snowflake Token=\"{}\"\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            login.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        eventually("it runs", async || {
            fixture.backend.runs.load(Ordering::SeqCst) == number + 1
        })
        .await;
        waiting.push((login, stream));
    }
    let login = fixture.login().await;
    let large = json!({ "sqlText": "select 1", "bindStage": " ".repeat(900_000) });
    assert_eq!(login.request(&large).await["data"]["rowset"], json!([["1"]]));
}

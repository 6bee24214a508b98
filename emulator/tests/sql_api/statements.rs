//! One statement: the forms of its answers, where it runs, what is refused alone.

use serde_json::{Value, json};

use super::client::{Fixture, STATEMENTS, handle};

#[tokio::test]
async fn a_result_set_has_snowflakes_form() {
    let fixture = Fixture::start().await;
    let answer = fixture
        .submit(&json!({ "statement": "select 1 as one, 'x' as text, null as nothing" }))
        .await;
    let link = answer.header("link").unwrap().to_owned();
    let json = answer.with(200);
    let handle = handle(&json);
    assert_eq!(json["code"], "090001");
    assert_eq!(json["sqlState"], "00000");
    assert_eq!(json["message"], "Statement executed successfully.");
    assert_eq!(json["data"], json!([["1", "x", null]]));
    assert!(json["createdOn"].as_u64().unwrap() > 1_600_000_000_000);
    let url = json["statementStatusUrl"].as_str().unwrap();
    assert!(
        url.starts_with(&format!("{STATEMENTS}/{handle}?requestId=")),
        "{url}"
    );
    let meta = &json["resultSetMetaData"];
    assert_eq!((&meta["numRows"], &meta["format"]), (&json!(1), &json!("jsonv2")));
    assert_eq!(meta["partitionInfo"][0]["rowCount"], 1);
    let data = json["data"].to_string();
    assert_eq!(meta["partitionInfo"][0]["uncompressedSize"], data.len());
    let column = &meta["rowType"][0];
    assert_eq!(
        (&column["name"], &column["type"]),
        (&json!("ONE"), &json!("fixed"))
    );
    for key in [
        "database",
        "schema",
        "table",
        "length",
        "byteLength",
        "precision",
        "scale",
        "nullable",
        "collation",
    ] {
        assert!(column.get(key).is_some(), "{key} in {column}");
    }
    assert!(
        link.contains("partition=0>; rel=\"first\"") && link.contains("rel=\"last\""),
        "{link}"
    );
    assert!(!link.contains("next") && !link.contains("prev"), "{link}");
    // The handle gives the same again.
    let again = fixture.fetch(&handle).await.with(200);
    assert_eq!(again["data"], json["data"]);
    assert_eq!(again["resultSetMetaData"], json["resultSetMetaData"]);
}

#[tokio::test]
async fn a_failure_has_snowflakes_form() {
    let fixture = Fixture::start().await;
    let answer = fixture.submit(&json!({ "statement": "select nope" })).await;
    let json = answer.refused(422, "000904");
    assert_eq!(json["sqlState"], "42000");
    assert!(
        json["message"]
            .as_str()
            .unwrap()
            .contains("invalid identifier 'NOPE'")
    );
    let handle = handle(&json);
    assert_eq!(json["statementStatusUrl"], format!("{STATEMENTS}/{handle}"));
    assert_eq!(fixture.fetch(&handle).await.refused(422, "000904"), json);
    fixture
        .submit(&json!({ "statement": "" }))
        .await
        .refused(422, "000900");
}

#[tokio::test]
async fn dml_tells_its_counts() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    fixture.ok("create table d.public.t (a int, b varchar)").await;
    let json = fixture
        .ok("insert into d.public.t values (1, 'x'), (2, 'y')")
        .await;
    assert_eq!(json["stats"]["numRowsInserted"], 2);
    assert_eq!(json["stats"]["numDuplicateRowsUpdated"], 0);
    assert_eq!(json["data"], json!([["2"]]));
    let json = fixture.ok("delete from d.public.t where a = 1").await;
    assert_eq!(json["stats"]["numRowsDeleted"], 1);
    assert_eq!(fixture.ok("select 1").await.get("stats"), None);
}

#[tokio::test]
async fn where_a_statement_runs_is_meant_as_written() {
    let fixture = Fixture::start().await;
    fixture.ok("create database \"lower\"").await;
    fixture.ok("create schema \"lower\".\"S\"").await;
    fixture.ok("create role \"r\"").await;
    let ask = |database: &'static str, schema: &'static str, role: Option<&'static str>| {
        json!({
            "statement": "select current_database(), current_schema(), current_role()",
            "database": database,
            "schema": schema,
            "role": role,
        })
    };
    let json = fixture.submit(&ask("lower", "S", Some("r"))).await.with(200);
    assert_eq!(json["data"], json!([["lower", "S", "r"]]));
    for (database, schema) in [("LOWER", "S"), ("lower", "s")] {
        let answer = fixture.submit(&ask(database, schema, None)).await;
        answer.refused(422, "390201");
    }
    fixture
        .submit(&ask("lower", "S", Some("R")))
        .await
        .refused(422, "390189");
    let answer = fixture
        .submit(&json!({ "statement": "select 1", "warehouse": "nowhere" }))
        .await;
    answer.refused(422, "390201");
}

#[tokio::test]
async fn a_request_leaves_no_session_behind() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    assert_eq!(fixture.data("select current_database()").await, json!([[null]]));
}

#[tokio::test]
async fn what_needs_a_session_is_not_allowed_alone() {
    let fixture = Fixture::start().await;
    for sql in [
        "use role accountadmin",
        "alter session set timezone = 'UTC'",
        "begin",
        "commit",
        "set a = 1",
        "create temporary table t (a int)",
        "put file:///tmp/x @~",
        "get @~ file:///tmp",
        "select 1; put file:///tmp/x @~",
    ] {
        let body = json!({ "statement": sql, "parameters": { "multi_statement_count": 0 } });
        let json = fixture.submit(&body).await.refused(422, "391911");
        let message = json["message"].as_str().unwrap();
        assert!(message.starts_with("Unsupported statement type '"), "{message}");
    }
}

#[tokio::test]
async fn both_protocols_read_what_the_other_one_ran() {
    let fixture = Fixture::start().await;
    let json = fixture.ok("select 42 as answer").await;
    let query_id = handle(&json);
    let login = super::client::Call::new(
        http::Method::POST,
        "/session/v1/login-request",
        json!({ "data": { "LOGIN_NAME": "guest", "PASSWORD": "any" } }).to_string(),
    );
    let login = fixture.send(login).await.json();
    let token = format!("Snowflake Token=\"{}\"", login["data"]["token"].as_str().unwrap());
    let result = super::client::Call::new(http::Method::GET, &format!("/queries/{query_id}/result"), "")
        .with("authorization", &token);
    let result = fixture.send(result).await.json();
    assert_eq!(result["data"]["rowset"], json!([["42"]]), "{result}");
    let run = super::client::Call::new(
        http::Method::POST,
        "/queries/v1/query-request?requestId=7d1ee8a4-6d5d-4b8e-8b0b-0a5b2a6ff001",
        json!({ "sqlText": "select true as yes" }).to_string(),
    )
    .with("authorization", &token);
    let ran: Value = fixture.send(run).await.json();
    let fetched = fixture
        .fetch(ran["data"]["queryId"].as_str().unwrap())
        .await
        .with(200);
    assert_eq!(fetched["resultSetMetaData"]["numRows"], 1);
}

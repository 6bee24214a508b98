//! Several statements in one request.

use serde_json::{Value, json};

use super::client::{Fixture, handle};

fn several(sql: &str, count: impl Into<Value>) -> Value {
    json!({ "statement": sql, "parameters": { "MULTI_STATEMENT_COUNT": count.into() } })
}

#[tokio::test]
async fn each_statement_has_a_handle() {
    let fixture = Fixture::start().await;
    let sql = "create database d; use schema d.public; create temporary table t (a int); begin; \
               insert into t values (1), (2); commit; set x = 5; select a, $x from t order by a; \
               alter session set timezone = 'UTC'; select current_database()";
    let json = fixture.submit(&several(sql, "10")).await.with(200);
    assert_eq!(
        json["data"],
        json!([["Multiple statements executed successfully."]])
    );
    assert_eq!(
        json["resultSetMetaData"]["rowType"][0]["name"],
        "multiple statement execution"
    );
    let handles: Vec<&str> = json["statementHandles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|handle| handle.as_str().unwrap())
        .collect();
    assert_eq!(handles.len(), 10);
    let rows = fixture.fetch(handles[7]).await.with(200);
    assert_eq!(rows["data"], json!([["1", "5"], ["2", "5"]]));
    let inserted = fixture.fetch(handles[4]).await.with(200);
    assert_eq!(inserted["stats"]["numRowsInserted"], 2);
    assert_eq!(fixture.fetch(handles[9]).await.with(200)["data"], json!([["D"]]));
    let again = fixture.fetch(&handle(&json)).await.with(200);
    assert_eq!(again["statementHandles"], json["statementHandles"]);
    // The session is gone, and its temporary table with it.
    fixture
        .submit(&json!({ "statement": "select * from d.public.t" }))
        .await
        .refused(422, "002003");
}

#[tokio::test]
async fn the_count_must_be_right() {
    let fixture = Fixture::start().await;
    let two = "select 1; select 2";
    let answer = fixture.submit(&json!({ "statement": two })).await;
    let json = answer.refused(422, "000008");
    assert_eq!(
        json["message"],
        "Actual statement count 2 did not match the desired statement count 1."
    );
    fixture.submit(&several(two, 3)).await.refused(422, "000008");
    fixture.submit(&several(two, 0)).await.with(200);
}

#[tokio::test]
async fn a_count_that_is_none_is_refused_as_a_value() {
    let fixture = Fixture::start().await;
    for (count, shown) in [
        (json!(-1), "-1"),
        (json!("-1"), "-1"),
        (json!(1.5), "1.5"),
        (json!("two"), "two"),
        (json!(true), "true"),
    ] {
        let json = fixture
            .submit(&several("select 1", count.clone()))
            .await
            .refused(422, "001008");
        assert_eq!(json["sqlState"], "22023", "{count}");
        assert_eq!(
            json["message"],
            format!("SQL compilation error:\ninvalid value [{shown}] for parameter 'MULTI_STATEMENT_COUNT'"),
        );
    }
    let json = fixture
        .submit(&several("select 1", 5_000_000_000_u64))
        .await
        .refused(422, "000008");
    assert_eq!(
        json["message"],
        "Actual statement count 1 did not match the desired statement count 5000000000."
    );
    fixture
        .submit(&several("select 1", json!([1])))
        .await
        .refused(400, "390142");
}

#[tokio::test]
async fn a_failure_names_the_statement() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    let sql = "create or replace table d.public.t (i int); insert into d.public.t values (1);\n\
               insert into d.public.t values ('This is not a valid integer.'); select 1";
    let json = fixture.submit(&several(sql, 4)).await.refused(422, "100132");
    assert_eq!(json["sqlState"], "P0000");
    let message = json["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "JavaScript execution error: Uncaught Execution of multiple statements failed on statement \"insert into \
             d.public.t values ...\" (at line 2, position 0).\n"
        ),
        "{message}"
    );
    assert!(message.contains("'This is not a valid integer.'"), "{message}");
    // What came before has happened.
    assert_eq!(
        fixture.data("select count(*) from d.public.t").await,
        json!([["1"]])
    );
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_rolled_back() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    fixture.ok("create table d.public.t (i int)").await;
    let sql = "begin; insert into d.public.t values (1)";
    fixture.submit(&several(sql, 2)).await.with(200);
    fixture.ok("insert into d.public.t values (2)").await;
    assert_eq!(fixture.data("select i from d.public.t").await, json!([["2"]]));
}

#[tokio::test]
async fn bound_values_are_for_one_statement() {
    let fixture = Fixture::start().await;
    let mut body = several("select ?; select 2", 2);
    body["bindings"] = json!({ "1": { "type": "FIXED", "value": "1" } });
    fixture.submit(&body).await.refused(422, "391911");
}

//! What a session keeps between commands, each of which is a process of its own.

use snowflake_session_tests::stage::Stage;

#[test]
fn the_schema_stays() {
    let stage = Stage::new();
    stage
        .sfctl(&["use", "schema", "snowflake_sample_data.tpch_sf001"])
        .ok();
    let sql = "select current_database(), current_schema(), count(*) from orders";
    assert_eq!(stage.rows(sql), "SNOWFLAKE_SAMPLE_DATA,TPCH_SF001,15000");
    let context = stage.sfctl(&["context", "--format", "json"]).ok();
    assert!(
        context.contains("SNOWFLAKE_SAMPLE_DATA") && context.contains("TPCH_SF001"),
        "{context}"
    );
}

#[test]
fn sessions_do_not_share_it() {
    let stage = Stage::new();
    stage
        .sfctl(&["use", "schema", "snowflake_sample_data.tpch_sf001"])
        .ok();
    let other = [
        "query",
        "select current_schema()",
        "--session",
        "other",
        "--format",
        "csv",
    ];
    assert!(!stage.sfctl(&other).ok().contains("TPCH_SF001"));
    assert_eq!(stage.rows("select current_schema()"), "TPCH_SF001");
}

#[test]
fn a_transaction_and_a_temporary_table_stay() {
    let stage = Stage::new();
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["use", "schema", "d.public"]).ok();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    stage
        .sfctl(&["query", "create temporary table mine (a int)"])
        .ok();
    stage.sfctl(&["query", "begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1), (2)"]).ok();
    assert_eq!(stage.rows("select count(*) from t"), "2");
    let other = [
        "query",
        "select count(*) from d.public.t",
        "--session",
        "other",
        "--format",
        "csv",
    ];
    assert!(
        stage.sfctl(&other).ok().ends_with("\n0\n"),
        "an open transaction is nobody else's business"
    );
    stage.sfctl(&["query", "rollback"]).ok();
    assert_eq!(stage.rows("select count(*) from t"), "0");
    assert_eq!(stage.rows("select count(*) from mine"), "0");
}

#[test]
fn variables_and_parameters_stay() {
    let stage = Stage::new();
    stage.sfctl(&["query", "set v = 42"]).ok();
    assert_eq!(stage.rows("select $v"), "42");
    stage
        .sfctl(&["query", "alter session set query_tag = 'nightly'"])
        .ok();
    let out = stage
        .sfctl(&["query", "show parameters like 'QUERY_TAG'", "--format", "csv"])
        .ok();
    assert!(out.contains("nightly"), "{out}");
}

#[test]
fn data_outlives_the_service() {
    let stage = Stage::new();
    stage.sfctl(&["query", "create database d"]).ok();
    stage
        .sfctl(&["query", "create table d.public.t as select 7 as a"])
        .ok();
    stage.sfctl(&["service", "stop"]).ok();
    assert_eq!(stage.rows("select a from d.public.t"), "7");
}

#[test]
fn an_error_in_a_transaction_undoes_its_statement_only() {
    let stage = Stage::new();
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["use", "schema", "d.public"]).ok();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    stage.sfctl(&["query", "begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    stage
        .sfctl(&["query", "insert into t select 'x'::int"])
        .fails(1, &["100038", "22018"]);
    stage.sfctl(&["query", "insert into t values (2)"]).ok();
    stage.sfctl(&["query", "commit"]).ok();
    assert_eq!(stage.rows("select a from t order by a"), "1\n2");
}

#[test]
fn numbers_are_exact() {
    let stage = Stage::new();
    assert_eq!(
        stage.rows("select 1/3, 0.1 + 0.2, 12345678901234567890123456789012345678"),
        "0.333333,0.3,12345678901234567890123456789012345678"
    );
}

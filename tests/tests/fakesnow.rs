//! Our client side against somebody else's Snowflake: `sfctl`, service, driver and gateway over fakesnow's server.
//!
//! fakesnow speaks Arrow only, has no token renewal and its own words in messages; what is asserted here is what it
//! shares with Snowflake.

use snowflake_session_tests::emulator::Server;
use snowflake_session_tests::fakesnow;
use snowflake_session_tests::stage::Stage;

/// A stage whose default connection leads to a fakesnow with the schema `W.S`.
fn stage() -> (Stage, Server) {
    let mut stage = Stage::new();
    let server = fakesnow::start(&stage);
    stage.connections(&server.connection("fake", ""));
    stage.set("SFCTL_CONNECTION", "fake");
    stage.sfctl(&["query", "create database w"]).ok();
    stage.sfctl(&["query", "create schema w.s"]).ok();
    stage.sfctl(&["use", "schema", "w.s"]).ok();
    (stage, server)
}

#[test]
fn the_context_stays_between_commands() {
    let (stage, _server) = stage();
    assert_eq!(stage.rows("select current_database(), current_schema()"), "W,S");
}

#[test]
fn a_server_that_runs_what_it_describes_is_not_asked() {
    let (mut stage, _server) = stage();
    // Below the level open, Snowflake would be asked first what this is; the table would be made twice.
    stage.set("SFCTL_POLICY", "guarded");
    stage.sfctl(&["query", "create table once (a int)"]).ok();
}

#[test]
fn values_arrive_with_their_types() {
    let (stage, _server) = stage();
    let sql = "select 1::int as i, 1.50::number(10,2) as n, 'a,b' as s, true as b, null as z, \
               '2024-02-29'::date as d, 1.5::float as f";
    let out = stage.sfctl(&["query", sql, "--format", "csv"]).ok();
    assert_eq!(out, "I,N,S,B,Z,D,F\n1,1.50,\"a,b\",true,,2024-02-29,1.5\n");
}

#[test]
fn tables_are_made_filled_and_changed() {
    let (stage, _server) = stage();
    stage
        .sfctl(&["query", "create table t (a number(10,2), b varchar)"])
        .ok();
    assert_eq!(stage.rows("insert into t values (1.5, 'x'), (2.25, null)"), "2");
    assert_eq!(
        stage.rows("update t set b = 'y' where a = 1.5").split(',').next(),
        Some("1")
    );
    assert_eq!(stage.rows("select * from t order by a"), "1.50,y\n2.25,");
    assert_eq!(stage.rows("delete from t where a > 2"), "1");
    assert_eq!(stage.rows("select count(*) from t"), "1");
}

#[test]
fn a_transaction_spans_commands() {
    let (stage, _server) = stage();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    stage.sfctl(&["query", "begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    assert_eq!(stage.rows("select count(*) from t"), "1");
    stage.sfctl(&["query", "rollback"]).ok();
    assert_eq!(stage.rows("select count(*) from t"), "0");
}

#[test]
fn an_error_is_shown_as_the_server_said_it() {
    let (stage, _server) = stage();
    stage
        .sfctl(&["query", "select * from no_such_table"])
        .fails(1, &["NO_SUCH_TABLE", "002003", "42S02"]);
    assert_eq!(stage.rows("select 1"), "1");
}

#[test]
fn many_rows_arrive_whole() {
    let (stage, _server) = stage();
    stage
        .sfctl(&["query", "create table n as select range as i from range(200000)"])
        .ok();
    let out = stage.rows("select i from n order by i");
    assert!(
        out.lines()
            .map(str::to_owned)
            .eq((0..200_000).map(|i: u32| i.to_string())),
        "{} rows",
        out.lines().count()
    );
}

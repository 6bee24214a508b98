//! Sessions that last: side by side, with transactions over several processes, with jobs that go on alone, and honest
//! about what a killed service took with it.

use std::time::Duration;

use snowflake_session_tests::emulator::{self, Server};
use snowflake_session_tests::process::Ran;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::{until, until_true};

/// Longest time to notice; a hang takes longer.
const NOTICE_DEADLINE: Duration = Duration::from_secs(30);
/// Runs for hours.
const ENDLESS: &str = "select count(*) from table(generator(rowcount => 10000000)) a, \
                       table(generator(rowcount => 10000000)) b where random() > 2";

/// A stage with a database, and the default session in it.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["use", "schema", "d.public"]).ok();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    stage
}

/// A stage whose sessions are at an emulator that outlives the service.
fn stage_with_server() -> (Stage, Server) {
    let mut stage = Stage::new();
    let server = emulator::start(&stage, &[]);
    stage.connections(&server.connection("away", ""));
    stage.set("SFCTL_CONNECTION", "away");
    (stage, server)
}

/// Kills the service, of which the emulator behind `local` ends too.
fn kill_service(stage: &Stage) {
    stage.kill("snowflake-session");
    let gone = || stage.processes("snowflake-emulator").is_empty();
    until_true("the orphaned emulator to end", NOTICE_DEADLINE, gone);
    // The next service says in its log what the killed one took with it.
    stage.foresee(r#""reason":"SessionLost""#);
}

/// What `sfctl` says about one thing, as JSON.
fn json(stage: &Stage, arguments: &[&str]) -> serde_json::Value {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    let out = stage.sfctl(&all).ok();
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// A query in a session with a name.
fn query_in(stage: &Stage, session: &str, sql: &str) -> Ran {
    stage.sfctl(&["query", sql, "--session", session, "--format", "csv"])
}

/// Submits a statement and returns its id.
fn submit(stage: &Stage, sql: &str) -> String {
    let id = stage.sfctl(&["query", "--async", sql]).ok();
    assert_eq!(id.lines().count(), 1, "the id alone: {id}");
    id.trim().to_owned()
}

#[test]
fn sessions_run_side_by_side() {
    let stage = stage();
    stage.sfctl(&["session", "new", "busy"]).ok();
    stage.sfctl(&["session", "new", "free"]).ok();
    let sample = "snowflake_sample_data.tpch_sf001";
    stage.sfctl(&["use", "schema", sample, "--session", "free"]).ok();
    stage
        .sfctl(&["use", "schema", "d.public", "--session", "busy"])
        .ok();
    let running = stage.sfctl_running(&["query", ENDLESS, "--session", "busy"]);
    until_true("the session to be busy", NOTICE_DEADLINE, || {
        json(&stage, &["session", "show", "busy"])["state"] == "busy"
    });
    let shown = json(&stage, &["session", "show", "busy"]);
    assert_eq!(shown["schema"], "PUBLIC", "{shown}");
    assert!(shown["running_since"].is_string(), "{shown}");
    // The other session is elsewhere, and does not wait.
    assert_eq!(
        query_in(&stage, "free", "select current_schema(), count(*) from region").ok(),
        "CURRENT_SCHEMA(),COUNT(*)\nTPCH_SF001,5\n"
    );
    let names: Vec<String> = json(&stage, &["session", "list"])
        .as_array()
        .expect("a list")
        .iter()
        .map(|session| session["session"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["busy", "default", "free"]);
    // Without an id, what the session runs is meant.
    let cancelled = stage.sfctl(&["job", "cancel", "--session", "busy"]);
    assert!(cancelled.stderr.contains("Snowflake confirmed it"), "{cancelled}");
    running.wait(NOTICE_DEADLINE).fails(130, &["cancelled"]);
    assert!(
        query_in(&stage, "busy", "select current_schema()")
            .ok()
            .ends_with("\nPUBLIC\n")
    );
}

#[test]
fn a_transaction_spans_processes() {
    let stage = stage();
    let count = || stage.rows("select count(*) from t");
    let elsewhere = || query_in(&stage, "other", "select count(*) from d.public.t").ok();
    stage.sfctl(&["begin"]).ok();
    stage
        .sfctl(&["begin"])
        .fails(2, &["has an open transaction already"]);
    let inserted = stage.sfctl(&["query", "--stats", "insert into t values (1), (2)"]);
    let stats: serde_json::Value =
        serde_json::from_str(inserted.stderr.lines().last().unwrap_or_default()).expect("statistics");
    assert_eq!(stats["transaction_open"], true, "{inserted}");
    let context = json(&stage, &["context"]);
    assert_eq!(context["transaction"], "open", "{context}");
    assert!(context["transaction_since"].is_string(), "{context}");
    assert!(context["transaction_ends"].is_string(), "{context}");
    assert!(elsewhere().ends_with("\n0\n"), "nobody else sees it");
    stage.sfctl(&["rollback"]).ok();
    assert_eq!(count(), "0");
    stage.sfctl(&["rollback"]).fails(2, &["has no open transaction"]);
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into t values (3)"]).ok();
    stage.sfctl(&["commit"]).ok();
    assert!(elsewhere().ends_with("\n1\n"));
    assert_eq!(json(&stage, &["context"])["transaction"], "none");
}

#[test]
fn ddl_that_ends_a_transaction_is_told() {
    let stage = stage();
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    let ddl = stage.sfctl(&["query", "create table u (a int)"]);
    assert!(
        ddl.stderr.contains("note: ") && ddl.stderr.contains("transaction"),
        "{ddl}"
    );
    assert_eq!(json(&stage, &["context"])["transaction"], "none");
    stage.sfctl(&["rollback"]).fails(2, &["has no open transaction"]);
    assert_eq!(stage.rows("select count(*) from t"), "1");
}

#[test]
fn a_closed_session_rolls_back() {
    let stage = stage();
    stage.sfctl(&["session", "new", "mine"]).ok();
    stage.sfctl(&["begin", "--session", "mine"]).ok();
    query_in(&stage, "mine", "insert into d.public.t values (1)").ok();
    let closed = stage.sfctl(&["session", "close", "mine"]);
    assert!(closed.stderr.contains("rolled back"), "{closed}");
    closed.ok();
    stage
        .sfctl(&["session", "show", "mine"])
        .fails(2, &["mine", "session list"]);
    assert_eq!(stage.rows("select count(*) from t"), "0");
}

#[test]
fn a_transaction_that_nobody_uses_is_rolled_back_and_told() {
    let mut stage = Stage::new();
    stage.set("SNOWFLAKE_SESSIOND_TRANSACTION__LEASE", "1s");
    stage.foresee(r#""reason":"SessionLost""#);
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["query", "create table d.public.t (a int)"]).ok();
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into d.public.t values (1)"]).ok();
    until_true("the lease to end", NOTICE_DEADLINE, || {
        json(&stage, &["context"])["transaction"] == "none"
    });
    let lost = json(&stage, &["context"]);
    assert_eq!(lost["lost"][0]["kind"], "transaction", "{lost}");
    let write = ["query", "insert into d.public.t values (2)"];
    stage
        .sfctl(&write)
        .fails(1, &["lost: the open transaction", "hint"]);
    stage
        .sfctl(&["query", "insert into d.public.t values (3)", "--accept-loss"])
        .ok();
    assert_eq!(stage.rows("select a from d.public.t"), "3");
}

#[test]
fn a_killed_service_loses_the_transaction_and_says_so() {
    let stage = stage();
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    kill_service(&stage);
    let write = ["query", "insert into t values (2)"];
    for _ in 0..2 {
        stage.sfctl(&write).fails(
            1,
            &[
                "lost: the open transaction",
                "--accept-loss",
                "sfctl session reset",
            ],
        );
    }
    stage.sfctl(&["begin"]).fails(1, &["lost: the open transaction"]);
    stage
        .sfctl(&["use", "schema", "d.public"])
        .fails(1, &["lost: the open transaction"]);
    let context = json(&stage, &["context"]);
    assert_eq!(context["lost"][0]["kind"], "transaction", "{context}");
    stage
        .sfctl(&["query", "insert into t values (3)", "--accept-loss"])
        .ok();
    assert_eq!(stage.rows("select a from t"), "3");
    assert_eq!(json(&stage, &["context"])["lost"], serde_json::json!([]));
}

#[test]
fn a_killed_service_loses_temporary_tables_and_says_so() {
    let stage = stage();
    stage
        .sfctl(&["query", "create temporary table mine as select 1 as a"])
        .ok();
    let shown = json(&stage, &["session", "show"])["temporary_objects"].to_string();
    assert!(shown.contains("MINE"), "{shown}");
    kill_service(&stage);
    stage
        .sfctl(&["query", "select * from mine"])
        .fails(1, &["lost: temporary TABLE", "MINE"]);
    let reset = stage.sfctl(&["session", "reset"]);
    assert!(reset.stderr.contains("session default begins anew"), "{reset}");
    reset.ok();
    // Begun anew, the session has forgotten its schema too.
    assert_ne!(stage.rows("select current_database()"), "D");
}

#[test]
fn context_variables_and_parameters_outlive_a_killed_service() {
    let stage = stage();
    stage.sfctl(&["query", "set v = 42"]).ok();
    stage
        .sfctl(&["query", "alter session set timezone = 'Asia/Tokyo'"])
        .ok();
    kill_service(&stage);
    assert_eq!(
        stage.rows("select $v, current_database(), current_schema()"),
        "42,D,PUBLIC"
    );
    let parameters = stage
        .sfctl(&["query", "show parameters like 'TIMEZONE'", "--format", "csv"])
        .ok();
    assert!(parameters.contains("Asia/Tokyo"), "{parameters}");
    let shown = json(&stage, &["session", "show"]);
    assert_eq!(shown["parameters"]["TIMEZONE"], "'Asia/Tokyo'", "{shown}");
    assert_eq!(shown["variables"], serde_json::json!(["V"]), "{shown}");
}

#[test]
fn a_connection_has_a_session_of_its_own() {
    let (stage, _server) = stage_with_server();
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["use", "schema", "d.public"]).ok();
    assert_eq!(json(&stage, &["context"])["session"], "away");
    assert_eq!(json(&stage, &["session", "show"])["database"], "D");
    stage.sfctl(&["begin"]).ok();
    let committed = stage.sfctl(&["commit"]);
    assert!(committed.stderr.contains("session away"), "{committed}");
    committed.ok();
    let default = stage.sfctl(&["-c", "local", "context", "--format", "json"]).ok();
    assert!(default.contains("\"session\":\"default\""), "{default}");
}

#[test]
fn a_job_goes_on_alone_and_its_result_is_read_again_and_again() {
    let (stage, _server) = stage_with_server();
    let rows = "select seq4() as n from table(generator(rowcount => 5000)) order by n";
    let id = submit(&stage, rows);
    let waited = stage.sfctl(&["job", "wait", &id]);
    assert!(
        waited.stderr.contains("succeeded") && waited.stderr.contains("5,000 rows"),
        "{waited}"
    );
    waited.ok();
    let whole = || stage.sfctl(&["job", "result", &id, "--format", "csv"]).ok();
    let expected: String = std::iter::once("N\n".to_owned())
        .chain((0..5_000).map(|n| format!("{n}\n")))
        .collect();
    assert!(whole() == expected, "the rows differ");
    assert!(whole() == expected, "the rows differ at the second reading");
    let tail = ["job", "result", &id, "--offset", "4997", "--format", "csv"];
    assert_eq!(stage.sfctl(&tail).ok(), "N\n4997\n4998\n4999\n");
    let middle = [
        "job", "result", "last", "--offset", "7", "--limit", "2", "--format", "jsonl",
    ];
    assert_eq!(stage.sfctl(&middle).ok(), "{\"N\":7}\n{\"N\":8}\n");
    let listed = json(&stage, &["job", "list"]);
    assert_eq!(listed[0]["query_id"], id.as_str(), "{listed}");
    assert_eq!(listed[0]["state"], "succeeded", "{listed}");
    // By its id it is known to Snowflake, whatever becomes of the service.
    stage.sfctl(&["service", "restart"]).ok();
    assert_eq!(stage.sfctl(&tail).ok(), "N\n4997\n4998\n4999\n");
    stage.kill("snowflake-session");
    assert_eq!(stage.sfctl(&tail).ok(), "N\n4997\n4998\n4999\n");
    assert_eq!(json(&stage, &["job", "show", &id])["state"], "succeeded");
    stage.sfctl(&["job", "wait", &id]).ok();
}

#[test]
fn a_job_that_fails_ends_the_wait_as_its_query_would_have() {
    let (stage, _server) = stage_with_server();
    let id = submit(&stage, "select 'x'::int");
    for arguments in [
        &["job", "wait", &id][..],
        &["job", "wait", &id, "--result"],
        &["job", "result", &id],
    ] {
        stage.sfctl(arguments).fails(1, &["100038", "22018", &id]);
    }
    assert_eq!(json(&stage, &["job", "show", "last"])["state"], "failed");
    stage
        .sfctl(&["job", "wait", "01b00000-0000-0000-0000-000000000000"])
        .fails(2, &["01b00000-0000-0000-0000-000000000000"]);
}

#[test]
fn a_job_does_not_hold_its_session_and_is_cancelled_alone() {
    let (stage, _server) = stage_with_server();
    let id = submit(&stage, ENDLESS);
    let other = submit(&stage, "select 7 as n");
    assert_eq!(stage.rows("select 1"), "1");
    let waiting = stage.sfctl_running(&["job", "wait", &id]);
    let patience = stage.sfctl(&["job", "wait", &id, "--timeout", "500ms"]);
    patience.fails(4, &["the query goes on", "sfctl job wait"]);
    assert_eq!(json(&stage, &["job", "show", &id])["state"], "running");
    let cancelled = stage.sfctl(&["job", "cancel", &id]);
    assert!(cancelled.stderr.contains("Snowflake confirmed it"), "{cancelled}");
    cancelled.ok();
    waiting.wait(NOTICE_DEADLINE).fails(130, &["cancel"]);
    until("the job to have ended", NOTICE_DEADLINE, || {
        (json(&stage, &["job", "show", &id])["state"] == "cancelled").then_some(())
    });
    let result = ["job", "wait", &other, "--result", "--format", "csv"];
    assert_eq!(stage.sfctl(&result).ok(), "N\n7\n");
}

//! Submitted statements from outside: they go on without their client and without the service, and are found again.

use std::time::Duration;

use snowflake_session_tests::emulator;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

/// Longest wait for something that takes a moment.
const MOMENT: Duration = Duration::from_secs(30);

/// Submits a statement and returns its query id.
#[track_caller]
fn submit(stage: &Stage, sql: &str) -> String {
    stage.sfctl(&["query", "--async", sql]).ok().trim().to_owned()
}

#[track_caller]
fn state(stage: &Stage, job: &str) -> String {
    let shown = stage.sfctl(&["job", "show", job]).ok();
    let state = shown.lines().find_map(|line| line.strip_prefix("state"));
    state.expect("a job has a state").trim().to_owned()
}

/// An emulator that runs by itself, and a service whose connection `dev` leads there.
fn with_emulator() -> (Stage, emulator::Server) {
    let mut stage = Stage::new();
    stage.set("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "dev");
    let server = emulator::start(&stage, &[]);
    stage.connections(&server.connection("dev", ""));
    stage.sfctl(&["query", "create database d"]).ok();
    (stage, server)
}

#[test]
fn a_job_runs_beside_its_session_and_its_result_is_read_again() {
    let (stage, _server) = with_emulator();
    stage.sfctl(&["query", "create table t (n int)"]).ok();
    let slow = submit(&stage, "call system$wait(600)");
    let rows = "insert into t select seq4() from table(generator(rowcount => 1000))";
    let job = submit(&stage, rows);
    stage.sfctl(&["job", "wait", &job]).ok();
    assert_eq!(state(&stage, &job), "succeeded");
    for _ in 0..2 {
        let result = stage.sfctl(&["job", "result", &job, "--format", "csv"]).ok();
        assert!(result.ends_with("1000\n"), "{result}");
    }
    assert_eq!(stage.rows("select count(*) from t"), "1000", "it ran once");
    assert_eq!(state(&stage, &slow), "running");
    stage.sfctl(&["job", "cancel", &slow]).ok();
    assert_eq!(state(&stage, &slow), "cancelled");
    stage.sfctl(&["job", "result", &slow]).fails(130, &["cancelled"]);
    let rejected = submit(&stage, "select * from missing");
    stage.sfctl(&["job", "wait", &rejected]).fails(1, &["MISSING"]);
}

#[test]
fn a_job_goes_on_when_its_session_is_closed_and_when_the_service_is_killed() {
    let (stage, _server) = with_emulator();
    stage
        .sfctl(&["query", "create table d.public.t as select 1 as n"])
        .ok();
    let closed = submit(&stage, "call system$wait(600)");
    stage.sfctl(&["session", "close"]).ok();
    assert_eq!(state(&stage, &closed), "running");
    let short = submit(&stage, "call system$wait(2)");
    until_true("the job to be on disk", MOMENT, || {
        let kept = std::fs::read_to_string(stage.path("state/snowflake-session/jobs.json"));
        kept.is_ok_and(|kept| kept.contains(&short))
    });
    stage.kill("snowflake-session");
    let listed = stage.sfctl(&["job", "list", "--format", "csv"]).ok();
    assert!(listed.contains(&closed) && listed.contains(&short), "{listed}");
    assert!(
        !listed.contains("system$wait"),
        "the text of a statement is not kept: {listed}"
    );
    stage.sfctl(&["job", "wait", &short]).ok();
    let result = stage.sfctl(&["job", "result", &short, "--format", "csv"]).ok();
    assert!(result.contains("waited 2 seconds"), "{result}");
    assert_eq!(state(&stage, &closed), "running");
    stage.sfctl(&["job", "cancel", &closed]).ok();
    assert_eq!(state(&stage, &closed), "cancelled");
}

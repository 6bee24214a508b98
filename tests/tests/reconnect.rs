//! What a network and an ill Snowflake do to a session, and what the user notices: mostly nothing, else one clear error.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use snowflake_session_tests::emulator::{self, Server};
use snowflake_session_tests::process::Running;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

/// Longest time for anything here; a hang takes longer.
const DEADLINE: Duration = Duration::from_mins(1);

/// A stage whose sessions are at an emulator with faults, with a table `t`; silence is noticed after a second.
fn stage() -> (Stage, Server) {
    stage_with(&[])
}

fn stage_with(arguments: &[&str]) -> (Stage, Server) {
    let mut stage = Stage::new();
    let mut all = vec!["--fault-control"];
    all.extend(arguments);
    let server = emulator::start(&stage, &all);
    stage.connections(&server.connection("away", ""));
    for (name, value) in [
        ("SFCTL_CONNECTION", "away"),
        ("SNOWFLAKE_SESSIOND_NETWORK__ANSWER_SILENCE", "1s"),
        ("SNOWFLAKE_SESSIOND_NETWORK__DOWNLOAD_SILENCE", "1s"),
        ("SNOWFLAKE_SESSIOND_NETWORK__PAUSE_LONGEST", "500ms"),
        ("SNOWFLAKE_SESSIOND_NETWORK__ATTEMPTS_TIME", "10s"),
    ] {
        stage.set(name, value);
    }
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["use", "schema", "d.public"]).ok();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    (stage, server)
}

/// How often each fault happened.
fn fired(server: &Server) -> Vec<u64> {
    let listed: Value = serde_json::from_str(&server.faults_now()).expect("the list is JSON");
    let rules = listed["data"]["faults"].as_array().cloned().unwrap_or_default();
    rules.iter().filter_map(|rule| rule["fired"].as_u64()).collect()
}

/// A fault that the user does not notice, in the middle of a transaction: each statement runs once.
#[track_caller]
fn is_not_noticed(rule: &str) {
    let (stage, server) = stage();
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    server.faults(rule);
    stage.sfctl(&["query", "insert into t values (2)"]).ok();
    assert!(fired(&server)[0] > 0, "{rule} did not happen");
    stage.sfctl(&["commit"]).ok();
    assert_eq!(stage.rows("select count(*), sum(a) from t"), "2,3", "{rule}");
}

#[test]
fn a_connection_that_breaks_before_the_statement_runs() {
    is_not_noticed("reset,on=query,times=2");
}

#[test]
fn a_connection_that_breaks_after_the_statement_ran() {
    is_not_noticed("reset,on=query,phase=after,times=2");
}

#[test]
fn an_answer_that_is_cut() {
    is_not_noticed("cut=40,on=query,times=2");
}

#[test]
fn a_server_that_is_busy() {
    is_not_noticed("status=503,on=query,times=2");
}

#[test]
fn a_server_that_is_busy_after_the_statement_ran() {
    is_not_noticed("status=503,phase=after,on=query,times=2");
}

#[test]
fn a_server_that_asks_for_patience() {
    is_not_noticed("status=429,retry-after=1,on=query,times=1");
}

#[test]
fn a_half_open_connection() {
    is_not_noticed("stall,on=query,times=1");
}

#[test]
fn a_half_open_connection_after_the_statement_ran() {
    is_not_noticed("stall,phase=after,on=query,times=1");
}

#[test]
fn a_token_that_expired() {
    is_not_noticed("code=390112,on=query,times=1");
}

/// A session that ends while it holds nothing that cannot be brought back.
#[track_caller]
fn is_brought_back(code: &str) {
    let (stage, server) = stage();
    stage.sfctl(&["query", "set x = 'kept'"]).ok();
    let session = stage.rows("select current_session()");
    stage.foresee("upstream session lost");
    server.faults(&format!("code={code},end-session=true,on=query,times=1"));
    assert_eq!(stage.rows("select current_schema(), $x"), "PUBLIC,kept", "{code}");
    assert_eq!(fired(&server), [1], "{code}");
    assert_ne!(stage.rows("select current_session()"), session, "{code}");
}

#[test]
fn a_session_that_is_gone_is_brought_back() {
    is_brought_back("390111");
}

#[test]
fn a_session_whose_master_token_expired_is_brought_back() {
    is_brought_back("390114");
}

#[test]
fn a_session_that_is_gone_with_its_transaction_says_so() {
    let (stage, server) = stage();
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    stage.foresee("upstream session lost");
    server.faults("code=390111,end-session=true,on=query,times=1");
    let write = ["query", "insert into t values (2)"];
    for _ in 0..2 {
        stage
            .sfctl(&write)
            .fails(1, &["the open transaction", "nothing was run"]);
    }
    stage
        .sfctl(&["query", "insert into t values (3)", "--accept-loss"])
        .ok();
    assert_eq!(stage.rows("select sum(a) from t"), "3");
}

#[test]
fn a_network_that_is_cut() {
    let (stage, server) = stage();
    stage.foresee(r#""reason":"Unreachable""#);
    server.faults("reset,on=connect\nreset,on=query");
    let ran = stage.sfctl(&["query", "insert into t values (1)"]);
    assert!(ran.elapsed < DEADLINE, "{ran}");
    ran.fails(3, &["127.0.0.1"]);
    server.faults("");
    assert_eq!(
        stage.rows("select current_schema(), count(*) from t"),
        "PUBLIC,0",
        "the session is as it was"
    );
}

#[test]
fn a_statement_of_which_no_answer_ever_came() {
    let (stage, server) = stage();
    stage.foresee(r#""reason":"Unreachable""#);
    server.faults("reset,phase=after,on=query,sql~=^insert");
    stage
        .sfctl(&["query", "insert into t values (1)"])
        .fails(3, &["it may have run"]);
    server.faults("");
    assert_eq!(stage.rows("select count(*) from t"), "1", "it ran once");
}

/// A result of several downloads, one of which goes wrong.
#[track_caller]
fn is_read_whole(rule: &str) {
    let (stage, server) = stage();
    server.faults(rule);
    let sql = "select seq8() as n, randstr(40, 1) as s from table(generator(rowcount => 300000))";
    let out = stage.sfctl(&["query", sql, "--format", "csv"]).ok();
    assert!(fired(&server)[0] > 0, "{rule} did not happen");
    let numbers = out
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next()?.parse::<u64>().ok());
    assert!(numbers.eq(0..300_000), "{rule}: every row once and in order");
}

#[test]
fn a_download_that_stops() {
    is_read_whole("stall,on=chunk,after=1,times=1");
}

#[test]
fn a_download_that_trickles() {
    is_read_whole("throttle=5000,on=chunk,after=1,times=1");
}

#[test]
fn a_download_that_is_cut() {
    is_read_whole("cut=100000,on=chunk,after=1,times=2");
}

#[test]
fn a_service_that_slept() {
    let (stage, _server) = stage_with(&["--session-token-seconds", "2"]);
    stage.sfctl(&["begin"]).ok();
    stage.sfctl(&["query", "insert into t values (1)"]).ok();
    let service = stage.processes("snowflake-session")[0];
    let signal = |signal| rustix::process::kill_process(service, signal).expect("our own process");
    signal(Signal::STOP);
    // Longer than the token lives: asleep, nothing renews it.
    std::thread::sleep(Duration::from_secs(3));
    let waiting = stage.sfctl_running(&["query", "insert into t values (2)"]);
    signal(Signal::CONT);
    waiting.wait(DEADLINE).ok();
    stage.sfctl(&["commit"]).ok();
    assert_eq!(stage.rows("select sum(a) from t"), "3");
}

/// Statements that the emulator runs now.
fn running_statements(server: &Server) -> u64 {
    let health: Value = serde_json::from_str(&server.health()).expect("health is JSON");
    health["statements"].as_u64().expect("a number")
}

/// Runs for hours.
const ENDLESS: &str = "select count(*) from table(generator(rowcount => 10000000)) a, \
                       table(generator(rowcount => 10000000)) b where random() > 2";

/// However a command ends, its statement ends with it, and it alone.
#[track_caller]
fn stops_one_statement(end: impl FnOnce(Running), command: &[&str]) {
    let (mut stage, server) = stage();
    // The emulator says after 45 s that a statement still runs; less silence is a fault here.
    stage.sfctl(&["service", "stop"]).ok();
    stage.set("SNOWFLAKE_SESSIOND_NETWORK__ANSWER_SILENCE", "60s");
    stage.foresee(r#""reason":"Timeout""#);
    let other = stage.sfctl_running(&["query", ENDLESS, "--session", "other", "--connection", "away"]);
    until_true("the other statement to run", DEADLINE, || {
        running_statements(&server) == 1
    });
    let mut all = vec!["query", ENDLESS];
    all.extend(command);
    let running = stage.sfctl_running(&all);
    until_true("both statements to run", DEADLINE, || {
        running_statements(&server) == 2
    });
    end(running);
    until_true("one statement to be stopped", DEADLINE, || {
        running_statements(&server) == 1
    });
    other.signal(Signal::INT);
    other.wait(DEADLINE).fails(130, &["cancel"]);
    until_true("the other one to be stopped", DEADLINE, || {
        running_statements(&server) == 0
    });
}

#[test]
fn an_interrupt_stops_one_statement() {
    stops_one_statement(
        |running| {
            running.signal(Signal::INT);
            running.wait(DEADLINE).fails(130, &["confirmed"]);
        },
        &[],
    );
}

#[test]
fn a_time_limit_stops_one_statement() {
    stops_one_statement(
        |running| {
            running.wait(DEADLINE).fails(4, &["time limit"]);
        },
        &["--timeout", "4s"],
    );
}

#[test]
fn a_client_that_is_killed_stops_one_statement() {
    stops_one_statement(
        |running| {
            running.signal(Signal::KILL);
            drop(running);
        },
        &[],
    );
}

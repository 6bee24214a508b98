//! Programs that are killed in the middle of a query: a clear error, no hang, and the next command works.

use std::time::Duration;

use rustix::process::Signal;
use snowflake_session_tests::process::Running;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

/// Longest time to notice; a hang takes longer.
const NOTICE_DEADLINE: Duration = Duration::from_secs(30);
/// Runs for hours.
const ENDLESS: &str = "select count(*) from table(generator(rowcount => 10000000)) a, \
                       table(generator(rowcount => 10000000)) b where random() > 2";

/// Kills the emulator, of which the service has something to say.
fn kill_emulator(stage: &Stage) {
    for said in [
        "the emulator ended by itself",
        "the local emulator ended unexpectedly",
        "upstream session ended while it was not used",
        r#""reason":"SessionLost""#,
    ] {
        stage.foresee(said);
    }
    stage.kill("snowflake-emulator");
}

/// A stage with a query that is running at the emulator.
fn running_query() -> (Stage, Running) {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    let before = stage.processor_time("snowflake-emulator");
    let running = stage.sfctl_running(&["query", ENDLESS]);
    until_true("the query to keep the emulator busy", NOTICE_DEADLINE, || {
        stage.processor_time("snowflake-emulator") > before + SIGN_OF_WORK
    });
    (stage, running)
}

/// Processor time that only a query can have used; however many others want the processor, it comes together.
const SIGN_OF_WORK: Duration = Duration::from_millis(300);

/// Whether the emulator rests: a busy one gets some time in a second on any machine.
fn is_idle(stage: &Stage) -> bool {
    let before = stage.processor_time("snowflake-emulator");
    std::thread::sleep(Duration::from_secs(1));
    stage.processor_time("snowflake-emulator").saturating_sub(before) <= Duration::from_millis(20)
}

#[test]
fn the_emulator() {
    let (stage, running) = running_query();
    kill_emulator(&stage);
    running.wait(NOTICE_DEADLINE).fails(3, &["error"]);
    assert_eq!(stage.rows("select 1"), "1");
}

#[test]
fn the_service() {
    let (stage, running) = running_query();
    stage.kill("snowflake-session");
    running.wait(NOTICE_DEADLINE).fails(3, &["error"]);
    assert_eq!(stage.rows("select 1"), "1");
}

#[test]
fn first_the_emulator_then_the_service() {
    let (stage, running) = running_query();
    kill_emulator(&stage);
    running.wait(NOTICE_DEADLINE).fails(3, &["error"]);
    stage.kill("snowflake-session");
    assert_eq!(stage.rows("select 1"), "1");
}

#[test]
fn the_service_takes_the_emulator_with_it() {
    let (stage, running) = running_query();
    stage.kill("snowflake-session");
    running.wait(NOTICE_DEADLINE).fails(3, &["error"]);
    let gone = || stage.processes("snowflake-emulator").is_empty();
    until_true("the orphaned emulator to end", NOTICE_DEADLINE, gone);
}

#[test]
fn an_open_transaction_that_is_lost_is_said() {
    let stage = Stage::new();
    stage.sfctl(&["query", "create database d"]).ok();
    stage.sfctl(&["query", "create table d.public.t (a int)"]).ok();
    stage.sfctl(&["query", "begin"]).ok();
    stage.sfctl(&["query", "insert into d.public.t values (1)"]).ok();
    kill_emulator(&stage);
    // No write is done as if nothing had happened, until the loss of the transaction is acknowledged.
    let write = ["query", "insert into d.public.t values (2)"];
    let (first, second) = (stage.sfctl(&write), stage.sfctl(&write));
    assert!(first.code != 0 && second.code != 0, "{first}\n{second}");
    assert!(
        format!("{first}{second}").contains("transaction"),
        "{first}\n{second}"
    );
    stage.sfctl(&["session", "reset"]).ok();
    assert_eq!(stage.rows("select count(*) from d.public.t"), "0");
    stage.sfctl(&write).ok();
    assert_eq!(stage.rows("select count(*) from d.public.t"), "1");
}

#[test]
fn an_interrupted_command_stops_its_query() {
    let (stage, running) = running_query();
    running.signal(Signal::INT);
    let ran = running.wait(NOTICE_DEADLINE).fails(130, &["cancel"]);
    until_true("the emulator to be idle", NOTICE_DEADLINE, || is_idle(&stage));
    assert!(ran.elapsed < NOTICE_DEADLINE, "{ran}");
    assert_eq!(stage.rows("select 1"), "1");
}

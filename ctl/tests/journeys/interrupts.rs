//! Ctrl-C and time limits while a query runs.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use snowflake_session_proto::v1::{CancelOutcome, Query, QueryState};

use crate::arrow::{head, numbered};
use crate::fake::{Script, Watch};
use crate::harness::{House, Ran, eventually, finished, spawned};

fn house() -> House {
    House::new(Script::Hangs(head(&[numbered(10)])))
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Starts a query, sends the signal once it runs, and answers what the command did.
fn interrupted(house: &House, arguments: &[&str], with: Signal) -> Ran {
    let mut all = vec!["query", "select 1"];
    all.extend(arguments);
    let child = spawned(house.command(&all));
    eventually("the query", || {
        !house.fake.state.queries.lock().unwrap().is_empty()
    });
    signal(&child, with);
    finished(child.wait_with_output().unwrap())
}

#[test]
fn ctrl_c_cancels_and_reports_the_confirmation() {
    let house = house();
    let ran = interrupted(&house, &[], Signal::INT);
    assert!(
        ran.failed(130)
            .contains("the query was cancelled, Snowflake confirmed it"),
        "{ran:?}"
    );
    let cancels = house.fake.state.cancels.lock().unwrap();
    assert_eq!(cancels.len(), 1);
    assert_eq!(cancels[0].query, house.fake.query().request_id);
}

#[test]
fn a_request_to_end_cancels_too() {
    let house = house();
    interrupted(&house, &[], Signal::TERM).failed(130);
    assert_eq!(house.fake.state.cancels.lock().unwrap().len(), 1);
}

#[test]
fn an_unconfirmed_cancellation_is_reported_as_such() {
    let house = house();
    *house.fake.state.cancel_outcome.lock().unwrap() = CancelOutcome::Unconfirmed;
    let ran = interrupted(&house, &["--format", "csv"], Signal::INT);
    assert!(ran.failed(130).contains("did not confirm"), "{ran:?}");
}

#[test]
fn an_interrupted_file_is_not_there() {
    let house = house();
    interrupted(&house, &["-o", "x.csv"], Signal::INT).failed(130);
    assert_eq!(house.files(), [""; 0]);
}

#[test]
fn ctrl_c_works_while_nobody_reads_our_output() {
    let house = House::new(Script::Endless(head(&[numbered(50_000)])));
    let child = spawned(house.command(&["query", "--format", "csv", "select 1"]));
    eventually("the query", || {
        !house.fake.state.queries.lock().unwrap().is_empty()
    });
    // The pipe is full and stays so: neither the writer nor the reader moves.
    signal(&child, Signal::INT);
    let mut child = child;
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(house.fake.state.cancels.lock().unwrap().len(), 1);
}

#[test]
fn a_service_that_ignores_the_time_limit_does_not_hold_us() {
    let house = house();
    let ran = house.run(&["query", "--timeout", "1ms", "select 1"]);
    assert!(ran.failed(4).contains("the time limit passed"), "{ran:?}");
    assert_eq!(house.fake.state.cancels.lock().unwrap().len(), 1);
}

#[test]
fn ctrl_c_while_waiting_leaves_the_query_alone() {
    let house = house();
    *house.fake.state.watch.lock().unwrap() = Watch {
        states: vec![Query {
            query_id: "01ab".to_owned(),
            state: QueryState::Running.into(),
            ..Query::default()
        }],
        hangs: true,
    };
    let child = spawned(house.command(&["job", "wait", "01ab"]));
    eventually("the watch", || {
        !house.fake.state.watched.lock().unwrap().is_empty()
    });
    signal(&child, Signal::INT);
    assert_eq!(
        finished(child.wait_with_output().unwrap()).failed(130),
        "error: stopped waiting; the query goes on\n\
         hint: `sfctl job wait 01ab` waits again, `sfctl job cancel 01ab` stops it\n"
    );
    assert!(house.fake.state.cancels.lock().unwrap().is_empty());
}

#[test]
fn ctrl_c_while_reading_a_result_leaves_its_query_alone() {
    let house = house();
    let child = spawned(house.command(&["job", "result", "01ab", "-o", "x.csv"]));
    eventually("the reading", || {
        !house.fake.state.read.lock().unwrap().is_empty()
    });
    signal(&child, Signal::INT);
    assert_eq!(
        finished(child.wait_with_output().unwrap()).failed(130),
        "error: stopped before the end of the result; the query is not affected\n"
    );
    assert_eq!(house.files(), [""; 0]);
    assert!(house.fake.state.cancels.lock().unwrap().is_empty());
}

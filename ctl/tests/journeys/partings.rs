//! A service that leaves in the middle of a result: the rest is read from its next run, or it is said what is missing.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::{ErrorReason, ExecuteQueryResponse};
use tonic::Status;

use crate::arrow::{batch, events, head, numbered};
use crate::fake::{Script, error};
use crate::harness::{House, Ran};

/// Rows of a result of ten, from one to the one before another.
fn rows(from: usize, to: usize) -> RecordBatch {
    numbered(10).slice(from, to - from)
}

fn stopping(rows: &str) -> Status {
    error(
        ErrorReason::Draining,
        "the service is stopping",
        &[("query_id", "01ab"), ("row_offset", rows)],
    )
}

/// The end of a reading that began in the middle: of ten rows.
fn to_the_end(from: usize) -> Vec<ExecuteQueryResponse> {
    let mut all = events(&[rows(from, 10)]);
    if let Some(Event::Summary(summary)) = all.last_mut().and_then(|last| last.event.as_mut()) {
        summary.row_count_total = 10;
    }
    all
}

/// A service that stops after four rows, and what its next run says.
fn house(rests: impl IntoIterator<Item = Script>) -> House {
    let house = House::new(Script::Fails(head(&[rows(0, 4)]), stopping("4")));
    house.fake.state.rests.lock().unwrap().extend(rests);
    house
}

fn csv(house: &House, limit: &[&str]) -> Ran {
    let mut arguments = vec!["query", "--format", "csv", "--no-header", "--stats", "select 1"];
    arguments.extend(limit);
    house.run(&arguments)
}

/// The numbers in the first column.
fn numbers(out: &str) -> Vec<usize> {
    let first = out.lines().map(|line| line.split(',').next().unwrap());
    first.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn the_rest_is_read_from_the_next_run() {
    // The first that answers is still the one that leaves, and the next one leaves, too.
    let still_there = Script::Fails(Vec::new(), stopping("4"));
    let again = Script::Fails(head(&[rows(4, 7)]), stopping("7"));
    let house = house([still_there, again, Script::Events(to_the_end(7))]);
    let ran = csv(&house, &[]);
    assert_eq!(numbers(ran.ok()), (0..10).collect::<Vec<_>>());
    assert!(
        ran.stderr.contains("the service left after 4 rows of the result")
            && ran.stderr.contains("\"rows\":10,")
            && ran.stderr.contains("\"truncated\":false"),
        "{ran:?}"
    );
    let asked = house.fake.state.read.lock().unwrap().clone();
    let asked: Vec<_> = asked
        .iter()
        .map(|read| {
            (
                read.session.as_str(),
                read.query.as_str(),
                read.row_offset,
                read.row_limit,
            )
        })
        .collect();
    assert_eq!(
        asked,
        [
            ("default", "01ab", 4, 0),
            ("default", "01ab", 4, 0),
            ("default", "01ab", 7, 0)
        ]
    );
    assert_eq!(house.fake.state.queries.lock().unwrap().len(), 1, "it ran once");
}

#[test]
fn no_more_rows_are_read_on_than_were_asked_for() {
    let two = house([Script::Events(events(&[rows(4, 6)]))]);
    assert_eq!(numbers(csv(&two, &["--limit", "6"]).ok()), [0, 1, 2, 3, 4, 5]);
    assert_eq!(two.fake.state.read.lock().unwrap()[0].row_limit, 2);
    // All rows are there, and only the end is missing: a row more is asked for and thrown away.
    let none = house([Script::Events(to_the_end(4))]);
    let ran = csv(&none, &["--limit", "4"]);
    assert_eq!(numbers(ran.ok()), [0, 1, 2, 3]);
    assert_eq!(none.fake.state.read.lock().unwrap()[0].row_limit, 1);
    assert!(
        ran.stderr.contains("\"rows\":4,") && ran.stderr.contains("\"truncated\":true"),
        "{ran:?}"
    );
}

#[test]
fn what_cannot_be_read_any_more_is_said() {
    let gone = Status::clone(&error(ErrorReason::NotFound, "there is no query 01ab", &[]));
    let other = batch(vec![("M", Arc::new(Int64Array::from(vec![1])))]);
    let slow = error(ErrorReason::Timeout, "the time limit passed", &[]);
    for (rest, code, parts) in [
        (
            Script::Fails(Vec::new(), gone.clone()),
            3,
            ["there is no query 01ab", "run the statement again"],
        ),
        // The service may find out only while it reads.
        (
            Script::Fails(head(&[rows(4, 5)]), gone),
            3,
            ["there is no query 01ab", "run the statement again"],
        ),
        (
            Script::Fails(
                Vec::new(),
                error(ErrorReason::Unreachable, "no route", &[("may_have_run", "false")]),
            ),
            3,
            [
                "no route",
                "job result 01ab --offset 0 --limit 10 --session etl` reads the result",
            ],
        ),
        // It is there, and comes to whoever waits longer.
        (
            Script::Fails(Vec::new(), slow),
            4,
            [
                "the time limit passed",
                "job result 01ab --offset 0 --limit 10 --session etl` reads the result",
            ],
        ),
        (
            Script::Events(events(&[other])),
            3,
            ["other columns", "run the statement again"],
        ),
    ] {
        let house = house([rest]);
        let ran = csv(&house, &["--session", "etl", "--limit", "10"]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(
            parts.iter().all(|part| ran.stderr.contains(part)),
            "{parts:?}: {ran:?}"
        );
    }
}

#[test]
fn a_service_that_does_not_come_back_leaves_the_way_to_the_rest() {
    let house = House::new(Script::Dies(head(&[rows(0, 4)])));
    let ran = csv(&house, &["--no-autostart", "--timeout", "100ms"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    for part in [
        "error: the service left before the end of the result",
        "caused by: the service went away during the call",
        "nobody listens on",
        // As many as came through before it broke. A result this small is written whole or not at all.
        "rows received: ",
        ", none of them kept",
        "query id: 01ab",
        "--offset 0 --limit all` reads the result when the service is back; nothing runs again",
    ] {
        assert!(ran.stderr.contains(part), "no {part:?}: {ran:?}");
    }
    assert_eq!(ran.stdout, "");
}

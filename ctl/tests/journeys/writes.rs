//! `write`: what is asked for, what is said, how a script is told.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use prost_types::Duration;
use rustix::process::{Pid, Signal, kill_process};
use snowflake_session_proto::v1::prepare_write_response::Event;
use snowflake_session_proto::v1::{
    DmlStats, ErrorReason, PolicyLevel, ResultBatch, ResultSchema, RowSample, StatementKind, Write,
    WriteConcern, WriteMode, WriteState,
};

use crate::arrow::{batch, messages, two_rows};
use crate::fake::{Script, error, now};
use crate::harness::{House, eventually, finished, ran, sfctl, spawned};

pub(crate) const TOKEN: &str = "w1.3f9c";

/// A house whose writes come to this.
pub(crate) fn house(outcome: Write) -> House {
    let house = House::new(Script::Events(Vec::new()));
    house.fake.state.writes.lock().unwrap().outcome = Some(outcome);
    house
}

pub(crate) fn write(state: WriteState) -> Write {
    Write {
        state: state.into(),
        query_id: "01ab".to_owned(),
        statement_kind: StatementKind::Dml.into(),
        dml: Some(DmlStats {
            rows_inserted: 0,
            rows_updated: 2,
            rows_deleted: 0,
        }),
        rows_max: 1_000,
        session: "default".to_owned(),
        connection: "local".to_owned(),
        elapsed: Some(Duration {
            seconds: 0,
            nanos: 12_000_000,
        }),
        target: "ORDERS".to_owned(),
        ..Write::default()
    }
}

pub(crate) fn committed() -> Write {
    Write {
        undo_sql: "update orders set status = 'open' where id in (1, 2)".to_owned(),
        ..write(WriteState::Committed)
    }
}

pub(crate) fn held() -> Write {
    Write {
        token: TOKEN.to_owned(),
        // In ten minutes, also when the test is kept waiting.
        expire_time: Some(now(650)),
        concerns: vec![WriteConcern {
            rule: "rows".to_owned(),
            message: "it changed 2 rows, 1 may be changed without a confirmation".to_owned(),
        }],
        transaction_open: true,
        ..write(WriteState::Held)
    }
}

fn sample(rows: &RecordBatch, truncated: bool) -> RowSample {
    let mut messages = messages(std::slice::from_ref(rows)).into_iter();
    RowSample {
        arrow_schema: messages.next().unwrap(),
        arrow_batches: messages.collect(),
        row_count: rows.num_rows() as i64,
        truncated,
    }
}

fn orders(statuses: [&str; 2]) -> RecordBatch {
    batch(vec![
        ("ID", Arc::new(Int64Array::from(vec![1, 2]))),
        ("STATUS", Arc::new(StringArray::from(statuses.to_vec()))),
    ])
}

#[test]
fn a_committed_write_says_what_changed_and_how_to_undo_it() {
    let ran = house(committed()).run(&["write", "update orders set status = 'done'"]);
    assert_eq!(ran.ok(), "2 rows updated in ORDERS\n");
    assert_eq!(
        ran.stderr,
        "committed (12 ms)\n\
         undo with `sfctl write --undo 01ab`; by hand:\n\
         update orders set status = 'open' where id in (1, 2)\n"
    );
    assert_eq!(
        house(committed())
            .run(&["write", "-q", "update t set a = 1"])
            .stderr,
        ""
    );
}

#[test]
fn a_joined_write_says_that_nothing_is_committed() {
    let ran = house(write(WriteState::Joined)).run(&["write", "update t set a = 1"]);
    ran.ok();
    assert_eq!(
        ran.stderr,
        "done in the open transaction, which is not committed (12 ms)\n"
    );
}

#[test]
fn what_is_asked_for_is_sent() {
    let house = house(committed());
    let sent = |arguments: &[&str]| {
        let mut all = vec!["write", "delete from t"];
        all.extend(arguments);
        house.run(&all).ok();
        house.fake.state.writes.lock().unwrap().prepared.pop().unwrap()
    };
    let plain = sent(&[]);
    assert_eq!(
        (
            plain.mode(),
            plain.rows_max,
            plain.confirmed,
            plain.sample_rows,
            plain.policy()
        ),
        (WriteMode::Unspecified, None, false, 0, PolicyLevel::Unspecified)
    );
    assert_eq!(plain.sql, "delete from t");
    assert!(!plain.request_id.is_empty());
    let full = sent(&[
        "--max-rows",
        "0",
        "--yes",
        "--sample",
        "3",
        "--policy",
        "open",
        "--bind",
        "a",
        "--timeout",
        "5",
        "-c",
        "dev",
    ]);
    assert_eq!(
        (full.rows_max, full.confirmed, full.sample_rows),
        (Some(0), true, 3)
    );
    assert_eq!(full.policy(), PolicyLevel::Open);
    assert_eq!(full.bindings[0].value.as_deref(), Some("a"));
    assert_eq!(full.timeout.map(|timeout| timeout.seconds), Some(5));
    assert_eq!(full.connection, "dev");
    assert_eq!(sent(&["--hold"]).mode(), WriteMode::Hold);
    assert_eq!(sent(&["--no-transaction"]).mode(), WriteMode::NoTransaction);
    assert_eq!(sent(&["--dry-run"]).mode(), WriteMode::DryRun);
    std::fs::write(house.path("w.sql"), "delete from u").unwrap();
    house.run(&["write", "-f", "w.sql"]).ok();
    house.run_with_stdin(&["write", "-"], b"delete from v").ok();
    let writes = house.fake.state.writes.lock().unwrap();
    let texts: Vec<&str> = writes
        .prepared
        .iter()
        .map(|request| request.sql.as_str())
        .collect();
    assert_eq!(texts, ["delete from u", "delete from v"]);
}

#[test]
fn a_held_write_gives_its_token_and_both_commands_however_quiet() {
    for arguments in [
        &["write", "delete from orders"][..],
        &["write", "-q", "delete from orders"],
    ] {
        let ran = house(held()).run(arguments);
        assert_eq!(ran.code, Some(5), "{ran:?}");
        assert_eq!(ran.stdout, "2 rows updated in ORDERS\n");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "held: the write is not committed",
                "rows: it changed 2 rows, 1 may be changed without a confirmation",
                "token: w1.3f9c",
                "confirm: sfctl write --confirm w1.3f9c",
                "abandon: sfctl write --abandon w1.3f9c",
            ]
        );
        assert!(
            lines[5].starts_with("until: 2")
                && lines[5].ends_with("(in 10m), then it is rolled back by itself"),
            "{ran:?}"
        );
    }
}

#[test]
fn proposed_commands_reach_the_same_service() {
    let house = house(held());
    let socket = house.path("grpc.sock");
    let ran = ran(sfctl(
        house.directory.path(),
        &["write", "delete from t", "--socket", socket.to_str().unwrap()],
    ));
    let command = format!(
        "confirm: sfctl write --confirm {TOKEN} --socket {}",
        socket.display()
    );
    assert!(ran.stderr.lines().any(|line| line == command), "{ran:?}");
}

#[test]
fn a_waiting_write_has_not_run() {
    let waiting = Write {
        dml: None,
        query_id: String::new(),
        concerns: vec![WriteConcern {
            rule: "destroys".to_owned(),
            message: "it drops ORDERS, and commits by itself".to_owned(),
        }],
        ..held()
    };
    let waiting = Write {
        state: WriteState::Waiting.into(),
        ..waiting
    };
    let ran = house(waiting).run(&["write", "drop table orders"]);
    assert!(
        ran.failed(5).starts_with(
            "waiting: the statement has not run\ndestroys: it drops ORDERS, and commits by itself\ntoken: "
        ),
        "{ran:?}"
    );
    assert!(
        ran.stderr.ends_with("then it is forgotten by itself\n"),
        "{ran:?}"
    );
}

#[test]
fn changes_are_laid_beside_each_other_by_key() {
    let mut changed = committed();
    changed.before = Some(sample(&orders(["open", "open"]), false));
    changed.after = Some(sample(&orders(["done", "open"]), false));
    changed.key_columns = vec!["ID".to_owned()];
    let ran = house(changed.clone()).run(&["write", "update orders set status = 'done'"]);
    assert_eq!(
        ran.ok(),
        "2 rows updated in ORDERS\n\nchanges:\nchange  | ID | STATUS\n--------+----+------------\n\
         updated | 1  | open → done\nsame    | 2  | open\n"
    );
    // Without a key there are two tables.
    changed.key_columns.clear();
    changed.after.as_mut().unwrap().truncated = true;
    let ran = house(changed).run(&["write", "update orders set status = 'done'"]);
    assert_eq!(
        ran.ok(),
        "2 rows updated in ORDERS\n\nbefore:\nID | STATUS\n---+-------\n 1 | open\n 2 | open\n\n\
         after (a part):\nID | STATUS\n---+-------\n 1 | done\n 2 | open\n"
    );
}

#[test]
fn a_dry_run_is_done_and_leaves_nothing() {
    let ran = house(write(WriteState::RolledBack)).run(&["write", "--dry-run", "delete from t"]);
    assert_eq!(ran.ok(), "2 rows updated in ORDERS\n");
    assert_eq!(ran.stderr, "rolled back, it was a dry run (12 ms)\n");
    let mut unseen = write(WriteState::RolledBack);
    unseen.sample_omitted = "the table has no rows left".to_owned();
    unseen.notices = vec!["a sequence has moved on".to_owned()];
    let ran = house(unseen).run(&["write", "--dry-run", "delete from t"]);
    ran.ok();
    assert_eq!(
        ran.stderr,
        "rolled back, it was a dry run (12 ms)\nnote: a sequence has moved on\n\
         note: no sample of the changes: the table has no rows left\n"
    );
}

#[test]
fn a_write_that_had_to_be_rolled_back_is_refused() {
    let mut refused = write(WriteState::RolledBack);
    refused.concerns = held().concerns;
    let ran = house(refused).run(&["write", "--yes", "--max-rows", "1", "delete from t"]);
    assert_eq!(ran.code, Some(5));
    assert!(
        ran.stderr
            .starts_with("rolled back: the write does not count\nrows: it changed 2 rows"),
        "{ran:?}"
    );
}

#[test]
fn json_is_one_object_with_everything() {
    let mut changed = held();
    changed.before = Some(sample(&orders(["open", "open"]), false));
    changed.after = Some(sample(&orders(["done", "done"]), true));
    changed.key_columns = vec!["ID".to_owned()];
    changed.notices = vec!["one".to_owned()];
    let ran = house(changed).run(&["write", "--format", "json", "delete from orders"]);
    assert_eq!(ran.code, Some(5));
    assert_eq!(ran.stdout.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected = serde_json::json!({
        "state": "held", "dry_run": false, "rows": {"inserted": 0, "updated": 2, "deleted": 0}, "rows_max": 1000,
        "token": TOKEN, "expires": json["expires"],
        "confirm": "sfctl write --confirm w1.3f9c", "abandon": "sfctl write --abandon w1.3f9c",
        "concerns": [{"rule": "rows", "message": "it changed 2 rows, 1 may be changed without a confirmation"}],
        "query_id": "01ab", "kind": "dml", "target": "ORDERS",
        "before": {"rows": [{"ID": 1, "STATUS": "open"}, {"ID": 2, "STATUS": "open"}], "truncated": false},
        "after": {"rows": [{"ID": 1, "STATUS": "done"}, {"ID": 2, "STATUS": "done"}], "truncated": true},
        "key_columns": ["ID"], "sample_omitted": null, "undo_sql": null, "undo": null, "result": null,
        "session": "default", "connection": "local",
        "context": {"role": null, "warehouse": null, "database": null, "schema": null},
        "transaction_open": true, "transaction_joined": false, "notices": ["one"], "elapsed_ms": 12,
    });
    assert_eq!(json, expected, "{json:#}");
    assert!(json["expires"].as_str().unwrap().ends_with('Z'));
    // Whoever only looks at stderr can go on too.
    assert!(ran.stderr.contains("\ntoken: w1.3f9c\n"), "{ran:?}");
    // An object is all there is, so that other formats for programs have it as one row.
    let csv = house(committed()).run(&["write", "--format", "csv", "update t set a = 1"]);
    assert!(csv.ok().starts_with("state,dry_run,rows,"), "{csv:?}");
    let unlimited = Write {
        rows_max: -1,
        ..committed()
    };
    let undo = house(unlimited).run(&["write", "--format", "json", "update t set a = 1"]);
    let undo: serde_json::Value = serde_json::from_str(undo.ok()).unwrap();
    assert_eq!(undo["undo"], "sfctl write --undo 01ab");
    assert_eq!(undo["rows_max"], serde_json::Value::Null);
}

#[test]
fn a_result_of_its_own_is_shown_unless_it_only_counts() {
    let rows = two_rows();
    let mut messages = messages(std::slice::from_ref(&rows)).into_iter();
    let events = vec![
        Event::Schema(ResultSchema {
            arrow_schema: messages.next().unwrap(),
            query_id: "01ab".to_owned(),
            statement_kind: StatementKind::Call.into(),
        }),
        Event::Batch(ResultBatch {
            arrow_batch: messages.next().unwrap(),
            row_count: 2,
            row_offset: 0,
        }),
    ];
    let called = Write {
        dml: None,
        undo_sql: String::new(),
        ..committed()
    };
    let house = house(called);
    house.fake.state.writes.lock().unwrap().events = events;
    let ran = house.run(&["write", "call p()"]);
    assert_eq!(ran.ok(), "N | T\n--+-----\n1 | one\n2 | NULL\n");
    let json = house.run(&["write", "--format", "json", "call p()"]);
    let json: serde_json::Value = serde_json::from_str(json.ok()).unwrap();
    assert_eq!(
        json["result"],
        serde_json::json!({"rows": [{"N": 1, "T": "one"}, {"N": 2, "T": null}], "truncated": false})
    );
    assert_eq!(json["rows"], serde_json::Value::Null);
    house.fake.state.writes.lock().unwrap().outcome = Some(committed());
    assert_eq!(
        house.run(&["write", "update t set a = 1"]).ok(),
        "2 rows updated in ORDERS\n"
    );
}

#[test]
fn an_error_is_shown_with_its_place() {
    let house = house(committed());
    let details = [("snowflake_code", "000904"), ("line", "1"), ("position", "7")];
    house.fake.state.writes.lock().unwrap().failure =
        Some(error(ErrorReason::SqlRejected, "invalid identifier", &details));
    assert_eq!(
        house.run(&["write", "update nope set a = 1"]).failed(1),
        "error: Snowflake rejected the SQL\ncaused by: 000904: invalid identifier\n  \
         1 | update nope set a = 1\n    |        ^\n"
    );
}

#[test]
fn ctrl_c_cancels_a_write_that_runs() {
    let house = House::new(Script::Events(Vec::new()));
    let child = spawned(house.command(&["write", "delete from t"]));
    eventually("the write", || {
        !house.fake.state.writes.lock().unwrap().prepared.is_empty()
    });
    kill_process(
        Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(),
        Signal::INT,
    )
    .unwrap();
    let ran = finished(child.wait_with_output().unwrap());
    assert!(ran.failed(130).contains("Snowflake confirmed it"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("hint: a write that is stopped is rolled back"),
        "{ran:?}"
    );
    let cancelled = house.fake.state.cancels.lock().unwrap()[0].query.clone();
    let sent = house.fake.state.writes.lock().unwrap().prepared[0]
        .request_id
        .clone();
    assert_eq!(cancelled, sent);
}

#[test]
fn wishes_that_contradict_each_other_are_usage_errors() {
    let house = house(committed());
    for arguments in [
        &["--dry-run", "--yes", "x"][..],
        &["--dry-run", "--hold", "x"],
        &["--dry-run", "--no-transaction", "x"],
        &["--hold", "--yes", "x"],
        &["--no-transaction", "--max-rows", "1", "x"],
        &["--max-rows", "-1", "x"],
        &["--sample", "0", "x"],
        &["--confirm", TOKEN, "x"],
        &["--confirm", TOKEN, "--yes"],
        &["--confirm", TOKEN, "--abandon", TOKEN],
        &["--confirm", ""],
        &["--undo", "01ab", "x"],
        &["--undo", "01ab", "--hold"],
        &["--table", "t", "x"],
    ] {
        let mut all = vec!["write"];
        all.extend(arguments);
        assert!(!house.run(&all).failed(2).is_empty(), "{arguments:?}");
    }
    let writes = house.fake.state.writes.lock().unwrap();
    assert!(writes.prepared.is_empty() && writes.undone.is_empty() && writes.confirmed.is_empty());
}

//! Queries that go on by themselves: submitted, listed, waited for, read, cancelled.

use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::{CancelOutcome, DmlStats, ErrorReason, Query, QueryError, QueryState};

use crate::arrow::{event, events, head, numbered, summary, two_rows};
use crate::fake::{Script, Watch, error, now};
use crate::harness::House;

fn house() -> House {
    House::new(Script::Events(events(&[two_rows()])))
}

fn query(state: QueryState) -> Query {
    Query {
        query_id: "01ab".to_owned(),
        request_id: "r-1".to_owned(),
        session: "default".to_owned(),
        connection: "local".to_owned(),
        state: state.into(),
        sql: "select 1".to_owned(),
        submitted: true,
        create_time: Some(now(-200)),
        ..Query::default()
    }
}

fn succeeded() -> Query {
    Query {
        end_time: Some(now(-100)),
        create_time: Some(now(-200)),
        row_count_total: Some(1_200),
        ..query(QueryState::Succeeded)
    }
}

fn watching(states: Vec<Query>) -> House {
    let house = house();
    house.fake.state.watch.lock().unwrap().states = states;
    house
}

#[test]
fn a_submitted_query_is_its_id() {
    let house = house();
    let ran = house.run(&[
        "query",
        "--async",
        "select ?",
        "--bind",
        "5",
        "--timeout",
        "1h",
        "-c",
        "dev",
    ]);
    assert_eq!(ran.ok(), "01ab-1\n");
    assert_eq!(
        ran.stderr,
        "submitted in session dev; `sfctl job wait 01ab-1` waits for it\n"
    );
    let sent = house.fake.state.submitted.lock().unwrap()[0].clone();
    assert_eq!((sent.session.as_str(), sent.connection.as_str()), ("", "dev"));
    assert_eq!(sent.sql, "select ?");
    assert_eq!(sent.bindings[0].value.as_deref(), Some("5"));
    assert_eq!(sent.timeout.map(|timeout| timeout.seconds), Some(3_600));
    assert!(!sent.request_id.is_empty());
    let ran = house.run(&["query", "--async", "-q", "--format", "json", "select 2"]);
    let json: serde_json::Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(
        (&json["query_id"], &json["state"]),
        (&"01ab-2".into(), &"running".into())
    );
    assert_eq!(ran.stderr, "");
    // A format for rows says nothing about an id.
    assert_eq!(
        house
            .run(&["query", "--async", "--format", "csv", "select 2"])
            .ok(),
        "01ab-3\n"
    );
}

#[test]
fn a_rejected_submission_prints_nothing() {
    let house = house();
    let details = [("snowflake_code", "001003"), ("line", "1"), ("position", "0")];
    *house.fake.state.error.lock().unwrap() = Some(error(ErrorReason::SqlRejected, "syntax error", &details));
    let ran = house.run(&["query", "--async", "selec 1"]);
    assert_eq!(
        ran.failed(1),
        "error: Snowflake rejected the SQL\ncaused by: 001003: syntax error\n  1 | selec 1\n    | ^\n"
    );
}

#[test]
fn jobs_are_listed_the_latest_first() {
    let house = house();
    let none = house.run(&["job", "list"]);
    assert_eq!((none.ok(), none.stderr.as_str()), ("", "no jobs\n"));
    let mut other = query(QueryState::Waiting);
    other.query_id = String::new();
    other.session = "other".to_owned();
    let mut executed = query(QueryState::Running);
    executed.submitted = false;
    executed.query_id = "02cd".to_owned();
    *house.fake.state.jobs.lock().unwrap() = vec![other, executed, succeeded()];
    let ran = house.run(&["job", "list"]);
    let lines: Vec<&str> = ran.ok().lines().collect();
    assert_eq!(lines[0], "id   | state     | session | elapsed | sql");
    assert!(
        lines[2].starts_with("r-1  | waiting   | other   | 3m 20s"),
        "{ran:?}"
    );
    assert_eq!(lines[3], "01ab | succeeded | default | 1m 40s  | select 1");
    assert_eq!(lines.len(), 4);
    // Where all are of one session, its name says nothing.
    let ran = house.run(&["job", "list", "--session", "default"]);
    assert!(
        ran.ok().starts_with("id   | state     | elapsed | sql\n"),
        "{ran:?}"
    );
    let all = house.run(&["job", "list", "--all-queries", "--format", "jsonl"]);
    assert_eq!(all.ok().lines().count(), 3);
    house.run(&["job", "list", "--session", "other"]).ok();
    let listed = house.fake.state.listed.lock().unwrap();
    assert!(
        listed
            .iter()
            .any(|request| request.session == "other" && request.submitted_only)
    );
    assert!(
        listed
            .iter()
            .any(|request| request.session.is_empty() && !request.submitted_only)
    );
}

#[test]
fn a_failed_job_whose_text_is_gone_says_why_it_failed() {
    let house = house();
    let mut failed = query(QueryState::Failed);
    failed.sql = String::new();
    failed.error = Some(QueryError {
        reason: ErrorReason::SqlRejected.into(),
        message: "Numeric value 'x' is not recognized\nand more".to_owned(),
        snowflake_code: "100038".to_owned(),
        ..QueryError::default()
    });
    *house.fake.state.jobs.lock().unwrap() = vec![failed];
    let ran = house.run(&["job", "list"]);
    assert!(
        ran.ok()
            .ends_with("| (failed: 100038: Numeric value 'x' is not recognized)\n"),
        "{ran:?}"
    );
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["job", "list", "--format", "json"]).ok()).unwrap();
    assert_eq!(json[0]["sql"], serde_json::Value::Null);
}

#[test]
fn show_says_how_a_query_is() {
    let house = house();
    let mut failed = query(QueryState::Failed);
    failed.error = Some(QueryError {
        reason: ErrorReason::SqlRejected.into(),
        message: "Numeric value 'x' is not recognized".to_owned(),
        snowflake_code: "100038".to_owned(),
        sql_state: "22018".to_owned(),
        hint: String::new(),
    });
    failed.dml = Some(DmlStats {
        rows_inserted: 2,
        ..DmlStats::default()
    });
    failed.row_count_total = Some(0);
    *house.fake.state.jobs.lock().unwrap() = vec![failed];
    let shown = house.run(&["job", "show", "last"]);
    for line in [
        "query id    01ab",
        "state       failed",
        "changed     2 rows inserted",
        "error       100038 (22018): Numeric value 'x' is not recognized",
    ] {
        assert!(shown.ok().lines().any(|found| found == line), "{line}: {shown:?}");
    }
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["job", "show", "r-1", "--format", "json"]).ok()).unwrap();
    assert_eq!(json["error"]["reason"], "SQL_REJECTED");
    assert_eq!(json["changed"]["rows_inserted"], 2);
    assert_eq!(json["submitted"], true);
    assert_eq!(json["rows"], serde_json::Value::Null);
    let missing = house.run(&["job", "show", "nope"]);
    assert!(
        missing.failed(2).contains("there is no query `nope`"),
        "{missing:?}"
    );
}

#[test]
fn waiting_ends_with_the_query() {
    let house = watching(vec![
        query(QueryState::Waiting),
        query(QueryState::Running),
        succeeded(),
    ]);
    let ran = house.run(&["job", "wait", "last", "--session", "mine", "-c", "dev"]);
    assert_eq!(
        (ran.ok(), ran.stderr.as_str()),
        ("", "query 01ab succeeded in 1m 40s, 1,200 rows\n")
    );
    let asked = house.fake.state.watched.lock().unwrap()[0].clone();
    assert_eq!(
        (
            asked.query.as_str(),
            asked.session.as_str(),
            asked.connection.as_str()
        ),
        ("last", "mine", "dev")
    );
    let ran = house.run(&["job", "wait", "01ab", "-q", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(ran.ok()).unwrap();
    assert_eq!(
        (&json["state"], &json["elapsed_ms"]),
        (&"succeeded".into(), &100_000.into())
    );
}

#[test]
fn waiting_tells_of_changed_rows() {
    let mut changed = succeeded();
    changed.dml = Some(DmlStats {
        rows_inserted: 3,
        rows_updated: 1,
        rows_deleted: 0,
    });
    let ran = watching(vec![changed]).run(&["job", "wait", "01ab"]);
    ran.ok();
    assert_eq!(
        ran.stderr,
        "query 01ab succeeded in 1m 40s, 3 rows inserted, 1 row updated\n"
    );
}

#[test]
fn the_exit_code_is_the_one_that_the_query_would_have_had() {
    for (reason, code) in [
        (ErrorReason::SqlRejected, 1),
        (ErrorReason::Timeout, 4),
        (ErrorReason::Refused, 5),
        (ErrorReason::Cancelled, 130),
    ] {
        let mut failed = query(QueryState::Failed);
        failed.error = Some(QueryError {
            reason: reason.into(),
            message: "Numeric value 'x' is not recognized".to_owned(),
            snowflake_code: "100038".to_owned(),
            sql_state: "22018".to_owned(),
            hint: "look".to_owned(),
        });
        let house = watching(vec![query(QueryState::Running), failed]);
        for arguments in [&["job", "wait", "last"][..], &["job", "wait", "last", "--result"]] {
            let stderr = house.run(arguments);
            assert!(
                stderr.failed(code).ends_with(
                    "caused by: 100038 (22018): Numeric value 'x' is not recognized\n\
                     query id: 01ab\nhint: look\n"
                ),
                "{reason:?} {stderr:?}"
            );
        }
    }
    let mut cancelled = query(QueryState::Cancelled);
    cancelled.error = Some(QueryError {
        reason: ErrorReason::Cancelled.into(),
        message: "the query was cancelled".to_owned(),
        ..QueryError::default()
    });
    assert_eq!(
        watching(vec![cancelled])
            .run(&["job", "wait", "last"])
            .failed(130),
        "error: the query was cancelled\nquery id: 01ab\n"
    );
    let unknown = watching(vec![query(QueryState::Unknown)]).run(&["job", "wait", "last"]);
    assert!(
        unknown.failed(3).contains("it is not known how the query ended"),
        "{unknown:?}"
    );
}

#[test]
fn the_result_is_printed_after_the_wait() {
    let house = watching(vec![succeeded()]);
    let ran = house.run(&["job", "wait", "last", "--result", "--format", "csv"]);
    assert_eq!(ran.ok(), "N,T\n1,one\n2,\n");
    let read = house.fake.state.read.lock().unwrap()[0].clone();
    // By then another query may be the latest.
    assert_eq!(read.query, "01ab");
}

#[test]
fn a_limit_of_patience_leaves_the_query_alone() {
    let house = house();
    *house.fake.state.watch.lock().unwrap() = Watch {
        states: vec![query(QueryState::Running)],
        hangs: true,
    };
    let ran = house.run(&["job", "wait", "01ab", "--timeout", "50ms"]);
    assert_eq!(
        ran.failed(4),
        "error: the time limit passed; the query goes on\n\
         hint: `sfctl job wait 01ab` waits again, `sfctl job cancel 01ab` stops it\n"
    );
    assert!(house.fake.state.cancels.lock().unwrap().is_empty());
}

#[test]
fn a_watch_that_breaks_off_says_how_to_go_on() {
    let ran = watching(vec![query(QueryState::Running)]).run(&["job", "wait", "01ab"]);
    assert!(
        ran.failed(3)
            .contains("hint: the query may go on at Snowflake; `sfctl job wait 01ab` waits again"),
        "{ran:?}"
    );
}

#[test]
fn a_result_is_read_from_any_row_in_any_format() {
    let house = house();
    let read = |arguments: &[&str]| {
        let mut all = vec!["job", "result", "01ab"];
        all.extend(arguments);
        let ran = house.run(&all);
        ran.ok();
        let request = house.fake.state.read.lock().unwrap().last().unwrap().clone();
        (ran, request)
    };
    let (ran, request) = read(&[]);
    assert_eq!(ran.stdout, "N | T\n--+-----\n1 | one\n2 | NULL\n");
    assert_eq!(ran.stderr, "2 rows (12 ms)\n");
    assert_eq!((request.row_offset, request.row_limit), (0, 500));
    let (ran, request) = read(&[
        "--offset", "1000", "--limit", "7", "--format", "jsonl", "-c", "dev",
    ]);
    assert_eq!(ran.stdout, "{\"N\":1,\"T\":\"one\"}\n{\"N\":2,\"T\":null}\n");
    assert_eq!((request.row_offset, request.row_limit), (1_000, 7));
    assert_eq!(
        (request.session.as_str(), request.connection.as_str()),
        ("", "dev")
    );
    let (ran, request) = read(&["-o", "x.csv", "--stats", "-q", "--timeout", "5"]);
    assert_eq!(
        std::fs::read_to_string(house.path("x.csv")).unwrap(),
        "N,T\n1,one\n2,\n"
    );
    assert_eq!(request.row_limit, 0);
    assert_eq!(request.timeout.map(|timeout| timeout.seconds), Some(5));
    let stats: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(stats["query_id"], "01ab");
    // Reading is not running.
    assert!(house.fake.state.queries.lock().unwrap().is_empty());
    assert!(house.fake.state.cancels.lock().unwrap().is_empty());
}

#[test]
fn a_cut_result_says_so() {
    let rows = [two_rows()];
    let mut all = head(&rows);
    let Some(Event::Summary(mut end)) = summary(&rows).event else {
        panic!("no summary")
    };
    end.truncated = true;
    end.row_count_total = 60_175;
    all.push(event(Event::Summary(end)));
    let ran = House::new(Script::Events(all)).run(&["job", "result", "last", "--limit", "2"]);
    ran.ok();
    assert_eq!(
        ran.stderr,
        "result cut at 2 of 60,175 rows; `--limit all` fetches every row\n"
    );
}

#[test]
fn a_result_that_is_gone_prints_nothing() {
    let status = error(ErrorReason::NotFound, "Snowflake no longer keeps the result", &[]);
    let house = House::new(Script::Fails(Vec::new(), status));
    let ran = house.run(&["job", "result", "01ab", "--format", "csv"]);
    assert!(ran.failed(2).contains("no longer keeps the result"), "{ran:?}");
    let status = error(ErrorReason::Unreachable, "gone", &[]);
    let house = House::new(Script::Fails(head(&[numbered(200_000)]), status));
    house.run(&["job", "result", "01ab", "-o", "x.csv"]).failed(3);
    assert_eq!(house.files(), [""; 0]);
}

#[test]
fn cancelling_reports_the_confirmation() {
    let house = house();
    let ran = house.run(&["job", "cancel", "01ab"]);
    assert_eq!(
        (ran.ok(), ran.stderr.as_str()),
        ("", "query 01ab is cancelled, Snowflake confirmed it\n")
    );
    *house.fake.state.cancel_outcome.lock().unwrap() = CancelOutcome::NotRunning;
    let ran = house.run(&["job", "cancel", "01ab"]);
    assert_eq!(
        (ran.ok(), ran.stderr.as_str()),
        ("", "query 01ab was not running\n")
    );
    *house.fake.state.cancel_outcome.lock().unwrap() = CancelOutcome::Unconfirmed;
    let ran = house.run(&["job", "cancel", "01ab"]);
    assert!(ran.failed(4).contains("did not confirm in time"), "{ran:?}");
    let cancels = house.fake.state.cancels.lock().unwrap();
    assert!(
        cancels
            .iter()
            .all(|request| request.query == "01ab" && request.session.is_empty())
    );
}

#[test]
fn cancelling_without_an_id_means_what_the_session_runs() {
    let house = house();
    house.run(&["context", "-c", "dev"]).ok();
    house.run(&["job", "cancel", "-c", "dev"]).ok();
    let cancels = house.fake.state.cancels.lock().unwrap();
    assert_eq!(
        (cancels[0].query.as_str(), cancels[0].session.as_str()),
        ("", "dev")
    );
}

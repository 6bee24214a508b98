//! `job history`: searching the audit log.

use snowflake_session_proto::v1::{AuditRecord, ErrorReason, QueryError, QueryState};

use crate::fake::{Script, now};
use crate::harness::House;

fn record(id: &str, session: &str) -> AuditRecord {
    AuditRecord {
        time: Some(now(-180)),
        uid: 1_000,
        pid: 7,
        client: "sfctl/0.1.0".to_owned(),
        agent: "1b9d".to_owned(),
        session: session.to_owned(),
        connection: "local".to_owned(),
        request_id: "r-1".to_owned(),
        query_id: id.to_owned(),
        class: "write delete".to_owned(),
        targets: vec!["T".to_owned(), "U".to_owned()],
        decision: "allowed".to_owned(),
        state: QueryState::Succeeded.into(),
        outcome: "rolled_back".to_owned(),
        row_count: 12,
        byte_count: 640,
        elapsed: Some(prost_types::Duration {
            seconds: 0,
            nanos: 40_000_000,
        }),
        sql_hash: "c0ffee".to_owned(),
        ..AuditRecord::default()
    }
}

fn refused() -> AuditRecord {
    AuditRecord {
        decision: "refused".to_owned(),
        rule: "read-only".to_owned(),
        state: QueryState::Failed.into(),
        outcome: String::new(),
        row_count: 0,
        sql: "delete from t".to_owned(),
        error: Some(QueryError {
            reason: ErrorReason::Refused.into(),
            message: "a delete is more than may be read".to_owned(),
            ..QueryError::default()
        }),
        ..record("", "default")
    }
}

fn house(records: Vec<AuditRecord>) -> House {
    let house = House::new(Script::Events(Vec::new()));
    *house.fake.state.history.lock().unwrap() = records;
    house
}

#[test]
fn statements_are_listed_the_latest_first() {
    let house = house(vec![refused(), record("01ab", "default")]);
    let ran = house.run(&["job", "history"]);
    assert_eq!(
        ran.ok(),
        "time | id   | class        | decision            | state       | rows | elapsed | what\n\
         -----+------+--------------+---------------------+-------------+------+---------+--------------\n\
         3m   | r-1  | write delete | refused (read-only) | failed      |    0 | 40 ms   | delete from t\n\
         3m   | 01ab | write delete | allowed             | rolled back |   12 | 40 ms   | T, U\n"
    );
    assert_eq!(ran.stderr, "");
    let mixed = self::house(vec![record("01ab", "a"), record("01ac", "b")]).run(&["job", "history"]);
    assert!(mixed.ok().starts_with("time | session | id"), "{mixed:?}");
    let none = self::house(Vec::new()).run(&["job", "history"]);
    assert_eq!((none.ok(), none.stderr.as_str()), ("", "no statements\n"));
}

#[test]
fn programs_get_everything() {
    let house = house(vec![refused(), record("01ab", "default")]);
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["job", "history", "--format", "json"]).ok()).unwrap();
    assert_eq!(json[0]["rule"], "read-only");
    assert_eq!(json[0]["error"]["reason"], "REFUSED");
    assert_eq!(json[0]["query_id"], serde_json::Value::Null);
    assert_eq!(json[1]["targets"], serde_json::json!(["T", "U"]));
    assert_eq!(
        (&json[1]["state"], &json[1]["outcome"]),
        (&"succeeded".into(), &"rolled_back".into())
    );
    assert_eq!((&json[1]["uid"], &json[1]["bytes"]), (&1_000.into(), &640.into()));
    assert_eq!(
        (&json[1]["agent"], &json[1]["elapsed_ms"]),
        (&"1b9d".into(), &40.into())
    );
    let lines = house.run(&["job", "history", "--format", "jsonl"]);
    assert_eq!(lines.ok().lines().count(), 2);
    let csv = house.run(&["job", "history", "--format", "csv"]);
    assert!(
        csv.ok().starts_with("time,session,connection,query_id,"),
        "{csv:?}"
    );
}

#[test]
fn what_narrows_the_search_is_sent() {
    let house = house(Vec::new());
    let sent = |arguments: &[&str]| {
        let mut all = vec!["job", "history"];
        all.extend(arguments);
        house.run(&all).ok();
        house.fake.state.searched.lock().unwrap().pop().unwrap()
    };
    let all = sent(&[]);
    assert_eq!((all.session.as_str(), all.connection.as_str()), ("", ""));
    assert_eq!(
        (all.since, all.until, all.state()),
        (None, None, QueryState::Unspecified)
    );
    assert_eq!(all.page_size, 100);
    let narrow = sent(&[
        "--text",
        "orders",
        "--decision",
        "held",
        "--state",
        "failed",
        "--agent",
        "1b9d",
        "--since",
        "2h",
        "--until",
        "2024-01-31T08:00:00Z",
        "--session",
        "mine",
        "-c",
        "dev",
        "--limit",
        "7",
    ]);
    assert_eq!(
        (
            narrow.text.as_str(),
            narrow.decision.as_str(),
            narrow.agent.as_str()
        ),
        ("orders", "held", "1b9d")
    );
    assert_eq!(
        (narrow.session.as_str(), narrow.connection.as_str()),
        ("mine", "dev")
    );
    assert_eq!((narrow.state(), narrow.page_size), (QueryState::Failed, 7));
    assert_eq!(narrow.until.unwrap().seconds, 1_706_688_000);
    let ago = now(0).seconds - narrow.since.unwrap().seconds;
    assert!((7_200..7_260).contains(&ago), "{ago}");
    assert_eq!(sent(&["--session-only"]).session, "default");
    // Without an offset a time is the user's own, here UTC.
    assert_eq!(
        sent(&["--since", "2024-01-31T08:00"]).since.unwrap().seconds,
        1_706_688_000
    );
    for wrong in [
        ["--since", "yesterday"],
        ["--decision", "maybe"],
        ["--state", "gone"],
        ["--limit", "0"],
    ] {
        house.run(&["job", "history", wrong[0], wrong[1]]).failed(2);
    }
}

#[test]
fn pages_are_followed_as_far_as_wanted() {
    let records: Vec<AuditRecord> = (0..5)
        .map(|number| record(&format!("01a{number}"), "default"))
        .collect();
    let house = house(records);
    let ran = house.run(&["job", "history", "--format", "jsonl", "--limit", "3"]);
    assert_eq!(ran.ok().lines().count(), 3);
    assert!(
        ran.stderr
            .starts_with("there are older ones; `--limit N` shows more, `--until 2"),
        "{ran:?}"
    );
    let ran = house.run(&["job", "history", "--format", "jsonl", "--limit", "all"]);
    assert_eq!(ran.ok().lines().count(), 5);
    assert_eq!(ran.stderr, "");
}

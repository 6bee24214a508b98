//! `query`: where the SQL comes from, what is asked for, what is printed.

use std::fmt::Write;

use snowflake_session_proto::v1::execute_query_response::Event;

use crate::arrow::{event, events, head, numbered, summary, two_rows};
use crate::fake::Script;
use crate::harness::House;

fn house() -> House {
    House::new(Script::Events(events(&[two_rows()])))
}

#[test]
fn prints_a_table_and_says_how_many_rows() {
    let ran = house().run(&["query", "select 1"]);
    assert_eq!(ran.ok(), "N | T\n--+-----\n1 | one\n2 | NULL\n");
    assert_eq!(ran.stderr, "2 rows (12 ms)\n");
}

#[test]
fn quiet_says_nothing() {
    assert_eq!(house().run(&["query", "-q", "select 1"]).stderr, "");
}

#[test]
fn takes_sql_from_the_command_line_a_file_and_stdin() {
    let house = house();
    std::fs::write(house.path("q.sql"), "\u{feff}select 'file'\n").unwrap();
    let check = |arguments: &[&str], stdin: &str, sql: &str| {
        house.run_with_stdin(arguments, stdin.as_bytes()).ok();
        assert_eq!(house.fake.query().sql, sql, "{arguments:?}");
    };
    check(&["query", "select 'line'"], "", "select 'line'");
    let commented = "-- monthly\nselect 'comment'";
    check(&["query", commented, "--format", "csv"], "", commented);
    check(&["query", "-f", "q.sql"], "", "select 'file'\n");
    check(&["query", "-"], "select 'dash'", "select 'dash'");
    check(&["query"], "select 'pipe'", "select 'pipe'");
    check(&["query", "-f", "-"], "select 'file dash'", "select 'file dash'");
}

#[test]
fn sends_what_the_options_say() {
    let house = house();
    house
        .run(&[
            "query",
            "select ?",
            "-c",
            "dev",
            "--session",
            "mine",
            "--timeout",
            "2m",
            "--limit",
            "7",
            "--bind",
            "a",
        ])
        .ok();
    let query = house.fake.query();
    assert_eq!(
        (query.connection.as_str(), query.session.as_str()),
        ("dev", "mine")
    );
    assert_eq!(query.timeout.map(|timeout| timeout.seconds), Some(120));
    assert_eq!(query.row_limit, 7);
    assert_eq!(query.bindings[0].value.as_deref(), Some("a"));
    assert!(!query.request_id.is_empty());
}

#[test]
fn binds_by_name_or_position_but_not_both() {
    let house = house();
    house
        .run(&["query", "select :a, :b", "--bind", "a=1", "--bind", "b=x=y"])
        .ok();
    let named: Vec<_> = house
        .fake
        .query()
        .bindings
        .into_iter()
        .map(|binding| (binding.name, binding.value.unwrap()))
        .collect();
    assert_eq!(
        named,
        [
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "x=y".to_owned())
        ]
    );
    house.run(&["query", "select ?", "--bind", "=x=y"]).ok();
    assert_eq!(house.fake.query().bindings[0].value.as_deref(), Some("x=y"));
    let mixed = house.run(&["query", "select ?, :a", "--bind", "1", "--bind", "a=1"]);
    assert!(mixed.failed(2).contains("by name"), "{mixed:?}");
}

#[test]
fn the_environment_is_asked_where_the_command_line_is_silent() {
    let house = house();
    let mut command = house.command(&["query", "select 1"]);
    command
        .env("SFCTL_SESSION", "theirs")
        .env("SFCTL_CONNECTION", "prod")
        .env("SFCTL_FORMAT", "csv");
    command.env("SFCTL_TIMEOUT", "5");
    assert_eq!(crate::harness::ran(command).ok(), "N,T\n1,one\n2,\n");
    let query = house.fake.query();
    assert_eq!(
        (query.connection.as_str(), query.session.as_str()),
        ("prod", "theirs")
    );
    assert_eq!(query.timeout.map(|timeout| timeout.seconds), Some(5));
    let mut command = house.command(&["query", "select 1", "--session", "mine"]);
    command.env("SFCTL_SESSION", "theirs");
    crate::harness::ran(command).ok();
    assert_eq!(house.fake.query().session, "mine");
}

#[test]
fn the_limit_is_for_screens() {
    let house = house();
    let check = |arguments: &[&str], limit: i64| {
        let mut all = vec!["query", "select 1"];
        all.extend(arguments);
        house.run(&all).ok();
        assert_eq!(house.fake.query().row_limit, limit, "{arguments:?}");
    };
    check(&[], 500);
    check(&["--format", "json"], 500);
    check(&["--format", "vertical"], 500);
    check(&["--format", "markdown"], 500);
    check(&["--format", "csv"], 0);
    check(&["--format", "jsonl"], 0);
    check(&["--format", "arrow"], 0);
    check(&["--format", "csv", "--limit", "3"], 3);
    check(&["--limit", "all"], 0);
    check(&["--limit", "-1"], 0);
    check(&["-o", "x.csv"], 0);
}

#[test]
fn a_cut_result_says_so_even_when_quiet() {
    let rows = [two_rows()];
    let mut all = head(&rows);
    let Some(Event::Summary(mut end)) = summary(&rows).event else {
        panic!("no summary")
    };
    end.truncated = true;
    end.row_count_total = 60_175;
    all.push(event(Event::Summary(end)));
    let house = House::new(Script::Events(all));
    for format in ["table", "csv", "json"] {
        let ran = house.run(&["query", "-q", "--format", format, "--limit", "2", "select 1"]);
        ran.ok();
        assert_eq!(
            ran.stderr,
            "result cut at 2 of 60,175 rows; `--limit all` fetches every row\n"
        );
    }
}

#[test]
fn stats_are_one_line_of_json() {
    let ran = house().run(&["query", "--stats", "-q", "--format", "csv", "select 1"]);
    ran.ok();
    let stats: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(ran.stderr.lines().count(), 1);
    assert_eq!(stats["query_id"], "01ab");
    assert_eq!(stats["rows"], 2);
    assert_eq!(stats["truncated"], false);
    assert_eq!(stats["elapsed_ms"], 12);
    assert_eq!(stats["session"], "default");
    assert_eq!(stats["context"]["database"], "DB");
    assert_eq!(stats["context"]["warehouse"], serde_json::Value::Null);
    assert_eq!(stats["transaction_open"], false);
    assert_eq!(stats["notices"], serde_json::json!([]));
}

#[test]
fn notices_are_notes_and_statistics() {
    let rows = [two_rows()];
    let mut all = head(&rows);
    let Some(Event::Summary(mut end)) = summary(&rows).event else {
        panic!("no summary")
    };
    end.transaction_open = true;
    end.notices = vec!["the DDL statement committed the open transaction".to_owned()];
    all.push(event(Event::Summary(end)));
    let house = House::new(Script::Events(all));
    let ran = house.run(&["query", "--format", "csv", "select 1"]);
    ran.ok();
    assert_eq!(
        ran.stderr,
        "note: the DDL statement committed the open transaction\n"
    );
    let ran = house.run(&["query", "-q", "--stats", "--format", "csv", "select 1"]);
    ran.ok();
    let stats: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(stats["transaction_open"], true);
    assert_eq!(
        stats["notices"],
        serde_json::json!(["the DDL statement committed the open transaction"])
    );
}

#[test]
fn every_format_prints_the_rows() {
    let house = house();
    let check = |format: &str, expected: &str| {
        assert_eq!(
            house.run(&["query", "--format", format, "select 1"]).ok(),
            expected,
            "{format}"
        );
    };
    check("csv", "N,T\n1,one\n2,\n");
    check("tsv", "N\tT\n1\tone\n2\t\n");
    check("json", "[\n{\"N\":1,\"T\":\"one\"},\n{\"N\":2,\"T\":null}\n]\n");
    check("jsonl", "{\"N\":1,\"T\":\"one\"}\n{\"N\":2,\"T\":null}\n");
    check(
        "vertical",
        "-- row 1 --\nN | 1\nT | one\n-- row 2 --\nN | 2\nT | NULL\n",
    );
    check(
        "markdown",
        "| N | T |\n| ---: | --- |\n| 1 | one |\n| 2 | NULL |\n",
    );
}

#[test]
fn a_result_without_rows_has_its_header() {
    let house = House::new(Script::Events(events(&[two_rows().slice(0, 0)])));
    assert_eq!(house.run(&["query", "--format", "csv", "select 1"]).ok(), "N,T\n");
    assert_eq!(house.run(&["query", "--format", "json", "select 1"]).ok(), "[]\n");
    let table = house.run(&["query", "select 1"]);
    assert_eq!(table.ok(), "N | T\n--+--\n");
    assert_eq!(table.stderr, "0 rows (12 ms)\n");
}

#[test]
fn many_batches_arrive_whole_and_in_order() {
    let batches: Vec<_> = std::iter::repeat_n(numbered(20_000), 10).collect();
    let house = House::new(Script::Events(events(&batches)));
    let ran = house.run(&["query", "--format", "csv", "select 1"]);
    let mut expected = String::from("N,T\n");
    for number in std::iter::repeat_n(0..20_000, 10).flatten() {
        writeln!(expected, "{number},row number {number}").unwrap();
    }
    assert!(ran.ok() == expected, "the rows differ");
}

#[test]
fn verbose_says_what_happens() {
    let ran = house().run(&["query", "-v", "select 1"]);
    ran.ok();
    assert!(
        ran.stderr
            .contains("accepted as r-1 in session default, connection local"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("query id 01ab"), "{ran:?}");
}

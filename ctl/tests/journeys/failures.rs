//! Failures: exit codes, an empty stdout, and what is said.

use snowflake_session_proto::v1::HelloResponse;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::{ErrorReason, QuerySummary};
use tonic::Status;

use crate::arrow::{event, head, numbered, two_rows};
use crate::fake::{Script, error};
use crate::harness::{House, ran, sfctl};

#[test]
fn every_reason_has_its_exit_code() {
    use ErrorReason as R;
    let expected = [
        (R::SqlRejected, 1),
        (R::SessionLost, 1),
        (R::InvalidRequest, 2),
        (R::Configuration, 2),
        (R::NotFound, 2),
        (R::Unreachable, 3),
        (R::LoginRefused, 3),
        (R::Draining, 3),
        (R::VersionSkew, 3),
        (R::Timeout, 4),
        (R::Refused, 5),
        (R::LimitReached, 5),
        (R::Internal, 70),
        (R::Unspecified, 70),
        (R::Cancelled, 130),
    ];
    let house = House::new(Script::Events(Vec::new()));
    for (reason, code) in expected {
        *house.fake.state.script.lock().unwrap() =
            Script::Fails(Vec::new(), error(reason, "the message", &[("hint", "the hint")]));
        let ran = house.run(&["query", "select 1"]);
        let stderr = ran.failed(code);
        assert!(stderr.starts_with("error: "), "{reason:?}: {stderr}");
        let told = if reason == R::SessionLost {
            "error: the message\n"
        } else {
            "\ncaused by: the message\n"
        };
        assert!(stderr.contains(told), "{reason:?}: {stderr}");
        assert!(stderr.ends_with("\nhint: the hint\n"), "{reason:?}: {stderr}");
    }
    // Every value of the contract is in the table above.
    let known = (0..).map_while(|number| R::try_from(number).ok()).count();
    assert_eq!(known, expected.len());
}

#[test]
fn a_rejected_statement_is_shown_with_its_place() {
    let status = error(
        ErrorReason::SqlRejected,
        "SQL compilation error: error line 2 at position 2\ninvalid identifier 'NOPE'",
        &[
            ("snowflake_code", "000904"),
            ("sql_state", "42000"),
            ("query_id", "01ab"),
            ("line", "2"),
            ("position", "2"),
        ],
    );
    let house = House::new(Script::Fails(Vec::new(), status));
    let ran = house.run(&["query", "select 1,\n  nope\nfrom t"]);
    assert_eq!(
        ran.failed(1),
        "error: Snowflake rejected the SQL\n\
         caused by: 000904 (42000): SQL compilation error: error line 2 at position 2\n  \
         invalid identifier 'NOPE'\n  \
         2 |   nope\n    |   ^\n\
         query id: 01ab\n"
    );
}

/// A house whose queries are rejected at this place.
fn rejecting(line: &str, position: &str) -> House {
    let details = [
        ("snowflake_code", "001003"),
        ("line", line),
        ("position", position),
    ];
    let status = error(ErrorReason::SqlRejected, "syntax error", &details);
    House::new(Script::Fails(Vec::new(), status))
}

#[test]
fn the_place_in_a_file_is_named_with_the_file() {
    let house = rejecting("3", "6");
    std::fs::write(
        house.path("q.sql"),
        "-- report\nselect a,\n\t'日本' x y\nfrom t\n",
    )
    .unwrap();
    let shown =
        "caused by: 001003: syntax error\n   --> q.sql:3:7\n  3 |     '日本' x y\n    |            ^\n";
    assert!(house.run(&["query", "-f", "q.sql"]).failed(1).ends_with(shown));
    let text = std::fs::read(house.path("q.sql")).unwrap();
    let piped = house.run_with_stdin(&["query"], &text);
    assert!(
        piped.failed(1).ends_with(&shown.replace("q.sql", "stdin")),
        "{piped:?}"
    );
}

#[test]
fn a_place_that_the_text_does_not_have_is_no_trouble() {
    for (line, position, shown) in [
        ("1", "99", "  1 | selec 1\n    |        ^\n"),
        ("1", "-1", "  1 | selec 1\n"),
        ("9", "0", ""),
        ("0", "0", ""),
        ("x", "y", ""),
    ] {
        let ran = rejecting(line, position).run(&["query", "selec 1"]);
        let expected = format!("caused by: 001003: syntax error\n{shown}");
        assert!(ran.failed(1).ends_with(&expected), "{line} {position} {ran:?}");
    }
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let sql = format!("select '{}', nope, '{}'", "x".repeat(500), "y".repeat(500));
    let ran = rejecting("1", "511").run(&["query", &sql]);
    let lines: Vec<&str> = ran.failed(1).lines().collect();
    assert!(
        lines[2].starts_with("  1 | …xxx") && lines[2].ends_with("yyy…"),
        "{ran:?}"
    );
    assert_eq!(lines[2].chars().count(), 120);
    let place = lines[3].find('^').unwrap();
    // The mark of the cut is longer in bytes than on the screen.
    assert_eq!(&lines[2][place + 2..place + 6], "nope");
}

#[test]
fn an_error_cannot_steer_the_terminal() {
    let status = error(
        ErrorReason::SqlRejected,
        "Numeric value '\u{1b}[2J' is not recognized",
        &[],
    );
    let ran = House::new(Script::Fails(Vec::new(), status)).run(&["query", "select 1"]);
    assert!(ran.failed(1).contains("value '\\u{1b}[2J' is"), "{ran:?}");
}

#[test]
fn doubt_about_an_effect_is_said_and_so_is_certainty() {
    let house = House::new(Script::Events(Vec::new()));
    for (told, said) in [
        ("true", "\nit may have run: look before running it again\n"),
        ("false", "\nnothing was run\n"),
    ] {
        let details = [("may_have_run", told)];
        *house.fake.state.script.lock().unwrap() =
            Script::Fails(Vec::new(), error(ErrorReason::Unreachable, "gone", &details));
        let ran = house.run(&["query", "insert into t values (1)"]);
        assert!(ran.failed(3).contains(said), "{ran:?}");
        let message = format!("gone; {}", said.trim());
        *house.fake.state.script.lock().unwrap() =
            Script::Fails(Vec::new(), error(ErrorReason::Unreachable, &message, &details));
        let ran = house.run(&["query", "insert into t values (1)"]);
        assert_eq!(ran.failed(3).matches(said.trim()).count(), 1, "{ran:?}");
    }
}

#[test]
fn version_skew_says_how_to_mend_it() {
    let house = House::new(Script::Fails(
        Vec::new(),
        error(ErrorReason::VersionSkew, "0.1.0 is not 0.2.0", &[]),
    ));
    let ran = house.run(&["query", "select 1"]);
    assert!(
        ran.failed(3)
            .contains("hint: restart the service with `sfctl service restart`"),
        "{ran:?}"
    );
}

#[test]
fn whoever_is_too_old_is_told_what_to_do() {
    let skewed = || Script::Fails(Vec::new(), error(ErrorReason::VersionSkew, "apart", &[]));
    let hello = |protocol_min, protocol_max, names: &[&str]| HelloResponse {
        service_version: "0.0.9".to_owned(),
        protocol_min,
        protocol_max,
        open_sessions: names.iter().map(|name| (*name).to_owned()).collect(),
        open_session_count: i32::try_from(names.len()).unwrap(),
        ..HelloResponse::default()
    };
    let check = |hello: HelloResponse, code, told: &[&str]| {
        let house = House::new(skewed());
        *house.fake.state.hello.lock().unwrap() = Some(hello);
        let ran = house.run(&["--no-autostart", "query", "select 1"]);
        let stderr = ran.failed(code);
        assert!(told.iter().all(|told| stderr.contains(told)), "{ran:?}");
    };
    check(
        hello(7, 9, &[]),
        3,
        &[
            "sfctl is older",
            "update the client",
            "the service 0.0.9 speaks 7-9",
        ],
    );
    check(
        hello(0, 0, &[]),
        75,
        &["older version", "`sfctl service restart`", "no session"],
    );
    check(
        hello(0, 0, &["default", "etl"]),
        75,
        &["open sessions: default, etl", "`sfctl service restart`"],
    );
}

#[test]
fn an_idle_service_of_an_older_version_is_told_to_end() {
    let house = House::new(Script::Fails(
        Vec::new(),
        error(ErrorReason::VersionSkew, "apart", &[]),
    ));
    let old = HelloResponse::default();
    *house.fake.state.hello.lock().unwrap() = Some(old);
    // Nobody runs the stand-in, so it is told to end; that it refuses is the failure that is reported.
    let ran = house.run(&["query", "select 1"]);
    let stderr = ran.failed(5);
    assert!(stderr.contains("the test gave no process"), "{ran:?}");
}

#[test]
fn a_status_without_a_reason_is_translated_too() {
    let house = House::new(Script::Events(Vec::new()));
    for (status, code) in [
        (Status::unavailable("x"), 3),
        (Status::deadline_exceeded("x"), 4),
        (Status::invalid_argument("x"), 2),
        (Status::internal("x"), 70),
        (Status::unimplemented("x"), 3),
    ] {
        *house.fake.state.script.lock().unwrap() = Script::Fails(Vec::new(), status);
        assert!(
            house
                .run(&["query", "select 1"])
                .failed(code)
                .contains("caused by: x"),
            "{code}"
        );
    }
}

#[test]
fn nothing_is_printed_when_a_small_result_fails_later() {
    let status = error(ErrorReason::Unreachable, "gone", &[]);
    let house = House::new(Script::Fails(head(&[two_rows()]), status));
    for format in ["table", "csv", "tsv", "json", "jsonl", "vertical", "markdown"] {
        house.run(&["query", "--format", format, "select 1"]).failed(3);
    }
}

#[test]
fn a_failure_after_much_was_printed_is_said() {
    let status = error(ErrorReason::Unreachable, "gone", &[]);
    // More batches than may wait for the writer, so that some are written before the error is seen.
    let batches: Vec<_> = std::iter::repeat_n(numbered(20_000), 10).collect();
    let house = House::new(Script::Fails(head(&batches), status));
    let ran = house.run(&["query", "--format", "csv", "select 1"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stdout.starts_with("N,T\n0,row number 0\n"));
    assert!(ran.stderr.contains("caused by: gone"), "{}", ran.stderr);
}

#[test]
fn rows_that_do_not_arrive_are_a_failure() {
    let mut events = head(&[two_rows()]);
    events.push(event(Event::Summary(QuerySummary {
        row_count: 3,
        ..QuerySummary::default()
    })));
    let house = House::new(Script::Events(events));
    let ran = house.run(&["query", "--format", "csv", "select 1"]);
    assert!(ran.failed(70).contains("2 of 3 rows arrived"), "{ran:?}");
}

#[test]
fn a_stream_without_an_end_is_a_failure() {
    let house = House::new(Script::Events(head(&[two_rows()])));
    assert!(
        house
            .run(&["query", "select 1"])
            .failed(3)
            .contains("before its end")
    );
}

#[test]
fn a_service_that_dies_is_unreachable() {
    // Nobody knows whether the statement has run.
    let before_the_result = head(&[two_rows()]).into_iter().take(1).collect();
    let house = House::new(Script::Dies(before_the_result));
    let ran = house.run(&["query", "select 1"]);
    assert!(
        ran.failed(3)
            .contains("error: the service went away during the call"),
        "{ran:?}"
    );
}

#[test]
fn wrong_command_lines_are_usage_errors() {
    let house = House::new(Script::Events(Vec::new()));
    for arguments in [
        &["query", "--nope", "select 1"][..],
        &["nope"],
        &["query", "select 1", "--limit", "0"],
        &["query", "select 1", "--format", "xml"],
        &["query", "select 1", "--timeout", "soon"],
        &["query", "select 1", "--policy", "none"],
        &["query", "select 1", "-f", "x.sql"],
        &["query", "-f", "missing.sql"],
        &["query", "-f", "."],
        &["use", "table", "x"],
        &["use", "schema", ""],
        &["service"],
        &["session"],
        &["session", "close", "one", "--all"],
        &["session", "new", "one", "--idle-limit", "soon"],
        &["job"],
        &["job", "show"],
        &["job", "result", "last", "--offset", "-1"],
        &["query", "--async", "--limit", "3", "select 1"],
        &["query", "--async", "-o", "x.csv", "select 1"],
    ] {
        let ran = house.run(arguments);
        assert!(!ran.failed(2).is_empty(), "{arguments:?}");
    }
    assert!(house.fake.state.queries.lock().unwrap().is_empty());
}

#[test]
fn an_empty_stdin_and_one_that_is_not_text_are_usage_errors() {
    let house = House::new(Script::Events(Vec::new()));
    assert!(
        house
            .run_with_stdin(&["query"], b"")
            .failed(2)
            .contains("stdin is empty")
    );
    assert!(
        house
            .run_with_stdin(&["query", "-"], b"select '\xff'")
            .failed(2)
            .contains("not UTF-8")
    );
}

#[test]
fn a_wrong_variable_is_named() {
    let house = House::new(Script::Events(Vec::new()));
    for (name, value) in [
        ("SFCTL_FORMAT", "xml"),
        ("SFCTL_TIMEOUT", "soon"),
        ("SFCTL_POLICY", "none"),
        ("SFCTL_COLOR", "pink"),
    ] {
        let mut command = house.command(&["query", "select 1"]);
        command.env(name, value);
        let ran = ran(command);
        assert!(ran.failed(2).contains(name), "{ran:?}");
    }
}

#[test]
fn help_goes_to_stdout_and_names_what_works() {
    let directory = tempfile::tempdir().unwrap();
    let help = ran(sfctl(directory.path(), &["--help"]));
    for verb in [
        "query",
        "write",
        "begin",
        "commit",
        "rollback",
        "context",
        "use",
        "connect",
        "session",
        "job",
        "service",
        "completions",
        "version",
    ] {
        assert!(help.ok().contains(&format!("\n  {verb} ")), "{verb}");
    }
    assert!(help.stderr.is_empty());
}

#[test]
fn colour_is_only_where_it_is_wanted() {
    let house = House::new(Script::Fails(Vec::new(), error(ErrorReason::Refused, "no", &[])));
    assert!(!house.run(&["query", "select 1"]).failed(5).contains('\u{1b}'));
    let coloured = house.run(&["query", "--color", "always", "select 1"]);
    assert!(
        coloured.failed(5).starts_with("\u{1b}[1;31merror:\u{1b}[0m"),
        "{coloured:?}"
    );
}

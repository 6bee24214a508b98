//! What is different on a terminal.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow_array::{Int64Array, StringArray};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use snowflake_session_proto::v1::{Query, QueryState};

use crate::arrow::{batch, events};
use crate::fake::{Script, now};
use crate::harness::{House, finished};

/// A terminal: the end that a program gets, and what a person sees.
struct Terminal {
    screen: File,
    program_end: File,
}

impl Terminal {
    fn new(columns: u16) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&screen, size).unwrap();
        let program_end = File::options().read(true).write(true).open(name).unwrap();
        Self {
            screen: File::from(screen),
            program_end,
        }
    }

    /// Everything that is shown until the last program has left.
    fn shown(self) -> String {
        let Self {
            mut screen,
            program_end,
        } = self;
        // Ours would keep the terminal open.
        drop(program_end);
        let (mut shown, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = screen.read(&mut chunk) {
            shown.extend_from_slice(&chunk[..count]);
        }
        String::from_utf8(shown).unwrap().replace("\r\n", "\n")
    }
}

/// Runs a command with a terminal of so many columns as its stdout; answers what it shows, and stderr.
fn on_terminal(columns: u16, mut command: Command) -> (String, String) {
    let terminal = Terminal::new(columns);
    command
        .stdout(terminal.program_end.try_clone().unwrap())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // It holds a copy of the terminal too.
    drop(command);
    let shown = terminal.shown();
    (shown, finished(child.wait_with_output().unwrap()).stderr)
}

fn house() -> House {
    House::new(Script::Events(events(&[batch(vec![
        ("N", Arc::new(Int64Array::from(vec![1]))),
        ("T", Arc::new(StringArray::from(vec!["a remark of some length"]))),
    ])])))
}

#[test]
fn a_table_fits_the_terminal() {
    let house = house();
    let (shown, _) = on_terminal(16, house.command(&["query", "--color", "never", "select 1"]));
    assert_eq!(shown, "N | T\n--+-------------\n1 | a remark of…\n");
    let (shown, _) = on_terminal(80, house.command(&["query", "select 1"]));
    assert_eq!(
        shown,
        "\u{1b}[1mN\u{1b}[0m | \u{1b}[1mT\u{1b}[0m\n--+------------------------\n1 | a remark of some length\n"
    );
}

#[test]
fn no_color_and_columns_are_heeded() {
    let house = house();
    let mut command = house.command(&["query", "select 1"]);
    command.env("NO_COLOR", "1").env("COLUMNS", "14");
    let (shown, _) = on_terminal(80, command);
    assert_eq!(shown, "N | T\n--+-----------\n1 | a remark …\n");
}

#[test]
fn csv_on_a_terminal_has_the_limit_of_screens() {
    let house = house();
    on_terminal(80, house.command(&["query", "--format", "csv", "select 1"]));
    assert_eq!(house.fake.query().row_limit, 500);
}

#[test]
fn what_is_no_text_is_kept_from_terminals() {
    let house = house();
    for format in ["arrow", "parquet"] {
        for verb in [&["query", "select 1"][..], &["context"], &["session", "list"]] {
            let mut all = vec!["--format", format];
            all.extend(verb);
            let (shown, stderr) = on_terminal(80, house.command(&all));
            assert_eq!(shown, "");
            assert!(
                stderr.contains("is not for a terminal\nhint: write it to a file"),
                "{stderr}"
            );
        }
    }
    assert!(house.fake.state.queries.lock().unwrap().is_empty());
}

#[test]
fn a_file_is_written_with_progress_on_a_terminal_only() {
    let house = house();
    let terminal = Terminal::new(80);
    let mut command = house.command(&["query", "-o", "x.csv", "select 1"]);
    command.stderr(terminal.program_end.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    let shown = terminal.shown();
    assert!(child.wait().unwrap().success());
    let line = shown
        .strip_prefix("\r\u{1b}[K")
        .and_then(|rest| rest.split('\r').next())
        .unwrap();
    // How far it is by the first look depends on who is faster.
    assert!(["0 rows, 0.0 MB", "1 row, 0.0 MB"].contains(&line), "{shown:?}");
    assert!(shown.ends_with("\r\u{1b}[K1 row (12 ms)\n"), "{shown:?}");
    let elsewhere = house.run(&["query", "-o", "x.csv", "select 1"]);
    assert_eq!(elsewhere.stderr, "1 row (12 ms)\n");
}

#[test]
fn waiting_shows_state_place_and_time_on_a_terminal() {
    let house = house();
    let query = |state: QueryState, queue_position| Query {
        query_id: "01ab".to_owned(),
        state: state.into(),
        queue_position,
        create_time: Some(now(-70)),
        ..Query::default()
    };
    let mut watch = house.fake.state.watch.lock().unwrap();
    watch.states = vec![query(QueryState::Waiting, 2)];
    watch.hangs = true;
    drop(watch);
    let terminal = Terminal::new(80);
    let mut command = house.command(&["job", "wait", "01ab", "--timeout", "1s", "--color", "never"]);
    command.stderr(terminal.program_end.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    let shown = terminal.shown();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(
        shown.contains("\r\u{1b}[Kwaiting, number 2 in the session's queue, 1m 1"),
        "{shown:?}"
    );
    assert!(
        shown.contains("\r\u{1b}[Kerror: the time limit passed"),
        "{shown:?}"
    );
}

#[test]
fn a_result_that_is_waited_for_shows_how_its_query_is() {
    let house = House::new(Script::Hangs(Vec::new()));
    house.fake.state.watch.lock().unwrap().states = vec![Query {
        query_id: "01ab".to_owned(),
        state: QueryState::Running.into(),
        create_time: Some(now(-70)),
        ..Query::default()
    }];
    let terminal = Terminal::new(80);
    let mut command = house.command(&["job", "result", "01ab", "--timeout", "1ms", "--color", "never"]);
    command.stderr(terminal.program_end.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    let shown = terminal.shown();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(shown.contains("\r\u{1b}[Krunning, 1m 1"), "{shown:?}");
    assert!(shown.contains("\r\u{1b}[Kerror: "), "{shown:?}");
}

#[test]
fn the_progress_is_gone_before_rows_are_printed() {
    let house = house();
    house.fake.state.watch.lock().unwrap().states = vec![Query {
        query_id: "01ab".to_owned(),
        state: QueryState::Running.into(),
        create_time: Some(now(-70)),
        ..Query::default()
    }];
    let terminal = Terminal::new(80);
    let mut command = house.command(&["job", "result", "01ab", "--format", "csv", "-q"]);
    command
        .stdout(terminal.program_end.try_clone().unwrap())
        .stderr(terminal.program_end.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    assert_eq!(terminal.shown(), "N,T\n1,a remark of some length\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn jobs_of_several_sessions_fit_a_common_terminal() {
    let house = house();
    let query = |session: &str| Query {
        query_id: "01b2c3d4-0000-4e5f-0000-00016789abcd".to_owned(),
        session: session.to_owned(),
        state: QueryState::Succeeded.into(),
        sql: "select count(*) from a_table_with_a_name".to_owned(),
        submitted: true,
        create_time: Some(now(-200)),
        end_time: Some(now(-100)),
        ..Query::default()
    };
    *house.fake.state.jobs.lock().unwrap() = vec![query("default"), query("nightly-load")];
    let (shown, _) = on_terminal(80, house.command(&["job", "list", "--color", "never"]));
    let row = "01b2c3d4-0000-4e5f-0000-00016789abcd | succeeded | nightly… | 1m 40s | select …";
    assert!(shown.lines().any(|line| line == row), "{shown}");
}

//! What is different on a terminal.

use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{Int64Array, StringArray};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::arrow::{batch, events};
use crate::fake::Script;
use crate::harness::{House, finished};

/// Runs a command with a terminal of so many columns as its stdout; answers what is on the screen, and stderr.
fn on_terminal(columns: u16, mut command: Command) -> (String, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    tcsetwinsize(
        &terminal,
        Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        },
    )
    .unwrap();
    let screen = File::options().read(true).write(true).open(name).unwrap();
    command.stdout(screen).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    // Ours is the last copy of the other end: without it reading ends with the program.
    drop(command);
    let mut shown = Vec::new();
    let mut chunk = [0; 4096];
    let mut terminal = File::from(terminal);
    while let Ok(count @ 1..) = terminal.read(&mut chunk) {
        shown.extend_from_slice(&chunk[..count]);
    }
    let ran = finished(child.wait_with_output().unwrap());
    (
        String::from_utf8(shown).unwrap().replace("\r\n", "\n"),
        ran.stderr,
    )
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
fn arrow_is_kept_from_terminals() {
    let house = house();
    let (shown, stderr) = on_terminal(80, house.command(&["query", "--format", "arrow", "select 1"]));
    assert_eq!(shown, "");
    assert!(stderr.contains("not for a terminal"), "{stderr}");
}

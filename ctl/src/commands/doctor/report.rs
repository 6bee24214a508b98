//! The findings as text.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::super::Run;
use super::check::{Check, State};
use crate::failure::Failure;
use crate::render::record::{Record, Value};
use crate::render::{Format, RenderError, visible_lines, write_stdout};

/// Prints the findings, and what was repaired.
pub(super) fn print(
    checks: &[Check],
    repaired: &[String],
    run: &Run,
    wants_json: bool,
) -> Result<(), Failure> {
    let format = if wants_json { Format::Json } else { run.format() };
    let text = match format {
        Format::Table => screen(checks, repaired, run.settings.screen.color),
        Format::Json => format!("{:#}\n", document(checks, repaired)),
        _ => return run.print_list(checks.iter().map(record).collect()),
    };
    Ok(write_stdout(text.as_bytes()).map_err(RenderError::Output)?)
}

/// The findings for programs.
pub(super) fn document(checks: &[Check], repaired: &[String]) -> Json {
    let all = checks.iter().map(|check| {
        json!({
            "id": check.id,
            "state": check.state.word(),
            "seen": check.seen,
            "repair": check.repair,
        })
    });
    json!({
        "checks": all.collect::<Vec<_>>(),
        "ok": count(checks, State::Ok),
        "warn": count(checks, State::Warn),
        "fail": count(checks, State::Fail),
        "skip": count(checks, State::Skip),
        "repaired": repaired,
    })
}

fn record(check: &Check) -> Record {
    vec![
        ("id", Value::Whole(check.id.to_owned())),
        ("state", Value::Text(check.state.word().to_owned())),
        ("seen", Value::text(check.seen.join("\n"))),
        ("repair", Value::text(check.repair.join("\n"))),
    ]
}

fn count(checks: &[Check], state: State) -> usize {
    checks.iter().filter(|check| check.state == state).count()
}

fn screen(checks: &[Check], repaired: &[String], color: bool) -> String {
    let width = checks
        .iter()
        .map(|check| check.id.len())
        .max()
        .unwrap_or_default();
    // Writing into a text cannot fail.
    let mut text = String::new();
    for check in checks {
        let word = format!("{:<4}", check.state.word());
        let word = match (color, check.state) {
            (false, _) => word,
            (true, State::Ok) => format!("\x1b[32m{word}\x1b[0m"),
            (true, State::Warn) => format!("\x1b[33m{word}\x1b[0m"),
            (true, State::Fail) => format!("\x1b[1;31m{word}\x1b[0m"),
            (true, State::Skip) => format!("\x1b[2m{word}\x1b[0m"),
        };
        let mut lines = check.seen.iter().flat_map(|seen| seen.lines());
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(text, "{word}  {:<width$}  {}", check.id, visible_lines(first));
        let indent = " ".repeat(width + 8);
        for line in lines {
            let _ = writeln!(text, "{indent}{}", visible_lines(line));
        }
        for line in &check.repair {
            let _ = writeln!(text, "{indent}repair: {}", visible_lines(line));
        }
    }
    for line in repaired {
        let _ = writeln!(text, "repaired: {}", visible_lines(line));
    }
    let _ = writeln!(
        text,
        "\n{} ok, {} to look at, {} broken, {} left out",
        count(checks, State::Ok),
        count(checks, State::Warn),
        count(checks, State::Fail),
        count(checks, State::Skip),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_what_repairs_it() {
        let checks = [
            Check::ok("manager.kind", "systemd 257"),
            Check::fail("socket.file", "it is gone")
                .and("for an hour")
                .repair("sfctl service start"),
        ];
        assert_eq!(
            screen(&checks, &["mended".to_owned()], false),
            "ok    manager.kind  systemd 257\n\
             fail  socket.file   it is gone\n\
             \x20                   for an hour\n\
             \x20                   repair: sfctl service start\n\
             repaired: mended\n\n\
             1 ok, 0 to look at, 1 broken, 0 left out\n"
        );
    }

    #[test]
    fn what_was_seen_cannot_write_on_the_screen() {
        let text = screen(&[Check::ok("a.b", "x\x1b[2Jy")], &[], false);
        assert!(!text.contains('\x1b'), "{text:?}");
    }

    #[test]
    fn programs_get_the_same() {
        let document = document(&[Check::warn("a.b", "seen").repair("do it")], &[]);
        assert_eq!(document["checks"][0]["repair"][0], "do it");
        assert_eq!((&document["warn"], &document["fail"]), (&json!(1), &json!(0)));
    }
}

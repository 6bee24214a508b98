//! `SYSTEM$WAIT`, which is a statement by itself here: called, or selected alone.

use std::time::Duration;

use super::command::{Command, Wait};
use super::cursor::Cursor;
use crate::contract::SqlError;

/// The function.
pub(super) const NAME: &str = "SYSTEM$WAIT";

/// Units of time, with their seconds.
const UNITS: [(&str, f64); 7] = [
    ("DAYS", 86_400.0),
    ("HOURS", 3600.0),
    ("MINUTES", 60.0),
    ("SECONDS", 1.0),
    ("MILLISECONDS", 1e-3),
    ("MICROSECONDS", 1e-6),
    ("NANOSECONDS", 1e-9),
];

/// `CALL …`, after its first word.
pub(super) fn parse_call(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if !cursor.eat(&[NAME]) {
        return Err(SqlError::unsupported("CALL"));
    }
    let (wait, _) = arguments(cursor)?;
    cursor.end()?;
    Ok(Command::Wait(wait))
}

/// `SELECT SYSTEM$WAIT…`, after its first word.
pub(super) fn parse_select(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    cursor.expect(&[NAME])?;
    let (mut wait, written) = arguments(cursor)?;
    wait.called = false;
    wait.column = written;
    if cursor.eat(&["AS"]) {
        wait.column = cursor.name()?.as_str().to_owned();
    }
    if !cursor.at_end() {
        return Err(SqlError::unsupported(format!("{NAME} within a query")));
    }
    Ok(Command::Wait(wait))
}

/// What stands in parentheses, and how a column made of it is called.
fn arguments(cursor: &mut Cursor<'_>) -> Result<(Wait, String), SqlError> {
    cursor.expect_sign('(')?;
    let refused = cursor.unexpected();
    let amount = cursor.number()?;
    let mut column = format!("{NAME}({amount}");
    let (mut unit, mut unit_seconds) = ("SECONDS", 1.0);
    if cursor.eat_sign(',') {
        let refused = cursor.unexpected();
        let written = cursor.text()?;
        column.push_str(&format!(", '{written}'"));
        let known = UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(&written));
        (unit, unit_seconds) = *known.ok_or(refused)?;
    }
    cursor.expect_sign(')')?;
    column.push(')');
    let seconds = amount
        .parse::<f64>()
        .map_or(f64::NAN, |amount| amount * unit_seconds);
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| refused)?;
    let wait = Wait {
        duration,
        told: format!("waited {amount} {}", unit.to_ascii_lowercase()),
        column: NAME.to_owned(),
        called: true,
    };
    Ok((wait, column))
}

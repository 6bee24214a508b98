//! `SYSTEM$WAIT`, which is a statement by itself here: called, or selected alone.

use std::time::Duration;

use super::command::{Command, Wait};
use super::cursor::Cursor;
use crate::contract::SqlError;

/// The function.
pub(super) const NAME: &str = "SYSTEM$WAIT";

/// The unit where none is said.
const UNIT: (&str, f64) = ("SECONDS", 1.0);

/// Units of time, with their seconds.
const UNITS: [(&str, f64); 7] = [
    ("DAYS", 86_400.0),
    ("HOURS", 3600.0),
    ("MINUTES", 60.0),
    UNIT,
    ("MILLISECONDS", 1e-3),
    ("MICROSECONDS", 1e-6),
    ("NANOSECONDS", 1e-9),
];

/// `CALL …`, after its first word.
pub(super) fn parse_call(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if !cursor.eat(&[NAME]) {
        return Err(SqlError::unsupported("CALL"));
    }
    let (duration, told, _) = arguments(cursor)?;
    cursor.end()?;
    Ok(Command::Wait(Wait {
        duration,
        told,
        column: NAME.to_owned(),
        called: true,
    }))
}

/// `SELECT SYSTEM$WAIT…`, after its first word.
pub(super) fn parse_select(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    cursor.expect(&[NAME])?;
    let (duration, told, written) = arguments(cursor)?;
    let alias = cursor.eat(&["AS"]).then(|| cursor.name()).transpose()?;
    if !cursor.at_end() {
        return Err(SqlError::unsupported(format!("{NAME} within a query")));
    }
    Ok(Command::Wait(Wait {
        duration,
        told,
        column: alias.map_or(written, |alias| alias.as_str().to_owned()),
        called: false,
    }))
}

/// What stands in parentheses: how long, what the function answers, and how a column made of the call is named.
fn arguments(cursor: &mut Cursor<'_>) -> Result<(Duration, String, String), SqlError> {
    cursor.expect_sign('(')?;
    let bad_amount = cursor.unexpected();
    let amount = cursor.number()?;
    let mut unit = UNIT;
    let mut column = format!("{NAME}({amount})");
    if cursor.eat_sign(',') {
        let bad_unit = cursor.unexpected();
        let written = cursor.text()?;
        let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&written));
        unit = *known.ok_or(bad_unit)?;
        column = format!("{NAME}({amount}, '{written}')");
    }
    cursor.expect_sign(')')?;
    let (name, unit_seconds) = unit;
    let seconds = amount.parse::<f64>().map(|amount| amount * unit_seconds);
    let duration = seconds
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or(bad_amount)?;
    let told = format!("waited {amount} {}", name.to_ascii_lowercase());
    Ok((duration, told, column))
}

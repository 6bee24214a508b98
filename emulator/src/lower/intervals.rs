//! Intervals: `date + interval '1 year, 3 days'`.
//!
//! Each part becomes one call of `sf_dateadd`, whose result type follows its argument: a DATE plus days
//! stays a DATE, plus hours becomes a TIMESTAMP_NTZ. An interval with the fields of one of Snowflake's interval types,
//! such as `INTERVAL '1-2' YEAR TO MONTH`, is a value wherever it does not stand beside a date.

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{BinaryOperator, Expr, Interval, Value};

use super::build::{call, integer, literal_integer, literal_text, raw, text};
use super::kinds::{Kind, kind};
use super::parts;
use super::refuse::{compilation, unsupported};
use crate::contract::SqlError;

/// `left op right` where one side is an interval.
pub(super) fn add(left: Expr, op: &BinaryOperator, right: Expr) -> Result<Expr, SqlError> {
    let (value, interval) = match (kind(&left), kind(&right), op) {
        (_, Kind::Interval, _) if kind(&left) != Kind::Interval => (left, right),
        (Kind::Interval, _, BinaryOperator::Plus) if kind(&right) != Kind::Interval => (right, left),
        _ => {
            let name = if *op == BinaryOperator::Minus {
                "sf_sub"
            } else {
                "sf_add"
            };
            return Ok(call(name, vec![as_value(left)?, as_value(right)?]));
        }
    };
    let Expr::Interval(interval) = strip(interval) else {
        return Err(unsupported("interval"));
    };
    let sign = if *op == BinaryOperator::Minus { -1 } else { 1 };
    Ok(amounts(&interval)?
        .into_iter()
        .fold(value, |value, (amount, part)| {
            call("sf_dateadd", vec![text(part), integer(sign * amount), value])
        }))
}

/// Puts a value in the place of an interval constant.
pub(super) fn to_value(expr: &mut Expr) -> Result<(), SqlError> {
    let interval = std::mem::replace(expr, super::build::null());
    *expr = as_value(interval)?;
    Ok(())
}

/// An interval constant as a value of an interval type; anything else as it is.
pub(super) fn as_value(expr: Expr) -> Result<Expr, SqlError> {
    if !is_interval(&expr) {
        return Ok(expr);
    }
    let Expr::Interval(interval) = strip(expr) else {
        return Err(unsupported("interval"));
    };
    let outside = || unsupported("INTERVAL outside of date arithmetic");
    let first = interval.leading_field.as_ref().ok_or_else(outside)?;
    let first = parts::addable(&first.to_string()).ok_or_else(outside)?;
    let with_digits = |word: &str, digits: Vec<u64>| {
        if digits.is_empty() {
            return word.to_owned();
        }
        let digits: Vec<String> = digits.iter().map(u64::to_string).collect();
        format!("{word}({})", digits.join(", "))
    };
    let leading = interval.leading_precision.into_iter();
    let of_second = interval.fractional_seconds_precision.into_iter();
    let fields = if let Some(last) = &interval.last_field {
        let last = parts::addable(&last.to_string()).ok_or_else(outside)?;
        let first = with_digits(first, leading.collect());
        format!("{first} TO {}", with_digits(last, of_second.collect()))
    } else {
        with_digits(first, leading.chain(of_second).collect())
    };
    let target = SqlType::interval(&fields).ok_or_else(outside)?;
    let amount = match *interval.value {
        Expr::Value(value) => match value.value {
            Value::Number(digits, _) => text(digits),
            other => Expr::Value(other.into()),
        },
        other => other,
    };
    Ok(super::casts::convert(amount, &target, false))
}

fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_interval(inner),
        other => matches!(other, Expr::Interval(_)),
    }
}

fn strip(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => strip(*inner),
        other => other,
    }
}

/// An interval as the engine writes it, for the frame of a window.
pub(super) fn of_frame(interval: &Interval) -> Result<Expr, SqlError> {
    let parts: Vec<String> = amounts(interval)?
        .into_iter()
        .map(|(amount, part)| format!("INTERVAL '{amount}' {part}"))
        .collect();
    Ok(raw(format!("({})", parts.join(" + "))))
}

/// Amounts and parts of an interval in the order written.
fn amounts(interval: &Interval) -> Result<Vec<(i64, &'static str)>, SqlError> {
    let written = || interval.to_string();
    let invalid = || {
        compilation(
            "001008",
            "22023",
            &format!("invalid value [{}] for an interval", written()),
        )
    };
    if let Some(field) = &interval.leading_field {
        let amount = literal_text(&interval.value)
            .and_then(|text| text.trim().parse().ok())
            .or_else(|| literal_integer(&interval.value))
            .ok_or_else(invalid)?;
        let part = parts::addable(&field.to_string()).ok_or_else(invalid)?;
        return Ok(vec![(amount, part)]);
    }
    let text = literal_text(&interval.value).ok_or_else(invalid)?;
    let mut amounts = Vec::new();
    for piece in text.split(',') {
        let piece = piece.trim();
        let end = piece
            .find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '+'))
            .unwrap_or(piece.len());
        let amount: i64 = piece[..end].parse().map_err(|_| invalid())?;
        let unit = piece[end..].trim();
        // A number without a unit counts seconds.
        let part = if unit.is_empty() {
            "second"
        } else {
            parts::addable(unit).ok_or_else(invalid)?
        };
        amounts.push((amount, part));
    }
    Ok(amounts)
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn intervals_become_additions() {
        check(
            lowered,
            &[
                (
                    "select a + interval '1 year' b",
                    r#"SELECT sf_dateadd('year', 1, "A") AS "B""#,
                ),
                (
                    "select date '1998-12-01' - interval '90 day' b",
                    r#"SELECT sf_dateadd('day', -90, DATE '1998-12-01') AS "B""#,
                ),
                (
                    "select interval '1 y, 3 mons' + a b",
                    r#"SELECT sf_dateadd('month', 3, sf_dateadd('year', 1, "A")) AS "B""#,
                ),
                (
                    "select a + interval '2 furlongs' b",
                    "001008 22023: SQL compilation error: invalid value [INTERVAL '2 furlongs'] for an interval",
                ),
                (
                    "select interval '1-2' year to month b, a + interval '3' day(5) c",
                    r#"SELECT sf_to_interval_ym('1-2', 'YEAR(9) TO MONTH') AS "B", sf_dateadd('day', 3, "A") AS "C""#,
                ),
                (
                    "select interval '3' day + interval '2:30' hour to minute b, interval 5 second > a c",
                    r#"SELECT sf_dateadd('day', 3, sf_to_interval_dt('2:30', 'HOUR(9) TO MINUTE')) AS "B", sf_to_interval_dt('5', 'SECOND(9, 9)') > "A" AS "C""#,
                ),
                (
                    "select interval '1 day' b",
                    "000002 0A000: Unsupported feature 'INTERVAL outside of date arithmetic'.",
                ),
            ],
        );
    }
}

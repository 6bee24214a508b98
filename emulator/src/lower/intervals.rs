//! Intervals: `date + interval '1 year, 3 days'`.
//!
//! Each part becomes one call of `sf_dateadd`, whose result type follows its argument: a DATE plus days
//! stays a DATE, plus hours becomes a TIMESTAMP_NTZ.

use sqlparser::ast::{BinaryOperator, Expr, Interval};

use super::build::{call, integer, literal_integer, literal_text, text};
use super::kinds::{Kind, kind};
use super::parts;
use super::refuse::{compilation, unsupported};
use crate::contract::SqlError;

/// `left op right` where one side is an interval.
pub(super) fn add(left: Expr, op: &BinaryOperator, right: Expr) -> Result<Expr, SqlError> {
    let (value, interval) = match (kind(&left), kind(&right), op) {
        (Kind::Interval, Kind::Interval, _) => return Err(unsupported("arithmetic between intervals")),
        (_, Kind::Interval, _) => (left, right),
        (Kind::Interval, _, BinaryOperator::Plus) => (right, left),
        _ => return Err(unsupported("interval on the left of a subtraction")),
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

fn strip(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => strip(*inner),
        other => other,
    }
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
                    "select interval '1 day' b",
                    "000002 0A000: Unsupported feature 'INTERVAL outside of date arithmetic'.",
                ),
            ],
        );
    }
}

//! Comparing a result with a published answer.
//!
//! Texts and dates must be equal, in order, but for blanks at the end: the TPC pads its columns with them. Numbers must be equal too, unless one shows more decimals than the other, as
//! a published average with 15 against Snowflake's 6 or 8: then they may differ by one unit in the last decimal of the
//! shorter one.

use std::fs;

use crate::config;
use crate::csv::Table;

/// The published answer to a TPC-H query.
///
/// `scale` is `sf1` or `sf001`.
///
/// # Panics
///
/// When there is no such answer.
pub fn published(scale: &str, query: usize) -> Table {
    let path = config::repository().join(format!("tests/tpch/answers/{scale}/q{query:02}.csv"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    Table::parse(&text)
}

/// What differs between a result and the expected one; empty when nothing does.
pub fn difference(actual: &Table, expected: &Table) -> Option<String> {
    let names: Vec<String> = actual.columns.iter().map(|name| name.to_lowercase()).collect();
    if actual.columns.len() != expected.columns.len() {
        return Some(format!("columns {names:?}, expected {:?}", expected.columns));
    }
    if actual.rows.len() != expected.rows.len() {
        return Some(format!(
            "{} rows, expected {}",
            actual.rows.len(),
            expected.rows.len()
        ));
    }
    for (index, (row, wanted)) in actual.rows.iter().zip(&expected.rows).enumerate() {
        for ((name, value), wanted) in names.iter().zip(row).zip(wanted) {
            if !equal(value.as_deref(), wanted.as_deref()) {
                return Some(format!(
                    "row {}, {name}: {value:?}, expected {wanted:?}",
                    index + 1
                ));
            }
        }
    }
    None
}

fn equal(actual: Option<&str>, expected: Option<&str>) -> bool {
    match (actual, expected) {
        (None, None) => true,
        (Some(actual), Some(expected)) if actual.trim_end() == expected.trim_end() => true,
        (Some(actual), Some(expected)) => match (Number::parse(actual), Number::parse(expected)) {
            (Some(actual), Some(expected)) => actual.agrees(&expected),
            _ => false,
        },
        _ => false,
    }
}

/// A decimal number: `digits / 10^decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    digits: i128,
    decimals: u32,
    /// Written without a decimal point.
    integral: bool,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let decimals = i32::try_from(fraction.len()).ok()? - exponent;
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (digits, decimals) = match u32::try_from(decimals) {
            Ok(decimals) => (digits, decimals),
            Err(_) => (
                digits.checked_mul(10_i128.checked_pow(decimals.unsigned_abs())?)?,
                0,
            ),
        };
        Some(Self {
            digits,
            decimals,
            integral: fraction.is_empty() && exponent == 0,
        })
    }

    /// Whether both are the same number as far as both show it.
    fn agrees(&self, other: &Self) -> bool {
        let all = self.decimals.max(other.decimals);
        let shown = self.decimals.min(other.decimals);
        // Whole numbers and equally long ones are exact; else one was rounded or cut at the last shown decimal.
        let exact = self.integral || other.integral || all == shown;
        let tolerance = if exact {
            Some(0)
        } else {
            10_u128.checked_pow(all - shown)
        };
        match (self.at(all), other.at(all), tolerance) {
            (Some(one), Some(two), Some(tolerance)) => one.abs_diff(two) <= tolerance,
            _ => false,
        }
    }

    /// The digits at this many decimals, which are not fewer than its own.
    fn at(&self, decimals: u32) -> Option<i128> {
        self.digits
            .checked_mul(10_i128.checked_pow(decimals - self.decimals)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_agree_as_far_as_both_show_them() {
        let same = [
            ("25.522006", "25.522005853257337"),
            ("25.522005", "25.522005853257337"),
            ("37734107.00", "37734107"),
            ("0.000000", "0.0"),
            ("0.03443589", "0.034435890407668"),
            ("-1.50", "-1.5"),
            ("1.5e2", "150.0"),
        ];
        for (actual, expected) in same {
            assert!(equal(Some(actual), Some(expected)), "{actual} {expected}");
        }
        let different = [
            ("25.522004", "25.522005853257337"),
            ("37734107.01", "37734107"),
            ("37734108", "37734107"),
            ("1.23", "1.2"),
            ("1", "one"),
            ("1.25", "1.23"),
        ];
        for (actual, expected) in different {
            assert_eq!(
                equal(Some(actual), Some(expected)),
                actual == "1.23",
                "{actual} {expected}"
            );
        }
    }

    #[test]
    fn differences_are_named() {
        let expected = Table::parse("a,b\n1,x\n2,y\n");
        assert_eq!(difference(&Table::parse("A,B\n1,x\n2,y\n"), &expected), None);
        let swapped = difference(&Table::parse("A,B\n2,y\n1,x\n"), &expected).unwrap();
        assert!(swapped.contains("row 1, a"), "{swapped}");
        let null = difference(&Table::parse("A,B\n1,\n2,y\n"), &expected).unwrap();
        assert!(null.contains("row 1, b: None"), "{null}");
        assert!(
            difference(&Table::parse("A,B\n1,x\n"), &expected)
                .unwrap()
                .contains("1 rows")
        );
        assert!(
            difference(&Table::parse("A\n1\n2\n"), &expected)
                .unwrap()
                .contains("columns")
        );
    }

    #[test]
    fn answers_are_there() {
        for query in 1..=22 {
            assert!(!published("sf1", query).columns.is_empty(), "{query}");
            assert!(!published("sf001", query).columns.is_empty(), "{query}");
        }
    }
}

//! Values with a form of their own.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::comment::unmarked;

/// Most rows to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowLimit {
    /// Every row.
    All,
    /// So many.
    Rows(NonZeroU32),
}

impl FromStr for RowLimit {
    type Err = String;

    /// Reads `all`, `-1` (what users of other clients type for it) or a positive number.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" | "-1" => Ok(RowLimit::All),
            _ => text
                .parse()
                .map(RowLimit::Rows)
                .map_err(|_| "it takes a positive number of rows, or `all`".to_owned()),
        }
    }
}

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    /// Name of a `:name` placeholder; empty for the next `?`.
    pub(crate) name: String,
    /// The value as text.
    pub(crate) value: String,
}

impl FromStr for Bind {
    type Err = Infallible;

    /// Reads `NAME=VALUE` where NAME is a plain identifier, `=VALUE`, or else the whole as a value.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = unmarked(text)?;
        let bind = match text.split_once('=') {
            Some((name, value)) if name.is_empty() || is_identifier(name) => Bind {
                name: name.to_owned(),
                value: value.to_owned(),
            },
            _ => Bind {
                name: String::new(),
                value: text,
            },
        };
        Ok(bind)
    }
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

/// Reads a duration: a number of seconds, or a number with `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| "it takes a time such as `30`, `500ms`, `2m` or `1h`".to_owned())?;
    let milliseconds = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => return Err(format!("`{other}` is not one of ms, s, m, h, d")),
    };
    match number.checked_mul(milliseconds) {
        Some(0) => Err("it must be longer than nothing".to_owned()),
        // gRPC carries at most eight digits of seconds; nobody means more.
        Some(total) if total <= 99_999_999_000 => Ok(Duration::from_millis(total)),
        _ => Err("it is longer than three years".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!("all".parse(), Ok(RowLimit::All));
        assert_eq!("-1".parse(), Ok(RowLimit::All));
        assert_eq!("7".parse(), Ok(RowLimit::Rows(NonZeroU32::new(7).unwrap())));
        for wrong in ["0", "-2", "x", "1.5", "99999999999"] {
            assert!(wrong.parse::<RowLimit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn binds() {
        let check = |text: &str, name: &str, value: &str| {
            let bind: Bind = text.parse().unwrap();
            assert_eq!((bind.name.as_str(), bind.value.as_str()), (name, value), "{text}");
        };
        check("5", "", "5");
        check("id=5", "id", "5");
        check("id=a=b", "id", "a=b");
        check("=a=b", "", "a=b");
        check("1=1", "", "1=1");
        check("two words=1", "", "two words=1");
        check("", "", "");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_hours(1)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_hours(48)));
        for wrong in ["", "0", "1w", "-1", "s", "99999999h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}

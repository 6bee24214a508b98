//! What types the values of files have, for `INFER_SCHEMA`: each value tells one, a column has what fits all.

use serde_json::Value as Json;

/// Most digits of a NUMBER.
const DIGITS_MAX: usize = 38;

/// Most of them after the point.
const FRACTION_MAX: usize = 37;

/// A type that all values of a column seen so far fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inferred {
    /// Nothing but NULL.
    Nothing,
    /// `BOOLEAN`.
    Boolean,
    /// `NUMBER`: digits before and after the point.
    Number {
        /// Before the point.
        whole: usize,
        /// After it.
        fraction: usize,
    },
    /// `REAL`.
    Real,
    /// `DATE`.
    Date,
    /// `TIME`.
    Time,
    /// `TIMESTAMP_NTZ`.
    Timestamp,
    /// `TEXT`.
    Text,
    /// `OBJECT`.
    Object,
    /// `ARRAY`.
    Array,
    /// `VARIANT`: values that have no type together.
    Variant,
}

use Inferred::{Array, Boolean, Date, Nothing, Number, Object, Real, Text, Time, Timestamp, Variant};

impl Inferred {
    /// The type that a text looks like.
    pub fn of_text(text: &str) -> Self {
        if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            return Boolean;
        }
        if let Some(number) = number(text) {
            return number;
        }
        if is_date(text) {
            return Date;
        }
        if is_time(text) {
            return Time;
        }
        match text.split_once([' ', 'T']) {
            Some((date, time)) if is_date(date) && is_time(time) => Timestamp,
            _ => Text,
        }
    }

    /// The type of a value of a document.
    pub fn of_json(value: &Json) -> Self {
        match value {
            Json::Null => Nothing,
            Json::Bool(_) => Boolean,
            Json::Number(digits) => number(&digits.to_string()).unwrap_or(Real),
            // A text stays one, unless it is a date or a time, for which JSON has no other form.
            Json::String(text) => match Self::of_text(text) {
                kind @ (Date | Time | Timestamp) => kind,
                _ => Text,
            },
            Json::Array(_) => Array,
            Json::Object(_) => Object,
        }
    }

    /// The type that fits what fitted this one and the other.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Nothing, kind) | (kind, Nothing) => kind,
            (one, other) if one == other => one,
            (
                Number { whole, fraction },
                Number {
                    whole: other_whole,
                    fraction: other_fraction,
                },
            ) => fitting(whole.max(other_whole), fraction.max(other_fraction)),
            (Number { .. } | Real, Number { .. } | Real) => Real,
            (Date | Timestamp, Date | Timestamp) => Timestamp,
            (Object | Array | Variant, _) | (_, Object | Array | Variant) => Variant,
            _ => Text,
        }
    }

    /// As `INFER_SCHEMA` writes it.
    pub fn sql_type(self) -> String {
        match self {
            Number { whole, fraction } => format!("NUMBER({}, {fraction})", (whole + fraction).max(1)),
            Boolean => "BOOLEAN".to_owned(),
            Real => "REAL".to_owned(),
            Date => "DATE".to_owned(),
            Time => "TIME".to_owned(),
            Timestamp => "TIMESTAMP_NTZ".to_owned(),
            Nothing | Text => "TEXT".to_owned(),
            Object => "OBJECT".to_owned(),
            Array => "ARRAY".to_owned(),
            Variant => "VARIANT".to_owned(),
        }
    }
}

fn fitting(whole: usize, fraction: usize) -> Inferred {
    if whole + fraction > DIGITS_MAX || fraction > FRACTION_MAX {
        Real
    } else {
        Number { whole, fraction }
    }
}

fn number(text: &str) -> Option<Inferred> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(all_digits(whole) && all_digits(fraction)) || whole.len() + fraction.len() == 0 {
        return None;
    }
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        return (!exponent.is_empty() && all_digits(exponent)).then_some(Real);
    }
    // Only a number written with its zero, not a key or a telephone number.
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    Some(fitting(whole.trim_start_matches('0').len(), fraction.len()))
}

/// Numbers of so many digits each between signs, within limits.
fn parts(text: &str, sign: char, limits: &[(usize, u32, u32)]) -> bool {
    let parts: Vec<&str> = text.split(sign).collect();
    parts.len() == limits.len()
        && parts.iter().zip(limits).all(|(part, (length, least, most))| {
            part.len() == *length
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && part
                    .parse::<u32>()
                    .is_ok_and(|number| (*least..=*most).contains(&number))
        })
}

fn is_date(text: &str) -> bool {
    // Of other forms the second one knows more; of months and days, how many there are.
    parts(text, '-', &[(4, 0, 9999), (2, 1, 12), (2, 1, 31)]) && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_time(text: &str) -> bool {
    let (time, fraction) = text.split_once('.').unwrap_or((text, "0"));
    parts(time, ':', &[(2, 0, 23), (2, 0, 59), (2, 0, 59)])
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_tell_types() {
        for (text, sql_type) in [
            ("True", "BOOLEAN"),
            ("0", "NUMBER(1, 0)"),
            ("-12", "NUMBER(2, 0)"),
            ("12.340", "NUMBER(5, 3)"),
            (".5", "NUMBER(1, 1)"),
            ("1e5", "REAL"),
            ("123456789012345678901234567890123456789", "REAL"),
            ("007", "TEXT"),
            ("1e", "TEXT"),
            ("-", "TEXT"),
            (".", "TEXT"),
            ("2024-02-29", "DATE"),
            ("2024-13-01", "TEXT"),
            ("2023-02-29", "TEXT"),
            ("0.1234567890123456789012345678901234567", "NUMBER(37, 37)"),
            ("0.12345678901234567890123456789012345678", "REAL"),
            ("12:30:00.5", "TIME"),
            ("24:00:00", "TEXT"),
            ("2024-02-29 12:30:00", "TIMESTAMP_NTZ"),
            ("2024-02-29T12:30:00.123456789", "TIMESTAMP_NTZ"),
            ("2024-02-29T12:30:00Z", "TEXT"),
            ("", "TEXT"),
            ("nan", "TEXT"),
        ] {
            assert_eq!(Inferred::of_text(text).sql_type(), sql_type, "{text}");
        }
    }

    #[test]
    fn a_column_fits_all_its_values() {
        for (texts, sql_type) in [
            (&["1", "12.5", "100"][..], "NUMBER(4, 1)"),
            (&["1", "1e5"], "REAL"),
            (&["2024-02-29", "2024-02-29 10:00:00"], "TIMESTAMP_NTZ"),
            (&["2024-02-29", "10:00:00"], "TEXT"),
            (&["1", "true"], "TEXT"),
            (&[], "TEXT"),
        ] {
            let kind = texts
                .iter()
                .fold(Nothing, |kind, text| kind.and(Inferred::of_text(text)));
            assert_eq!(kind.sql_type(), sql_type, "{texts:?}");
        }
    }

    #[test]
    fn documents_tell_types() {
        for (documents, sql_type) in [
            (&["\"1\""][..], "TEXT"),
            (&["\"2024-02-29\"", "null"], "DATE"),
            (&["1", "2.5"], "NUMBER(2, 1)"),
            (&["{}"], "OBJECT"),
            (&["[1]", "[]"], "ARRAY"),
            (&["[1]", "1"], "VARIANT"),
        ] {
            let kind = documents.iter().fold(Nothing, |kind, text| {
                kind.and(Inferred::of_json(&serde_json::from_str(text).unwrap()))
            });
            assert_eq!(kind.sql_type(), sql_type, "{documents:?}");
        }
    }
}

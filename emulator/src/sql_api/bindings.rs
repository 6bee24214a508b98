//! Bound values: read, and judged before anything runs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use snowflake_emulator_engine::DecFloat;

use super::refusal::Refusal;
use crate::protocol::{BINDINGS_MAX, Entries, scalar};
use crate::session::{Binding, SqlError};

/// Nanoseconds of a day: a time of day is less.
const DAY_NANOSECONDS: i128 = 86_400_000_000_000;
/// The wire's offset of UTC, in minutes.
const OFFSET_BIAS: i128 = 1440;
/// Digits of the widest number.
const DIGITS_MAX: usize = 38;

/// A binding as clients send it.
#[derive(Deserialize)]
pub(super) struct WireBinding {
    #[serde(rename = "type")]
    type_name: String,
    value: Option<Box<RawValue>>,
}

/// The bindings of a request.
pub(super) type WireBindings = Entries<WireBinding, BINDINGS_MAX>;

/// Reads all bindings. What is not of the form is the request's fault; a value that is not of its type is, as with
/// Snowflake, the statement's.
pub(super) fn read(wire: WireBindings) -> Result<Result<BTreeMap<String, Binding>, SqlError>, Refusal> {
    let mut bindings = BTreeMap::new();
    for (key, binding) in wire.0 {
        let text = match binding.value.as_deref().map(scalar) {
            None | Some(Some(Value::Null)) => None,
            Some(Some(Value::String(text))) => Some(text),
            _ => {
                return Err(Refusal::payload(&format!(
                    "The value of binding {} must be a string.",
                    shown(&key)
                )));
            }
        };
        let type_name = binding.type_name.to_ascii_uppercase();
        match bound(&type_name, text) {
            Ok(binding) => bindings.insert(key, binding),
            Err(error) => return Ok(Err(error)),
        };
    }
    Ok(Ok(bindings))
}

/// A key in a message: clients may send anything as one.
fn shown(key: &str) -> String {
    key.chars().take(DIGITS_MAX).collect()
}

fn bound(type_name: &str, value: Option<String>) -> Result<Binding, SqlError> {
    if let Some(text) = &value
        && !fits(type_name, text)
    {
        return Err(unrecognized(type_name, text));
    }
    Ok(Binding {
        type_name: type_name.to_owned(),
        values: vec![value],
        is_array: false,
    })
}

fn unrecognized(type_name: &str, value: &str) -> SqlError {
    SqlError {
        code: "100037",
        sql_state: "22018",
        message: format!("{type_name} value '{value}' is not recognized"),
        position: None,
    }
}

/// True when a text is a value of a binding type. Types that are not known here are the session's to refuse.
fn fits(type_name: &str, text: &str) -> bool {
    match type_name {
        "FIXED" => is_decimal(text),
        "REAL" => is_float(text),
        "DECFLOAT" => matches!(DecFloat::parse(text), Ok(Some(_))),
        "BOOLEAN" => ["true", "false", "1", "0"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word)),
        "BINARY" => text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        // Milliseconds; Snowflake's dates are those of four-digit years.
        "DATE" => integer(text).is_some_and(|milliseconds| {
            milliseconds
                .checked_mul(1_000_000)
                .is_some_and(|nanoseconds| jiff::Timestamp::from_nanosecond(nanoseconds).is_ok())
        }),
        "TIME" => integer(text).is_some_and(|nanoseconds| (0..DAY_NANOSECONDS).contains(&nanoseconds)),
        "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" => is_instant(text),
        "TIMESTAMP_TZ" => match text.split_once(' ') {
            Some((nanoseconds, offset)) => {
                is_instant(nanoseconds)
                    && integer(offset).is_some_and(|offset| (0..=2 * OFFSET_BIAS).contains(&offset))
            }
            None => false,
        },
        _ => true,
    }
}

fn integer(text: &str) -> Option<i128> {
    text.parse().ok()
}

fn is_instant(text: &str) -> bool {
    // Timestamps count nanoseconds in 64 bits here.
    integer(text).is_some_and(|nanoseconds| i64::try_from(nanoseconds).is_ok())
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (1..=DIGITS_MAX).contains(&(whole.len() + fraction.len()))
}

fn is_float(text: &str) -> bool {
    text.trim() == text && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_judged_by_their_type() {
        for (type_name, good, bad) in [
            ("FIXED", ["-1.50", "123"], ["abc", "1e3"]),
            ("REAL", ["1e-3", "NaN"], ["one", " 1"]),
            ("DECFLOAT", ["-1.5e400", ".5"], ["1e20000", "x"]),
            ("BOOLEAN", ["TRUE", "0"], ["yes", ""]),
            ("BINARY", ["00fF", ""], ["0", "xy"]),
            ("DATE", ["-86400000", "0"], ["2021-01-01", "99999999999999999999"]),
            ("TIME", ["0", "86399999999999"], ["86400000000000", "12:00"]),
            ("TIMESTAMP_NTZ", ["-1", "1"], ["", "9223372036854775808"]),
            ("TIMESTAMP_TZ", ["0 960", "-1 1440"], ["0", "0 2881"]),
            ("TEXT", ["", "anything"], ["", ""]),
        ] {
            for text in good {
                assert!(fits(type_name, text), "{type_name} {text}");
            }
            if type_name != "TEXT" {
                for text in bad {
                    assert!(!fits(type_name, text), "{type_name} {text}");
                }
            }
        }
        let error = bound("FIXED", Some("abc".to_owned())).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("100037", "FIXED value 'abc' is not recognized")
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged(type_name in "[A-Z_]{0,16}", text in ".*") {
            let _ = bound(&type_name, Some(text));
        }
    }
}

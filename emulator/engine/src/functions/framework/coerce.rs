//! Snowflake's implicit casts: a function takes what can be cast to what it needs.

use std::borrow::Cow;

use super::{FunctionError, Number, Result, Value};
use crate::DecFloat;
use crate::functions::temporal::{
    date_text, duration_text, months_text, time_text, timestamp_text, zoned_timestamp_text,
};

impl Value<'_> {
    /// As text, the way a cast to VARCHAR writes it with Snowflake's default formats.
    ///
    /// A VARIANT is its JSON text: a caller that must unwrap JSON strings does it by the argument's type.
    pub(crate) fn to_text(&self) -> Result<Cow<'_, str>> {
        Ok(match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Float(value) => Cow::Owned(float_text(*value)),
            Value::DecFloat(value) => Cow::Owned(value.to_string()),
            Value::Date(days) => Cow::Owned(date_text(*days)),
            Value::Time(nanoseconds) => Cow::Owned(time_text(*nanoseconds)),
            Value::Timestamp(nanoseconds) => Cow::Owned(timestamp_text(*nanoseconds)),
            Value::ZonedTimestamp {
                instant,
                offset_minutes,
            } => Cow::Owned(zoned_timestamp_text(*instant, *offset_minutes)),
            Value::Months(months) => Cow::Owned(months_text(*months)),
            Value::Duration(nanoseconds) => Cow::Owned(duration_text(*nanoseconds)),
            Value::Binary(bytes) => Cow::Owned(hex_text(bytes)),
            Value::Null | Value::TextList(_) => return Err(FunctionError::defect("a value without text")),
        })
    }

    /// As an exact number; a text must be one, a float becomes its shortest decimal.
    pub(crate) fn to_number(&self) -> Result<Number> {
        match self {
            Value::Number(number) => Ok(*number),
            Value::Float(value) => Number::parse(&format!("{value:e}"))
                .ok_or_else(|| FunctionError::float_not_representable(*value, 38, 0)),
            Value::DecFloat(value) => {
                Number::parse(&value.to_string()).ok_or_else(|| FunctionError::out_of_range(value))
            }
            Value::Boolean(value) => Ok(Number::new(i128::from(*value), 0)),
            Value::Text(text) => Number::parse(text).ok_or_else(|| FunctionError::not_a_number(text)),
            other => Err(FunctionError::not_a_number(&other.to_text()?)),
        }
    }

    /// As a float.
    pub(crate) fn to_float(&self) -> Result<f64> {
        match self {
            Value::Float(value) => Ok(*value),
            Value::Number(number) => Ok(number.to_f64()),
            Value::DecFloat(value) => Ok(value.to_string().parse().unwrap_or(f64::NAN)),
            Value::Boolean(value) => Ok(f64::from(u8::from(*value))),
            Value::Text(text) => float_from_text(text).ok_or_else(|| FunctionError::not_a_number(text)),
            other => Err(FunctionError::not_a_number(&other.to_text()?)),
        }
    }

    /// As a decimal floating-point number; a text must be a number, a float becomes its shortest decimal.
    pub(crate) fn to_decfloat(&self) -> Result<DecFloat> {
        let read = |text: &str| match DecFloat::parse(text) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(FunctionError::not_a_number(text)),
            Err(_) => Err(FunctionError::out_of_range(text)),
        };
        match self {
            Value::DecFloat(value) => Ok(*value),
            Value::Number(number) => Ok(DecFloat::from_unscaled(number.unscaled, number.scale)),
            Value::Float(value) => read(&format!("{value:e}")),
            Value::Boolean(value) => Ok(DecFloat::from_unscaled(i128::from(*value), 0)),
            Value::Text(text) => read(text),
            other => Err(FunctionError::not_a_number(&other.to_text()?)),
        }
    }

    /// As a whole number, rounded half away from zero.
    pub(crate) fn to_integer(&self) -> Result<i64> {
        let rounded = self.to_number()?.rounded();
        i64::try_from(rounded).map_err(|_| FunctionError::out_of_range(rounded))
    }

    /// As a truth value: numbers but 0 are true, texts are those of TO_BOOLEAN.
    pub(crate) fn to_boolean(&self) -> Result<bool> {
        match self {
            Value::Boolean(value) => Ok(*value),
            Value::Number(number) => Ok(number.unscaled != 0),
            Value::Float(value) => Ok(*value != 0.0),
            Value::DecFloat(value) => Ok(!value.is_zero()),
            Value::Text(text) => boolean_from_text(text).ok_or_else(|| FunctionError::not_a_boolean(text)),
            other => Err(FunctionError::not_a_boolean(&other.to_text()?)),
        }
    }

    /// The bytes of a BINARY, or of a text in UTF-8.
    pub(crate) fn to_bytes(&self) -> Result<Cow<'_, [u8]>> {
        match self {
            Value::Binary(bytes) => Ok(Cow::Borrowed(bytes)),
            other => Ok(match other.to_text()? {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
        }
    }
}

/// A float as Snowflake casts it to text: 15 significant digits where they suffice, `NaN`, `inf`.
pub(super) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    if (-5..16).contains(&exponent) {
        return format!("{value}");
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, digits) = exponent
        .strip_prefix('-')
        .map_or(("+", exponent), |digits| ("-", digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn float_from_text(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "infinity" | "+inf" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        _ if text.bytes().any(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// The texts that TO_BOOLEAN knows, in any case.
fn boolean_from_text(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Upper-case hexadecimal.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_floats() {
        for (value, expected) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (-2.0, "-2"),
            (0.1, "0.1"),
            (1e15, "1000000000000000"),
            (1e20, "1e+20"),
            (1.5e-7, "1.5e-07"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float_text(value), expected);
        }
    }

    #[test]
    fn casts_texts() {
        assert_eq!(Value::text(" 5 ").to_integer().unwrap(), 5);
        assert_eq!(Value::text("2.5").to_integer().unwrap(), 3);
        assert_eq!(Value::text("x").to_integer().unwrap_err().code, 100_038);
        assert!(Value::text("Yes").to_boolean().unwrap());
        assert_eq!(
            Value::text("maybe").to_boolean().unwrap_err().message,
            "Boolean value 'maybe' is not recognized"
        );
        assert_eq!(
            Value::Binary(Cow::Borrowed(&[0xab, 1])).to_text().unwrap(),
            "AB01"
        );
    }
}

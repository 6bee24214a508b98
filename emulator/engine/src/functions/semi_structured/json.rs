//! JSON values: reading, canonical writing, and what other values become.

use std::cmp::Ordering;

use serde_json::{Map, Number as JsonNumber, Value as Json};

use crate::functions::framework::{Argument, FunctionError, FunctionType, Number, Result, Value};
use crate::{Geo, GeoForm, SqlType};

/// Reads JSON text that this module wrote.
pub(super) fn read(text: &str) -> Result<Json> {
    serde_json::from_str(text).map_err(|error| parse_error(text, &error))
}

/// 100069: text that is no JSON.
pub(super) fn parse_error(text: &str, error: &serde_json::Error) -> FunctionError {
    let reason = if text.trim().is_empty() {
        "document is empty".to_owned()
    } else {
        error.to_string()
    };
    FunctionError::new(100_069, format!("Error parsing JSON: {reason}"))
}

/// Canonical text.
pub(crate) fn write(json: &Json) -> String {
    let mut out = String::new();
    write_into(json, &mut out);
    out
}

fn write_into(json: &Json, out: &mut String) {
    match json {
        Json::Number(number) => out.push_str(&number_text(number.as_str())),
        Json::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_into(element, out);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(key.as_str()).to_string());
                out.push(':');
                write_into(&fields[key], out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// The canonical text of a number: exact decimals plainly, others as floating point.
pub(super) fn number_text(text: &str) -> String {
    if text.contains(['e', 'E']) {
        return text.parse().map_or_else(|_| text.to_owned(), float_text);
    }
    if !text.contains('.') {
        return if text == "-0" {
            "0".to_owned()
        } else {
            text.to_owned()
        };
    }
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed.bytes().filter(u8::is_ascii_digit).count() > 38 {
        return text.parse().map_or_else(|_| text.to_owned(), float_text);
    }
    if matches!(trimmed, "-0" | "") {
        "0".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// A floating-point number as Snowflake's VARIANT shows it: whole ones in scientific form.
pub(crate) fn float_text(value: f64) -> String {
    if !value.is_finite() {
        // JSON has no such numbers; Snowflake shows them as texts.
        return if value.is_nan() {
            "\"NaN\""
        } else if value > 0.0 {
            "\"inf\""
        } else {
            "\"-inf\""
        }
        .to_owned();
    }
    let magnitude = value.abs();
    if value.fract() != 0.0 && (1e-5..1e15).contains(&magnitude) {
        return format!("{value}");
    }
    let text = format!("{value:.15e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A SQL value as JSON; SQL NULL is none.
pub(super) fn from_value(value: &Value<'_>, sql_type: &FunctionType) -> Result<Option<Json>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Text(text) if sql_type.is_semi_structured() => read(text)?,
        Value::Boolean(truth) => Json::Bool(*truth),
        Value::Number(number) => from_number(*number),
        Value::Float(float) => read(&float_text(*float))?,
        Value::Binary(bytes) if sql_type.is_geospatial() => match Geo::from_stored(bytes) {
            Some(geo) => read(&String::from_utf8_lossy(&geo.shown(GeoForm::GeoJson)))?,
            None => return Ok(None),
        },
        Value::DecFloat(value) => Json::Number(number_of(&number_text(&value.to_string()))),
        other => Json::from(other.to_text()?.into_owned()),
    }))
}

pub(super) fn from_number(number: Number) -> Json {
    Json::Number(number_of(&number_text(&number.to_string())))
}

/// A JSON number with this exact text.
fn number_of(text: &str) -> JsonNumber {
    serde_json::from_str(text).unwrap_or_else(|_| JsonNumber::from(0))
}

/// The value of argument `position` as JSON.
pub(super) fn argument(row: &[Value<'_>], types: &[FunctionType], position: usize) -> Result<Option<Json>> {
    from_value(&row[position], &types[position])
}

/// The types of a call's arguments.
pub(super) fn types(arguments: &[Argument]) -> Vec<FunctionType> {
    arguments
        .iter()
        .map(|argument| argument.sql_type.clone())
        .collect()
}

/// Fails unless the argument is semi-structured (or NULL).
pub(super) fn require(function: &str, arguments: &[Argument], position: usize) -> Result<()> {
    let found = &arguments[position].sql_type;
    if found.is_semi_structured() || *found == FunctionType::Null {
        return Ok(());
    }
    let types: Vec<&FunctionType> = arguments.iter().map(|argument| &argument.sql_type).collect();
    Err(FunctionError::argument_types(function, &types))
}

/// The elements of an ARRAY; a VARIANT that holds none gives none.
pub(super) fn elements(json: Json) -> Option<Vec<Json>> {
    match json {
        Json::Array(elements) => Some(elements),
        _ => None,
    }
}

/// The fields of an OBJECT; a VARIANT that holds none gives none.
pub(super) fn fields(json: Json) -> Option<Map<String, Json>> {
    match json {
        Json::Object(fields) => Some(fields),
        _ => None,
    }
}

/// JSON as the result of a function.
pub(super) fn value(json: &Json) -> Value<'static> {
    Value::owned_text(write(json))
}

/// Numbers by value, texts by code points, everything else by canonical text.
pub(super) fn compare(left: &Json, right: &Json) -> Ordering {
    match (left, right) {
        (Json::Number(one), Json::Number(other)) => compare_numbers(one.as_str(), other.as_str()),
        (Json::String(one), Json::String(other)) => one.cmp(other),
        (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
        _ => rank(left)
            .cmp(&rank(right))
            .then_with(|| write(left).cmp(&write(right))),
    }
}

fn compare_numbers(left: &str, right: &str) -> Ordering {
    if let (Some(left), Some(right)) = (Number::parse(left), Number::parse(right)) {
        let scale = left.scale.max(right.scale);
        if let (Ok(left), Ok(right)) = (left.rescaled(scale), right.rescaled(scale)) {
            return left.unscaled.cmp(&right.unscaled);
        }
    }
    let float = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    float(left).total_cmp(&float(right))
}

fn rank(json: &Json) -> u8 {
    match json {
        Json::Bool(_) => 0,
        Json::Number(_) => 1,
        Json::String(_) => 2,
        Json::Array(_) => 3,
        Json::Object(_) => 4,
        Json::Null => 5,
    }
}

/// Equal values, whatever their spelling.
pub(super) fn equal(left: &Json, right: &Json) -> bool {
    compare(left, right) == Ordering::Equal
}

/// The result type of a conversion to a semi-structured type.
pub(super) fn semi_structured(sql_type: SqlType) -> FunctionType {
    FunctionType::Sql(sql_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_canonical() {
        for (text, expected) in [
            ("1", "1"),
            ("1.50", "1.5"),
            ("1.0", "1"),
            ("-0", "0"),
            ("0.0", "0"),
            ("1e3", "1.000000000000000e+03"),
            ("1.5e0", "1.5"),
            ("1e-7", "1.000000000000000e-07"),
        ] {
            assert_eq!(number_text(text), expected);
        }
    }

    #[test]
    fn keys_are_sorted() {
        let json = read(r#"{"b": [1.0, null], "a": {"é": "x\ny", "A": true}}"#).unwrap();
        assert_eq!(write(&json), r#"{"a":{"A":true,"é":"x\ny"},"b":[1,null]}"#);
    }

    #[test]
    fn values_compare_by_value() {
        let compared = |left: &str, right: &str| compare(&read(left).unwrap(), &read(right).unwrap());
        assert_eq!(compared("10", "9"), Ordering::Greater);
        assert_eq!(compared("1.0", "1"), Ordering::Equal);
        assert_eq!(compared("\"a\"", "\"b\""), Ordering::Less);
    }
}

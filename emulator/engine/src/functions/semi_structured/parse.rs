//! Reading and writing: `PARSE_JSON`, `TO_JSON`, `TO_VARIANT`, `TO_OBJECT`, `TO_ARRAY`.

use serde_json::Value as Json;

use super::json::{from_value, parse_error, read, semi_structured, types, value, write};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows,
};
use crate::functions::strings::plain;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_parse_json", 1..=2, |arguments| parse_json(arguments, false)),
    ScalarFunction::new("sf_try_parse_json", 1..=2, |arguments| {
        parse_json(arguments, true)
    }),
    ScalarFunction::new("sf_check_json", 1..=1, check_json),
    ScalarFunction::new("sf_to_json", 1..=1, to_json),
    ScalarFunction::new("sf_to_variant", 1..=1, to_variant),
    ScalarFunction::new("sf_to_object", 1..=1, to_object),
    ScalarFunction::new("sf_try_to_object", 1..=1, to_object),
    ScalarFunction::new("sf_to_array", 1..=1, to_array),
    ScalarFunction::new("sf_try_to_array", 1..=1, to_array),
    ScalarFunction::new("sf_strip_null_value", 1..=1, strip_null_value),
    ScalarFunction::new("sf_variant_compare", 2..=2, variant_compare),
];

/// JSON text as a VARIANT. The empty text is NULL; a key may come twice only with parameter `d`.
fn parse_json(arguments: &[Argument], attempt: bool) -> Result<Bound> {
    plain(arguments, FunctionType::variant(), move |row| {
        let text = row[0].to_text()?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_str::<Json>(&text) {
            Ok(json) => Ok(value(&json)),
            Err(_) if attempt => Ok(Value::Null),
            Err(error) => Err(parse_error(&text, &error)),
        }
    })
}

/// NULL when the text is JSON, else what is wrong with it.
fn check_json(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let text = row[0].to_text()?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        Ok(match serde_json::from_str::<Json>(&text) {
            Ok(_) => Value::Null,
            Err(error) => Value::owned_text(error.to_string()),
        })
    })
}

fn to_json(arguments: &[Argument]) -> Result<Bound> {
    let types = types(arguments);
    rows(FunctionType::text(), move |row| {
        Ok(from_value(&row[0], &types[0])?.map_or(Value::Null, |json| Value::owned_text(write(&json))))
    })
}

fn to_variant(arguments: &[Argument]) -> Result<Bound> {
    let types = types(arguments);
    let is_canonical = types[0].is_semi_structured();
    rows(FunctionType::variant(), move |row| match &row[0] {
        Value::Text(text) if is_canonical => Ok(Value::text(text)),
        other => Ok(from_value(other, &types[0])?.map_or(Value::Null, |json| value(&json))),
    })
}

fn to_object(arguments: &[Argument]) -> Result<Bound> {
    super::json::require("sf_to_object", arguments, 0)?;
    rows(semi_structured(SqlType::Object), |row| {
        let text = row[0].to_text()?;
        match read(&text)? {
            Json::Object(_) => Ok(Value::owned_text(text)),
            Json::Null => Ok(Value::Null),
            _ => Err(cannot_cast(&text, "OBJECT")),
        }
    })
}

/// An ARRAY stays one; any other value becomes the one element of one.
fn to_array(arguments: &[Argument]) -> Result<Bound> {
    let types = types(arguments);
    rows(semi_structured(SqlType::Array), move |row| {
        match from_value(&row[0], &types[0])? {
            None | Some(Json::Null) => Ok(Value::Null),
            Some(array @ Json::Array(_)) => Ok(value(&array)),
            Some(other) => Ok(value(&Json::Array(vec![other]))),
        }
    })
}

/// 100071: a VARIANT that holds another type.
pub(super) fn cannot_cast(json: &str, to: &str) -> FunctionError {
    FunctionError::new(100_071, format!("Failed to cast variant value {json} to {to}"))
}

/// JSON null as SQL NULL.
fn strip_null_value(arguments: &[Argument]) -> Result<Bound> {
    super::json::require("sf_strip_null_value", arguments, 0)?;
    rows(FunctionType::variant(), |row| match &row[0] {
        Value::Text(text) if text == "null" => Ok(Value::Null),
        other => Ok(other.clone()),
    })
}

/// -1, 0 or 1: for the lowering of comparisons with a VARIANT. JSON null compares to nothing.
fn variant_compare(arguments: &[Argument]) -> Result<Bound> {
    let types = types(arguments);
    rows(FunctionType::number(1, 0), move |row| {
        let left = from_value(&row[0], &types[0])?;
        let right = from_value(&row[1], &types[1])?;
        Ok(match (left, right) {
            (Some(left), Some(right)) if !left.is_null() && !right.is_null() => {
                Value::integer(super::json::compare(&left, &right) as i8)
            }
            _ => Value::Null,
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, evaluate};

    #[test]
    fn reading_and_writing() {
        for (expression, expected) in [
            (
                r#"sf_parse_json('{"b": 1.50, "a": [null, "x"]}')"#,
                r#"{"a":[null,"x"],"b":1.5}"#,
            ),
            ("sf_parse_json('null')", "null"),
            ("sf_parse_json(' ')", "NULL"),
            ("sf_try_parse_json('{')", "NULL"),
            ("sf_to_json(sf_parse_json('[1, 2]'))", "[1,2]"),
            ("sf_to_variant('a')", "\"a\""),
            ("sf_to_variant(1.50)", "1.5"),
            ("sf_to_variant(2::DOUBLE)", "2.000000000000000e+00"),
            ("sf_to_variant(DATE '2020-01-02')", "\"2020-01-02\""),
            ("sf_to_array(sf_to_variant(1))", "[1]"),
            ("sf_strip_null_value(sf_parse_json('null'))", "NULL"),
            ("sf_check_json('[1]')", "NULL"),
            ("sf_variant_compare(sf_parse_json('10'), sf_parse_json('9'))", "1"),
            (
                "sf_variant_compare(sf_parse_json('null'), sf_parse_json('9'))",
                "NULL",
            ),
        ] {
            check(expression, expected);
        }
        let error = evaluate("sf_parse_json('{\"a\"')").unwrap_err();
        assert_eq!(error.code.map(|code| code.code), Some("100069"));
        assert!(error.message.starts_with("Error parsing JSON: "));
    }
}

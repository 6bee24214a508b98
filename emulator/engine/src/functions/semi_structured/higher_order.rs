//! What FILTER, TRANSFORM and REDUCE are made of: the engine's own functions over lists run the lambdas, on lists of
//! texts that are JSON.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::json::{read, require, write};
use super::parse::cannot_cast;
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, Result, ScalarFunction, Value, rows,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_elements", 1..=1, to_list),
    ScalarFunction::new("sf_element", 1..=1, element),
    ScalarFunction::new("sf_array_of_elements", 1..=1, from_list),
    ScalarFunction::new("sf_accumulator", 3..=3, accumulator).sees_nulls(),
];

/// Decimals of an accumulator that are not known from a type: it is a FLOAT then, as what meets a VARIANT is.
const OF_VARIANT: i64 = -1;

/// An ARRAY as a list of its elements; a JSON null is NULL among them.
fn to_list(arguments: &[Argument]) -> Result<Bound> {
    require("sf_elements", arguments, 0)?;
    rows(FunctionType::TextList, |row| {
        let text = row[0].to_text()?;
        match read(&text)? {
            Json::Array(elements) => Ok(Value::TextList(
                elements
                    .iter()
                    .map(|element| (!element.is_null()).then(|| Cow::Owned(write(element))))
                    .collect(),
            )),
            Json::Null => Ok(Value::Null),
            _ => Err(cannot_cast(&text, "ARRAY")),
        }
    })
}

/// The JSON of an element as a VARIANT.
fn element(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::variant(), |row| {
        let text = row[0].to_text()?;
        Ok(if text == "null" {
            Value::Null
        } else {
            Value::owned_text(text)
        })
    })
}

/// A list of JSON texts as an ARRAY, in which NULL is a JSON null.
fn from_list(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::array(), |row| match &row[0] {
        Value::TextList(elements) => {
            let texts: Vec<&str> = elements
                .iter()
                .map(|element| element.as_deref().unwrap_or("null"))
                .collect();
            Ok(Value::owned_text(format!("[{}]", texts.join(","))))
        }
        _ => Ok(Value::Null),
    })
}

/// `(initial value, JSON, decimals)`: what the JSON holds, in the type of an accumulator that begins with the value.
fn accumulator(arguments: &[Argument]) -> Result<Bound> {
    let decimals = arguments[2].constant_integer("sf_accumulator", 3)?;
    let returns = match &arguments[0].sql_type {
        FunctionType::Sql(SqlType::Number { scale, .. }) if decimals != OF_VARIANT => {
            let known = u8::try_from(decimals.clamp(0, 37)).unwrap_or(0);
            FunctionType::number(38, known.max(*scale))
        }
        FunctionType::Sql(SqlType::Number { .. } | SqlType::Float) => FunctionType::float(),
        FunctionType::Sql(SqlType::Boolean) => FunctionType::boolean(),
        FunctionType::Sql(SqlType::Text { .. }) => FunctionType::text(),
        kept @ FunctionType::Sql(SqlType::Variant | SqlType::Object | SqlType::Array) => kept.clone(),
        FunctionType::Null => FunctionType::variant(),
        other => {
            return Err(FunctionError::argument_types("sf_reduce", &[other]));
        }
    };
    let held = returns.clone();
    rows(returns, move |row| {
        if row[1].is_null() {
            return Ok(Value::Null);
        }
        let text = row[1].to_text()?;
        if held.is_semi_structured() {
            return Ok(Value::owned_text(text));
        }
        let json = read(&text)?;
        Ok(match (&held, &json) {
            (_, Json::Null) => Value::Null,
            (FunctionType::Sql(SqlType::Text { .. }), Json::String(text)) => Value::owned_text(text),
            (FunctionType::Sql(SqlType::Text { .. }), other) => Value::owned_text(write(other)),
            (FunctionType::Sql(SqlType::Boolean), Json::Bool(truth)) => Value::Boolean(*truth),
            (FunctionType::Sql(SqlType::Float), Json::Number(number)) => {
                Value::Float(number.as_str().parse().unwrap_or(f64::NAN))
            }
            (FunctionType::Sql(SqlType::Float), Json::Bool(truth)) => {
                Value::Float(f64::from(u8::from(*truth)))
            }
            (FunctionType::Sql(SqlType::Number { precision, scale }), Json::Number(number)) => {
                let number = match Number::parse(number.as_str()) {
                    Some(number) => number,
                    None => Number::from_f64(number.as_str().parse().unwrap_or(f64::NAN), *scale)?,
                };
                Value::Number(number.fitted(*precision, *scale)?)
            }
            (wanted, _) => {
                // What a lambda gives is cast like any VARIANT: a text may hold the number.
                let text = json.as_str().map_or_else(|| write(&json), str::to_owned);
                match wanted {
                    FunctionType::Sql(SqlType::Float) => Value::Float(Value::text(&text).to_float()?),
                    FunctionType::Sql(SqlType::Boolean) => Value::Boolean(Value::text(&text).to_boolean()?),
                    FunctionType::Sql(SqlType::Number { precision, scale }) => {
                        Value::Number(Value::text(&text).to_number()?.fitted(*precision, *scale)?)
                    }
                    _ => Value::Null,
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn lists_and_back() {
        for (expression, expected) in [
            ("sf_elements('[1,null,\"a\"]'::sf_array)", "[1, NULL, '\"a\"']"),
            ("sf_elements('null'::sf_variant)", "NULL"),
            ("sf_array_of_elements(['1', NULL, '\"a\"'])", "[1,null,\"a\"]"),
            ("sf_element('\"a\"')", "\"a\""),
            ("sf_element('null')", "NULL"),
            ("sf_accumulator(0, '6', 0)", "6"),
            ("sf_accumulator(0.5, '6', 2)", "6.00"),
            ("sf_accumulator(0, '6', -1)", "6.0"),
            ("sf_accumulator('', '\"x\"', -1)", "x"),
            ("sf_accumulator(true, 'false', -1)", "false"),
            ("sf_accumulator(0, NULL, -1)", "NULL"),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_elements('1'::sf_variant)",
            100_071,
            "Failed to cast variant value 1 to ARRAY",
        );
    }
}

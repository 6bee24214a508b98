//! Conversions between types: the TO_ functions, their TRY_ forms, and casts, which the lowering writes as
//! the same functions.

mod binary;
mod number;
mod number_format;
mod text;
mod time;

pub(super) use binary::hex_bytes;

use super::framework::{Argument, Bound, Call, FunctionType, Number, Result, ScalarFunction, Value, rows};

pub(super) const GROUPS: [&[ScalarFunction]; 4] = [
    number::FUNCTIONS,
    text::FUNCTIONS,
    time::FUNCTIONS,
    binary::FUNCTIONS,
];

/// The TRY_ form of a conversion: NULL where the conversion fails.
pub(super) fn attempt(bound: Result<Bound>) -> Result<Bound> {
    let Bound { returns, call } = bound?;
    match call {
        Call::Rows(call) => rows(returns, move |row| Ok(call(row).unwrap_or(Value::Null))),
        of_columns => Ok(Bound {
            returns,
            call: of_columns,
        }),
    }
}

/// Runs a conversion on what a VARIANT holds; on the value itself when the argument is none.
fn of_content(
    argument: &Argument,
    returns: FunctionType,
    convert: impl for<'a> Fn(&'a Value<'a>, &'a [Value<'a>]) -> Result<Value<'static>> + Send + Sync + 'static,
) -> Result<Bound> {
    if !argument.sql_type.is_semi_structured() {
        return rows(returns, move |row| convert(&row[0], &row[1..]));
    }
    rows(returns, move |row| {
        let Value::Text(json) = &row[0] else {
            return convert(&row[0], &row[1..]);
        };
        match content(json) {
            Value::Null => Ok(Value::Null),
            held => convert(&held, &row[1..]).map(Value::into_owned),
        }
    })
}

/// The scalar that JSON text holds; objects and arrays stay text.
fn content(json: &str) -> Value<'static> {
    let json = json.trim();
    match json.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) => Value::owned_text(text),
            Err(_) => Value::owned_text(json),
        },
        Some(b'n') if json == "null" => Value::Null,
        Some(b't') if json == "true" => Value::Boolean(true),
        Some(b'f') if json == "false" => Value::Boolean(false),
        Some(b'-' | b'0'..=b'9') => match (Number::parse(json), json.parse()) {
            (Some(number), _) => Value::Number(number),
            (None, Ok(float)) => Value::Float(float),
            _ => Value::owned_text(json),
        },
        _ => Value::owned_text(json),
    }
}

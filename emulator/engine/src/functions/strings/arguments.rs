//! Arguments of text functions: a VARIANT is the text it holds.

use crate::functions::framework::{Argument, Bound, FunctionType, Result, Value, rows};

/// A call whose semi-structured arguments arrive as the values they hold; JSON null is NULL.
pub(in crate::functions) fn plain(
    arguments: &[Argument],
    returns: FunctionType,
    call: impl for<'a> Fn(&'a [Value<'a>]) -> Result<Value<'a>> + Send + Sync + 'static,
) -> Result<Bound> {
    let wrapped: Vec<usize> = arguments
        .iter()
        .enumerate()
        .filter(|(_, argument)| argument.sql_type.is_semi_structured())
        .map(|(position, _)| position)
        .collect();
    if wrapped.is_empty() {
        return rows(returns, call);
    }
    rows(returns, move |row| {
        let mut plain = row.to_vec();
        for position in &wrapped {
            plain[*position] = unwrapped(&plain[*position]).into_owned();
        }
        if wrapped.iter().any(|position| plain[*position].is_null()) {
            return Ok(Value::Null);
        }
        call(&plain).map(Value::into_owned)
    })
}

/// The value that a VARIANT holds: texts without their quotes, JSON null as NULL.
fn unwrapped<'a>(value: &'a Value<'a>) -> Value<'a> {
    match value {
        Value::Text(text) if text.starts_with('"') => match serde_json::from_str::<String>(text) {
            Ok(inner) => Value::owned_text(inner),
            Err(_) => Value::text(text),
        },
        Value::Text(text) if text == "null" => Value::Null,
        other => other.clone(),
    }
}

/// The whole number at a position, or what stands for a missing one.
pub(in crate::functions) fn optional_integer(
    row: &[Value<'_>],
    position: usize,
    missing: i64,
) -> Result<i64> {
    row.get(position).map_or(Ok(missing), Value::to_integer)
}

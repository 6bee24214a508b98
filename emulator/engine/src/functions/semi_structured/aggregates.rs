//! What the lowering puts around the engine's `string_agg` and `list` for `ARRAY_AGG` and its like.

use serde_json::{Map, Value as Json};

use super::json::{from_value, read, types, value, write};
use super::objects::duplicate_key;
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value, rows};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_array_from_elements", 1..=1, from_elements),
    ScalarFunction::new("sf_array_from_list", 1..=1, from_list),
    ScalarFunction::new("sf_object_pair", 2..=2, pair),
    ScalarFunction::new("sf_object_from_pairs", 1..=1, from_pairs),
];

/// Canonical elements with commas between them as an ARRAY.
fn from_elements(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::array(), |row| {
        Ok(Value::owned_text(format!("[{}]", row[0].to_text()?)))
    })
}

/// A list of canonical elements as an ARRAY.
fn from_list(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::array(), |row| match &row[0] {
        Value::TextList(elements) => {
            let texts: Vec<&str> = elements.iter().flatten().map(AsRef::as_ref).collect();
            Ok(Value::owned_text(format!("[{}]", texts.join(","))))
        }
        _ => Ok(Value::Null),
    })
}

/// A key and a value as the inside of an object.
fn pair(arguments: &[Argument]) -> Result<Bound> {
    let types = types(arguments);
    rows(FunctionType::text(), move |row| {
        let Some(field) = from_value(&row[1], &types[1])? else {
            return Ok(Value::Null);
        };
        Ok(Value::owned_text(format!(
            "[{},{}]",
            Json::from(&*row[0].to_text()?),
            write(&field)
        )))
    })
}

/// Pairs with commas between them as an OBJECT; a key may come once.
fn from_pairs(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::object(), |row| {
        let mut fields = Map::new();
        let pairs = read(&format!("[{}]", row[0].to_text()?))?;
        for pair in pairs.as_array().into_iter().flatten() {
            let (Some(Json::String(key)), Some(field)) = (pair.get(0), pair.get(1)) else {
                continue;
            };
            if fields.insert(key.clone(), field.clone()).is_some() {
                return Err(duplicate_key(key));
            }
        }
        Ok(value(&Json::Object(fields)))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn aggregates() {
        for (expression, expected) in [
            ("sf_array_from_elements('1,\"a\"')", r#"[1,"a"]"#),
            ("sf_array_from_elements('')", "[]"),
            ("sf_array_from_list(['1', NULL, '\"b\"'])", r#"[1,"b"]"#),
            ("sf_object_pair('k', 1.50)", r#"["k",1.5]"#),
            ("sf_object_from_pairs('[\"b\",1],[\"a\",2]')", r#"{"a":2,"b":1}"#),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_object_from_pairs('[\"a\",1],[\"a\",2]')",
            100_103,
            "Duplicate field key 'a'",
        );
    }
}

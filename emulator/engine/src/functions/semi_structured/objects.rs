//! OBJECTs.

use serde_json::{Map, Value as Json};

use super::json::{argument, elements, fields, from_value, read, require, semi_structured, types, value};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_object_construct", 0..=1024, |arguments| {
        construct(arguments, false)
    })
    .sees_nulls(),
    ScalarFunction::new("sf_object_construct_keep_null", 0..=1024, |arguments| {
        construct(arguments, true)
    })
    .sees_nulls(),
    ScalarFunction::new("sf_object_insert", 3..=4, insert).sees_nulls(),
    ScalarFunction::new("sf_object_delete", 2..=1024, |arguments| choose(arguments, false)),
    ScalarFunction::new("sf_object_pick", 2..=1024, |arguments| choose(arguments, true)),
    ScalarFunction::new("sf_object_keys", 1..=1, keys),
    ScalarFunction::new("sf_arrays_to_object", 2..=2, from_arrays),
];

fn object() -> FunctionType {
    semi_structured(SqlType::Object)
}

/// 100103: the same key twice.
pub(super) fn duplicate_key(key: &str) -> FunctionError {
    FunctionError::new(100_103, format!("Duplicate field key '{key}'"))
}

/// Keys and values in turn; pairs with a NULL key or (unless kept) a NULL value are left out.
fn construct(arguments: &[Argument], keep_null: bool) -> Result<Bound> {
    if arguments.len() % 2 == 1 {
        let all: Vec<&FunctionType> = arguments.iter().map(|argument| &argument.sql_type).collect();
        return Err(FunctionError::argument_types("sf_object_construct", &all));
    }
    let types = types(arguments);
    rows(object(), move |row| {
        let mut fields = Map::new();
        for position in (0..row.len()).step_by(2) {
            if row[position].is_null() {
                continue;
            }
            let field = match argument(row, &types, position + 1)? {
                None if keep_null => Json::Null,
                None => continue,
                Some(field) => field,
            };
            let key = row[position].to_text()?.into_owned();
            if fields.contains_key(&key) {
                return Err(duplicate_key(&key));
            }
            fields.insert(key, field);
        }
        Ok(value(&Json::Object(fields)))
    })
}

/// `OBJECT_INSERT(object, key, value[, update])`; a NULL value takes the key out.
fn insert(arguments: &[Argument]) -> Result<Bound> {
    require("sf_object_insert", arguments, 0)?;
    let types = types(arguments);
    rows(object(), move |row| {
        if row[0].is_null() || row[1].is_null() {
            return Ok(Value::Null);
        }
        let Some(mut fields) = fields(read(&row[0].to_text()?)?) else {
            return Ok(Value::Null);
        };
        let key = row[1].to_text()?.into_owned();
        let update = row.get(3).map_or(Ok(false), Value::to_boolean)?;
        if fields.contains_key(&key) && !update {
            return Err(duplicate_key(&key));
        }
        match from_value(&row[2], &types[2])? {
            Some(field) => fields.insert(key, field),
            None => fields.remove(&key),
        };
        Ok(value(&Json::Object(fields)))
    })
}

/// Keeps or drops the keys given one by one or as an ARRAY.
fn choose(arguments: &[Argument], keep: bool) -> Result<Bound> {
    require("sf_object_pick", arguments, 0)?;
    let types = types(arguments);
    rows(object(), move |row| {
        let Some(all) = fields(read(&row[0].to_text()?)?) else {
            return Ok(Value::Null);
        };
        let mut chosen = Vec::new();
        for position in 1..row.len() {
            match argument(row, &types, position)? {
                Some(Json::Array(names)) => {
                    chosen.extend(
                        names
                            .into_iter()
                            .filter_map(|name| name.as_str().map(str::to_owned)),
                    );
                }
                Some(Json::String(name)) => chosen.push(name),
                _ => chosen.push(row[position].to_text()?.into_owned()),
            }
        }
        let kept: Map<String, Json> = all
            .into_iter()
            .filter(|(key, _)| chosen.contains(key) == keep)
            .collect();
        Ok(value(&Json::Object(kept)))
    })
}

fn keys(arguments: &[Argument]) -> Result<Bound> {
    require("sf_object_keys", arguments, 0)?;
    rows(FunctionType::array(), |row| {
        let Some(fields) = fields(read(&row[0].to_text()?)?) else {
            return Ok(Value::Null);
        };
        let mut keys: Vec<String> = fields.keys().cloned().collect();
        keys.sort();
        Ok(value(&Json::Array(keys.into_iter().map(Json::String).collect())))
    })
}

fn from_arrays(arguments: &[Argument]) -> Result<Bound> {
    require("sf_arrays_to_object", arguments, 0)?;
    require("sf_arrays_to_object", arguments, 1)?;
    rows(object(), |row| {
        let keys = elements(read(&row[0].to_text()?)?);
        let values = elements(read(&row[1].to_text()?)?);
        let (Some(keys), Some(values)) = (keys, values) else {
            return Ok(Value::Null);
        };
        if keys.len() != values.len() {
            return Err(FunctionError::new(
                100_048,
                "Key and value arrays are of different lengths",
            ));
        }
        let fields = keys
            .into_iter()
            .zip(values)
            .filter_map(|(key, field)| match key {
                Json::String(key) => Some((key, field)),
                _ => None,
            })
            .collect();
        Ok(value(&Json::Object(fields)))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn objects() {
        for (expression, expected) in [
            ("sf_object_construct('b', 1, 'a', 'x')", r#"{"a":"x","b":1}"#),
            ("sf_object_construct('a', NULL, NULL, 1)", "{}"),
            ("sf_object_construct()", "{}"),
            ("sf_object_construct_keep_null('a', NULL)", r#"{"a":null}"#),
            ("sf_object_construct('a', sf_parse_json('null'))", r#"{"a":null}"#),
            (
                "sf_object_insert(sf_object_construct('a', 1), 'b', 2)",
                r#"{"a":1,"b":2}"#,
            ),
            (
                "sf_object_insert(sf_object_construct('a', 1), 'a', 2, true)",
                r#"{"a":2}"#,
            ),
            (
                "sf_object_delete(sf_object_construct('a', 1, 'b', 2), 'a')",
                r#"{"b":2}"#,
            ),
            (
                "sf_object_pick(sf_object_construct('a', 1, 'b', 2), 'a', 'z')",
                r#"{"a":1}"#,
            ),
            (
                "sf_object_keys(sf_object_construct('b', 1, 'a', 2))",
                r#"["a","b"]"#,
            ),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_object_construct('a', 1, 'a', 2)",
            100_103,
            "Duplicate field key 'a'",
        );
    }
}

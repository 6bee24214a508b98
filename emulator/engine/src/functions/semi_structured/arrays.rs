//! ARRAYs one at a time.

use serde_json::Value as Json;

use super::json::{argument, compare, elements, equal, read, require, types, value, write};
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows,
};
use crate::functions::strings::{optional_integer, plain};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_array_construct", 0..=1024, |arguments| {
        construct(arguments, false)
    })
    .sees_nulls(),
    ScalarFunction::new("sf_array_construct_compact", 0..=1024, |arguments| {
        construct(arguments, true)
    })
    .sees_nulls(),
    ScalarFunction::new("sf_array_size", 1..=1, size),
    ScalarFunction::new("sf_array_append", 2..=2, |arguments| add(arguments, false)),
    ScalarFunction::new("sf_array_prepend", 2..=2, |arguments| add(arguments, true)),
    ScalarFunction::new("sf_array_insert", 3..=3, insert),
    ScalarFunction::new("sf_array_remove", 2..=2, remove),
    ScalarFunction::new("sf_array_remove_at", 2..=2, remove_at),
    ScalarFunction::new("sf_array_slice", 3..=3, slice),
    ScalarFunction::new("sf_array_compact", 1..=1, |arguments| {
        changed(arguments, |elements| {
            elements.retain(|element| !element.is_null());
        })
    }),
    ScalarFunction::new("sf_array_reverse", 1..=1, |arguments| {
        changed(arguments, |elements| elements.reverse())
    }),
    ScalarFunction::new("sf_array_sort", 1..=3, sort),
    ScalarFunction::new("sf_array_flatten", 1..=1, flatten),
    ScalarFunction::new("sf_array_to_string", 2..=2, to_string),
    ScalarFunction::new("sf_array_contains", 2..=2, contains),
    ScalarFunction::new("sf_array_position", 2..=2, position),
    ScalarFunction::new("sf_array_min", 1..=1, |arguments| extreme(arguments, true)),
    ScalarFunction::new("sf_array_max", 1..=1, |arguments| extreme(arguments, false)),
    ScalarFunction::new("sf_array_generate_range", 2..=3, generate_range),
];

/// Most elements that `ARRAY_GENERATE_RANGE` makes.
const RANGE_MAX: usize = 1_000_000;

fn array(elements: Vec<Json>) -> Value<'static> {
    value(&Json::Array(elements))
}

fn construct(arguments: &[Argument], compact: bool) -> Result<Bound> {
    let types = types(arguments);
    rows(FunctionType::array(), move |row| {
        let mut elements = Vec::with_capacity(row.len());
        for position in 0..row.len() {
            match argument(row, &types, position)? {
                Some(element) => elements.push(element),
                None if compact => {}
                None => elements.push(Json::Null),
            }
        }
        Ok(array(elements))
    })
}

fn elements_of(value: &Value<'_>) -> Result<Option<Vec<Json>>> {
    Ok(elements(read(&value.to_text()?)?))
}

/// NULL for a VARIANT that holds no array.
fn size(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_size", arguments, 0)?;
    rows(FunctionType::number(9, 0), |row| {
        Ok(elements_of(&row[0])?.map_or(Value::Null, |elements| Value::integer(elements.len() as i64)))
    })
}

fn changed(arguments: &[Argument], change: fn(&mut Vec<Json>)) -> Result<Bound> {
    require("sf_array", arguments, 0)?;
    rows(FunctionType::array(), move |row| {
        Ok(elements_of(&row[0])?.map_or(Value::Null, |mut elements| {
            change(&mut elements);
            array(elements)
        }))
    })
}

fn add(arguments: &[Argument], first: bool) -> Result<Bound> {
    require("sf_array_append", arguments, 0)?;
    let types = types(arguments);
    rows(FunctionType::array(), move |row| {
        let Some(mut elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        if let Some(element) = argument(row, &types, 1)? {
            elements.insert(if first { 0 } else { elements.len() }, element);
        }
        Ok(array(elements))
    })
}

/// An index from the end when negative.
fn index(position: i64, length: usize) -> i64 {
    if position < 0 {
        length as i64 + position
    } else {
        position
    }
}

/// Inserting beyond the end fills the gap with nulls.
fn insert(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_insert", arguments, 0)?;
    let types = types(arguments);
    rows(FunctionType::array(), move |row| {
        let Some(mut elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let at = usize::try_from(index(row[1].to_integer()?, elements.len())).unwrap_or(0);
        if at > elements.len() {
            elements.resize(at, Json::Null);
        }
        elements.insert(at, argument(row, &types, 2)?.unwrap_or(Json::Null));
        Ok(array(elements))
    })
}

fn remove(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_remove", arguments, 0)?;
    let types = types(arguments);
    rows(FunctionType::array(), move |row| {
        let Some(mut elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        if let Some(removed) = argument(row, &types, 1)? {
            elements.retain(|element| !equal(element, &removed));
        }
        Ok(array(elements))
    })
}

fn remove_at(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_remove_at", arguments, 0)?;
    rows(FunctionType::array(), |row| {
        let Some(mut elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let at = usize::try_from(index(row[1].to_integer()?, elements.len())).ok();
        if let Some(at) = at.filter(|at| *at < elements.len()) {
            elements.remove(at);
        }
        Ok(array(elements))
    })
}

/// From one index up to another, which is not in it.
fn slice(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_slice", arguments, 0)?;
    rows(FunctionType::array(), |row| {
        let Some(elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let bound = |value: &Value<'_>| -> Result<usize> {
            let at = index(value.to_integer()?, elements.len());
            Ok(usize::try_from(at).unwrap_or(0).min(elements.len()))
        };
        let (start, end) = (bound(&row[1])?, bound(&row[2])?);
        Ok(array(elements.get(start..end).unwrap_or_default().to_vec()))
    })
}

/// `ARRAY_SORT(array[, ascending[, nulls first]])`.
fn sort(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_sort", arguments, 0)?;
    rows(FunctionType::array(), |row| {
        let Some(elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let ascending = row.get(1).map_or(Ok(true), Value::to_boolean)?;
        let nulls_first = row.get(2).map_or(Ok(!ascending), Value::to_boolean)?;
        let (nulls, mut rest): (Vec<Json>, Vec<Json>) = elements.into_iter().partition(Json::is_null);
        rest.sort_by(|left, right| {
            if ascending {
                compare(left, right)
            } else {
                compare(right, left)
            }
        });
        Ok(array(if nulls_first {
            [nulls, rest].concat()
        } else {
            [rest, nulls].concat()
        }))
    })
}

/// One level of an array of arrays.
fn flatten(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_flatten", arguments, 0)?;
    rows(FunctionType::array(), |row| {
        let Some(outer) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let mut flat = Vec::new();
        for element in outer {
            match element {
                Json::Array(inner) => flat.extend(inner),
                Json::Null => return Ok(Value::Null),
                other => {
                    return Err(FunctionError::new(
                        100_107,
                        format!(
                            "Not an array: '{}' with 0-based index 0. ARRAY_FLATTEN supports only array of arrays as an input.",
                            write(&other)
                        ),
                    ));
                }
            }
        }
        Ok(array(flat))
    })
}

fn to_string(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_to_string", arguments, 0)?;
    rows(FunctionType::text(), |row| {
        let Some(elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let texts: Vec<String> = elements
            .iter()
            .map(|element| match element {
                Json::String(text) => text.clone(),
                Json::Null => String::new(),
                other => write(other),
            })
            .collect();
        Ok(Value::owned_text(texts.join(&row[1].to_text()?)))
    })
}

/// `ARRAY_CONTAINS(value, array)`.
fn contains(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_contains", arguments, 1)?;
    let types = types(arguments);
    rows(FunctionType::boolean(), move |row| {
        let (Some(wanted), Some(elements)) = (argument(row, &types, 0)?, elements_of(&row[1])?) else {
            return Ok(Value::Null);
        };
        Ok(Value::Boolean(
            elements.iter().any(|element| equal(element, &wanted)),
        ))
    })
}

/// `ARRAY_POSITION(value, array)`: from 0, NULL when there is none.
fn position(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_position", arguments, 1)?;
    let types = types(arguments);
    rows(FunctionType::number(9, 0), move |row| {
        let (Some(wanted), Some(elements)) = (argument(row, &types, 0)?, elements_of(&row[1])?) else {
            return Ok(Value::Null);
        };
        let found = elements.iter().position(|element| equal(element, &wanted));
        Ok(found.map_or(Value::Null, |index| Value::integer(index as i64)))
    })
}

fn extreme(arguments: &[Argument], least: bool) -> Result<Bound> {
    require("sf_array_min", arguments, 0)?;
    rows(FunctionType::variant(), move |row| {
        let Some(elements) = elements_of(&row[0])? else {
            return Ok(Value::Null);
        };
        let candidates = elements.iter().filter(|element| !element.is_null());
        let found = if least {
            candidates.min_by(|left, right| compare(left, right))
        } else {
            candidates.max_by(|left, right| compare(left, right))
        };
        Ok(found.map_or(Value::Null, value))
    })
}

/// `ARRAY_GENERATE_RANGE(start, stop[, step])`; the stop is not in it.
fn generate_range(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::array(), |row| {
        let (start, stop) = (row[0].to_integer()?, row[1].to_integer()?);
        let step = optional_integer(row, 2, 1)?;
        if step == 0 {
            return Err(FunctionError::new(
                100_048,
                "Invalid step 0 for ARRAY_GENERATE_RANGE",
            ));
        }
        let numbers = std::iter::successors(Some(start), |number| number.checked_add(step))
            .take_while(|number| if step > 0 { *number < stop } else { *number > stop })
            .take(RANGE_MAX);
        Ok(array(numbers.map(Json::from).collect()))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn arrays() {
        for (expression, expected) in [
            ("sf_array_construct(1, 'a', NULL, 1.5)", r#"[1,"a",null,1.5]"#),
            ("sf_array_construct_compact(1, NULL, 2)", "[1,2]"),
            ("sf_array_size(sf_array_construct(1, 2, 3))", "3"),
            ("sf_array_size(sf_to_variant(1))", "NULL"),
            ("sf_array_append(sf_array_construct(1), 'x')", r#"[1,"x"]"#),
            ("sf_array_prepend(sf_array_construct(1), 0)", "[0,1]"),
            ("sf_array_insert(sf_array_construct(0, 1), 3, 9)", "[0,1,null,9]"),
            ("sf_array_insert(sf_array_construct(0, 1), -1, 9)", "[0,9,1]"),
            ("sf_array_remove(sf_array_construct(1, 2, 1), 1)", "[2]"),
            ("sf_array_remove_at(sf_array_construct(1, 2), -1)", "[1]"),
            ("sf_array_slice(sf_array_construct(0, 1, 2, 3), 1, -1)", "[1,2]"),
            ("sf_array_compact(sf_array_construct(1, NULL))", "[1]"),
            ("sf_array_reverse(sf_array_construct(1, 2))", "[2,1]"),
            ("sf_array_sort(sf_array_construct(20, NULL, 0))", "[0,20,null]"),
            (
                "sf_array_sort(sf_array_construct(20, NULL, 0), false)",
                "[null,20,0]",
            ),
            ("sf_array_flatten(sf_parse_json('[[1],[2,3]]'))", "[1,2,3]"),
            (
                "sf_array_to_string(sf_parse_json('[1,\"a\",[2]]'), ', ')",
                "1, a, [2]",
            ),
            (
                "sf_array_contains(sf_to_variant('b'), sf_parse_json('[\"a\",\"b\"]'))",
                "true",
            ),
            (
                "sf_array_position(sf_to_variant(5), sf_array_construct(4, 5))",
                "1",
            ),
            ("sf_array_max(sf_array_construct(4, 15, 9))", "15"),
            ("sf_array_generate_range(2, 9, 3)", "[2,5,8]"),
        ] {
            check(expression, expected);
        }
    }
}

//! ARRAYs as sets and bags.

use serde_json::Value as Json;

use super::json::{elements, equal, read, require, value};
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value, rows};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_array_distinct", 1..=1, distinct),
    ScalarFunction::new("sf_array_cat", 2..=2, |arguments| {
        combined(arguments, |mut left, right| {
            left.extend(right);
            left
        })
    }),
    ScalarFunction::new("sf_array_intersection", 2..=2, |arguments| {
        combined(arguments, |left, mut right| {
            left.into_iter()
                .filter(|element| take(&mut right, element))
                .collect()
        })
    }),
    ScalarFunction::new("sf_array_except", 2..=2, |arguments| {
        combined(arguments, |left, mut right| {
            left.into_iter()
                .filter(|element| !take(&mut right, element))
                .collect()
        })
    }),
    ScalarFunction::new("sf_arrays_overlap", 2..=2, overlap),
];

/// Takes one equal element out of a bag.
fn take(bag: &mut Vec<Json>, wanted: &Json) -> bool {
    match bag.iter().position(|element| equal(element, wanted)) {
        Some(found) => {
            bag.remove(found);
            true
        }
        None => false,
    }
}

/// The first of equal elements stays.
fn distinct(arguments: &[Argument]) -> Result<Bound> {
    require("sf_array_distinct", arguments, 0)?;
    rows(FunctionType::array(), |row| {
        let Some(all) = elements(read(&row[0].to_text()?)?) else {
            return Ok(Value::Null);
        };
        let mut kept: Vec<Json> = Vec::new();
        for element in all {
            if !kept.iter().any(|known| equal(known, &element)) {
                kept.push(element);
            }
        }
        Ok(value(&Json::Array(kept)))
    })
}

fn both(row: &[Value<'_>]) -> Result<Option<(Vec<Json>, Vec<Json>)>> {
    let left = elements(read(&row[0].to_text()?)?);
    let right = elements(read(&row[1].to_text()?)?);
    Ok(left.zip(right))
}

fn combined(arguments: &[Argument], combine: fn(Vec<Json>, Vec<Json>) -> Vec<Json>) -> Result<Bound> {
    require("sf_array_cat", arguments, 0)?;
    require("sf_array_cat", arguments, 1)?;
    rows(FunctionType::array(), move |row| {
        Ok(both(row)?.map_or(Value::Null, |(left, right)| {
            value(&Json::Array(combine(left, right)))
        }))
    })
}

fn overlap(arguments: &[Argument]) -> Result<Bound> {
    require("sf_arrays_overlap", arguments, 0)?;
    require("sf_arrays_overlap", arguments, 1)?;
    rows(FunctionType::boolean(), |row| {
        Ok(both(row)?.map_or(Value::Null, |(left, right)| {
            Value::Boolean(
                left.iter()
                    .any(|element| right.iter().any(|other| equal(element, other))),
            )
        }))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn sets() {
        for (expression, expected) in [
            (
                "sf_array_distinct(sf_parse_json('[1,2,1,null,null]'))",
                "[1,2,null]",
            ),
            (
                "sf_array_cat(sf_array_construct(1), sf_array_construct(2))",
                "[1,2]",
            ),
            (
                "sf_array_intersection(sf_parse_json('[1,2,2,3]'), sf_parse_json('[2,2,4]'))",
                "[2,2]",
            ),
            (
                "sf_array_except(sf_parse_json('[1,1,2]'), sf_parse_json('[1]'))",
                "[1,2]",
            ),
            (
                "sf_arrays_overlap(sf_parse_json('[1,2]'), sf_parse_json('[2]'))",
                "true",
            ),
        ] {
            check(expression, expected);
        }
    }
}

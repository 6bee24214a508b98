//! ARRAYs as sets and bags.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::json::{elements, equal, read, require, value, write};
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows,
};

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
    ScalarFunction::new("sf_arrays_zip", 1..=1024, zip),
    ScalarFunction::new("sf_array_union_of", 1..=1, union_of),
    ScalarFunction::new("sf_top_of", 2..=2, top_of),
];

/// Most values that `APPROX_TOP_K` gives.
const TOP_MAX: usize = 100_000;

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

/// Objects of the elements at the same place, `$1` of the first ARRAY; what a shorter one lacks is null.
fn zip(arguments: &[Argument]) -> Result<Bound> {
    for position in 0..arguments.len() {
        require("sf_arrays_zip", arguments, position)?;
    }
    rows(FunctionType::array(), |row| {
        let mut arrays = Vec::with_capacity(row.len());
        for argument in row {
            let Some(array) = elements(read(&argument.to_text()?)?) else {
                return Ok(Value::Null);
            };
            arrays.push(array);
        }
        let longest = arrays.iter().map(Vec::len).max().unwrap_or(0);
        let zipped = (0..longest).map(|at| {
            let fields = arrays
                .iter()
                .zip(1..)
                .map(|(array, number)| (format!("${number}"), array.get(at).cloned().unwrap_or(Json::Null)));
            Json::Object(fields.collect())
        });
        Ok(value(&Json::Array(zipped.collect())))
    })
}

/// The elements of a list of ARRAYs, each as often as it is in the one that has most of it.
fn union_of(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::array(), |row| {
        let Value::TextList(arrays) = &row[0] else {
            return Ok(Value::owned_text("[]"));
        };
        // By canonical text, in which equal values are alike.
        let mut order: Vec<String> = Vec::new();
        let mut most: HashMap<String, usize> = HashMap::new();
        for array in arrays.iter().flatten() {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for element in elements(read(array)?).into_iter().flatten() {
                if !element.is_null() {
                    let text = write(&element);
                    if !most.contains_key(&text) && !counts.contains_key(&text) {
                        order.push(text.clone());
                    }
                    *counts.entry(text).or_default() += 1;
                }
            }
            for (text, count) in counts {
                let known = most.entry(text).or_default();
                *known = count.max(*known);
            }
        }
        let all = order
            .iter()
            .flat_map(|text| std::iter::repeat_n(text.as_str(), most.get(text).copied().unwrap_or(0)));
        Ok(Value::owned_text(format!(
            "[{}]",
            all.collect::<Vec<_>>().join(",")
        )))
    })
}

/// The most frequent of a list of JSON texts, each with how often it is there.
fn top_of(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::array(), |row| {
        let wanted = row[1].to_integer()?;
        let wanted = usize::try_from(wanted)
            .ok()
            .filter(|wanted| (1..=TOP_MAX).contains(wanted))
            .ok_or_else(|| FunctionError::new(100_154, format!("Invalid number of values {wanted}")))?;
        let Value::TextList(texts) = &row[0] else {
            return Ok(Value::owned_text("[]"));
        };
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (at, text) in texts.iter().flatten().enumerate() {
            counts.entry(text.as_ref()).or_insert((0, at)).0 += 1;
        }
        let mut found: Vec<(&str, (usize, usize))> = counts.into_iter().collect();
        // Among equally frequent values the one that came first.
        found.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
        let pairs: Vec<String> = found
            .iter()
            .take(wanted)
            .map(|(text, (count, _))| format!("[{text},{count}]"))
            .collect();
        Ok(Value::owned_text(format!("[{}]", pairs.join(","))))
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

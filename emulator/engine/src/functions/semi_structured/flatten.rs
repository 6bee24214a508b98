//! `FLATTEN`: a list of rows, each a text that the other functions here take apart.
//!
//! A row is the number of its input, its key, path, index, the path of what it is in, and its value, between
//! separators that JSON text never contains. The value's container is looked up again only when the query asks for `THIS`.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::json::{read, require, value, write};
use super::path::{parse, walk};
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Inputs, Result, ScalarFunction, Value, rows,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    // Inputs that are the same are rows of their own, with a number each.
    ScalarFunction::new("sf_flatten", 5..=5, flatten)
        .sees_nulls()
        .volatile(),
    ScalarFunction::new("sf_flatten_seq", 1..=1, |_| number(0)),
    ScalarFunction::new("sf_flatten_key", 1..=1, |_| field(FunctionType::text(), 1)),
    ScalarFunction::new("sf_flatten_path", 1..=1, |_| field(FunctionType::text(), 2)),
    ScalarFunction::new("sf_flatten_index", 1..=1, |_| number(3)),
    ScalarFunction::new("sf_flatten_value", 1..=1, |_| field(FunctionType::variant(), 5)),
    ScalarFunction::new("sf_flatten_this", 2..=2, this),
];

/// Between the fields of a row.
const SEPARATOR: char = '\u{1e}';
/// A field that is NULL.
const ABSENT: &str = "\u{1f}";

/// What to descend into.
struct Descent {
    /// Number of the input.
    seq: u64,
    recursive: bool,
    arrays: bool,
    objects: bool,
}

/// `FLATTEN(input, path, outer, recursive, mode)`.
fn flatten(arguments: &[Argument]) -> Result<Bound> {
    require("sf_flatten", arguments, 0)?;
    let path = arguments[1].constant_text("flatten", 2)?;
    let steps = parse(&path)?;
    let mode = arguments[4].constant_text("flatten", 5)?.to_uppercase();
    if !matches!(mode.as_str(), "BOTH" | "ARRAY" | "OBJECT") {
        return Err(FunctionError::new(
            1_015,
            format!("invalid value [{mode}] for parameter 'MODE'"),
        ));
    }
    let inputs = Inputs::default();
    rows(FunctionType::TextList, move |row| {
        let truth = |value: &Value<'_>| {
            if value.is_null() {
                Ok(false)
            } else {
                value.to_boolean()
            }
        };
        let descent = Descent {
            seq: inputs.next(),
            recursive: truth(&row[3])?,
            arrays: mode != "OBJECT",
            objects: mode != "ARRAY",
        };
        let mut found = Vec::new();
        if !row[0].is_null() {
            let json = read(&row[0].to_text()?)?;
            if let Some(part) = walk(&json, &steps) {
                descend(part, &path, &descent, &mut found);
            }
        }
        if found.is_empty() && truth(&row[2])? {
            let element = descent.join(ABSENT, &path, ABSENT, &path, ABSENT);
            found.push(Some(Cow::Owned(element)));
        }
        Ok(Value::TextList(found))
    })
}

impl Descent {
    fn join(&self, key: &str, path: &str, index: &str, this: &str, value: &str) -> String {
        [&self.seq.to_string(), key, path, index, this, value].join(&SEPARATOR.to_string())
    }
}

fn descend(json: &Json, path: &str, descent: &Descent, found: &mut Vec<Option<Cow<'static, str>>>) {
    let mut visit = |child: &Json, key: &str, index: &str, child_path: String, listed: bool| {
        if listed {
            let element = descent.join(key, &child_path, index, path, &write(child));
            found.push(Some(Cow::Owned(element)));
        }
        if descent.recursive {
            descend(child, &child_path, descent, found);
        }
    };
    match json {
        Json::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                visit(
                    element,
                    ABSENT,
                    &index.to_string(),
                    format!("{path}[{index}]"),
                    descent.arrays,
                );
            }
        }
        Json::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            for key in keys {
                visit(&fields[key], key, ABSENT, key_path(path, key), descent.objects);
            }
        }
        _ => {}
    }
}

/// `a.b` for plain keys, `a['b c']` for others.
fn key_path(path: &str, key: &str) -> String {
    let is_plain = key
        .chars()
        .all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
        && !key.starts_with(|sign: char| sign.is_ascii_digit())
        && !key.is_empty();
    match (is_plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}['{}']", key.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

fn part(element: &str, position: usize) -> Option<&str> {
    element
        .splitn(6, SEPARATOR)
        .nth(position)
        .filter(|part| *part != ABSENT)
}

fn field(returns: FunctionType, position: usize) -> Result<Bound> {
    rows(returns, move |row| {
        let element = row[0].to_text()?;
        Ok(part(&element, position).map_or(Value::Null, Value::owned_text))
    })
}

fn number(position: usize) -> Result<Bound> {
    rows(FunctionType::number(38, 0), move |row| {
        let element = row[0].to_text()?;
        Ok(part(&element, position)
            .and_then(|number| number.parse::<i64>().ok())
            .map_or(Value::Null, Value::integer))
    })
}

/// `THIS`: what the element is in.
fn this(arguments: &[Argument]) -> Result<Bound> {
    require("sf_flatten_this", arguments, 0)?;
    rows(FunctionType::variant(), |row| {
        let element = row[1].to_text()?;
        let steps = parse(part(&element, 4).unwrap_or_default())?;
        let json = read(&row[0].to_text()?)?;
        Ok(walk(&json, &steps).map_or(Value::Null, value))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    fn column(function: &str, flatten: &str) -> String {
        format!(
            "list_aggregate(list_transform({flatten}, lambda element: coalesce(CAST({function} AS VARCHAR), '-')), 'string_agg', ' ')"
        )
    }

    #[test]
    fn flattening() {
        let flat = r#"sf_flatten(sf_parse_json('{"a":1,"b c":[77,{"d":8}]}'), '', false, true, 'BOTH')"#;
        check(
            &column("sf_flatten_path(element)", flat),
            "a ['b c'] ['b c'][0] ['b c'][1] ['b c'][1].d",
        );
        check(&column("sf_flatten_key(element)", flat), "a b c - - d");
        check(&column("sf_flatten_index(element)", flat), "- - 0 1 -");
        check(
            &column("sf_flatten_value(element)", flat),
            r#"1 [77,{"d":8}] 77 {"d":8} 8"#,
        );
    }

    #[test]
    fn inputs_are_numbered() {
        let numbers = |input: &str| {
            column(
                "sf_flatten_seq(element)",
                &format!("sf_flatten({input}, '', true, true, 'BOTH')"),
            )
        };
        check(&numbers("sf_parse_json('[1,[2]]')"), "1 1 1");
        // In the second row the same input comes again.
        let seqs = numbers("sf_parse_json(v)");
        check(
            &format!(
                "string_agg(seqs, ',') FROM (SELECT {seqs} AS seqs FROM (VALUES ('[1,2]'), ('[1,2]'), (NULL)) t(v))"
            ),
            "1 1,2 2,3",
        );
    }

    #[test]
    fn outer_gives_a_row_for_nothing() {
        let flat = "sf_flatten(sf_parse_json('[]'), '', true, false, 'BOTH')";
        check(&column("sf_flatten_value(element)", flat), "-");
        check(
            "len(sf_flatten(sf_parse_json('[]'), '', false, false, 'BOTH'))",
            "0",
        );
    }

    #[test]
    fn paths_lead_in_and_this_is_the_container() {
        let flat = r#"sf_flatten(sf_parse_json('{"b":[77,88]}'), 'b', false, false, 'BOTH')"#;
        check(&column("sf_flatten_path(element)", flat), "b[0] b[1]");
        let this = r#"sf_flatten_this(sf_parse_json('{"b":[77,88]}'), element)"#;
        check(&column(this, flat), "[77,88] [77,88]");
    }
}

//! `GET` and `GET_PATH`.

use serde_json::Value as Json;

use super::json::{read, require, value};
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_get", 2..=2, |arguments| get(arguments, false)),
    ScalarFunction::new("sf_get_ignore_case", 2..=2, |arguments| get(arguments, true)),
    ScalarFunction::new("sf_get_path", 2..=2, get_path),
];

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To a field.
    Key(String),
    /// To an element.
    Index(usize),
}

/// The part of a value that a path leads to.
pub(super) fn walk<'a>(json: &'a Json, steps: &[Step]) -> Option<&'a Json> {
    steps.iter().try_fold(json, |json, step| match (step, json) {
        (Step::Key(key), Json::Object(fields)) => fields.get(key),
        (Step::Index(index), Json::Array(elements)) => elements.get(*index),
        _ => None,
    })
}

/// Reads `a.b[0]["c d"]`; a path may begin with a bracket.
pub(super) fn parse(path: &str) -> Result<Vec<Step>> {
    let invalid = || FunctionError::new(100_083, format!("Invalid extraction path '{path}'"));
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, after) = bracket(inside).ok_or_else(invalid)?;
            steps.push(step);
            rest = after;
            continue;
        }
        let word = rest.strip_prefix(['.', ':']).unwrap_or(rest);
        if let Some(quoted) = word.strip_prefix('"') {
            let (key, after) = quoted_text(quoted, '"').ok_or_else(invalid)?;
            steps.push(Step::Key(key));
            rest = after;
            continue;
        }
        let end = word.find(['.', '[', ':']).unwrap_or(word.len());
        if end == 0 {
            return Err(invalid());
        }
        steps.push(Step::Key(word[..end].to_owned()));
        rest = &word[end..];
    }
    Ok(steps)
}

fn bracket(inside: &str) -> Option<(Step, &str)> {
    let first = inside.chars().next()?;
    let (step, after) = if matches!(first, '"' | '\'') {
        let (key, after) = quoted_text(&inside[1..], first)?;
        (Step::Key(key), after)
    } else {
        let end = inside.find(']')?;
        (Step::Index(inside[..end].trim().parse().ok()?), &inside[end..])
    };
    Some((step, after.strip_prefix(']')?))
}

/// Text up to its closing quote, in which a backslash saves the next sign.
fn quoted_text(text: &str, quote: char) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '\\' => key.push(signs.next()?.1),
            sign if sign == quote => return Some((key, &text[at + sign.len_utf8()..])),
            sign => key.push(sign),
        }
    }
    None
}

/// A field by name or an element by its index from 0.
fn get(arguments: &[Argument], blind: bool) -> Result<Bound> {
    require("sf_get", arguments, 0)?;
    rows(FunctionType::variant(), move |row| {
        let json = read(&row[0].to_text()?)?;
        let found = match (&json, &row[1]) {
            (Json::Object(fields), Value::Text(key)) => match fields.get(&**key) {
                None if blind => {
                    let wanted = key.to_lowercase();
                    fields
                        .iter()
                        .find(|(name, _)| name.to_lowercase() == wanted)
                        .map(|(_, field)| field)
                }
                found => found,
            },
            (Json::Array(elements), index @ (Value::Number(_) | Value::Float(_))) => {
                usize::try_from(index.to_integer()?)
                    .ok()
                    .and_then(|index| elements.get(index))
            }
            _ => None,
        };
        Ok(found.map_or(Value::Null, value))
    })
}

fn get_path(arguments: &[Argument]) -> Result<Bound> {
    require("sf_get_path", arguments, 0)?;
    let constant = match &arguments[1].constant {
        Some(Value::Text(path)) => Some(parse(path)?),
        _ => None,
    };
    rows(FunctionType::variant(), move |row| {
        let json = read(&row[0].to_text()?)?;
        let found = match &constant {
            Some(steps) => walk(&json, steps),
            None => walk(&json, &parse(&row[1].to_text()?)?),
        };
        Ok(found.map_or(Value::Null, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::{check, check_error};

    #[test]
    fn paths_are_read() {
        let key = |key: &str| Step::Key(key.to_owned());
        assert_eq!(parse("a.b[0]").unwrap(), [key("a"), key("b"), Step::Index(0)]);
        assert_eq!(parse(r#"["a \"b"].c"#).unwrap(), [key("a \"b"), key("c")]);
        assert_eq!(parse("['x y'][1]").unwrap(), [key("x y"), Step::Index(1)]);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("a[").is_err());
    }

    #[test]
    fn getting() {
        for (expression, expected) in [
            (
                r#"sf_get_path(sf_parse_json('{"a": {"b": [1, {"c": "x"}]}}'), 'a.b[1].c')"#,
                "\"x\"",
            ),
            (r#"sf_get_path(sf_parse_json('{"a": null}'), 'a')"#, "null"),
            (r#"sf_get_path(sf_parse_json('{"a": 1}'), 'A')"#, "NULL"),
            ("sf_get(sf_parse_json('[5, 6]'), 1)", "6"),
            ("sf_get(sf_parse_json('[5, 6]'), -1)", "NULL"),
            (r#"sf_get(sf_parse_json('{"a b": 1}'), 'a b')"#, "1"),
            (r#"sf_get_ignore_case(sf_parse_json('{"Ab": 1}'), 'aB')"#, "1"),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_get_path(sf_parse_json('{}'), 'a[')",
            100_083,
            "Invalid extraction path 'a['",
        );
    }
}

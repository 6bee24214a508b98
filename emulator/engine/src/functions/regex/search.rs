//! `REGEXP_LIKE`, `REGEXP_COUNT`, `REGEXP_INSTR`, `REGEXP_SUBSTR`.

use super::compiled::{Compiled, Pattern, from_position};
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value};
use crate::functions::strings::{optional_integer, plain};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_regexp_like", 2..=3, like),
    ScalarFunction::new("sf_regexp_count", 2..=4, count),
    ScalarFunction::new("sf_regexp_instr", 2..=7, instr),
    ScalarFunction::new("sf_regexp_substr", 2..=6, substr),
    ScalarFunction::new("sf_regexp_substr_all", 2..=6, substr_all),
];

/// The pattern must match the whole text.
fn like(arguments: &[Argument]) -> Result<Bound> {
    let pattern = Pattern::bind(arguments, 2, true)?;
    plain(arguments, FunctionType::boolean(), move |row| {
        Ok(Value::Boolean(
            pattern.of(row)?.regex.is_match(&row[0].to_text()?),
        ))
    })
}

fn count(arguments: &[Argument]) -> Result<Bound> {
    let pattern = Pattern::bind(arguments, 3, false)?;
    plain(arguments, FunctionType::number(18, 0), move |row| {
        let text = row[0].to_text()?;
        let compiled = pattern.of(row)?;
        let start = from_position(&text, optional_integer(row, 2, 1)?)?;
        let found = start.map_or(0, |start| compiled.regex.find_iter(&text[start..]).count());
        Ok(Value::integer(found as i64))
    })
}

/// `REGEXP_INSTR(text, pattern[, position[, occurrence[, option[, parameters[, group]]]]])`.
fn instr(arguments: &[Argument]) -> Result<Bound> {
    let pattern = Pattern::bind(arguments, 5, false)?;
    plain(arguments, FunctionType::number(18, 0), move |row| {
        let text = row[0].to_text()?;
        let compiled = pattern.of(row)?;
        let group = group(&compiled, row, 6)?;
        let after = optional_integer(row, 4, 0)? != 0;
        let found = occurrence(&text, &compiled, row, group)?;
        let place = found.map(|(start, end)| text[..if after { end } else { start }].chars().count() + 1);
        Ok(Value::integer(place.unwrap_or(0) as i64))
    })
}

/// `REGEXP_SUBSTR(text, pattern[, position[, occurrence[, parameters[, group]]]])`; NULL when there is none.
fn substr(arguments: &[Argument]) -> Result<Bound> {
    let pattern = Pattern::bind(arguments, 4, false)?;
    plain(arguments, FunctionType::text(), move |row| {
        let text = row[0].to_text()?;
        let compiled = pattern.of(row)?;
        let group = group(&compiled, row, 5)?;
        let found = occurrence(&text, &compiled, row, group)?;
        Ok(found.map_or(Value::Null, |(start, end)| Value::owned_text(&text[start..end])))
    })
}

/// All matches from an occurrence on, as an ARRAY.
fn substr_all(arguments: &[Argument]) -> Result<Bound> {
    let pattern = Pattern::bind(arguments, 4, false)?;
    plain(arguments, FunctionType::array(), move |row| {
        let text = row[0].to_text()?;
        let compiled = pattern.of(row)?;
        let group = group(&compiled, row, 5)?;
        let skipped = usize::try_from(optional_integer(row, 3, 1)? - 1).unwrap_or(0);
        let Some(start) = from_position(&text, optional_integer(row, 2, 1)?)? else {
            return Ok(Value::owned_text("[]"));
        };
        let found: Vec<String> = compiled
            .regex
            .captures_iter(&text[start..])
            .skip(skipped)
            .map(|captures| captures.get(group).map_or("", |found| found.as_str()))
            .map(|found| serde_json::Value::from(found).to_string())
            .collect();
        Ok(Value::owned_text(format!("[{}]", found.join(","))))
    })
}

/// The group asked for: a given one, the first with parameter `e`, else the whole match.
fn group(compiled: &Compiled, row: &[Value<'_>], position: usize) -> Result<usize> {
    let usual = i64::from(compiled.extracts && compiled.regex.captures_len() > 1);
    Ok(usize::try_from(optional_integer(row, position, usual)?).unwrap_or(0))
}

/// Byte range of the group in the match that arguments 3 (position) and 4 (occurrence) ask for.
fn occurrence(
    text: &str,
    compiled: &Compiled,
    row: &[Value<'_>],
    group: usize,
) -> Result<Option<(usize, usize)>> {
    let Some(start) = from_position(text, optional_integer(row, 2, 1)?)? else {
        return Ok(None);
    };
    let skipped = usize::try_from(optional_integer(row, 3, 1)? - 1).unwrap_or(0);
    let captures = compiled.regex.captures_iter(&text[start..]).nth(skipped);
    Ok(captures.and_then(|captures| {
        captures
            .get(group)
            .map(|found| (start + found.start(), start + found.end()))
    }))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn searching() {
        for (expression, expected) in [
            ("sf_regexp_like('Sacramento', 'San.*')", "false"),
            ("sf_regexp_like('San Jose', 'san.*', 'i')", "true"),
            ("sf_regexp_like('xSan', 'San')", "false"),
            ("sf_regexp_count('It was the best of times', '\\bwas\\b', 1)", "1"),
            ("sf_regexp_count('aaa', 'a', 2)", "2"),
            (
                "sf_regexp_instr('nevermore1, nevermore2, nevermore3.', 'nevermore\\d')",
                "1",
            ),
            (
                "sf_regexp_instr('nevermore1, nevermore2, nevermore3.', 'nevermore\\d', 5)",
                "13",
            ),
            (
                "sf_regexp_instr('nevermore1, nevermore2, nevermore3.', 'nevermore\\d', 1, 3)",
                "25",
            ),
            (
                "sf_regexp_instr('nevermore1, nevermore2, nevermore3.', 'nevermore\\d', 1, 3, 1)",
                "35",
            ),
            ("sf_regexp_instr('x', 'y')", "0"),
            ("sf_regexp_substr('It was the best', 'the\\W+\\w+')", "the best"),
            (
                "sf_regexp_substr('It was the best', 'the\\W+(\\w+)', 1, 1, 'e')",
                "best",
            ),
            ("sf_regexp_substr('a1b2c3', '([a-z])(\\d)', 1, 2, 'e', 2)", "2"),
            ("sf_regexp_substr('abc', 'x')", "NULL"),
            (
                "sf_regexp_substr_all('a1_a2a3_a4A5a6', 'a[[:digit:]]')",
                r#"["a1","a2","a3","a4","a6"]"#,
            ),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_regexp_like('a', '(')",
            100_048,
            "Invalid regular expression: '('",
        );
    }
}

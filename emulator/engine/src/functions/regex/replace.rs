//! `REGEXP_REPLACE`.

use regex::Captures;

use super::compiled::{Pattern, from_position};
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value};
use crate::functions::strings::{optional_integer, plain};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[ScalarFunction::new("sf_regexp_replace", 2..=6, replace)];

/// `REGEXP_REPLACE(text, pattern[, replacement[, position[, occurrence[, parameters]]]])`; occurrence 0 is all.
fn replace(arguments: &[Argument]) -> Result<Bound> {
    let pattern = Pattern::bind(arguments, 5, false)?;
    plain(arguments, FunctionType::text(), move |row| {
        let text = row[0].to_text()?;
        let compiled = pattern.of(row)?;
        let replacement = row.get(2).map_or(Ok("".into()), Value::to_text)?;
        let occurrence = usize::try_from(optional_integer(row, 4, 0)?).unwrap_or(0);
        let Some(start) = from_position(&text, optional_integer(row, 3, 1)?)? else {
            return Ok(Value::owned_text(text));
        };
        let mut out = text[..start].to_owned();
        let mut rest = start;
        for (index, captures) in compiled.regex.captures_iter(&text[start..]).enumerate() {
            if occurrence != 0 && index + 1 != occurrence {
                continue;
            }
            let Some(whole) = captures.get(0) else { continue };
            out.push_str(&text[rest..start + whole.start()]);
            expand(&replacement, &captures, &mut out);
            rest = start + whole.end();
        }
        out.push_str(&text[rest..]);
        Ok(Value::owned_text(out))
    })
}

/// Writes a replacement; `\1` to `\9` are groups, `\\` is a backslash.
fn expand(replacement: &str, captures: &Captures<'_>, out: &mut String) {
    let mut signs = replacement.chars();
    while let Some(sign) = signs.next() {
        if sign != '\\' {
            out.push(sign);
            continue;
        }
        match signs.next() {
            Some(digit @ '0'..='9') => {
                let group = digit as usize - '0' as usize;
                out.push_str(captures.get(group).map_or("", |found| found.as_str()));
            }
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn replacing() {
        for (expression, expected) in [
            (
                "sf_regexp_replace('It was the best', '( ){1,}', '')",
                "Itwasthebest",
            ),
            ("sf_regexp_replace('abc', 'b')", "ac"),
            (
                "sf_regexp_replace('firstname middlename lastname', '(.*) (.*) (.*)', '\\3, \\1 \\2')",
                "lastname, firstname middlename",
            ),
            ("sf_regexp_replace('aaaa', 'a', 'b', 2, 2)", "aaba"),
            ("sf_regexp_replace('aBc', 'b', '$1', 1, 0, 'i')", "a$1c"),
        ] {
            check(expression, expected);
        }
    }
}

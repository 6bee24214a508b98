//! Searching without patterns.

use super::{optional_integer, plain};
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_contains", 2..=2, |arguments| {
        test(
            arguments,
            |whole, part| whole.contains(part),
            |whole, part| part.is_empty() || whole.windows(part.len()).any(|window| window == part),
        )
    }),
    ScalarFunction::new("sf_startswith", 2..=2, |arguments| {
        test(
            arguments,
            |whole, part| whole.starts_with(part),
            <[u8]>::starts_with,
        )
    }),
    ScalarFunction::new("sf_endswith", 2..=2, |arguments| {
        test(arguments, |whole, part| whole.ends_with(part), <[u8]>::ends_with)
    }),
    ScalarFunction::new("sf_charindex", 2..=3, charindex),
];

fn test(
    arguments: &[Argument],
    texts: fn(&str, &str) -> bool,
    bytes: fn(&[u8], &[u8]) -> bool,
) -> Result<Bound> {
    plain(arguments, FunctionType::boolean(), move |row| {
        if let (Value::Binary(whole), Value::Binary(part)) = (&row[0], &row[1]) {
            return Ok(Value::Boolean(bytes(whole, part)));
        }
        Ok(Value::Boolean(texts(&row[0].to_text()?, &row[1].to_text()?)))
    })
}

/// `CHARINDEX(part, whole[, start])`: counted from 1, 0 when there is none.
fn charindex(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), |row| {
        let (part, whole) = (row[0].to_text()?, row[1].to_text()?);
        let start = usize::try_from(optional_integer(row, 2, 1)?.max(1) - 1).unwrap_or(0);
        let offsets = whole.char_indices().map(|(at, _)| at).chain([whole.len()]);
        let Some(offset) = offsets.into_iter().nth(start) else {
            return Ok(Value::integer(0));
        };
        let found = whole[offset..]
            .find(&*part)
            .map(|at| whole[..offset + at].chars().count() + 1);
        Ok(Value::integer(found.unwrap_or(0) as i64))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn searching() {
        for (expression, expected) in [
            ("sf_contains('snowflake', 'flak')", "true"),
            ("sf_contains('snowflake', 'Flak')", "false"),
            ("sf_startswith('snow', 'sn')", "true"),
            ("sf_endswith('snow', 'sn')", "false"),
            ("sf_endswith('snow', NULL)", "NULL"),
            ("sf_charindex('an', 'banana', 1)", "2"),
            ("sf_charindex('an', 'banana', 3)", "4"),
            ("sf_charindex('an', 'banana', 6)", "0"),
            ("sf_charindex('ñ', 'añb')", "2"),
        ] {
            check(expression, expected);
        }
    }
}

//! Joining, repeating, replacing.

use super::cut::{TEXT_LENGTH_MAX, too_long};
use super::plain;
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_concat", 1..=1024, concat),
    ScalarFunction::new("sf_concat_ws", 2..=1024, concat_ws),
    ScalarFunction::new("sf_repeat", 2..=2, repeat),
    ScalarFunction::new("sf_space", 1..=1, space),
    ScalarFunction::new("sf_replace", 2..=3, replace),
    ScalarFunction::new("sf_translate", 3..=3, translate),
    ScalarFunction::new("sf_chr", 1..=1, chr),
];

/// NULL when any argument is; BINARY when all are.
fn concat(arguments: &[Argument]) -> Result<Bound> {
    let is_binary = arguments
        .iter()
        .all(|argument| argument.sql_type == FunctionType::binary());
    if is_binary {
        return plain(arguments, FunctionType::binary(), |row| {
            let mut out = Vec::new();
            for part in row {
                out.extend_from_slice(&part.to_bytes()?);
            }
            Ok(Value::from(out))
        });
    }
    plain(arguments, FunctionType::text(), |row| {
        let mut out = String::new();
        for part in row {
            out.push_str(&part.to_text()?);
        }
        Ok(Value::owned_text(out))
    })
}

fn concat_ws(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let parts = row.iter().map(Value::to_text).collect::<Result<Vec<_>>>()?;
        let (separator, parts) = parts.split_at(1);
        Ok(Value::owned_text(parts.join(&*separator[0])))
    })
}

fn repeat(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let text = row[0].to_text()?;
        repeated(&text, row[1].to_integer()?)
    })
}

fn space(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        repeated(" ", row[0].to_integer()?)
    })
}

fn repeated(text: &str, count: i64) -> Result<Value<'static>> {
    let count = usize::try_from(count).unwrap_or(0);
    if text.len().saturating_mul(count) > TEXT_LENGTH_MAX {
        return Err(too_long());
    }
    Ok(Value::owned_text(text.repeat(count)))
}

/// Takes the pattern out when there is no replacement; an empty pattern changes nothing.
fn replace(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let (text, pattern) = (row[0].to_text()?, row[1].to_text()?);
        let replacement = row.get(2).map_or(Ok("".into()), Value::to_text)?;
        if pattern.is_empty() {
            return Ok(Value::owned_text(text));
        }
        Ok(Value::owned_text(text.replace(&*pattern, &replacement)))
    })
}

/// Character for character; those without a partner vanish, and the first of equal ones counts.
fn translate(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let source: Vec<char> = row[1].to_text()?.chars().collect();
        let target: Vec<char> = row[2].to_text()?.chars().collect();
        let translated = row[0]
            .to_text()?
            .chars()
            .filter_map(
                |character| match source.iter().position(|candidate| *candidate == character) {
                    Some(position) => target.get(position).copied(),
                    None => Some(character),
                },
            )
            .collect::<String>();
        Ok(Value::owned_text(translated))
    })
}

fn chr(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let code = row[0].to_integer()?;
        let character = u32::try_from(code).ok().and_then(char::from_u32).ok_or_else(|| {
            crate::functions::FunctionError::new(
                100_154,
                format!("Invalid character code {code} in the CHR input"),
            )
        })?;
        Ok(Value::owned_text(character.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn joining() {
        for (expression, expected) in [
            ("sf_concat('a', 1, DATE '2020-01-02')", "a12020-01-02"),
            ("sf_concat('a', NULL)", "NULL"),
            ("sf_concat_ws('-', 'a', 'b', 'c')", "a-b-c"),
            ("sf_concat_ws('-', 'a', NULL)", "NULL"),
            ("sf_repeat('xy', 3)", "xyxyxy"),
            ("sf_repeat('xy', -1)", ""),
            ("sf_replace('down', 'down', 'up')", "up"),
            ("sf_replace('snowball', 'ball')", "snow"),
            ("sf_replace('abc', '', 'x')", "abc"),
            ("sf_translate('❄a❄bX', 'abX❄', 'cd')", "cd"),
            ("sf_chr(83)", "S"),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_chr(-1)",
            100_154,
            "Invalid character code -1 in the CHR input",
        );
    }
}

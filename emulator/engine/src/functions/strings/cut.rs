//! Cutting, trimming, padding.

use super::{optional_integer, plain};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_left", 2..=2, |arguments| {
        cut(arguments, |length, row| Ok((0, count(&row[1], length)?)))
    }),
    ScalarFunction::new("sf_right", 2..=2, |arguments| {
        cut(arguments, |length, row| {
            Ok((length - count(&row[1], length)?, length))
        })
    }),
    ScalarFunction::new("sf_substr", 2..=3, |arguments| cut(arguments, substr)),
    ScalarFunction::new("sf_trim", 1..=2, |arguments| trim(arguments, true, true)),
    ScalarFunction::new("sf_ltrim", 1..=2, |arguments| trim(arguments, true, false)),
    ScalarFunction::new("sf_rtrim", 1..=2, |arguments| trim(arguments, false, true)),
    ScalarFunction::new("sf_lpad", 2..=3, |arguments| pad("sf_lpad", arguments, true)),
    ScalarFunction::new("sf_rpad", 2..=3, |arguments| pad("sf_rpad", arguments, false)),
    ScalarFunction::new("sf_insert", 4..=4, insert),
    ScalarFunction::new("sf_fitted_text", 2..=2, |arguments| fitted(arguments, false)),
    ScalarFunction::new("sf_try_fitted_text", 2..=2, |arguments| fitted(arguments, true)),
    ScalarFunction::new("sf_fitted_binary", 2..=2, |arguments| fitted(arguments, false)),
    ScalarFunction::new("sf_try_fitted_binary", 2..=2, |arguments| fitted(arguments, true)),
];

/// Most characters that padding and repeating make.
pub(super) const TEXT_LENGTH_MAX: usize = 16_777_216;

/// Whether the first argument is BINARY, and so the result.
fn kept_type(arguments: &[Argument]) -> FunctionType {
    match arguments.first().map(|argument| &argument.sql_type) {
        Some(FunctionType::Sql(SqlType::Binary { .. })) => FunctionType::binary(),
        _ => FunctionType::text(),
    }
}

/// A part of a text or BINARY: `range` gives its first and its end for the whole's length.
fn cut(
    arguments: &[Argument],
    range: impl Fn(usize, &[Value<'_>]) -> Result<(usize, usize)> + Send + Sync + 'static,
) -> Result<Bound> {
    plain(arguments, kept_type(arguments), move |row| {
        if let Value::Binary(bytes) = &row[0] {
            let (start, end) = range(bytes.len(), row)?;
            return Ok(Value::from(bytes.get(start..end).unwrap_or_default().to_vec()));
        }
        let text = row[0].to_text()?;
        if text.is_ascii() {
            let (start, end) = range(text.len(), row)?;
            return Ok(Value::owned_text(text.get(start..end).unwrap_or_default()));
        }
        let (start, end) = range(text.chars().count(), row)?;
        Ok(Value::owned_text(
            text.chars()
                .skip(start)
                .take(end.saturating_sub(start))
                .collect::<String>(),
        ))
    })
}

fn count(value: &Value<'_>, length: usize) -> Result<usize> {
    Ok(usize::try_from(value.to_integer()?).unwrap_or(0).min(length))
}

/// Counts from 1, from the end when negative; 0 is 1.
fn substr(length: usize, row: &[Value<'_>]) -> Result<(usize, usize)> {
    let whole = length as i64;
    let start = match row[1].to_integer()? {
        0 => 0,
        start if start > 0 => start - 1,
        start if start >= -whole => whole + start,
        _ => return Ok((0, 0)),
    };
    let start = start.min(whole);
    let wanted = optional_integer(row, 2, whole)?.clamp(0, whole - start);
    Ok((start as usize, (start + wanted) as usize))
}

/// Takes off blanks, or the characters given.
fn trim(arguments: &[Argument], at_start: bool, at_end: bool) -> Result<Bound> {
    plain(arguments, FunctionType::text(), move |row| {
        let text = row[0].to_text()?;
        let characters = row.get(1).map_or(Ok(" ".into()), Value::to_text)?;
        let mut rest: &str = &text;
        if at_start {
            rest = rest.trim_start_matches(|character| characters.contains(character));
        }
        if at_end {
            rest = rest.trim_end_matches(|character| characters.contains(character));
        }
        Ok(Value::owned_text(rest))
    })
}

fn pad(function: &'static str, arguments: &[Argument], left: bool) -> Result<Bound> {
    let returns = kept_type(arguments);
    if returns == FunctionType::binary() && arguments.len() == 2 {
        return Err(FunctionError::argument_types(
            function,
            &[&arguments[0].sql_type, &arguments[1].sql_type],
        ));
    }
    plain(arguments, returns, move |row| {
        let wanted = usize::try_from(row[1].to_integer()?).unwrap_or(0);
        if wanted > TEXT_LENGTH_MAX {
            return Err(too_long());
        }
        if let Value::Binary(bytes) = &row[0] {
            return Ok(Value::from(padded(
                bytes.to_vec(),
                wanted,
                &row[2].to_bytes()?,
                left,
            )));
        }
        let text: Vec<char> = row[0].to_text()?.chars().collect();
        let filler: Vec<char> = row
            .get(2)
            .map_or(Ok(" ".into()), Value::to_text)?
            .chars()
            .collect();
        Ok(Value::owned_text(
            padded(text, wanted, &filler, left)
                .into_iter()
                .collect::<String>(),
        ))
    })
}

fn padded<T: Copy>(mut whole: Vec<T>, wanted: usize, filler: &[T], left: bool) -> Vec<T> {
    if whole.len() >= wanted || filler.is_empty() {
        whole.truncate(wanted);
        return whole;
    }
    let missing = wanted - whole.len();
    let fill = filler.iter().copied().cycle().take(missing);
    if left {
        fill.chain(whole).collect()
    } else {
        whole.into_iter().chain(fill).collect()
    }
}

/// `INSERT(base, position, length, inserted)`.
fn insert(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let base: Vec<char> = row[0].to_text()?.chars().collect();
        let position = row[1].to_integer()?;
        let replaced = row[2].to_integer()?;
        let start = usize::try_from(position - 1)
            .ok()
            .filter(|start| *start <= base.len());
        let (Some(start), Ok(replaced)) = (start, usize::try_from(replaced)) else {
            return Err(FunctionError::new(
                100_048,
                format!(
                    "Invalid parameter value: {position}, {replaced}. Reason: the position is outside of the text"
                ),
            ));
        };
        let end = (start + replaced).min(base.len());
        let mut out: String = base[..start].iter().collect();
        out.push_str(&row[3].to_text()?);
        out.extend(&base[end..]);
        Ok(Value::owned_text(out))
    })
}

/// A text for a VARCHAR of a length: what is longer is refused, or NULL.
fn fitted(arguments: &[Argument], attempt: bool) -> Result<Bound> {
    plain(arguments, kept_type(arguments), move |row| {
        let length = usize::try_from(row[1].to_integer()?).unwrap_or(0);
        let text = match &row[0] {
            Value::Binary(bytes) if bytes.len() <= length => return Ok(Value::Binary(bytes.clone())),
            binary @ Value::Binary(_) => binary.to_text()?,
            value => {
                let text = value.to_text()?;
                if text.len() <= length || text.chars().count() <= length {
                    return Ok(Value::owned_text(text));
                }
                text
            }
        };
        if attempt {
            return Ok(Value::Null);
        }
        Err(FunctionError::new(
            100_078,
            format!("String '{text}' is too long and would be truncated"),
        ))
    })
}

/// 100078.
pub(super) fn too_long() -> FunctionError {
    FunctionError::new(100_078, "String is too long and would be truncated")
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn cutting() {
        for (expression, expected) in [
            ("sf_left('añbc', 2)", "añ"),
            ("sf_left('abc', -1)", ""),
            ("sf_right('añbc', 3)", "ñbc"),
            ("sf_substr('testing 1 2 3', 9, 5)", "1 2 3"),
            ("sf_substr('abc', 0, 2)", "ab"),
            ("sf_substr('abc', -2)", "bc"),
            ("sf_substr('abc', -4)", ""),
            ("sf_substr('abc', 2, -1)", ""),
            ("sf_substr('abc', 9)", ""),
            ("sf_trim('  a b ')", "a b"),
            ("sf_ltrim('000123', '0')", "123"),
            ("sf_rtrim('$125.00', '0.')", "$125"),
            ("sf_lpad('123', 10, '*_')", "*_*_*_*123"),
            ("sf_lpad('12345', 3)", "123"),
            ("sf_rpad('ab', 5, '')", "ab"),
            ("sf_rpad('ab', 4)", "ab  "),
            ("sf_insert('abcdef', 3, 2, 'zzz')", "abzzzef"),
            ("sf_insert('abc', 4, 0, 'Z')", "abcZ"),
            ("sf_substr(12345, 2, 2)", "23"),
        ] {
            check(expression, expected);
        }
    }
}

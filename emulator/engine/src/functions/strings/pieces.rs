//! Splitting into pieces.

use std::borrow::Cow;

use super::{optional_integer, plain};
use crate::functions::framework::{Argument, Bound, FunctionType, Inputs, Result, ScalarFunction, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_split", 2..=2, |arguments| array(arguments, split)),
    ScalarFunction::new("sf_split_rows", 2..=2, |arguments| list(arguments, split)).volatile(),
    ScalarFunction::new("sf_split_part", 3..=3, split_part),
    ScalarFunction::new("sf_strtok", 1..=3, strtok),
    ScalarFunction::new("sf_strtok_to_array", 1..=2, |arguments| array(arguments, tokens)),
    ScalarFunction::new("sf_strtok_rows", 1..=2, |arguments| list(arguments, tokens)).volatile(),
    ScalarFunction::new("sf_piece_seq", 1..=1, |arguments| {
        field(arguments, FunctionType::number(38, 0), 0)
    }),
    ScalarFunction::new("sf_piece_index", 1..=1, |arguments| {
        field(arguments, FunctionType::number(38, 0), 1)
    }),
    ScalarFunction::new("sf_piece_value", 1..=1, |arguments| {
        field(arguments, FunctionType::text(), 2)
    }),
];

type Pieces = for<'a> fn(&'a str, &str) -> Vec<&'a str>;

/// An empty separator separates nothing.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    if separator.is_empty() {
        vec![text]
    } else {
        text.split(separator).collect()
    }
}

/// Each character of `delimiters` is one; there are no empty tokens.
fn tokens<'a>(text: &'a str, delimiters: &str) -> Vec<&'a str> {
    text.split(|character| delimiters.contains(character))
        .filter(|token| !token.is_empty())
        .collect()
}

fn array(arguments: &[Argument], pieces: Pieces) -> Result<Bound> {
    plain(arguments, FunctionType::array(), move |row| {
        let text = row[0].to_text()?;
        let by = row.get(1).map_or(Ok(" ".into()), Value::to_text)?;
        let elements: Vec<String> = pieces(&text, &by)
            .into_iter()
            .map(|piece| serde_json::Value::from(piece).to_string())
            .collect();
        Ok(Value::owned_text(format!("[{}]", elements.join(","))))
    })
}

/// Between the parts of a row: the number of its input, its own number, its text.
const SEPARATOR: char = ' ';

/// The pieces as rows, which [`field`] takes apart.
fn list(arguments: &[Argument], pieces: Pieces) -> Result<Bound> {
    let inputs = Inputs::default();
    plain(arguments, FunctionType::TextList, move |row| {
        let text = row[0].to_text()?;
        let by = row.get(1).map_or(Ok(" ".into()), Value::to_text)?;
        let seq = inputs.next();
        Ok(Value::TextList(
            pieces(&text, &by)
                .into_iter()
                .zip(1..)
                .map(|(piece, index)| Some(Cow::Owned(format!("{seq}{SEPARATOR}{index}{SEPARATOR}{piece}"))))
                .collect(),
        ))
    })
}

fn field(arguments: &[Argument], returns: FunctionType, position: usize) -> Result<Bound> {
    plain(arguments, returns, move |row| {
        let element = row[0].to_text()?;
        let part = element.splitn(3, SEPARATOR).nth(position).unwrap_or_default();
        Ok(match part.parse::<i64>() {
            Ok(number) if position < 2 => Value::integer(number),
            _ => Value::owned_text(part.to_owned()),
        })
    })
}

/// Counted from 1, from the end when negative; 0 is 1; empty when there is no such part.
fn split_part(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let (text, separator) = (row[0].to_text()?, row[1].to_text()?);
        let parts = split(&text, &separator);
        let index = match row[2].to_integer()? {
            0 => 0,
            number if number > 0 => number - 1,
            number => parts.len() as i64 + number,
        };
        let part = usize::try_from(index)
            .ok()
            .and_then(|index| parts.get(index))
            .copied();
        Ok(Value::owned_text(part.unwrap_or_default()))
    })
}

/// NULL when there is no such token.
fn strtok(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let text = row[0].to_text()?;
        let delimiters = row.get(1).map_or(Ok(" ".into()), Value::to_text)?;
        let number = optional_integer(row, 2, 1)?;
        let found = tokens(&text, &delimiters);
        let token = usize::try_from(number - 1)
            .ok()
            .and_then(|index| found.get(index).copied());
        Ok(token.map_or(Value::Null, Value::owned_text))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn splitting() {
        for (expression, expected) in [
            ("sf_split('127.0.0.1', '.')", r#"["127","0","0","1"]"#),
            ("sf_split('|a||', '|')", r#"["","a","",""]"#),
            ("sf_split('ab', '')", r#"["ab"]"#),
            ("sf_split_part('127.0.0.1', '.', 1)", "127"),
            ("sf_split_part('127.0.0.1', '.', -1)", "1"),
            ("sf_split_part('127.0.0.1', '.', 0)", "127"),
            ("sf_split_part('127.0.0.1', '.', 9)", ""),
            ("sf_strtok('a.b.c')", "a.b.c"),
            ("sf_strtok('user@snowflake.com', '@.', 3)", "com"),
            ("sf_strtok('a..b', '.', 2)", "b"),
            ("sf_strtok('', '')", "NULL"),
            ("sf_strtok_to_array('a.b.c', '.')", r#"["a","b","c"]"#),
            ("sf_piece_value(sf_split_rows('a,b c', ',')[2])", "b c"),
            ("sf_piece_seq(sf_split_rows('a,b', ',')[2])", "1"),
            ("sf_piece_index(sf_split_rows('a,b', ',')[2])", "2"),
        ] {
            check(expression, expected);
        }
    }
}

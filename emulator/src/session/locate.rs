//! Where in the user's text an error is.

use super::SqlError;
use crate::front::Piece;

/// Adds line and position to an error about a name that stands in the statement.
///
/// Snowflake writes the place into the text of errors about identifiers, and gives it beside the text of
/// others.
pub(super) fn locate(error: SqlError, piece: &Piece<'_>) -> SqlError {
    if error.position.is_some() {
        return error;
    }
    let Some(name) = quoted_name(&error) else {
        return error;
    };
    let Some((first, last)) = find(name, piece) else {
        return error;
    };
    let position = piece.place(piece.tokens[first].start);
    let (line, column) = position;
    let detail = error.message.strip_prefix("SQL compilation error:\n");
    let message = match (error.code, error.sql_state, detail) {
        ("000904", _, Some(detail)) => {
            format!("SQL compilation error: error line {line} at position {column}\n{detail}")
        }
        // The name is repeated as the user wrote it, with or without its schema.
        ("002003", "42S02", Some(detail)) => {
            format!(
                "SQL compilation error:\n{}",
                detail.replacen(name, &as_written(piece, first, last), 1)
            )
        }
        _ => error.message.clone(),
    };
    SqlError {
        message,
        position: Some(position),
        ..error
    }
}

/// The name that an error is about.
fn quoted_name(error: &SqlError) -> Option<&str> {
    if !["000904", "002003", "002140"].contains(&error.code) {
        return None;
    }
    if error.code == "002140" {
        return error.message.rsplit(' ').next();
    }
    let start = error.message.find('\'')? + 1;
    let end = start + error.message[start..].find('\'')?;
    Some(&error.message[start..end])
}

/// First and last token of the first place of a dotted name; its parts may be written in any case and with
/// quotes, and the text may give more or fewer of them.
fn find(name: &str, piece: &Piece<'_>) -> Option<(usize, usize)> {
    let parts: Vec<&str> = name.split('.').collect();
    let tokens = &piece.tokens;
    (0..parts.len()).find_map(|skipped| {
        let wanted = &parts[skipped..];
        let length = wanted.len() * 2 - 1;
        let mut first = tokens.windows(length).position(|window| {
            window.iter().enumerate().all(|(at, token)| match at % 2 {
                0 => token
                    .name(piece.text)
                    .is_some_and(|name| name.as_str() == wanted[at / 2]),
                _ => token.is_sign(piece.text, '.'),
            })
        })?;
        let last = first + length - 1;
        while first >= 2
            && tokens[first - 1].is_sign(piece.text, '.')
            && tokens[first - 2].name(piece.text).is_some()
        {
            first -= 2;
        }
        Some((first, last))
    })
}

fn as_written(piece: &Piece<'_>, first: usize, last: usize) -> String {
    let names = piece.tokens[first..=last]
        .iter()
        .filter_map(|token| token.name(piece.text));
    names
        .map(|name| name.as_str().to_owned())
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::split;

    fn check(text: &str, error: SqlError, position: Option<(u32, u32)>, message: &str) {
        let pieces = split(text).unwrap();
        let located = locate(error, &pieces[0]);
        assert_eq!((located.position, located.message.as_str()), (position, message));
    }

    #[test]
    fn names_are_found_in_the_text() {
        check(
            "select\n  nope from t",
            SqlError::compilation("000904", "42000", "invalid identifier 'NOPE'"),
            Some((2, 2)),
            "SQL compilation error: error line 2 at position 2\ninvalid identifier 'NOPE'",
        );
        check(
            "select * from d.s.t",
            SqlError::no_object("D.S.T"),
            Some((1, 14)),
            "SQL compilation error:\nObject 'D.S.T' does not exist or not authorized.",
        );
        check(
            "select * from t",
            SqlError::no_object("D.S.T"),
            Some((1, 14)),
            &SqlError::no_object("T").message,
        );
        check(
            "select * from s.\"T\"",
            SqlError::no_object("T"),
            Some((1, 14)),
            &SqlError::no_object("S.T").message,
        );
        check(
            "select * from s.t",
            SqlError::no_such("Schema", "D.S"),
            Some((1, 14)),
            &SqlError::no_such("Schema", "D.S").message,
        );
        check(
            "select 1",
            SqlError::no_object("V"),
            None,
            &SqlError::no_object("V").message,
        );
    }
}

//! EXECUTE IMMEDIATE.

use super::command::{Command, Immediate};
use super::cursor::Cursor;
use super::lexer::Kind;
use super::split::Piece;
use super::sql;
use crate::contract::SqlError;

/// `EXECUTE …`, after its first word.
pub(super) fn parse_execute(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if !cursor.eat(&["IMMEDIATE"]) {
        let kind = cursor.word()?;
        return Err(SqlError::unsupported(format!("EXECUTE {kind}")));
    }
    if cursor.peek_word(0, "FROM") {
        return Err(SqlError::unsupported("EXECUTE IMMEDIATE FROM a file"));
    }
    let (piece, _) = cursor.piece();
    let first = cursor.at();
    let using = find_using(piece, first);
    let end = using.unwrap_or(piece.tokens.len());
    if first == end {
        return Err(cursor.unexpected());
    }
    let literal = match &piece.tokens[first..end] {
        [token] => token.text_value(piece.text),
        _ => None,
    };
    // The statement with blanks for what is no value, so that errors find their place.
    let mut values = Blanked::new(piece.text);
    values.put("SELECT", piece.tokens[0].end);
    if literal.is_some() {
        values.blank_until(piece.tokens[first].end);
    } else {
        values.blank_until(piece.tokens[first].start);
        values.keep_until(piece.tokens[end - 1].end);
    }
    if let Some(using) = using {
        cursor.go_to(using + 1);
        let bracket = piece.tokens.get(using + 1).map_or(0, |token| token.start);
        cursor.expect_sign('(')?;
        values.blank_until(bracket);
        values.put(if literal.is_some() { " " } else { "," }, bracket + 1);
        cursor.list(bind_variable)?;
        let close = cursor.peek().map_or(piece.text.len(), |token| token.start);
        cursor.expect_sign(')')?;
        cursor.end()?;
        values.keep_until(close);
    }
    let needed = literal.is_none() || using.is_some();
    let values = needed.then(|| sql::parse(&values.text, cursor.origin()));
    Ok(Command::ExecuteImmediate(Immediate {
        literal,
        values: values.transpose()?.map(Box::new),
    }))
}

/// The `USING` behind an expression, outside of its brackets.
fn find_using(piece: &Piece<'_>, first: usize) -> Option<usize> {
    let mut depth = 0_i32;
    (first..piece.tokens.len()).find(|at| {
        let token = &piece.tokens[*at];
        depth += i32::from(token.is_sign(piece.text, '('));
        depth -= i32::from(token.is_sign(piece.text, ')'));
        depth == 0 && token.is(piece.text, "USING")
    })
}

/// `$v`, `?`, `:1` or a name; expressions and constants are not taken.
fn bind_variable(cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
    let is_variable = cursor.peek().is_some_and(|token| token.kind == Kind::Variable);
    if is_variable || cursor.eat_sign(':') {
        cursor.go_to(cursor.at() + 1);
    } else if !cursor.eat_sign('?') {
        cursor.name()?;
    }
    Ok(())
}

/// A text of which parts become blanks, so that the others stay where they are.
struct Blanked<'a> {
    source: &'a str,
    at: usize,
    text: String,
}

impl<'a> Blanked<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            at: 0,
            text: String::with_capacity(source.len()),
        }
    }

    fn keep_until(&mut self, byte: usize) {
        self.text.push_str(&self.source[self.at..byte]);
        self.at = byte;
    }

    fn blank_until(&mut self, byte: usize) {
        let gone = self.source[self.at..byte].chars();
        self.text.extend(gone.map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.at = byte;
    }

    /// Puts a shorter text in the place of what goes up to a byte.
    fn put(&mut self, text: &str, byte: usize) {
        self.text.push_str(text);
        self.at += text.len();
        self.blank_until(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Parsed, parse, split};

    fn read(text: &str) -> Result<(Option<String>, Option<String>), SqlError> {
        let pieces = split(text).unwrap();
        match parse(&pieces[0])? {
            Parsed::Command(Command::ExecuteImmediate(read)) => {
                Ok((read.literal, read.values.map(|query| query.to_string())))
            }
            other => panic!("{other:?}"),
        }
    }

    fn check(text: &str, literal: Option<&str>, values: Option<&str>) {
        let found = read(text).unwrap();
        assert_eq!(
            (found.0.as_deref(), found.1.as_deref()),
            (literal, values),
            "{text}"
        );
    }

    #[test]
    fn the_text_and_its_values_are_read() {
        check("execute immediate 'select ''a'''", Some("select 'a'"), None);
        check("execute immediate $$select\n';'$$;", Some("select\n';'"), None);
        check("execute immediate $v", None, Some("SELECT $v"));
        check(
            "execute immediate 'select ' || $v",
            None,
            Some("SELECT 'select ' || $v"),
        );
        check(
            "execute immediate 'select é, ?' using ($a, ?)",
            Some("select é, ?"),
            Some("SELECT $a, ?"),
        );
        check(
            "execute /* é */ immediate (? || $v) using (:1)",
            None,
            Some("SELECT (? || $v), :1"),
        );
    }

    #[test]
    fn errors_are_where_they_were_written() {
        let error = read("execute immediate\n 'select ' || || $v").unwrap_err();
        assert_eq!(error.position, Some((2, 14)), "{}", error.message);
        let error = read("execute immediate 'select ?' using (1)").unwrap_err();
        assert_eq!(error.position, Some((1, 36)));
        let error = read("execute immediate using ($v)").unwrap_err();
        assert_eq!(error.position, Some((1, 18)));
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (text, named) in [
            ("execute task t", "EXECUTE TASK"),
            ("execute immediate from @s/a.sql", "EXECUTE IMMEDIATE FROM a file"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(named), "{}", error.message);
        }
    }
}

//! Cuts a text into its statements.

use super::lexer::{self, Kind, Token};
use crate::contract::SqlError;

/// Most bytes that one text may have, Snowflake's limit.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Its text, without surrounding blanks, comments and its semicolon.
    pub text: &'a str,
    /// Its tokens; places count from the start of `text`.
    pub tokens: Vec<Token>,
    /// Line (from 1) and position (from 0) of its start in the whole text.
    pub origin: (u32, u32),
}

impl Piece<'_> {
    /// Line (from 1) and position (from 0) in the whole text of a byte of this statement.
    pub fn place(&self, byte: usize) -> (u32, u32) {
        super::cursor::in_whole_text(self.origin, lexer::line_and_position(self.text, byte))
    }

    /// The statement that begins with one of this one's tokens; none behind the last.
    pub fn from_token(&self, number: usize) -> Option<Self> {
        self.from_tokens(number, self.tokens.len())
    }

    /// The statement that some of this one's tokens are; none without any.
    pub fn from_tokens(&self, first: usize, end: usize) -> Option<Self> {
        let mut inner = piece(self.text, self.tokens.get(first..end)?)?;
        inner.origin = super::cursor::in_whole_text(self.origin, inner.origin);
        Some(inner)
    }
}

/// Statements of a text, without the empty ones.
///
/// Fails when there is none, when the text is too large, when a quote does not end, and for scripting
/// blocks, whose inner semicolons do not separate statements.
pub fn split(source: &str) -> Result<Vec<Piece<'_>>, SqlError> {
    if source.len() > TEXT_BYTES_MAX {
        let detail = format!(
            "SQL text of {} bytes is larger than the limit of {TEXT_BYTES_MAX} bytes.",
            source.len()
        );
        return Err(SqlError::compilation("001003", "54000", detail));
    }
    let tokens = lexer::tokens(source);
    if let Some(token) = tokens.iter().find(|token| token.kind == Kind::Unterminated) {
        let (line, position) = lexer::line_and_position(source, token.start);
        let first: String = token.text(source).chars().take(40).collect();
        return Err(SqlError::syntax(line, position, &first));
    }
    let pieces: Vec<Piece<'_>> = tokens
        .split(|token| token.is_sign(source, ';'))
        .filter_map(|tokens| piece(source, tokens))
        .collect();
    match pieces.first() {
        None => Err(SqlError::empty_statement()),
        Some(first) if is_scripting(first) => Err(SqlError::unsupported("Snowflake Scripting block")),
        Some(_) => Ok(pieces),
    }
}

fn piece<'a>(source: &'a str, tokens: &[Token]) -> Option<Piece<'a>> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let start = first.start;
    let tokens = tokens
        .iter()
        .map(|token| Token {
            start: token.start - start,
            end: token.end - start,
            ..*token
        })
        .collect();
    Some(Piece {
        text: &source[start..last.end],
        tokens,
        origin: lexer::line_and_position(source, start),
    })
}

/// `DECLARE …`, or a `BEGIN` that does not begin a transaction.
fn is_scripting(piece: &Piece<'_>) -> bool {
    let is = |at: usize, word: &str| {
        piece
            .tokens
            .get(at)
            .is_some_and(|token| token.is(piece.text, word))
    };
    if is(0, "DECLARE") {
        return true;
    }
    is(0, "BEGIN")
        && piece.tokens.len() > 1
        && !["TRANSACTION", "WORK", "NAME"].iter().any(|word| is(1, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let texts: Vec<&str> = split(source).unwrap().iter().map(|piece| piece.text).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn statements_are_cut() {
        check("select 1", &["select 1"]);
        check(
            " -- first\n select 1 ; ;\n/* ; */ select ';' ; -- end;",
            &["select 1", "select ';'"],
        );
        check(
            "create view v as select $$;$$; select \"a;b\"",
            &["create view v as select $$;$$", "select \"a;b\""],
        );
        check("begin; commit", &["begin", "commit"]);
    }

    #[test]
    fn pieces_know_where_they_were() {
        let pieces = split("select 1;\n  select 2").unwrap();
        assert_eq!(pieces[1].origin, (2, 2));
        assert_eq!(pieces[1].tokens[0].start, 0);
    }

    #[test]
    fn what_is_not_a_statement_is_refused() {
        assert_eq!(split("").unwrap_err().code, "000900");
        assert_eq!(
            split(" ; -- x").unwrap_err().message,
            "SQL compilation error:\nEmpty SQL statement."
        );
        assert_eq!(
            split(&" ".repeat(TEXT_BYTES_MAX + 1)).unwrap_err().sql_state,
            "54000"
        );
        let open = split("select\n 'abc").unwrap_err();
        assert_eq!(open.position, Some((2, 1)));
        assert_eq!(split("declare x int; begin end").unwrap_err().code, "000002");
        assert_eq!(split("begin let x := 1; end").unwrap_err().code, "000002");
    }
}

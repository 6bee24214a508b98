//! Splits SQL text into words, strings and marks, skipping comments.

/// A piece of SQL text that is not blank and not a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword, plain identifier or number.
    Word(&'a str),
    /// A quoted identifier, string or `$$` text, with its quotes.
    Quoted(&'a str),
    /// `;`
    Semicolon,
    /// Any other character.
    Mark(char),
}

impl Token<'_> {
    /// True for this keyword in any case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// True for one of these keywords in any case.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Bytes that it takes in the text.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Word(text) | Self::Quoted(text) => text.len(),
            Self::Semicolon => 1,
            Self::Mark(mark) => mark.len_utf8(),
        }
    }
}

/// The tokens of an SQL text. Never fails: an unclosed quote or comment reaches to the end of the text, and
/// Snowflake will say what it thinks of that.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    length: usize,
}

impl<'a> Lexer<'a> {
    /// Begins at the start of `sql`.
    pub(super) fn new(sql: &'a str) -> Self {
        Self {
            rest: sql,
            length: sql.len(),
        }
    }

    /// Offset in bytes behind the latest token.
    pub(super) fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Takes `length` bytes off the front.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn skip_blank_and_comments(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("--") || self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.take(end);
            } else if let Some(comment) = self.rest.strip_prefix("/*") {
                let end = comment.find("*/").map_or(self.rest.len(), |at| at + 4);
                self.take(end);
            } else {
                return;
            }
        }
    }

    /// The quoted text at the front; unclosed, it reaches to the end.
    fn quoted(&mut self, quote: char) -> Token<'a> {
        let length = quoted_length(self.rest, quote).unwrap_or(self.rest.len());
        Token::Quoted(self.take(length))
    }
}

/// Length of the quoted text at the start of `text`, whose quote is `quote`; `None` when it is not closed. The
/// quote doubled is a quote inside; in strings a backslash escapes.
pub(super) fn quoted_length(text: &str, quote: char) -> Option<usize> {
    if quote == '$' {
        return text.get(2..)?.find("$$").map(|at| at + 4);
    }
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match char::from(bytes[at]) {
            '\\' if quote == '\'' => at += 2,
            here if here == quote && bytes.get(at + 1) == Some(&bytes[at]) => at += 2,
            here if here == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank_and_comments();
        let first = self.rest.chars().next()?;
        let token = match first {
            ';' => {
                self.take(1);
                Token::Semicolon
            }
            '\'' | '"' => self.quoted(first),
            '$' if self.rest.starts_with("$$") => self.quoted('$'),
            _ if is_word(first) => {
                let length = self
                    .rest
                    .find(|c: char| !is_word(c) && c != '$')
                    .unwrap_or(self.rest.len());
                Token::Word(self.take(length))
            }
            _ => {
                self.take(first.len_utf8());
                Token::Mark(first)
            }
        };
        Some(token)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::Token::{Mark, Quoted, Semicolon, Word};
    use super::*;

    #[test]
    fn quotes_comments_and_dollars() {
        for (sql, tokens) in [
            ("select 1", vec![Word("select"), Word("1")]),
            ("a;--b\n;c", vec![Word("a"), Semicolon, Semicolon, Word("c")]),
            ("a // b ;\nc", vec![Word("a"), Word("c")]),
            ("a /* ; ' */ b", vec![Word("a"), Word("b")]),
            ("'it''s; ok' x", vec![Quoted("'it''s; ok'"), Word("x")]),
            (r"'a\'; b' x", vec![Quoted(r"'a\'; b'"), Word("x")]),
            (r#""a\"; b"#, vec![Quoted(r#""a\""#), Semicolon, Word("b")]),
            (r#""a"";b" c"#, vec![Quoted(r#""a"";b""#), Word("c")]),
            ("$$ ; ' -- $$ x", vec![Quoted("$$ ; ' -- $$"), Word("x")]),
            ("$1 + a$b", vec![Mark('$'), Word("1"), Mark('+'), Word("a$b")]),
            (
                "a/b-c",
                vec![Word("a"), Mark('/'), Word("b"), Mark('-'), Word("c")],
            ),
            ("'unclosed ;", vec![Quoted("'unclosed ;")]),
            ("'unclosed \\", vec![Quoted("'unclosed \\")]),
            ("/* unclosed ;", vec![]),
            ("$$ unclosed ;", vec![Quoted("$$ unclosed ;")]),
            ("größe; ü", vec![Word("größe"), Semicolon, Word("ü")]),
        ] {
            assert_eq!(Lexer::new(sql).collect::<Vec<_>>(), tokens, "{sql}");
        }
    }
}

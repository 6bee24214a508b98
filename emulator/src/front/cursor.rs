//! A place in a statement's tokens, with the small questions that a hand-written parser asks.

use std::collections::BTreeMap;

use super::lexer::{self, Kind, Token};
use super::split::Piece;
use crate::catalog::names::{Name, parse_dotted};
use crate::contract::{Binding, SqlError};

/// Reads one statement token by token.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    piece: &'a Piece<'a>,
    bindings: Option<&'a BTreeMap<String, Binding>>,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(piece: &'a Piece<'a>) -> Self {
        Self {
            piece,
            bindings: None,
            at: 0,
        }
    }

    /// A cursor that reads bound values where Snowflake takes them for names and options.
    pub(super) fn bound(piece: &'a Piece<'a>, bindings: &'a BTreeMap<String, Binding>) -> Self {
        Self {
            bindings: Some(bindings),
            ..Self::new(piece)
        }
    }

    /// The statement, and the values bound to it.
    pub(super) fn piece(&self) -> (&'a Piece<'a>, Option<&'a BTreeMap<String, Binding>>) {
        (self.piece, self.bindings)
    }

    /// Number of the next token.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on with another token.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The value of a `?`, if the next token is one.
    pub(super) fn bound_text(&mut self) -> Result<Option<String>, SqlError> {
        if !self
            .peek()
            .is_some_and(|token| token.is_sign(self.piece.text, '?'))
        {
            return Ok(None);
        }
        let value = bound_value(self.piece, self.bindings, self.at)?;
        self.at += 1;
        Ok(Some(value))
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.piece.tokens.get(self.at)
    }

    pub(super) fn peek_word(&self, ahead: usize, word: &str) -> bool {
        self.piece
            .tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.is(self.piece.text, word))
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.piece.tokens.len()
    }

    /// Where the statement stands in the whole text.
    pub(super) fn origin(&self) -> (u32, u32) {
        self.piece.origin
    }

    /// True when one of the signs comes after the next token.
    pub(super) fn sign_follows(&self, signs: &[char]) -> bool {
        let after = self.piece.tokens.get(self.at + 1);
        after.is_some_and(|token| signs.iter().any(|sign| token.is_sign(self.piece.text, *sign)))
    }

    /// True when the next token is a word, and the one after it a word or a name.
    pub(super) fn name_follows(&self) -> bool {
        let is = |at: usize, kinds: &[Kind]| {
            let token = self.piece.tokens.get(at);
            token.is_some_and(|token| kinds.contains(&token.kind))
        };
        is(self.at, &[Kind::Word]) && is(self.at + 1, &[Kind::Word, Kind::Quoted])
    }

    /// Takes all the words, or none.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let all = words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.peek_word(ahead, word));
        if all {
            self.at += words.len();
        }
        all
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<(), SqlError> {
        words.iter().try_for_each(|word| {
            if self.eat(&[word]) {
                Ok(())
            } else {
                Err(self.unexpected())
            }
        })
    }

    pub(super) fn eat_sign(&mut self, sign: char) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.is_sign(self.piece.text, sign));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_sign(&mut self, sign: char) -> Result<(), SqlError> {
        if self.eat_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The next word in upper case.
    pub(super) fn word(&mut self) -> Result<String, SqlError> {
        match self.peek() {
            Some(token) if token.kind == Kind::Word => {
                self.at += 1;
                Ok(token.text(self.piece.text).to_uppercase())
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn name(&mut self) -> Result<Name, SqlError> {
        match self.peek().and_then(|token| token.name(self.piece.text)) {
            Some(name) => {
                self.at += 1;
                Ok(name)
            }
            None => Err(self.unexpected()),
        }
    }

    /// A dotted name; `db..t` has an empty middle, `IDENTIFIER('a.b')` is read from its text.
    pub(super) fn path(&mut self) -> Result<Vec<Name>, SqlError> {
        if self.peek_word(0, "IDENTIFIER") {
            let start = self.at;
            self.at += 1;
            if self.eat_sign('(') {
                let text = match self.bound_text()? {
                    Some(text) => text,
                    None => self.text()?,
                };
                self.expect_sign(')')?;
                return parse_dotted(&text);
            }
            self.at = start;
        }
        let mut names = vec![self.name()?];
        while self.eat_sign('.') {
            if self
                .peek()
                .is_some_and(|token| token.is_sign(self.piece.text, '.'))
            {
                names.push(Name::exact(""));
            } else {
                names.push(self.name()?);
            }
        }
        Ok(names)
    }

    /// A name of one part, which may be written `IDENTIFIER('a')`.
    pub(super) fn single_name(&mut self) -> Result<Name, SqlError> {
        let start = self.at;
        let mut path = self.path()?;
        if let (1, Some(name)) = (path.len(), path.pop()) {
            return Ok(name);
        }
        self.at = start + 1;
        Err(self.unexpected())
    }

    pub(super) fn text(&mut self) -> Result<String, SqlError> {
        match self.peek().and_then(|token| token.text_value(self.piece.text)) {
            Some(text) => {
                self.at += 1;
                Ok(text)
            }
            None => Err(self.unexpected()),
        }
    }

    pub(super) fn integer(&mut self) -> Result<i64, SqlError> {
        let negative = self.eat_sign('-');
        match self.peek().filter(|token| token.kind == Kind::Number) {
            Some(token) => {
                let value: i64 = token
                    .text(self.piece.text)
                    .parse()
                    .map_err(|_| self.unexpected())?;
                self.at += 1;
                Ok(if negative { -value } else { value })
            }
            None => Err(self.unexpected()),
        }
    }

    /// A number without a sign, as written.
    pub(super) fn number(&mut self) -> Result<&'a str, SqlError> {
        match self.peek().filter(|token| token.kind == Kind::Number) {
            Some(token) => {
                self.at += 1;
                Ok(token.text(self.piece.text))
            }
            None => Err(self.unexpected()),
        }
    }

    /// What `read` finds, separated by commas.
    pub(super) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut found = vec![read(self)?];
        while self.eat_sign(',') {
            found.push(read(self)?);
        }
        Ok(found)
    }

    /// Source text from here to the end.
    pub(super) fn rest(&mut self) -> &'a str {
        let start = self.peek().map_or(self.piece.text.len(), |token| token.start);
        self.at = self.piece.tokens.len();
        &self.piece.text[start..]
    }

    /// Fails unless the statement ends here.
    pub(super) fn end(&self) -> Result<(), SqlError> {
        if self.at_end() {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// A syntax error at the next token.
    pub(super) fn unexpected(&self) -> SqlError {
        let (byte, text) = match self.peek() {
            Some(token) => (token.start, token.text(self.piece.text)),
            None => (self.piece.text.len(), "<EOF>"),
        };
        let (line, position) = lexer::line_and_position(self.piece.text, byte);
        let (line, position) = in_whole_text(self.piece.origin, (line, position));
        SqlError::syntax(line, position, text)
    }
}

/// The text that is bound to the `?` which is token `at` of a statement.
pub(super) fn bound_value(
    piece: &Piece<'_>,
    bindings: Option<&BTreeMap<String, Binding>>,
    at: usize,
) -> Result<String, SqlError> {
    let position = position_of(piece, at);
    let binding = bindings.and_then(|bindings| bindings.get(&position.to_string()));
    binding
        .and_then(|binding| binding.values.first().cloned().flatten())
        .ok_or_else(|| SqlError::compilation("002049", "42601", "Bind variable ? not set."))
}

/// Which of the statement's `?` token `at` is, from 1.
pub(super) fn position_of(piece: &Piece<'_>, at: usize) -> usize {
    let before = piece.tokens[..at].iter();
    before.filter(|token| token.is_sign(piece.text, '?')).count() + 1
}

/// A place in a piece as a place in the whole text.
pub(super) fn in_whole_text(origin: (u32, u32), place: (u32, u32)) -> (u32, u32) {
    let (line, position) = place;
    if line == 1 {
        (origin.0, origin.1 + position)
    } else {
        (origin.0 + line - 1, position)
    }
}

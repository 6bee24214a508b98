//! A second, plainer reader of SQL: cuts a text into words, quoted texts, marks and what is between them.

/// A piece of a text; the pieces together are the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Blanks and comments.
    Blank(&'a str),
    /// A string, a quoted name or a `$$` text.
    Quoted(&'a str),
    /// Letters, digits, `_` and `$`.
    Word(&'a str),
    /// One other character.
    Mark(&'a str),
}

impl<'a> Piece<'a> {
    /// Its text.
    pub(crate) fn text(self) -> &'a str {
        match self {
            Self::Blank(text) | Self::Quoted(text) | Self::Word(text) | Self::Mark(text) => text,
        }
    }
}

/// Cuts a text.
pub(crate) fn pieces<'a>(sql: &'a str) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let until = |close: &str, from: usize| {
            rest[from..]
                .find(close)
                .map_or(rest.len(), |at| from + at + close.len())
        };
        let run = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
        let make: fn(&'a str) -> Piece<'a>;
        let length;
        if first.is_whitespace() {
            (make, length) = (Piece::Blank, run(char::is_whitespace));
        } else if rest.starts_with("--") || rest.starts_with("//") {
            (make, length) = (Piece::Blank, rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            (make, length) = (Piece::Blank, until("*/", 2));
        } else if rest.starts_with("$$") {
            (make, length) = (Piece::Quoted, until("$$", 2));
        } else if first == '\'' {
            (make, length) = (Piece::Quoted, string_length(rest));
        } else if first == '"' {
            (make, length) = (Piece::Quoted, until("\"", 1));
        } else if is_word(first) {
            (make, length) = (Piece::Word, run(|c| is_word(c) || c == '$'));
        } else {
            (make, length) = (Piece::Mark, first.len_utf8());
        }
        let (piece, behind) = rest.split_at(length);
        pieces.push(make(piece));
        rest = behind;
    }
    pieces
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

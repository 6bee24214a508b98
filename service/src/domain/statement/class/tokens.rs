//! The tokens of a text with their places, and where the text could be read in two ways.
//!
//! Built on the [`Lexer`]: this adds places, joins what belongs together (a stage reference, the path of a
//! file, `->>`), and looks into the gaps between tokens, where the comments are.

use std::ops::Range;

use super::super::lexer::{Lexer, Token};
use super::Doubt;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, plain identifier or number.
    Word,
    /// `'…'`
    Text,
    /// `"…"`
    Identifier,
    /// `$$…$$`
    Dollars,
    /// `@…`: a stage and perhaps a path in it.
    Stage,
    /// `file://…`, in the statements that move files.
    Path,
    /// `->>`
    Flow,
    /// `;`
    Semicolon,
    /// Any other character.
    Mark(char),
}

/// A token and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tok {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// Nothing stands between this token and the one before.
    pub glued: bool,
}

/// A text and its tokens.
#[derive(Debug)]
pub(super) struct Text<'a> {
    pub sql: &'a str,
    pub tokens: Vec<Tok>,
    /// Where the first doubt is, as an offset, and which.
    pub doubt: Option<(usize, Doubt)>,
}

/// Letters that are not ASCII but become ASCII letters when their case is changed: whether a keyword may be
/// written with them depends on how the reader folds case.
const FOLDING: [char; 4] = ['\u{130}', '\u{131}', '\u{17f}', '\u{212a}'];

impl<'a> Text<'a> {
    /// Reads a text to its end, in one pass.
    pub(super) fn read(sql: &'a str) -> Self {
        let mut reader = Reader {
            text: Self {
                sql,
                tokens: Vec::with_capacity(sql.len() / 5 + 4),
                doubt: None,
            },
            at: 0,
            moves_files: false,
            begins: true,
        };
        // A byte order mark at the start is an encoding's, not the statement's.
        if sql.starts_with('\u{feff}') {
            reader.at = '\u{feff}'.len_utf8();
        }
        let mut base = reader.at;
        let mut lexer = Lexer::new(&sql[base..]);
        while let Some(token) = lexer.next() {
            if reader.token(token, base + lexer.position()) {
                base = reader.at;
                lexer = Lexer::new(&sql[base..]);
            }
        }
        reader.gap(sql.len());
        reader.text
    }

    /// The text of a token.
    pub(super) fn str(&self, token: Tok) -> &'a str {
        &self.sql[token.start..token.end]
    }

    /// The token at an index within a range.
    pub(super) fn at(&self, index: usize, within: &Range<usize>) -> Option<Tok> {
        if index < within.end {
            self.tokens.get(index).copied()
        } else {
            None
        }
    }

    /// True when the token at `index` is this keyword, in any case.
    pub(super) fn is(&self, index: usize, within: &Range<usize>, keyword: &str) -> bool {
        self.word(index, within)
            .is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// True when the token at `index` is one of these keywords, in any case.
    pub(super) fn is_any(&self, index: usize, within: &Range<usize>, keywords: &[&str]) -> bool {
        self.word(index, within)
            .is_some_and(|word| keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)))
    }

    /// True when the token at `index` is this character.
    pub(super) fn is_mark(&self, index: usize, within: &Range<usize>, mark: char) -> bool {
        self.at(index, within)
            .is_some_and(|token| token.kind == Kind::Mark(mark))
    }

    /// The word at `index`.
    pub(super) fn word(&self, index: usize, within: &Range<usize>) -> Option<&'a str> {
        self.at(index, within)
            .filter(|token| token.kind == Kind::Word)
            .map(|token| self.str(token))
    }

    /// The first index from `index` on at which the keyword stands, at any depth.
    pub(super) fn find(&self, index: usize, within: &Range<usize>, keyword: &str) -> Option<usize> {
        (index..within.end).find(|at| self.is(*at, within, keyword))
    }
}

struct Reader<'a> {
    text: Text<'a>,
    /// Where the next gap begins.
    at: usize,
    /// The statement is one in which `file://` stands without quotes.
    moves_files: bool,
    /// The next token begins a statement.
    begins: bool,
}

impl Reader<'_> {
    fn doubt(&mut self, at: usize, doubt: Doubt) {
        if self.text.doubt.is_none() {
            self.text.doubt = Some((at, doubt));
        }
    }

    /// Takes a token that ends at `end`. True when it took more of the text than the token.
    fn token(&mut self, token: Token<'_>, end: usize) -> bool {
        let kind = match token {
            Token::Word(_) => Kind::Word,
            Token::Quoted(quoted) => quote_kind(quoted),
            Token::Semicolon => Kind::Semicolon,
            Token::Mark(mark) => Kind::Mark(mark),
        };
        let start = end - token.length();
        let glued = start == self.at && start > 0;
        self.gap(start);
        self.at = end;
        let token = Tok {
            kind,
            start,
            end,
            glued,
        };
        self.examine(token);
        if kind == Kind::Semicolon {
            self.begins = true;
            self.moves_files = false;
        } else if self.begins {
            self.begins = false;
            let first = self.text.str(token);
            self.moves_files = first.eq_ignore_ascii_case("put") || first.eq_ignore_ascii_case("get");
        }
        let longer = match kind {
            Kind::Mark('@') => Some(self.stage(token)),
            Kind::Word => self.path(token),
            Kind::Mark('>') => {
                self.flow(token);
                None
            }
            _ => {
                self.text.tokens.push(token);
                None
            }
        };
        if let Some(end) = longer {
            self.at = end;
        }
        longer.is_some()
    }

    /// Doubts about one token.
    fn examine(&mut self, token: Tok) {
        let text = self.text.str(token);
        let before = self.text.tokens.last().copied().filter(|_| token.glued);
        let doubt = match token.kind {
            Kind::Text | Kind::Identifier | Kind::Dollars if !is_closed(text) => Some(Doubt::Unclosed),
            // `r'…'` and the like: whether a prefix changes what a backslash means is not documented.
            Kind::Text => before
                .filter(|before| before.kind == Kind::Word)
                .map(|before| self.text.str(before))
                .filter(|prefix| prefix.len() == 1 && !prefix.eq_ignore_ascii_case("x"))
                .map(|_| Doubt::Quotes),
            Kind::Identifier if text.contains('\\') => Some(Doubt::Quotes),
            Kind::Dollars if text.starts_with("$$$") || text.ends_with("$$$") => Some(Doubt::Quotes),
            Kind::Dollars if before.is_some_and(|before| before.kind == Kind::Dollars) => Some(Doubt::Quotes),
            Kind::Word if text.contains("$$") => Some(Doubt::Quotes),
            Kind::Word if !text.is_ascii() && text.contains(FOLDING) => Some(Doubt::Characters),
            // `1into`: some readers end the number where the letters begin.
            Kind::Word if text.as_bytes()[0].is_ascii_digit() && !is_number(text) => Some(Doubt::Characters),
            Kind::Mark('$') if before.is_some_and(|before| before.kind == Kind::Dollars) => {
                Some(Doubt::Quotes)
            }
            Kind::Mark(mark) if mark == '\\' || mark == '`' || !mark.is_ascii() || mark.is_control() => {
                Some(Doubt::Characters)
            }
            _ => None,
        };
        if let Some(doubt) = doubt {
            self.doubt(token.start, doubt);
        }
    }

    /// Reads the blank and the comments from the last token to `end`.
    fn gap(&mut self, end: usize) {
        let gap = &self.text.sql.as_bytes()[self.at..end];
        if gap
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'))
        {
            return;
        }
        let (start, sql) = (self.at, self.text.sql);
        if let Some((at, doubt)) = doubt_in_gap(&sql[start..end]) {
            self.doubt(start + at, doubt);
        }
        // `snow://…`, `https://…`: who takes this for a comment may be wrong.
        let url = self
            .text
            .tokens
            .last()
            .is_some_and(|last| last.kind == Kind::Mark(':'));
        if url && sql[start..].starts_with("//") {
            self.doubt(start, Doubt::Url);
        }
    }

    /// Joins `-`, `>`, `>`, also with blanks between them: no expression has these in a row.
    fn flow(&mut self, token: Tok) {
        let tokens = &mut self.text.tokens;
        if let [.., first, second] = tokens.as_slice()
            && first.kind == Kind::Mark('-')
            && second.kind == Kind::Mark('>')
        {
            let joined = Tok {
                kind: Kind::Flow,
                start: first.start,
                end: token.end,
                glued: first.glued,
            };
            tokens.truncate(tokens.len() - 2);
            tokens.push(joined);
        } else {
            tokens.push(token);
        }
    }

    /// Takes a stage reference that begins with this `@`; says where it ends.
    fn stage(&mut self, token: Tok) -> usize {
        let rest = &self.text.sql[token.end..];
        let length = stage_length(rest);
        let end = token.end + length;
        let path = &rest[..length];
        let follows = rest[length..].chars().next();
        let odd = length == 0
            || ["//", "--", "/*", "*/"]
                .iter()
                .any(|comment| path.contains(comment))
            || path.matches('"').count() % 2 == 1
            || path.contains('\\')
            || follows.is_some_and(|c| !(c.is_ascii_whitespace() || matches!(c, ',' | '(' | ')' | ';')));
        if odd {
            self.doubt(token.start, Doubt::Stage);
        }
        self.text.tokens.push(Tok {
            kind: Kind::Stage,
            end,
            ..token
        });
        end
    }

    /// Takes `file://…` where it may stand without quotes; says where it ends.
    fn path(&mut self, token: Tok) -> Option<usize> {
        let rest = &self.text.sql[token.start..];
        let is_path = self.moves_files
            && rest
                .get(..7)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("file://"));
        if !is_path {
            self.text.tokens.push(token);
            return None;
        }
        let length = rest
            .find(|c: char| c.is_ascii_whitespace() || c == ';')
            .unwrap_or(rest.len());
        let end = token.start + length;
        if rest[..length].contains(['\'', '"']) {
            self.doubt(token.start, Doubt::Url);
        }
        self.text.tokens.push(Tok {
            kind: Kind::Path,
            end,
            ..token
        });
        Some(end)
    }
}

/// True for digits and perhaps an exponent, whose sign and digits may be further tokens.
fn is_number(word: &str) -> bool {
    let exponent = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    let digits = exponent.strip_prefix(['e', 'E']).unwrap_or(exponent);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn quote_kind(quoted: &str) -> Kind {
    match quoted.as_bytes()[0] {
        b'\'' => Kind::Text,
        b'"' => Kind::Identifier,
        _ => Kind::Dollars,
    }
}

/// True when the quoted text has its closing quote.
fn is_closed(quoted: &str) -> bool {
    let bytes = quoted.as_bytes();
    match bytes[0] {
        b'$' => bytes.len() >= 4 && quoted.ends_with("$$"),
        quote => {
            // The lexer went through it already; what is asked is whether the last quote closes.
            let mut at = 1;
            while at < bytes.len() {
                match bytes[at] {
                    b'\\' if quote == b'\'' => at += 2,
                    byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
                    byte if byte == quote => return at + 1 == bytes.len(),
                    _ => at += 1,
                }
            }
            false
        }
    }
}

/// Length of the stage reference after an `@`: a name of parts, `~` or `%table`, and a path.
fn stage_length(rest: &str) -> usize {
    let mut quoted = false;
    let mut in_path = false;
    for (at, character) in rest.char_indices() {
        if quoted {
            quoted = character != '"';
            continue;
        }
        match character {
            '"' => quoted = true,
            '/' => in_path = true,
            '.' | '_' | '%' | '~' | '$' | ':' => {}
            '-' | '=' | '+' | '*' | '&' | '#' if in_path => {}
            _ if character.is_alphanumeric() => {}
            _ => return at,
        }
    }
    rest.len()
}

/// What is doubtful in a gap, which holds blank and comments only.
fn doubt_in_gap(gap: &str) -> Option<(usize, Doubt)> {
    let mut at = 0;
    while let Some(first) = gap[at..].chars().next() {
        let rest = &gap[at..];
        if rest.starts_with("--") || rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            let comment = rest[..length].strip_suffix('\r').unwrap_or(&rest[..length]);
            // Whether these end a line is answered differently by different readers.
            if comment.contains(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\0']) {
                return Some((at, Doubt::Comment));
            }
            at += length;
        } else if let Some(body) = rest.strip_prefix("/*") {
            let Some(length) = body.find("*/") else {
                return Some((at, Doubt::Unclosed));
            };
            // Snowflake's comments do not nest; a text that seems to think so is not guessed at.
            if body[..=length].contains("/*") || body.starts_with('/') || body[..length].contains('\0') {
                return Some((at, Doubt::Comment));
            }
            at += length + 4;
        } else {
            // The lexer takes all of Unicode's blanks for blank; Snowflake may not.
            if !first.is_ascii_whitespace() {
                return Some((at, Doubt::Characters));
            }
            at += first.len_utf8();
        }
    }
    None
}

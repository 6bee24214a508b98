//! Words, texts and signs of Snowflake SQL, as far as splitting and our own commands need them.

use super::escapes::unescape;
use crate::catalog::names::Name;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unquoted word: keyword or identifier.
    Word,
    /// Identifier in double quotes.
    Quoted,
    /// Text in single quotes or between `$$`.
    Text,
    /// Number.
    Number,
    /// `$name` or `$1`.
    Variable,
    /// `@stage/path` or `file:///path` without quotes.
    Location,
    /// Any other character.
    Sign,
    /// A quote or comment that never ends.
    Unterminated,
}

/// One token: what it is and where, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Token {
    /// The token's text as written.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.start..self.end]
    }

    /// True for the unquoted word, in any case.
    pub fn is(&self, source: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.text(source).eq_ignore_ascii_case(word)
    }

    /// True for the sign.
    pub fn is_sign(&self, source: &str, sign: char) -> bool {
        self.kind == Kind::Sign && self.text(source).starts_with(sign)
    }

    /// The name that a word or quoted identifier stands for.
    pub fn name(&self, source: &str) -> Option<Name> {
        let text = self.text(source);
        match self.kind {
            Kind::Word => Some(Name::unquoted(text)),
            Kind::Quoted => Some(Name::exact(text[1..text.len() - 1].replace("\"\"", "\""))),
            _ => None,
        }
    }

    /// The value of a text, without quotes and escapes.
    pub fn text_value(&self, source: &str) -> Option<String> {
        if self.kind != Kind::Text {
            return None;
        }
        let text = self.text(source);
        match text.strip_prefix("$$") {
            Some(rest) => Some(rest[..rest.len() - 2].to_owned()),
            None => Some(unescape(&text[1..text.len() - 1])),
        }
    }
}

/// Splits text into tokens; comments and white space are left out.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (kind, length) = match rest[0] {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => {
                at += 1;
                continue;
            }
            b'-' if rest.starts_with(b"--") => {
                at += line_length(rest);
                continue;
            }
            b'/' if rest.starts_with(b"//") => {
                at += line_length(rest);
                continue;
            }
            b'/' if rest.starts_with(b"/*") => match find(&rest[2..], b"*/") {
                Some(end) => {
                    at += end + 4;
                    continue;
                }
                None => (Kind::Unterminated, rest.len()),
            },
            b'\'' => delimited(rest, b'\'', true, Kind::Text),
            b'"' => delimited(rest, b'"', false, Kind::Quoted),
            b'$' if rest.starts_with(b"$$") => match find(&rest[2..], b"$$") {
                Some(end) => (Kind::Text, end + 4),
                None => (Kind::Unterminated, rest.len()),
            },
            b'$' if rest.len() > 1 && is_word_byte(rest[1]) => (Kind::Variable, 1 + word_length(&rest[1..])),
            b'@' => (Kind::Location, location_length(rest)),
            b'f' | b'F' if rest.len() > 7 && rest[..7].eq_ignore_ascii_case(b"file://") => {
                (Kind::Location, location_length(rest))
            }
            b'0'..=b'9' => (Kind::Number, number_length(rest)),
            b'.' if rest.len() > 1 && rest[1].is_ascii_digit() => (Kind::Number, number_length(rest)),
            byte if is_word_byte(byte) && byte != b'$' => (Kind::Word, word_length(rest)),
            _ => (Kind::Sign, source[at..].chars().next().map_or(1, char::len_utf8)),
        };
        found.push(Token {
            kind,
            start: at,
            end: at + length,
        });
        at += length;
    }
    found
}

/// Line (from 1) and position in it (from 0, in characters) of a byte.
pub(super) fn line_and_position(source: &str, byte: usize) -> (u32, u32) {
    let before = &source[..byte.min(source.len())];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line as u32, before[line_start..].chars().count() as u32)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn word_length(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| !is_word_byte(*byte))
        .unwrap_or(rest.len())
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn number_length(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        let exponent_sign = matches!(rest[at], b'+' | b'-') && matches!(rest[at - 1], b'e' | b'E');
        if !(rest[at].is_ascii_alphanumeric() || rest[at] == b'.' || exponent_sign) {
            break;
        }
        at += 1;
    }
    at
}

/// A location ends with a blank, a bracket, a comma or the statement; quoted names may hold them.
fn location_length(rest: &[u8]) -> usize {
    let mut quoted = false;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'(' | b')' | b',' | b';' if !quoted => return at,
            byte if byte.is_ascii_whitespace() && !quoted => return at,
            _ => {}
        }
    }
    rest.len()
}

fn delimited(rest: &[u8], mark: u8, backslash: bool, kind: Kind) -> (Kind, usize) {
    let mut at = 1;
    while at < rest.len() {
        if backslash && rest[at] == b'\\' {
            at += 2;
        } else if rest[at] != mark {
            at += 1;
        } else if rest.get(at + 1) == Some(&mark) {
            at += 2;
        } else {
            return (kind, at + 1);
        }
    }
    (Kind::Unterminated, rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).iter().map(|token| token.text(source)).collect()
    }

    #[test]
    fn tokens_are_cut() {
        assert_eq!(
            texts("show tables like 'a''%'"),
            ["show", "tables", "like", "'a''%'"]
        );
        assert_eq!(
            texts("a.\"b.c\" -- x\n= $v // y\n/* ; */ 1.5e-3;"),
            ["a", ".", "\"b.c\"", "=", "$v", "1.5e-3", ";"]
        );
        assert_eq!(texts("$$ it's; $$ é_1"), ["$$ it's; $$", "é_1"]);
        assert_eq!(texts("'a\\'b' c"), ["'a\\'b'", "c"]);
        assert_eq!(tokens("'abc")[0].kind, Kind::Unterminated);
        assert_eq!(tokens("/* abc")[0].kind, Kind::Unterminated);
        assert_eq!(texts("€ a"), ["€", "a"]);
        assert_eq!(
            texts("copy into @\"a b\".s/x--y/*.csv from (select $1 from @~/p) -- z"),
            [
                "copy",
                "into",
                "@\"a b\".s/x--y/*.csv",
                "from",
                "(",
                "select",
                "$1",
                "from",
                "@~/p",
                ")"
            ]
        );
        assert_eq!(
            texts("put file:///tmp/a.csv @%t;"),
            ["put", "file:///tmp/a.csv", "@%t", ";"]
        );
    }

    #[test]
    fn values_are_read() {
        let source = "'a''b\\n' $$raw\\n$$ \"q\"\"q\" word";
        let found = tokens(source);
        assert_eq!(found[0].text_value(source).unwrap(), "a'b\n");
        assert_eq!(found[1].text_value(source).unwrap(), "raw\\n");
        assert_eq!(found[2].name(source).unwrap().as_str(), "q\"q");
        assert_eq!(found[3].name(source).unwrap().as_str(), "WORD");
    }

    #[test]
    fn places_are_counted() {
        assert_eq!(line_and_position("select\n é x", 11), (2, 3));
        assert_eq!(line_and_position("select", 0), (1, 0));
    }
}

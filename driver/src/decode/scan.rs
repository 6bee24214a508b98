//! A scanner for rowsets: rows of cells that are texts or null, straight from the received bytes.
//!
//! Built for one shape instead of all of JSON, it touches each byte once and copies only texts with escapes.

use super::DecodeError;

/// Position in the bytes of a rowset.
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Text of the last cell that had escapes.
    unescaped: Vec<u8>,
}

/// One cell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Null,
    /// The text as bytes, escapes resolved; not yet checked to be UTF-8.
    Text(&'a [u8]),
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Item,
    End,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            unescaped: Vec::new(),
        }
    }

    /// Consumes `[`.
    pub(crate) fn open(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        self.expect(b'[')
    }

    /// After `[` or an item: consumes the comma or the closing bracket. `first` says that no item has been read yet.
    pub(crate) fn next_in_array(&mut self, first: bool) -> Result<Next, DecodeError> {
        self.skip_space();
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(Next::End)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                Ok(Next::Item)
            }
            Some(_) if first => Ok(Next::Item),
            _ => Err(self.broken()),
        }
    }

    /// The same where the end of the bytes stands for the closing bracket.
    pub(crate) fn next_in_rows(&mut self, first: bool) -> Result<Next, DecodeError> {
        self.skip_space();
        match self.peek() {
            None => Ok(Next::End),
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
                Ok(Next::Item)
            }
            Some(_) if first => Ok(Next::Item),
            Some(_) => Err(self.broken()),
        }
    }

    /// Checks that nothing but space is left.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    /// Reads one cell. Bare numbers and truth values are taken as their text, which some servers send.
    pub(crate) fn cell(&mut self) -> Result<Cell<'_>, DecodeError> {
        match self.peek() {
            Some(b'"') => self.text().map(Cell::Text),
            Some(b'n') if self.bytes[self.at..].starts_with(b"null") => {
                self.at += 4;
                Ok(Cell::Null)
            }
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                let rest = &self.bytes[self.at..];
                let len = rest
                    .iter()
                    .position(|byte| matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
                let text = &rest[..len.unwrap_or(rest.len())];
                self.at += text.len();
                Ok(Cell::Text(text))
            }
            _ => Err(self.broken()),
        }
    }

    fn text(&mut self) -> Result<&[u8], DecodeError> {
        let start = self.at + 1;
        let rest = &self.bytes[start..];
        match rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            Some(len) if rest[len] == b'"' => {
                self.at = start + len + 1;
                Ok(&rest[..len])
            }
            Some(len) => {
                self.unescaped.clear();
                self.unescaped.extend_from_slice(&rest[..len]);
                self.at = start + len;
                self.escaped_text()
            }
            None => Err(self.broken()),
        }
    }

    /// Reads the rest of a text from its first escape on.
    fn escaped_text(&mut self) -> Result<&[u8], DecodeError> {
        loop {
            let rest = &self.bytes[self.at..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\'))
                .ok_or_else(|| self.broken())?;
            self.unescaped.extend_from_slice(&rest[..plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                return Ok(&self.unescaped);
            }
            let escape = self.peek().ok_or_else(|| self.broken())?;
            self.at += 1;
            let byte = match escape {
                b'"' | b'\\' | b'/' => escape,
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 0x08,
                b'f' => 0x0C,
                b'u' => {
                    let symbol = self.unicode_escape()?;
                    self.unescaped
                        .extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                _ => return Err(self.broken()),
            };
            self.unescaped.push(byte);
        }
    }

    /// Reads `XXXX` after `\u`, and the second half of a pair. A lone half becomes the replacement character, because a
    /// text that Snowflake stored must not make a whole result unreadable.
    fn unicode_escape(&mut self) -> Result<char, DecodeError> {
        let first = self.four_hex_digits()?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.bytes[self.at..].starts_with(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        self.at += 2;
        let second = self.four_hex_digits()?;
        if (0xDC00..0xE000).contains(&second) {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_hex_digits(&mut self) -> Result<u32, DecodeError> {
        let digits = self
            .bytes
            .get(self.at..self.at + 4)
            .ok_or_else(|| self.broken())?;
        let mut code = 0;
        for digit in digits {
            code = code * 16 + (*digit as char).to_digit(16).ok_or_else(|| self.broken())?;
        }
        self.at += 4;
        Ok(code)
    }

    fn expect(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.peek() != Some(byte) {
            return Err(self.broken());
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn broken(&self) -> DecodeError {
        DecodeError::broken(format!("the rows are not valid JSON at byte {}", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Option<&[u8]>) {
        let mut scanner = Scanner::new(json.as_bytes());
        let cell = scanner.cell().unwrap();
        assert_eq!(cell, expected.map_or(Cell::Null, Cell::Text), "{json}");
        scanner.finish().unwrap();
    }

    #[test]
    fn cells_are_texts_or_null() {
        check("null", None);
        check(r#""""#, Some(b""));
        check(r#""abc""#, Some(b"abc"));
        check("-12.5", Some(b"-12.5"));
        check("true", Some(b"true"));
        check(r#""a\"b\\c\/d\n\t\r\b\f""#, Some(b"a\"b\\c/d\n\t\r\x08\x0C"));
        check(r#""\u00e9\u4e2d""#, Some("é中".as_bytes()));
        check(r#""x\uD83D\uDE00y""#, Some("x😀y".as_bytes()));
        check(r#""\uD83Dx""#, Some("\u{FFFD}x".as_bytes()));
        check(r#""\uD83D\u0041""#, Some("\u{FFFD}A".as_bytes()));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "{", "\"abc", "\"a\\", "\"\\u12\"", "\"\\x\"", "nul", "[1]"] {
            let mut scanner = Scanner::new(bad.as_bytes());
            assert!(scanner.cell().is_err(), "{bad}");
        }
    }
}

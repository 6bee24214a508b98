//! Documents of a JSON file, cut one after the other.
//!
//! Only brackets, quotes and blanks are looked at: whether a document is JSON is decided where it is read.

use std::io::{self, Read};

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

/// Longest document, in bytes; Snowflake's limit of one value.
const DOCUMENT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Cuts documents out of a file.
pub struct JsonReader {
    input: Box<dyn Read + Send>,
    strips: bool,
    buffer: Vec<u8>,
    at: usize,
    is_done: bool,
    lines: u64,
    /// Within an outer array that is stripped.
    in_array: bool,
    text: String,
    line: u64,
}

impl JsonReader {
    /// A reader; with `strips` the elements of an outer array are documents of their own.
    pub fn new(input: Box<dyn Read + Send>, strips: bool) -> io::Result<Self> {
        let mut reader = Self {
            input,
            strips,
            buffer: Vec::new(),
            at: 0,
            is_done: false,
            lines: 0,
            in_array: false,
            text: String::new(),
            line: 0,
        };
        reader.fill()?;
        if reader.buffer.starts_with(b"\xef\xbb\xbf") {
            reader.at = 3;
        }
        Ok(reader)
    }

    /// The next document's text, with the line of its beginning, from 1; none at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "the documents are lent, and reading fails"
    )]
    pub fn next(&mut self) -> io::Result<Option<(&str, u64)>> {
        loop {
            self.skip_blanks()?;
            let Some(byte) = self.buffer.get(self.at).copied() else {
                return Ok(None);
            };
            match byte {
                b'[' if self.strips && !self.in_array => self.in_array = true,
                b']' if self.in_array => self.in_array = false,
                b',' if self.in_array => {}
                _ => break,
            }
            self.at += 1;
        }
        let mut length = self.length();
        while length.is_none() && !self.is_done {
            if self.buffer.len() - self.at > DOCUMENT_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "a document is longer than {DOCUMENT_BYTES_MAX} bytes"
                )));
            }
            self.fill()?;
            length = self.length();
        }
        let length = length.unwrap_or(self.buffer.len() - self.at);
        let document = &self.buffer[self.at..self.at + length];
        self.line = self.lines + 1;
        self.lines += memchr::memchr_iter(b'\n', document).count() as u64;
        self.text.clear();
        self.text.push_str(&String::from_utf8_lossy(document));
        self.at += length;
        Ok(Some((&self.text, self.line)))
    }

    /// Bytes of the document that begins at `at`; none when its end has not been read.
    fn length(&self) -> Option<usize> {
        let data = &self.buffer[self.at..];
        let mut depth = 0_usize;
        let mut at = 0;
        while at < data.len() {
            match data[at] {
                b'"' => at += text_length(&data[at..])?,
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                }
                b'}' | b']' => {
                    if depth == 0 {
                        // A closing bracket by itself: what stands before it, or else the bracket.
                        return Some(at.max(1));
                    }
                    depth -= 1;
                    at += 1;
                    if depth == 0 {
                        return Some(at);
                    }
                    continue;
                }
                b' ' | b'\t' | b'\r' | b'\n' | b',' if depth == 0 => return Some(at.max(1)),
                _ => at += 1,
            }
            if depth == 0 && at > 0 && data[at - 1] == b'"' {
                return Some(at);
            }
        }
        None
    }

    fn skip_blanks(&mut self) -> io::Result<()> {
        loop {
            while let Some(byte) = self.buffer.get(self.at) {
                match byte {
                    b'\n' => self.lines += 1,
                    b' ' | b'\t' | b'\r' => {}
                    _ => return Ok(()),
                }
                self.at += 1;
            }
            if self.is_done {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let wanted = self.buffer.len().max(READ_BYTES);
        let read = (&mut self.input)
            .take(wanted as u64)
            .read_to_end(&mut self.buffer)?;
        self.is_done = read < wanted;
        Ok(())
    }
}

/// Bytes of a text with its quotes; none when it does not end.
fn text_length(data: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', data.get(at..)?)?;
        if data[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, strips: bool) -> Vec<(String, u64)> {
        let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.as_bytes().to_vec()));
        let mut reader = JsonReader::new(input, strips).unwrap();
        let mut found = Vec::new();
        while let Some((text, line)) = reader.next().unwrap() {
            found.push((text.to_owned(), line));
        }
        found
    }

    fn texts(text: &str, strips: bool) -> Vec<String> {
        read(text, strips).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn documents_are_cut() {
        assert_eq!(
            texts("{\"a\": \"}\\\"\"}\n[1, [2]] 3 \"x y\"null", false),
            ["{\"a\": \"}\\\"\"}", "[1, [2]]", "3", "\"x y\"", "null"]
        );
        assert_eq!(
            texts("[{\"a\":1},\n {\"a\":[2]}, 3]", true),
            ["{\"a\":1}", "{\"a\":[2]}", "3"]
        );
        assert_eq!(texts("{\"a\":1}{\"a\":2}", true), ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(texts("[[1], [2]]", true), ["[1]", "[2]"]);
        assert_eq!(texts("\u{feff} ", false), [""; 0]);
        assert_eq!(texts("{\"a\": 1", false), ["{\"a\": 1"]);
        assert_eq!(texts("} 1", false), ["}", "1"]);
    }

    #[test]
    fn lines_are_counted_and_long_files_are_read() {
        let text = "{\n\"a\": \"bcdefghijklmnopqrstuvwxyz\"\n}\n".repeat(20_000);
        let found = read(&text, false);
        assert_eq!(found.len(), 20_000);
        assert!(found.iter().zip(0..).all(|((_, line), at)| *line == at * 3 + 1));
    }
}

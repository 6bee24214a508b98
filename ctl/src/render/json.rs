//! JSON: an array of objects, or an object a line.
//!
//! Numbers keep their exact digits. NaN and the infinities, which JSON lacks, are texts. A document column
//! is embedded as it is, without the white space between its parts; text in it that is not JSON after all is
//! a text. Names that occur twice get a suffix, since a reader would drop all but one.

use std::collections::HashSet;
use std::io;

use super::column::Column;
use super::sink::Sink;
use super::{Header, Renderer};

/// How the objects are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One array, an object a line in it.
    Array,
    /// An object a line.
    Lines,
}

/// Writes rows as objects.
pub(super) struct Json {
    layout: Layout,
    /// `"name":` of each column, ready to be written.
    keys: Vec<Vec<u8>>,
    started: bool,
}

impl Json {
    pub(super) fn new(layout: Layout, header: &Header) -> Self {
        let keys = unique_names(&header.names)
            .iter()
            .map(|name| {
                let mut key = Vec::new();
                write_text(name, &mut key);
                key.push(b':');
                key
            })
            .collect();
        Self {
            layout,
            keys,
            started: false,
        }
    }
}

impl Renderer for Json {
    fn rows(&mut self, columns: &[Column], rows: usize, sink: &mut Sink) -> io::Result<()> {
        for row in 0..rows {
            let out = sink.buffer();
            if self.layout == Layout::Array {
                out.extend_from_slice(if self.started { b",\n" } else { b"[\n" });
            }
            self.started = true;
            let mut opening = b'{';
            for (key, column) in self.keys.iter().zip(columns) {
                out.push(opening);
                opening = b',';
                out.extend_from_slice(key);
                column.write_json(row, out);
            }
            if opening == b'{' {
                out.push(b'{');
            }
            out.push(b'}');
            if self.layout == Layout::Lines {
                out.push(b'\n');
            }
            sink.spill()?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut Sink) -> io::Result<()> {
        if self.layout == Layout::Array {
            sink.buffer()
                .extend_from_slice(if self.started { b"\n]\n" } else { b"[]\n" });
        }
        Ok(())
    }
}

/// Names that are all different: a repeated one gets `_2`, `_3` and so on, skipping names that exist.
pub(super) fn unique_names(names: &[String]) -> Vec<String> {
    let given: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut used: HashSet<String> = HashSet::new();
    let mut unique = Vec::with_capacity(names.len());
    for name in names {
        let mut candidate = name.clone();
        let mut number = 2;
        while used.contains(&candidate) || (number > 2 && given.contains(candidate.as_str())) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        used.insert(candidate.clone());
        unique.push(candidate);
    }
    unique
}

/// Appends a number, as a text if JSON cannot say it.
pub(super) fn write_number(sayable: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if sayable {
        write(out);
    } else {
        out.push(b'"');
        write(out);
        out.push(b'"');
    }
}

/// Appends a text in quotes.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..index]);
        written = index + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(control >> 4)]);
                out.push(DIGITS[usize::from(control & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// Appends a document without white space between its parts, or as a text if it is not JSON: Snowflake
/// writes `undefined` for a missing element of an array.
pub(super) fn write_document(document: &str, out: &mut Vec<u8>) {
    let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_str(document);
    if parsed.is_err() {
        write_text(document, out);
        return;
    }
    let mut in_text = false;
    let mut escaped = false;
    for &byte in document.as_bytes() {
        if in_text {
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            continue;
        } else {
            in_text = byte == b'"';
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let check = |document: &str, expected: &str| {
            let mut out = Vec::new();
            write_document(document, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(
            "{\n  \"a b\": [ 1, 2.50, \"x \\\" y\" ]\n}",
            "{\"a b\":[1,2.50,\"x \\\" y\"]}",
        );
        check(r#"{"path": "c:\\", "b": 1}"#, r#"{"path":"c:\\","b":1}"#);
        check(
            "12345678901234567890123456789.10",
            "12345678901234567890123456789.10",
        );
        check("[\n  undefined\n]", r#""[\n  undefined\n]""#);
        check("", r#""""#);
    }

    #[test]
    fn texts() {
        let mut out = Vec::new();
        write_text("a\"b\\c\n\r\t\u{1}\u{1f}é√😀\u{7f}", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001fé√😀\u{7f}\""
        );
    }

    #[test]
    fn names_become_different() {
        let check = |names: &[&str], expected: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(unique_names(&names), expected);
        };
        check(&["A", "B"], &["A", "B"]);
        check(&["A", "A", "A"], &["A", "A_2", "A_3"]);
        check(&["A", "A", "A_2"], &["A", "A_3", "A_2"]);
        check(&["", ""], &["", "_2"]);
    }
}

//! CSV and TSV: a header, then a record a row, quoted as RFC 4180 says.
//!
//! NULL is an empty field and an empty text is `""`, so the two stay apart. Lines end with LF: every reader
//! of CSV takes it, and line tools need it.

use std::io;

use memchr::{memchr, memchr3};

use super::column::Column;
use super::sink::Sink;
use super::{Header, Renderer};

/// Writes rows as delimited fields.
pub(super) struct Csv {
    delimiter: u8,
    names: Vec<String>,
    /// Whether the header line was written, or is not wanted.
    started: bool,
}

/// A column and how its fields are written.
struct Fields<'a> {
    column: &'a Column,
    quoting: Quoting,
}

/// What a column's texts need.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    /// Never quotes: numbers, dates and the like.
    Never,
    /// Text without a special character in the whole batch: only the empty one is quoted.
    Empty,
    /// Text that must be looked at one by one.
    Each,
}

impl Csv {
    pub(super) fn new(delimiter: u8, header: &Header) -> Self {
        Self {
            delimiter,
            names: header.names.clone(),
            started: !header.is_written,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) && !self.names.is_empty() {
            for (index, name) in self.names.iter().enumerate() {
                if index > 0 {
                    out.push(self.delimiter);
                }
                write_field(name.as_bytes(), self.delimiter, out);
            }
            out.push(b'\n');
        }
    }

    /// Looks at all texts of a column at once, which is many times faster than one by one.
    fn quoting(&self, column: &Column) -> Quoting {
        if !column.is_free_text() {
            return Quoting::Never;
        }
        match column.all_text() {
            Some(text)
                if memchr3(b'"', b'\n', b'\r', text).is_none() && memchr(self.delimiter, text).is_none() =>
            {
                Quoting::Empty
            }
            _ => Quoting::Each,
        }
    }
}

impl Renderer for Csv {
    fn rows(&mut self, columns: &[Column], rows: usize, sink: &mut Sink) -> io::Result<()> {
        self.start(sink.buffer());
        let fields: Vec<Fields<'_>> = columns
            .iter()
            .map(|column| Fields {
                column,
                quoting: self.quoting(column),
            })
            .collect();
        if fields.is_empty() {
            return Ok(());
        }
        let mut scratch = Vec::new();
        for row in 0..rows {
            let out = sink.buffer();
            for field in &fields {
                if !field.column.is_null(row) {
                    field.write(row, self.delimiter, &mut scratch, out);
                }
                out.push(self.delimiter);
            }
            // The delimiter after the last field becomes the end of the record.
            if let Some(last) = out.last_mut() {
                *last = b'\n';
            }
            sink.spill()?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut Sink) -> io::Result<()> {
        self.start(sink.buffer());
        Ok(())
    }
}

impl Fields<'_> {
    #[inline]
    fn write(&self, row: usize, delimiter: u8, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        match (self.quoting, self.column.text(row)) {
            (Quoting::Never, _) => self.column.write_plain(row, out),
            (Quoting::Empty, Some(text)) if !text.is_empty() => out.extend_from_slice(text.as_bytes()),
            (_, Some(text)) => write_field(text.as_bytes(), delimiter, out),
            (_, None) => {
                scratch.clear();
                self.column.write_plain(row, scratch);
                write_field(scratch, delimiter, out);
            }
        }
    }
}

/// Appends a field that is not NULL, in quotes if it is empty or holds a special character.
fn write_field(field: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(*byte, b'"' | b'\n' | b'\r') || *byte == delimiter;
    if !field.is_empty() && !field.iter().any(special) {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for part in field.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(part);
        if part.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

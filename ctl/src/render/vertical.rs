//! Vertical: a block of lines for each row, a value a line.

use std::io;

use super::cell::{width, write_visible};
use super::column::Column;
use super::sink::Sink;
use super::{Header, Renderer};

/// Writes rows as blocks.
pub(super) struct Vertical {
    /// Names, padded to one width.
    names: Vec<String>,
    null: &'static str,
    rows: u64,
}

impl Vertical {
    pub(super) fn new(header: &Header) -> Self {
        let mut names: Vec<String> = header
            .names
            .iter()
            .map(|name| {
                let mut visible = String::new();
                write_visible(name, &mut visible);
                visible
            })
            .collect();
        let widest = names.iter().map(|name| width(name)).max().unwrap_or(0);
        for name in &mut names {
            let space = widest - width(name);
            name.extend(std::iter::repeat_n(' ', space));
        }
        Self {
            names,
            null: header.null,
            rows: 0,
        }
    }

    /// Appends one row of values that are ready for the screen.
    pub(super) fn write_block<'a>(&mut self, values: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
        self.start_block(out);
        for (name, value) in self.names.iter().zip(values) {
            write_line(name, value, out);
        }
    }

    fn start_block(&mut self, out: &mut Vec<u8>) {
        self.rows += 1;
        out.extend_from_slice(b"-- row ");
        out.extend_from_slice(itoa::Buffer::new().format(self.rows).as_bytes());
        out.extend_from_slice(b" --\n");
    }
}

impl Renderer for Vertical {
    fn rows(&mut self, columns: &[Column], rows: usize, sink: &mut Sink) -> io::Result<()> {
        let (mut scratch, mut value) = (Vec::new(), String::new());
        for row in 0..rows {
            self.start_block(sink.buffer());
            for (name, column) in self.names.iter().zip(columns) {
                value.clear();
                if column.is_null(row) {
                    value.push_str(self.null);
                } else {
                    write_value(column, row, &mut scratch, &mut value, write_visible);
                }
                write_line(name, &value, sink.buffer());
            }
            sink.spill()?;
        }
        Ok(())
    }

    fn finish(&mut self, _sink: &mut Sink) -> io::Result<()> {
        Ok(())
    }
}

/// Appends a value that is not NULL to a text, free text through `write_text`.
pub(super) fn write_value(
    column: &Column,
    row: usize,
    scratch: &mut Vec<u8>,
    out: &mut String,
    write_text: fn(&str, &mut String),
) {
    if let Some(text) = column.text(row) {
        write_text(text, out);
    } else {
        scratch.clear();
        column.write_plain(row, scratch);
        write_text(&String::from_utf8_lossy(scratch), out);
    }
}

fn write_line(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b" | ");
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

//! Markdown: a table as GitHub and most renderers read it.

use std::io;

use super::column::Column;
use super::sink::Sink;
use super::vertical::write_value;
use super::{Header, Renderer};

/// Writes rows as a Markdown table.
pub(super) struct Markdown {
    header: Header,
    started: bool,
}

impl Markdown {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            header: header.clone(),
            started: false,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) || self.header.names.is_empty() {
            return;
        }
        for name in &self.header.names {
            let mut text = String::new();
            write_escaped(name, &mut text);
            write_field(&text, out);
        }
        out.extend_from_slice(b"|\n");
        for numeric in &self.header.numeric {
            out.extend_from_slice(if *numeric { b"| ---: " } else { b"| --- " });
        }
        out.extend_from_slice(b"|\n");
    }
}

impl Renderer for Markdown {
    fn rows(&mut self, columns: &[Column], rows: usize, sink: &mut Sink) -> io::Result<()> {
        self.start(sink.buffer());
        if columns.is_empty() {
            return Ok(());
        }
        let (mut scratch, mut value) = (Vec::new(), String::new());
        for row in 0..rows {
            for column in columns {
                value.clear();
                if column.is_null(row) {
                    value.push_str(self.header.null);
                } else {
                    write_value(column, row, &mut scratch, &mut value, write_escaped);
                }
                write_field(&value, sink.buffer());
            }
            sink.buffer().extend_from_slice(b"|\n");
            sink.spill()?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut Sink) -> io::Result<()> {
        self.start(sink.buffer());
        Ok(())
    }
}

fn write_field(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"| ");
    out.extend_from_slice(text.as_bytes());
    out.push(b' ');
}

/// Appends text that stays within its field: no bar and no line break of its own.
fn write_escaped(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '|' => out.push_str("\\|"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("<br>"),
            '\r' => {}
            '\t' => out.push(' '),
            other if other.is_control() => out.extend(other.escape_unicode()),
            other => out.push(other),
        }
    }
}

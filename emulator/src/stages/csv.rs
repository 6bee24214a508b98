//! Delimited text, read as Snowflake reads it.

use std::io::{self, Read};

use super::FileFormat;
use super::format::delimiter;

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

/// Longest record, in bytes; Snowflake's limit of one value.
const RECORD_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How records and fields are cut.
#[derive(Clone, Debug)]
pub struct CsvOptions {
    field_delimiter: Vec<u8>,
    /// None when any kind of line end separates records.
    record_delimiter: Option<Vec<u8>>,
    quote: Option<u8>,
    escape: Option<u8>,
    escape_unenclosed: Option<u8>,
    null_if: Vec<Vec<u8>>,
    empty_is_null: bool,
    trims: bool,
    skips_blank: bool,
    keeps_mark: bool,
    replaces_invalid: bool,
    skip: u64,
    names: bool,
}

impl CsvOptions {
    /// The options of a format.
    pub fn of(format: &FileFormat) -> Self {
        let byte = |name: &str| delimiter(format.text(name)).and_then(|bytes| bytes.first().copied());
        let record_delimiter = delimiter(format.text("RECORD_DELIMITER"));
        let is_newline = matches!(record_delimiter.as_deref(), Some(b"\n" | b"\r\n" | b"\r"));
        Self {
            field_delimiter: delimiter(format.text("FIELD_DELIMITER")).unwrap_or_default(),
            record_delimiter: if is_newline {
                None
            } else {
                Some(record_delimiter.unwrap_or_default())
            },
            quote: byte("FIELD_OPTIONALLY_ENCLOSED_BY"),
            escape: byte("ESCAPE"),
            escape_unenclosed: byte("ESCAPE").or_else(|| byte("ESCAPE_UNENCLOSED_FIELD")),
            null_if: format
                .list("NULL_IF")
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect(),
            empty_is_null: format.is("EMPTY_FIELD_AS_NULL"),
            trims: format.is("TRIM_SPACE"),
            skips_blank: format.is("SKIP_BLANK_LINES"),
            keeps_mark: !format.is("SKIP_BYTE_ORDER_MARK"),
            replaces_invalid: format.is("REPLACE_INVALID_CHARACTERS") || format.is("IGNORE_UTF8_ERRORS"),
            skip: format.number("SKIP_HEADER"),
            names: format.is("PARSE_HEADER"),
        }
    }
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFault {
    /// Snowflake's code.
    pub code: &'static str,
    /// Snowflake's text.
    pub message: String,
    /// Character in its line, from 1.
    pub character: u64,
    /// Field, from 1.
    pub field: u64,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Record, from 1, without what is skipped.
    pub number: u64,
    /// Line of its beginning, from 1.
    pub line: u64,
    /// Byte of its beginning, from 0.
    pub byte: u64,
}

/// Reads records one after the other.
pub struct CsvReader {
    input: Box<dyn Read + Send>,
    options: CsvOptions,
    buffer: Vec<u8>,
    at: usize,
    is_done: bool,
    place: Place,
    lines: u64,
    bytes: u64,
    names: Option<Vec<String>>,
    /// Values of the current record, one after the other.
    text: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Clone, Copy)]
struct Field {
    end: usize,
    is_null: bool,
    /// Byte of its beginning, from that of the record.
    start: usize,
}

/// How far a record's text goes.
enum Cut {
    /// So many bytes, with its delimiter.
    Whole(usize),
    /// So many bytes, of which something is wrong.
    Broken(usize, CsvFault),
    /// Further than what has been read.
    Open,
}

impl CsvReader {
    /// A reader at the first record after what is skipped.
    pub fn new(input: Box<dyn Read + Send>, options: CsvOptions) -> io::Result<Self> {
        let mut reader = Self {
            input,
            options,
            buffer: Vec::new(),
            at: 0,
            is_done: false,
            place: Place::default(),
            lines: 0,
            bytes: 0,
            names: None,
            text: Vec::new(),
            fields: Vec::new(),
        };
        reader.fill()?;
        if reader.buffer.starts_with(b"\xef\xbb\xbf") && !reader.options.keeps_mark {
            reader.at = 3;
        }
        if reader.options.names && reader.next()?.is_some_and(|read| read.is_ok()) {
            let names = (0..reader.len()).map(|field| reader.field(field).unwrap_or_default().to_owned());
            reader.names = Some(names.collect());
        }
        let mut left = reader.options.skip;
        // `SKIP_HEADER` may be any number, and a file has an end.
        while left > 0 && !(reader.is_done && reader.at >= reader.buffer.len()) {
            reader.skip_line()?;
            left -= 1;
        }
        reader.place.number = 0;
        Ok(reader)
    }

    /// Names in the first record, with `PARSE_HEADER`.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The next record, or what is wrong with it; none at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "the records are lent, and reading fails"
    )]
    pub fn next(&mut self) -> io::Result<Option<Result<Place, CsvFault>>> {
        loop {
            if self.at >= self.buffer.len() && self.is_done {
                return Ok(None);
            }
            let (length, fault) = match self.cut() {
                Cut::Open => {
                    if self.buffer.len() - self.at > RECORD_BYTES_MAX {
                        return Err(io::Error::other(format!(
                            "a record is longer than {RECORD_BYTES_MAX} bytes"
                        )));
                    }
                    self.fill()?;
                    continue;
                }
                Cut::Whole(length) => (length, None),
                Cut::Broken(length, fault) => (length, Some(fault)),
            };
            let record = &self.buffer[self.at..self.at + length];
            self.place.line = self.lines + 1;
            self.place.byte = self.bytes;
            let is_blank = record.iter().all(|byte| matches!(byte, b'\n' | b'\r'));
            self.lines += memchr::memchr_iter(b'\n', record).count() as u64;
            self.bytes += length as u64;
            self.at += length;
            if is_blank && (self.options.skips_blank || length == 0) {
                continue;
            }
            self.place.number += 1;
            return Ok(Some(match fault {
                None => Ok(self.place),
                Some(fault) => Err(fault),
            }));
        }
    }

    /// Where the record stands that was read last.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Number of its fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A field's value; none for NULL and for fields that are not there.
    pub fn field(&self, index: usize) -> Option<&str> {
        let field = self.fields.get(index)?;
        if field.is_null {
            return None;
        }
        let start = index.checked_sub(1).map_or(0, |before| self.fields[before].end);
        std::str::from_utf8(&self.text[start..field.end]).ok()
    }

    /// Character in its line at which a field begins, from 1.
    pub fn character(&self, index: usize) -> u64 {
        self.fields.get(index).map_or(1, |field| field.start as u64 + 1)
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

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = memchr::memchr(b'\n', rest) {
                self.at += end + 1;
                self.bytes += end as u64 + 1;
                self.lines += 1;
                return Ok(());
            }
            if self.is_done {
                self.at = self.buffer.len();
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Cuts the record that begins at `at` into its fields.
    fn cut(&mut self) -> Cut {
        let data = &self.buffer[self.at..];
        self.text.clear();
        self.fields.clear();
        let mut at = 0;
        loop {
            let start = at;
            if self.options.trims {
                at += blanks(&data[at..]);
            }
            let quoted = self.options.quote.is_some() && data.get(at).copied() == self.options.quote;
            let value = if quoted {
                at += 1;
                self.options.enclosed(data, &mut at, &mut self.text)
            } else {
                self.options.unenclosed(data, &mut at, &mut self.text)
            };
            let begin = self.fields.last().map_or(0, |field| field.end);
            let Some(raw) = value else {
                if !self.is_done {
                    return Cut::Open;
                }
                let message = "Found an enclosed field that does not end before the file does".to_owned();
                return Cut::Broken(data.len(), fault("100067", message, start, self.fields.len()));
            };
            if quoted && self.options.trims {
                at += blanks(&data[at..]);
            }
            if let Some(invalid) = self.options.checked(&mut self.text, begin) {
                let end = line_end(data, at);
                return Cut::Broken(end, fault("100144", invalid, start, self.fields.len()));
            }
            let written = match raw {
                Some(range) => &data[range.0..range.1],
                None => &self.text[begin..],
            };
            let is_null = self
                .options
                .null_if
                .iter()
                .any(|text| text == written || text[..] == self.text[begin..])
                || (!quoted && written.is_empty() && self.options.empty_is_null);
            self.fields.push(Field {
                end: self.text.len(),
                is_null,
                start,
            });
            let rest = &data[at..];
            let delimiter = &self.options.field_delimiter;
            if !delimiter.is_empty() && rest.starts_with(delimiter) {
                at += delimiter.len();
                continue;
            }
            match self.options.record_end(rest, self.is_done) {
                Some(length) => return Cut::Whole(at + length),
                None if !self.is_done && rest.len() < 2 + delimiter.len() => return Cut::Open,
                None => {
                    let found = String::from_utf8_lossy(&rest[..1.min(rest.len())]).into_owned();
                    let message = format!(
                        "Found character '{found}' instead of field delimiter '{}'",
                        String::from_utf8_lossy(delimiter)
                    );
                    let end = line_end(data, at);
                    if end == data.len() && !self.is_done {
                        return Cut::Open;
                    }
                    return Cut::Broken(end, fault("100016", message, at, self.fields.len() - 1));
                }
            }
        }
    }
}

fn fault(code: &'static str, message: String, start: usize, field: usize) -> CsvFault {
    CsvFault {
        code,
        message,
        character: start as u64 + 1,
        field: field as u64 + 1,
    }
}

impl CsvOptions {
    /// Reads an enclosed field after its quote; none when it does not end.
    #[expect(
        clippy::option_option,
        reason = "whether it ends, and whether it stands in the data as it is"
    )]
    fn enclosed(&self, data: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Option<Option<(usize, usize)>> {
        let quote = self.quote?;
        loop {
            let rest = &data[*at..];
            let next = match self.escape.filter(|escape| *escape != quote) {
                Some(escape) => memchr::memchr2(quote, escape, rest),
                None => memchr::memchr(quote, rest),
            };
            let found = next?;
            out.extend_from_slice(&rest[..found]);
            *at += found + 1;
            if rest[found] != quote {
                escaped(data, at, out)?;
            } else if data.get(*at) == Some(&quote) {
                out.push(quote);
                *at += 1;
            } else {
                return Some(None);
            }
        }
    }

    /// Reads a field without quotes up to what ends it; gives where its text stands.
    #[expect(
        clippy::option_option,
        reason = "whether it ends, and whether it stands in the data as it is"
    )]
    fn unenclosed(&self, data: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Option<Option<(usize, usize)>> {
        let (start, begin) = (*at, out.len());
        loop {
            let rest = &data[*at..];
            let length = self.plain_length(rest);
            out.extend_from_slice(&rest[..length]);
            *at += length;
            let rest = &data[*at..];
            let Some(byte) = rest.first() else { break };
            let ends = (!self.field_delimiter.is_empty() && rest.starts_with(&self.field_delimiter))
                || self.record_end(rest, true).is_some();
            if ends {
                break;
            }
            *at += 1;
            if self.escape_unenclosed == Some(*byte) {
                escaped(data, at, out)?;
            } else {
                out.push(*byte);
            }
        }
        let mut end = *at;
        if self.trims {
            while end > start && matches!(data[end - 1], b' ' | b'\t') {
                end -= 1;
            }
            while out.len() > begin && matches!(out[out.len() - 1], b' ' | b'\t') {
                out.pop();
            }
        }
        Some(Some((start, end)))
    }

    /// Bytes before the next one that may mean something.
    fn plain_length(&self, rest: &[u8]) -> usize {
        let field = self.field_delimiter.first().copied().unwrap_or(b'\n');
        let (first, second) = match &self.record_delimiter {
            None => (b'\n', b'\r'),
            Some(delimiter) => {
                let byte = delimiter.first().copied().unwrap_or(field);
                (byte, byte)
            }
        };
        let end = memchr::memchr3(field, first, second, rest).unwrap_or(rest.len());
        match self.escape_unenclosed {
            Some(escape) => memchr::memchr(escape, &rest[..end]).unwrap_or(end),
            None => end,
        }
    }

    /// Length of the record delimiter that begins here; the end of the data is one.
    fn record_end(&self, rest: &[u8], is_done: bool) -> Option<usize> {
        match (&self.record_delimiter, rest) {
            (_, []) => is_done.then_some(0),
            (None, [b'\r', b'\n', ..]) => Some(2),
            (None, [b'\r']) => is_done.then_some(1),
            (None, [b'\n' | b'\r', ..]) => Some(1),
            (Some(delimiter), _) if !delimiter.is_empty() && rest.starts_with(delimiter) => {
                Some(delimiter.len())
            }
            _ => None,
        }
    }

    /// Makes the value from `begin` on valid text, or says what is wrong with it.
    fn checked(&self, text: &mut Vec<u8>, begin: usize) -> Option<String> {
        if std::str::from_utf8(&text[begin..]).is_ok() {
            return None;
        }
        let lossy = String::from_utf8_lossy(&text[begin..]).into_owned();
        if !self.replaces_invalid {
            return Some(format!("Invalid UTF8 detected in string '{lossy}'"));
        }
        text.truncate(begin);
        text.extend_from_slice(lossy.as_bytes());
        None
    }
}

/// After a broken record reading goes on with the next line.
fn line_end(data: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &data[at..]).map_or(data.len(), |end| at + end + 1)
}

/// What follows an escape; none when nothing does yet.
fn escaped(data: &[u8], at: &mut usize, out: &mut Vec<u8>) -> Option<()> {
    let byte = *data.get(*at)?;
    *at += 1;
    out.push(match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'0' => 0,
        other => other,
    });
    Some(())
}

fn blanks(rest: &[u8]) -> usize {
    rest.iter()
        .position(|byte| !matches!(byte, b' ' | b'\t'))
        .unwrap_or(rest.len())
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;

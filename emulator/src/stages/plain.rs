//! Which files the engine's own reader reads as Snowflake does.
//!
//! It is several times faster than ours, but it knows no escapes outside of quotes, no trimming and no blank
//! records. A file is plain when its format asks for nothing of that and nothing in it would need it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::format::delimiter;
use super::{FileFormat, FileKind};

/// Bytes looked at at a time.
const READ_BYTES: usize = 256 * 1024;

/// What the engine's reader needs to know of a plain CSV format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainCsv {
    /// The one character between fields.
    pub delimiter: char,
    /// Fields may stand in double quotes.
    pub quoted: bool,
    /// Lines before the first record.
    pub skip: u64,
    /// Texts that mean NULL, beside the empty field.
    pub null_if: Vec<String>,
    /// A backslash in a file makes it one that is not plain.
    escapes: bool,
}

impl PlainCsv {
    /// The plain form of a format; none when the format asks for more.
    pub fn of(format: &FileFormat) -> Option<Self> {
        if format.kind() != FileKind::Csv {
            return None;
        }
        let asks_for_more = format.optional("ESCAPE").is_some()
            || [
                "TRIM_SPACE",
                "SKIP_BLANK_LINES",
                "REPLACE_INVALID_CHARACTERS",
                "IGNORE_UTF8_ERRORS",
            ]
            .iter()
            .any(|name| format.is(name))
            || ![
                "EMPTY_FIELD_AS_NULL",
                "ERROR_ON_COLUMN_COUNT_MISMATCH",
                "SKIP_BYTE_ORDER_MARK",
            ]
            .iter()
            .all(|name| format.is(name));
        let newline = delimiter(format.text("RECORD_DELIMITER"));
        if asks_for_more || !matches!(newline.as_deref(), Some(b"\n" | b"\r\n")) {
            return None;
        }
        let delimiter = delimiter(format.text("FIELD_DELIMITER"))?;
        let quoted = match format.optional("FIELD_OPTIONALLY_ENCLOSED_BY") {
            None => false,
            Some("\"") => true,
            Some(_) => return None,
        };
        let escape = format.optional("ESCAPE_UNENCLOSED_FIELD");
        match delimiter.as_slice() {
            [byte] if byte.is_ascii() && *byte >= b' ' || *byte == b'\t' => Some(Self {
                delimiter: char::from(*byte),
                quoted,
                skip: format.number("SKIP_HEADER") + u64::from(format.is("PARSE_HEADER")),
                null_if: format.list("NULL_IF").into_iter().map(str::to_owned).collect(),
                escapes: match escape {
                    None => format.list("NULL_IF").iter().any(|text| text.contains('\\')),
                    Some("\\" | "\\\\") => true,
                    Some(_) => return None,
                },
            }),
            _ => None,
        }
    }

    /// True when a file that is not compressed is plain.
    pub fn fits(&self, path: &Path) -> io::Result<bool> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; READ_BYTES];
        // Line ends that are the last bytes of the part before.
        let mut after_newline = true;
        let mut after_return = false;
        let mut is_first = true;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                return Ok(!after_return);
            }
            let part = &buffer[..read];
            if is_first && part.starts_with(b"\xef\xbb\xbf") {
                return Ok(false);
            }
            is_first = false;
            if self.escapes && memchr::memchr(b'\\', part).is_some() || memchr::memchr(0, part).is_some() {
                return Ok(false);
            }
            // A blank record begins with a line end.
            let begins_blank = after_newline && matches!(part[0], b'\n' | b'\r');
            let blank = memchr::memmem::find(part, b"\n\n").is_some()
                || memchr::memmem::find(part, b"\n\r").is_some();
            let lone_return = after_return && part[0] != b'\n'
                || memchr::memchr_iter(b'\r', part)
                    .any(|at| part.get(at + 1).is_some_and(|next| *next != b'\n'));
            if begins_blank || blank || lone_return {
                return Ok(false);
            }
            after_newline = part.ends_with(b"\n");
            after_return = part.ends_with(b"\r");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(settings: &[(&str, &str)]) -> FileFormat {
        let mut format = FileFormat::new(FileKind::Csv);
        for (name, value) in settings {
            format.set(name, vec![(*value).to_owned()]).unwrap();
        }
        format
    }

    #[test]
    fn only_plain_files_are_the_engines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let plain = PlainCsv::of(&format(&[("SKIP_HEADER", "1")])).unwrap();
        assert_eq!((plain.delimiter, plain.quoted, plain.skip), (',', false, 1));
        for (text, fits) in [
            ("a,b\n1,2\n", true),
            ("a,b\r\n1,2\r\n", true),
            ("a,b\n1,2", true),
            ("", true),
            ("a,\\N\n", false),
            ("a\n\nb\n", false),
            ("\na\n", false),
            ("a\rb\n", false),
            ("\u{feff}a\n", false),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(plain.fits(&path).unwrap(), fits, "{text:?}");
        }
    }

    #[test]
    fn formats_that_ask_for_more_are_ours() {
        for settings in [
            &[("TRIM_SPACE", "TRUE")],
            &[("ESCAPE", "\\")],
            &[("FIELD_DELIMITER", "||")],
            &[("RECORD_DELIMITER", ";")],
            &[("FIELD_OPTIONALLY_ENCLOSED_BY", "'")],
            &[("ERROR_ON_COLUMN_COUNT_MISMATCH", "FALSE")],
        ] {
            assert_eq!(PlainCsv::of(&format(settings)), None, "{settings:?}");
        }
        assert!(
            PlainCsv::of(&format(&[("FIELD_OPTIONALLY_ENCLOSED_BY", "\"")]))
                .unwrap()
                .quoted
        );
    }
}

//! File formats: the options that Snowflake has for each type, what they are without being said, and which of
//! them this emulator cannot follow.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::contract::{SqlError, snowflake_literal};

/// Type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Delimited text.
    Csv,
    /// JSON documents.
    Json,
    /// Parquet.
    Parquet,
}

/// Type of an option's value, as DESCRIBE names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// `String`.
    Text,
    /// `Boolean`.
    Truth,
    /// `Integer`.
    Number,
    /// `List`.
    List,
}

/// Name, type and default of an option; a list's default has its parts separated by commas.
type Known = (&'static str, ValueType, &'static str);

use ValueType::{List, Number, Text, Truth};

const CSV: [Known; 24] = [
    ("RECORD_DELIMITER", Text, "\n"),
    ("FIELD_DELIMITER", Text, ","),
    ("FILE_EXTENSION", Text, "NONE"),
    ("SKIP_HEADER", Number, "0"),
    ("PARSE_HEADER", Truth, "FALSE"),
    ("DATE_FORMAT", Text, "AUTO"),
    ("TIME_FORMAT", Text, "AUTO"),
    ("TIMESTAMP_FORMAT", Text, "AUTO"),
    ("BINARY_FORMAT", Text, "HEX"),
    ("ESCAPE", Text, "NONE"),
    ("ESCAPE_UNENCLOSED_FIELD", Text, "\\"),
    ("TRIM_SPACE", Truth, "FALSE"),
    ("FIELD_OPTIONALLY_ENCLOSED_BY", Text, "NONE"),
    ("NULL_IF", List, "\\N"),
    ("COMPRESSION", Text, "AUTO"),
    ("ERROR_ON_COLUMN_COUNT_MISMATCH", Truth, "TRUE"),
    ("VALIDATE_UTF8", Truth, "TRUE"),
    ("SKIP_BLANK_LINES", Truth, "FALSE"),
    ("REPLACE_INVALID_CHARACTERS", Truth, "FALSE"),
    ("EMPTY_FIELD_AS_NULL", Truth, "TRUE"),
    ("SKIP_BYTE_ORDER_MARK", Truth, "TRUE"),
    ("ENCODING", Text, "UTF8"),
    ("MULTI_LINE", Truth, "TRUE"),
    ("IGNORE_UTF8_ERRORS", Truth, "FALSE"),
];

const JSON: [Known; 16] = [
    ("FILE_EXTENSION", Text, "NONE"),
    ("DATE_FORMAT", Text, "AUTO"),
    ("TIME_FORMAT", Text, "AUTO"),
    ("TIMESTAMP_FORMAT", Text, "AUTO"),
    ("BINARY_FORMAT", Text, "HEX"),
    ("TRIM_SPACE", Truth, "FALSE"),
    ("NULL_IF", List, ""),
    ("COMPRESSION", Text, "AUTO"),
    ("ENABLE_OCTAL", Truth, "FALSE"),
    ("ALLOW_DUPLICATE", Truth, "FALSE"),
    ("STRIP_OUTER_ARRAY", Truth, "FALSE"),
    ("STRIP_NULL_VALUES", Truth, "FALSE"),
    ("IGNORE_UTF8_ERRORS", Truth, "FALSE"),
    ("REPLACE_INVALID_CHARACTERS", Truth, "FALSE"),
    ("SKIP_BYTE_ORDER_MARK", Truth, "TRUE"),
    ("MULTI_LINE", Truth, "TRUE"),
];

const PARQUET: [Known; 8] = [
    ("TRIM_SPACE", Truth, "FALSE"),
    ("NULL_IF", List, ""),
    ("COMPRESSION", Text, "AUTO"),
    ("SNAPPY_COMPRESSION", Truth, "TRUE"),
    ("BINARY_AS_TEXT", Truth, "TRUE"),
    ("USE_LOGICAL_TYPE", Truth, "FALSE"),
    ("USE_VECTORIZED_SCANNER", Truth, "FALSE"),
    ("REPLACE_INVALID_CHARACTERS", Truth, "FALSE"),
];

/// Values that are refused by name, because what they ask for is not done: option and the values that are done.
const DONE: [(&str, &[&str]); 8] = [
    ("ENCODING", &["UTF8", "UTF-8"]),
    ("MULTI_LINE", &["TRUE"]),
    ("ENABLE_OCTAL", &["FALSE"]),
    ("STRIP_NULL_VALUES", &["FALSE"]),
    ("BINARY_FORMAT", &["HEX", "BASE64", "UTF8", "UTF-8"]),
    (
        "COMPRESSION",
        &[
            "AUTO",
            "NONE",
            "GZIP",
            "BZ2",
            "BROTLI",
            "ZSTD",
            "DEFLATE",
            "RAW_DEFLATE",
            "SNAPPY",
            "LZO",
        ],
    ),
    ("TRIM_SPACE", &["TRUE", "FALSE"]),
    ("VALIDATE_UTF8", &["TRUE"]),
];

impl FileKind {
    /// The kind that a word names; types that Snowflake has and this emulator has not are refused by name.
    pub fn of(word: &str) -> Result<Self, SqlError> {
        match word.to_uppercase().as_str() {
            "CSV" => Ok(Self::Csv),
            "JSON" => Ok(Self::Json),
            "PARQUET" => Ok(Self::Parquet),
            other @ ("AVRO" | "ORC" | "XML" | "CUSTOM") => {
                Err(SqlError::unsupported(format!("file format type {other}")))
            }
            other => Err(invalid("TYPE", other)),
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Parquet => "PARQUET",
        }
    }

    fn known(self) -> &'static [Known] {
        match self {
            Self::Csv => &CSV,
            Self::Json => &JSON,
            Self::Parquet => &PARQUET,
        }
    }
}

/// A file format: every option of its type has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFormat {
    kind: FileKind,
    /// What was said; the rest is default.
    said: BTreeMap<&'static str, Vec<String>>,
}

impl FileFormat {
    /// The format of a type with nothing said.
    pub fn new(kind: FileKind) -> Self {
        Self {
            kind,
            said: BTreeMap::new(),
        }
    }

    /// Its type.
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    /// Sets an option.
    ///
    /// Fails for options that the type has not, values that the option has not, and what is not done here.
    pub fn set(&mut self, name: &str, values: Vec<String>) -> Result<(), SqlError> {
        let name = name.to_uppercase();
        let Some((known, value_type, _)) = self.kind.known().iter().find(|(known, ..)| *known == name) else {
            let detail = format!(
                "invalid property '{name}' for 'FILE_FORMAT' of type {}",
                self.kind.word()
            );
            return Err(SqlError::compilation("001420", "22023", detail));
        };
        let first = values.first().map(String::as_str).unwrap_or_default();
        let fits = match value_type {
            Truth => ["TRUE", "FALSE"].contains(&first.to_uppercase().as_str()),
            Number => first.parse::<u32>().is_ok(),
            Text => values.len() == 1,
            List => true,
        };
        if !fits {
            return Err(invalid(&name, first));
        }
        if let Some((_, done)) = DONE.iter().find(|(option, _)| *option == name)
            && !done.contains(&first.to_uppercase().as_str())
        {
            return Err(SqlError::unsupported(format!(
                "file format option {name} = {first}"
            )));
        }
        let values = match value_type {
            Truth => vec![first.to_uppercase()],
            _ => values,
        };
        self.said.insert(known, values);
        Ok(())
    }

    /// Back to the default.
    pub fn unset(&mut self, name: &str) {
        self.said.remove(name.to_uppercase().as_str());
    }

    /// The values of an option.
    pub fn list(&self, name: &str) -> Vec<&str> {
        if let Some(values) = self.said.get(name) {
            return values.iter().map(String::as_str).collect();
        }
        let known = self.kind.known().iter().find(|(known, ..)| *known == name);
        match known {
            Some((_, List, "")) | None => Vec::new(),
            Some((_, _, default)) => vec![default],
        }
    }

    /// The value of an option.
    pub fn text(&self, name: &str) -> &str {
        self.list(name).first().copied().unwrap_or_default()
    }

    /// The value of an option that may be `NONE`.
    pub fn optional(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.eq_ignore_ascii_case("NONE"))
    }

    /// True when the option is `TRUE`.
    pub fn is(&self, name: &str) -> bool {
        self.text(name) == "TRUE"
    }

    /// The value of a whole number; 0 when there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// The options as DESCRIBE lists them: name, type, value, default.
    pub fn described(&self) -> Vec<[String; 4]> {
        let shown = |value_type: ValueType, values: &[&str]| match value_type {
            List => format!("[{}]", values.join(", ")),
            Truth => values.first().copied().unwrap_or_default().to_lowercase(),
            _ => escaped(values.first().copied().unwrap_or_default()),
        };
        let mut rows = vec![[
            "TYPE".to_owned(),
            "String".to_owned(),
            self.kind.word().to_owned(),
            "CSV".to_owned(),
        ]];
        rows.extend(self.kind.known().iter().map(|(name, value_type, default)| {
            let fallback: Vec<&str> = if default.is_empty() {
                Vec::new()
            } else {
                vec![default]
            };
            [
                (*name).to_owned(),
                value_type.word().to_owned(),
                shown(*value_type, &self.list(name)),
                shown(*value_type, &fallback),
            ]
        }));
        rows
    }

    /// What was said, each option with its value as SQL writes it.
    pub fn written(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.said.iter().map(|(name, values)| {
            let known = self.kind.known().iter().find(|(known, ..)| known == name);
            let texts: Vec<String> = values.iter().map(|value| snowflake_literal(value)).collect();
            let value = match known.map(|(_, value_type, _)| value_type) {
                Some(Truth | Number) => values.concat(),
                Some(Text) => texts.concat(),
                Some(List) | None => format!("({})", texts.join(", ")),
            };
            (*name, value)
        })
    }

    /// The format as the catalog keeps it: a JSON object of what was said.
    pub fn to_json(&self) -> String {
        let mut object = serde_json::Map::new();
        object.insert("TYPE".to_owned(), json!(self.kind.word()));
        for (name, values) in &self.said {
            object.insert((*name).to_owned(), json!(values));
        }
        Value::Object(object).to_string()
    }

    /// Reads what [`FileFormat::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, SqlError> {
        let broken = || SqlError::internal("the catalog's record of a file format cannot be read");
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            return Err(broken());
        };
        let kind = object.get("TYPE").and_then(Value::as_str).ok_or_else(broken)?;
        let mut format = Self::new(FileKind::of(kind)?);
        for (name, values) in object.iter().filter(|(name, _)| *name != "TYPE") {
            let values = values.as_array().ok_or_else(broken)?;
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
            format.set(name, texts.collect::<Option<_>>().ok_or_else(broken)?)?;
        }
        Ok(format)
    }
}

impl ValueType {
    fn word(self) -> &'static str {
        match self {
            Text => "String",
            Truth => "Boolean",
            Number => "Integer",
            List => "List",
        }
    }
}

/// A delimiter as bytes: `\t`, `\x01`, `0x01`, `\001` and such stand for a character. None for `NONE`.
pub fn delimiter(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.eq_ignore_ascii_case("NONE") {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let bytes = digits.as_bytes().chunks(2).map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        if let Some(bytes) = bytes.collect::<Option<Vec<u8>>>()
            && !bytes.is_empty()
        {
            return Some(bytes);
        }
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            out.extend(character.to_string().bytes());
            continue;
        }
        let coded =
            |digits: Option<&str>, radix| digits.and_then(|digits| u8::from_str_radix(digits, radix).ok());
        let (byte, length) = match rest.bytes().next() {
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'r') => (b'\r', 1),
            Some(b'f') => (0x0c, 1),
            Some(b'b') => (0x08, 1),
            Some(b'x') => match coded(rest.get(1..3), 16) {
                Some(byte) => (byte, 3),
                None => (b'\\', 0),
            },
            Some(b'0'..=b'7') => match coded(rest.get(..3), 8) {
                Some(byte) => (byte, 3),
                None => (b'\\', 0),
            },
            Some(b'\\') => (b'\\', 1),
            _ => (b'\\', 0),
        };
        out.push(byte);
        rest = &rest[length..];
    }
    Some(out)
}

/// As DESCRIBE and error messages write characters that cannot be seen.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
        .replace('\r', "\\r")
}

fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::compilation(
        "001008",
        "22023",
        format!("invalid value ['{value}'] for parameter '{name}'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(format: &mut FileFormat, name: &str, value: &str) -> Result<(), SqlError> {
        format.set(name, vec![value.to_owned()])
    }

    #[test]
    fn options_are_checked_and_kept() {
        let mut format = FileFormat::new(FileKind::Csv);
        set(&mut format, "field_delimiter", "|").unwrap();
        set(&mut format, "SKIP_HEADER", "1").unwrap();
        set(&mut format, "TRIM_SPACE", "true").unwrap();
        format
            .set("NULL_IF", vec!["NULL".to_owned(), String::new()])
            .unwrap();
        assert_eq!(FileFormat::from_json(&format.to_json()), Ok(format.clone()));
        assert_eq!(
            (
                format.text("FIELD_DELIMITER"),
                format.number("SKIP_HEADER"),
                format.is("TRIM_SPACE")
            ),
            ("|", 1, true)
        );
        assert_eq!(format.list("NULL_IF"), ["NULL", ""]);
        assert_eq!(format.optional("ESCAPE"), None);
        format.unset("NULL_IF");
        assert_eq!(format.list("NULL_IF"), ["\\N"]);
        assert_eq!(
            set(&mut format, "STRIP_OUTER_ARRAY", "TRUE").unwrap_err().code,
            "001420"
        );
        assert_eq!(set(&mut format, "SKIP_HEADER", "x").unwrap_err().code, "001008");
        assert_eq!(set(&mut format, "ENCODING", "LATIN1").unwrap_err().code, "000002");
        assert_eq!(FileKind::of("avro").unwrap_err().code, "000002");
        assert_eq!(FileKind::of("frob").unwrap_err().code, "001008");
        assert!(FileFormat::new(FileKind::Json).list("NULL_IF").is_empty());
    }

    #[test]
    fn delimiters_may_be_written_in_many_ways() {
        for (text, bytes) in [
            ("|", b"|".as_slice()),
            ("\\t", b"\t"),
            ("\t", b"\t"),
            ("\\x01", b"\x01"),
            ("0x01", b"\x01"),
            ("\\001", b"\x01"),
            ("\\r\\n", b"\r\n"),
            ("||", b"||"),
            ("\\\\", b"\\"),
            ("\\", b"\\"),
        ] {
            assert_eq!(delimiter(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(delimiter("NONE"), None);
    }
}

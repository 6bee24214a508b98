//! Rows as lines of CSV or JSON.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use snowflake_emulator_engine::{EngineColumn, SqlType};

use super::SqlError;
use crate::catalog::names::{literal, unmangle};
use crate::stages::format::delimiter;
use crate::stages::{FileFormat, FileKind};

/// A column's value as text, where the column has this name in the engine's SQL.
pub(super) fn text_of(column: &EngineColumn, name: &str, format: &FileFormat) -> String {
    let by = |option: &str| {
        let form = format.text(option);
        if form.eq_ignore_ascii_case("AUTO") || form.is_empty() {
            format!("sf_to_varchar({name})")
        } else {
            format!("sf_to_varchar({name}, {})", literal(form))
        }
    };
    match column.sql_type {
        SqlType::Variant | SqlType::Object | SqlType::Array => format!("CAST({name} AS VARCHAR)"),
        SqlType::Date => by("DATE_FORMAT"),
        SqlType::Time { .. } => by("TIME_FORMAT"),
        SqlType::TimestampNtz { .. } | SqlType::TimestampLtz { .. } | SqlType::TimestampTz { .. } => {
            by("TIMESTAMP_FORMAT")
        }
        SqlType::Binary { .. } => format!("sf_to_varchar({name}, {})", literal(format.text("BINARY_FORMAT"))),
        _ => format!("sf_to_varchar({name})"),
    }
}

/// Writes rows of text.
pub(super) struct TextWriter {
    /// None for JSON.
    csv: Option<CsvForm>,
    names: Vec<String>,
    header: bool,
}

struct CsvForm {
    field: Vec<u8>,
    record: Vec<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    escape_unenclosed: Option<u8>,
    null: Vec<u8>,
    /// Columns whose values are enclosed.
    enclosed: Vec<bool>,
}

impl TextWriter {
    pub(super) fn new(format: &FileFormat, columns: &[EngineColumn], header: bool) -> Result<Self, SqlError> {
        if format.kind() == FileKind::Json {
            let is_one = matches!(
                columns,
                [EngineColumn {
                    sql_type: SqlType::Variant | SqlType::Object | SqlType::Array,
                    ..
                }]
            );
            if !is_one || header {
                let detail = "JSON file format supports unloading data from only one column of type VARIANT, OBJECT or \
                     ARRAY, without a header.";
                return Err(SqlError::compilation("002019", "0A000", detail));
            }
        }
        let byte = |name: &str| delimiter(format.text(name)).and_then(|bytes| bytes.first().copied());
        let csv = (format.kind() == FileKind::Csv).then(|| CsvForm {
            field: delimiter(format.text("FIELD_DELIMITER")).unwrap_or_default(),
            record: delimiter(format.text("RECORD_DELIMITER")).unwrap_or_else(|| b"\n".to_vec()),
            quote: byte("FIELD_OPTIONALLY_ENCLOSED_BY"),
            escape: byte("ESCAPE"),
            escape_unenclosed: byte("ESCAPE").or_else(|| byte("ESCAPE_UNENCLOSED_FIELD")),
            null: format
                .list("NULL_IF")
                .first()
                .copied()
                .unwrap_or_default()
                .as_bytes()
                .to_vec(),
            enclosed: columns
                .iter()
                .map(|column| {
                    matches!(
                        column.sql_type,
                        SqlType::Text { .. } | SqlType::Variant | SqlType::Object | SqlType::Array
                    )
                })
                .collect(),
        });
        Ok(Self {
            csv,
            names: columns.iter().map(|column| unmangle(&column.name)).collect(),
            header,
        })
    }

    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        if let (Some(csv), true) = (&self.csv, self.header) {
            for (at, name) in self.names.iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(&csv.field);
                }
                csv.value(name.as_bytes(), true, out);
            }
            out.extend_from_slice(&csv.record);
        }
    }

    pub(super) fn row(&self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), SqlError> {
        for (at, column) in batch.columns().iter().enumerate() {
            let texts = column
                .as_string_opt::<i32>()
                .ok_or_else(|| SqlError::internal("a value to unload is no text"))?;
            let value = texts.is_valid(row).then(|| texts.value(row).as_bytes());
            match (&self.csv, value) {
                (None, value) => out.extend_from_slice(value.unwrap_or(b"null")),
                (Some(csv), value) => {
                    if at > 0 {
                        out.extend_from_slice(&csv.field);
                    }
                    match value {
                        None => out.extend_from_slice(&csv.null),
                        Some(value) => csv.value(value, csv.enclosed.get(at).copied().unwrap_or(true), out),
                    }
                }
            }
        }
        match &self.csv {
            None => out.push(b'\n'),
            Some(csv) => out.extend_from_slice(&csv.record),
        }
        Ok(())
    }
}

impl CsvForm {
    fn value(&self, value: &[u8], is_text: bool, out: &mut Vec<u8>) {
        if let (Some(quote), true) = (self.quote, is_text) {
            out.push(quote);
            for byte in value {
                if *byte == quote {
                    out.push(self.escape.unwrap_or(quote));
                } else if Some(*byte) == self.escape {
                    out.push(*byte);
                }
                out.push(*byte);
            }
            out.push(quote);
            return;
        }
        let Some(escape) = self.escape_unenclosed else {
            out.extend_from_slice(value);
            return;
        };
        for byte in value {
            let begins = |text: &[u8]| text.first() == Some(byte);
            if *byte == escape || begins(&self.field) || begins(&self.record) {
                out.push(escape);
                match byte {
                    b'\n' => out.push(b'n'),
                    b'\r' => out.push(b'r'),
                    b'\t' => out.push(b't'),
                    other => out.push(*other),
                }
            } else {
                out.push(*byte);
            }
        }
    }
}

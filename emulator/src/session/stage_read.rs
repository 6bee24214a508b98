//! Files of text brought into temporary tables, with what is wrong in them.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::sources::{TEMPORARY, physical, unreadable};
use super::worker::Worker;
use super::{SqlError, from_engine};
use crate::lower::Source;
use crate::stages::csv::{CsvOptions, CsvReader, Place};
use crate::stages::json::JsonReader;
use crate::stages::{Compression, FileFormat, FileKind, StageFile};

/// Rows that are brought in at a time.
const BATCH_ROWS: usize = 16_384;

/// Bytes of text after which they are brought in at once: a column of a batch ends at 2 GiB.
const BATCH_BYTES: usize = 64 * 1024 * 1024;

/// Faults of one statement that are kept; more are only counted.
const FAULTS_MAX: usize = 10_000;

/// What is wrong with a record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) sql_state: &'static str,
    pub(super) message: String,
    /// Name of the file as it is shown.
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) character: u64,
    pub(super) byte: u64,
    /// Record, from 1.
    pub(super) row: u64,
    /// As messages write it, such as `"T"["A":1]`; empty when the whole record is meant.
    pub(super) column: String,
}

impl Fault {
    /// The error with which a statement fails that does not go on.
    pub(super) fn refusal(&self) -> SqlError {
        let text = format!(
            "{}\n  File '{}', line {}, character {}\n  Row {}, column {}\n  If you would like to continue loading \
             when an error is encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR \
             option. For more information on loading options, please run 'info loading_data' in a SQL client.",
            self.message,
            self.file,
            self.line,
            self.character,
            self.row,
            if self.column.is_empty() { "1" } else { &self.column }
        );
        SqlError::new(self.code, self.sql_state, text)
    }
}

/// How many fields records have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Fields that are wanted.
    pub(super) width: usize,
    /// A record with more or fewer is wrong.
    pub(super) is_exact: bool,
}

/// Records of files in a temporary table.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The table, without quotes.
    pub(super) table: String,
    /// Its columns `COLUMN1` and on.
    pub(super) width: usize,
    /// Records, good and bad.
    pub(super) parsed: u64,
    /// The first of what is wrong.
    pub(super) faults: Vec<Fault>,
    /// Records with which something is wrong.
    pub(super) faulty: u64,
    /// Names in the first record, with `PARSE_HEADER`.
    pub(super) names: Option<Vec<String>>,
}

impl Raw {
    /// The table as a statement reads it.
    pub(super) fn source(&self, kind: FileKind) -> Source {
        let table = physical(&self.table);
        let document = match kind {
            FileKind::Json => "sf_parse_json(\"COLUMN1\") AS \"COLUMN1\", ",
            FileKind::Csv | FileKind::Parquet => "",
        };
        let modified = "CAST(CAST(epoch_ms(\"METADATA$FILE_LAST_MODIFIED\") AS TIMESTAMP_NS) AS sf_timestamp_ltz) \
             AS \"METADATA$FILE_LAST_MODIFIED\"";
        Source {
            sql: format!("(SELECT * REPLACE ({document}{modified}) FROM {table})"),
            fields: None,
            columns: None,
        }
    }
}

/// Column with the line of a record's beginning.
pub(super) const LINE: &str = "METADATA$LINE";

/// Records on their way into a table.
struct Batch {
    columns: Vec<StringBuilder>,
    file: StringBuilder,
    digest: StringBuilder,
    modified: Int64Builder,
    row: Int64Builder,
    line: Int64Builder,
    rows: usize,
    /// Of the records' fields.
    bytes: usize,
    schema: Arc<Schema>,
}

impl Batch {
    fn new(width: usize) -> Self {
        let text = |name: String| Field::new(name, DataType::Utf8, true);
        let mut fields: Vec<Field> = (1..=width).map(|number| text(format!("c{number}"))).collect();
        fields.extend(["file", "digest"].map(|name| text(name.to_owned())));
        fields.extend(["modified", "row", "line"].map(|name| Field::new(name, DataType::Int64, true)));
        Self {
            columns: (0..width).map(|_| StringBuilder::new()).collect(),
            file: StringBuilder::new(),
            digest: StringBuilder::new(),
            modified: Int64Builder::new(),
            row: Int64Builder::new(),
            line: Int64Builder::new(),
            rows: 0,
            bytes: 0,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    fn field(&mut self, at: usize, text: Option<&str>) {
        self.bytes += text.map_or(0, str::len);
        self.columns[at].append_option(text);
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn end_row(&mut self, file: &ReadFile<'_>, place: Place) {
        self.file.append_value(file.file.key.as_str());
        self.digest.append_value(&file.digest);
        self.modified.append_value(file.file.modified_ms);
        self.row.append_value(place.number as i64);
        self.line.append_value(place.line as i64);
        self.rows += 1;
    }

    fn take(&mut self) -> RecordBatch {
        let mut arrays: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|column| Arc::new(column.finish()) as ArrayRef)
            .collect();
        arrays.push(Arc::new(self.file.finish()));
        arrays.push(Arc::new(self.digest.finish()));
        arrays.push(Arc::new(self.modified.finish()));
        arrays.push(Arc::new(self.row.finish()));
        arrays.push(Arc::new(self.line.finish()));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.schema), arrays).expect("every row has a value in every column")
    }
}

/// A file that is being read.
struct ReadFile<'a> {
    file: &'a StageFile,
    shown: String,
    digest: String,
}

impl Worker {
    /// Reads CSV or JSON files into a new temporary table of `width` text columns.
    ///
    /// Records with which something is wrong are left out and told of.
    pub(super) fn read_raw(
        &mut self,
        files: &[StageFile],
        format: &FileFormat,
        shape: Shape,
    ) -> Result<Raw, SqlError> {
        let width = if format.kind() == FileKind::Json {
            1
        } else {
            shape.width
        };
        let mut columns: Vec<String> = (1..=width)
            .map(|number| format!("\"COLUMN{number}\" VARCHAR"))
            .collect();
        columns.push("\"METADATA$FILENAME\" VARCHAR, \"METADATA$FILE_CONTENT_KEY\" VARCHAR".to_owned());
        columns.push(format!(
            "\"METADATA$FILE_LAST_MODIFIED\" BIGINT, \"METADATA$FILE_ROW_NUMBER\" BIGINT, \"{LINE}\" BIGINT"
        ));
        let mut raw = Raw {
            table: self.make_table(&columns.join(", "))?,
            width,
            ..Raw::default()
        };
        for file in files {
            self.control.check()?;
            let read = ReadFile {
                file,
                shown: file.key.as_str().to_owned(),
                digest: self
                    .shared
                    .store
                    .fingerprint(file)
                    .map_err(|error| unreadable(&error))?,
            };
            let compression = Compression::of(format, &file.path, file.key.as_str())?;
            let input = compression.open(&file.path).map_err(|error| unreadable(&error))?;
            match format.kind() {
                FileKind::Json => self.read_json(&mut raw, &read, input, format)?,
                FileKind::Csv | FileKind::Parquet => {
                    self.read_csv(&mut raw, &read, input, (format, shape))?;
                }
            }
        }
        Ok(raw)
    }

    fn read_csv(
        &mut self,
        raw: &mut Raw,
        file: &ReadFile<'_>,
        input: Box<dyn std::io::Read + Send>,
        (format, shape): (&FileFormat, Shape),
    ) -> Result<(), SqlError> {
        let exact = shape.is_exact && format.is("ERROR_ON_COLUMN_COUNT_MISMATCH");
        let mut reader =
            CsvReader::new(input, CsvOptions::of(format)).map_err(|error| broken(file, &error))?;
        raw.names = reader.names().map(<[String]>::to_vec);
        let mut batch = Batch::new(raw.width);
        while let Some(next) = reader.next().map_err(|error| broken(file, &error))? {
            raw.parsed += 1;
            let place = reader.place();
            let fault = match next {
                Err(fault) => Some((fault.code, fault.message, fault.character, fault.field)),
                Ok(_) if exact && reader.len() != raw.width => {
                    let text = format!(
                        "Number of columns in file ({}) does not match that of the corresponding table ({}), use file \
                         format option error_on_column_count_mismatch=false to ignore this error",
                        reader.len(),
                        raw.width
                    );
                    let field = reader.len().min(raw.width);
                    Some(("100080", text, reader.character(field), field as u64))
                }
                Ok(_) => None,
            };
            if let Some((code, message, character, field)) = fault {
                raw.faulty += 1;
                if raw.faults.len() < FAULTS_MAX {
                    raw.faults.push(Fault {
                        code,
                        sql_state: "22000",
                        message,
                        file: file.shown.clone(),
                        line: place.line,
                        character,
                        byte: place.byte,
                        row: place.number,
                        column: field.to_string(),
                    });
                }
                continue;
            }
            for at in 0..raw.width {
                batch.field(at, reader.field(at));
            }
            batch.end_row(file, place);
            if batch.is_full() {
                self.add(raw, &batch.take())?;
            }
        }
        self.add(raw, &batch.take())
    }

    fn read_json(
        &mut self,
        raw: &mut Raw,
        file: &ReadFile<'_>,
        input: Box<dyn std::io::Read + Send>,
        format: &FileFormat,
    ) -> Result<(), SqlError> {
        let mut reader =
            JsonReader::new(input, format.is("STRIP_OUTER_ARRAY")).map_err(|error| broken(file, &error))?;
        let mut batch = Batch::new(1);
        let mut number = 0;
        while let Some((text, line)) = reader.next().map_err(|error| broken(file, &error))? {
            number += 1;
            raw.parsed += 1;
            batch.field(0, Some(text));
            let place = Place {
                number,
                line,
                byte: 0,
            };
            batch.end_row(file, place);
            if batch.is_full() {
                self.add(raw, &batch.take())?;
            }
        }
        self.add(raw, &batch.take())
    }

    fn add(&mut self, raw: &Raw, batch: &RecordBatch) -> Result<(), SqlError> {
        self.control.check()?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let added = self.connection.append(TEMPORARY, &raw.table, batch);
        added.map(|_| ()).map_err(|error| from_engine(&error))
    }
}

fn broken(file: &ReadFile<'_>, error: &std::io::Error) -> SqlError {
    let text = format!("File '{}' could not be read: {error}", file.shown);
    SqlError::new("100016", "22000", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::Key;

    #[test]
    fn a_batch_is_full_by_its_rows_or_by_its_bytes() {
        let file = StageFile {
            key: Key::new("a.json").unwrap(),
            path: "a.json".into(),
            bytes: 0,
            modified_ms: 0,
        };
        let file = ReadFile {
            file: &file,
            shown: String::new(),
            digest: String::new(),
        };
        let rows_of = |bytes: usize| {
            let document = "x".repeat(bytes);
            let mut batch = Batch::new(1);
            // A batch begins anew when its rows are taken.
            [(); 2].map(|()| {
                while !batch.is_full() {
                    batch.field(0, Some(&document));
                    let place = Place {
                        number: 1,
                        line: 1,
                        byte: 0,
                    };
                    batch.end_row(&file, place);
                }
                batch.take().num_rows()
            })
        };
        assert_eq!(rows_of(1), [BATCH_ROWS; 2]);
        assert_eq!(rows_of(16 * 1024 * 1024), [4; 2]);
    }
}

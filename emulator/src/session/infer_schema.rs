//! `INFER_SCHEMA`: what columns files have, as a table.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use serde_json::Value as Json;
use sqlparser::ast::Expr;

use super::SqlError;
use super::copy_options::invalid;
use super::sources::{FILES_MAX, unreadable};
use super::worker::{Work, Worker};
use crate::catalog::names::{literal, snowflake_literal};
use crate::front::{Location, StageTable};
use crate::lower::Source;
use crate::stages::csv::{CsvOptions, CsvReader};
use crate::stages::json::JsonReader;
use crate::stages::{Compression, FileFormat, FileKind, Inferred, StageFile};

/// Most columns that are told; more than a table of Snowflake's may have.
const COLUMNS_MAX: usize = 10_000;

/// Records between two looks at whether the statement was stopped.
const RECORDS_UNCHECKED: u64 = 4096;

/// Most bytes of all columns' names of files together.
const FILE_NAMES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How much is looked at, and how names are told.
struct InferOptions {
    ignores_case: bool,
    /// Most files.
    files: usize,
    /// Most records of each file.
    records: u64,
}

/// A column that was found.
struct FoundColumn {
    name: String,
    sql_type: String,
    /// Its field's place in a record, from 1; a document is one field.
    place: usize,
    /// The files that have it.
    files: Vec<Arc<str>>,
}

impl FoundColumn {
    /// Adds a field of a file, whose type may be another where names differ in case.
    fn add(&mut self, sql_type: &str, file: &Arc<str>) {
        if self.sql_type != sql_type {
            let is_number = |text: &str| text.starts_with("NUMBER") || text == "REAL";
            let common = if is_number(&self.sql_type) && is_number(sql_type) {
                "REAL"
            } else {
                "TEXT"
            };
            common.clone_into(&mut self.sql_type);
        }
        if self.files.last().is_none_or(|last| !Arc::ptr_eq(last, file)) {
            self.files.push(Arc::clone(file));
        }
    }
}

/// Columns of text files, in the order in which they were found.
#[derive(Default)]
struct Found {
    columns: Vec<TextColumn>,
    at: HashMap<String, usize>,
}

struct TextColumn {
    name: String,
    kind: Inferred,
    /// As in [`FoundColumn`], where it was found first.
    place: usize,
    files: Vec<Arc<str>>,
}

impl InferOptions {
    /// A field's name as that of a column.
    fn name(&self, field: &str) -> String {
        if self.ignores_case {
            field.to_uppercase()
        } else {
            field.to_owned()
        }
    }
}

impl Found {
    /// The column of this name, made when it is new, from the field at `place`.
    fn column(&mut self, name: String, place: usize) -> Result<usize, SqlError> {
        if let Some(at) = self.at.get(&name) {
            return Ok(*at);
        }
        if self.columns.len() >= COLUMNS_MAX {
            let text = format!("The files have more than {COLUMNS_MAX} columns.");
            return Err(SqlError::new("100357", "54000", text));
        }
        let at = self.columns.len();
        self.at.insert(name.clone(), at);
        self.columns.push(TextColumn {
            name,
            kind: Inferred::Nothing,
            place,
            files: Vec::new(),
        });
        Ok(at)
    }

    fn add(&mut self, at: usize, kind: Inferred, file: &Arc<str>) {
        let column = &mut self.columns[at];
        column.kind = column.kind.and(kind);
        if column.files.last().is_none_or(|last| !Arc::ptr_eq(last, file)) {
            column.files.push(Arc::clone(file));
        }
    }
}

impl Worker {
    /// `INFER_SCHEMA` as a table.
    pub(super) fn schema_source(
        &mut self,
        arguments: &[(String, Expr)],
        work: &Work<'_>,
    ) -> Result<Source, SqlError> {
        let mut location = None;
        let mut format = None;
        let mut names = Vec::new();
        let mut options = InferOptions {
            ignores_case: false,
            files: FILES_MAX,
            records: u64::MAX,
        };
        for (name, value) in arguments {
            match name.as_str() {
                "LOCATION" => {
                    location = Some(match value {
                        Expr::Identifier(ident) => match StageTable::of_name(&ident.value) {
                            Some(table) => table?.location,
                            None => return Err(SqlError::unsupported("INFER_SCHEMA of this location")),
                        },
                        value => Location::parse(&self.value_of(value, work)?.unwrap_or_default())?,
                    });
                }
                "FILE_FORMAT" => format = self.value_of(value, work)?,
                "FILES" => match value {
                    Expr::Tuple(values) => {
                        for value in values {
                            names.extend(self.value_of(value, work)?);
                        }
                    }
                    value => names.extend(self.value_of(value, work)?),
                },
                "IGNORE_CASE" => {
                    let text = self.value_of(value, work)?.unwrap_or_default();
                    options.ignores_case = text.eq_ignore_ascii_case("true");
                }
                "MAX_FILE_COUNT" => options.files = count(name, self.value_of(value, work)?)?,
                "MAX_RECORDS_PER_FILE" => options.records = count(name, self.value_of(value, work)?)?,
                _ => {
                    return Err(SqlError::compilation(
                        "001003",
                        "42000",
                        format!("unexpected argument {name}"),
                    ));
                }
            }
        }
        let location = location.ok_or_else(|| {
            SqlError::compilation(
                "000938",
                "22023",
                "not enough arguments for function [INFER_SCHEMA]",
            )
        })?;
        let format = match format {
            None => self.format_at(&location)?,
            Some(name) => {
                let found = self.file_scope().named_format(&name);
                found.map_err(|failure| self.in_words(failure))?
            }
        };
        let mut files = self.files_at(&location, None)?;
        if !names.is_empty() {
            files.retain(|file| {
                names
                    .iter()
                    .any(|name| file.key.as_str().ends_with(name.as_str()))
            });
        }
        files.truncate(options.files);
        let columns = match format.kind() {
            FileKind::Parquet => self.parquet_columns(&files, &format, &options)?,
            FileKind::Csv | FileKind::Json => {
                let mut found = Found::default();
                for file in &files {
                    if format.kind() == FileKind::Csv {
                        self.csv_columns(file, &format, &options, &mut found)?;
                    } else {
                        self.json_columns(file, &format, &options, &mut found)?;
                    }
                }
                let columns = found.columns.into_iter().map(|column| FoundColumn {
                    name: column.name,
                    sql_type: column.kind.sql_type(),
                    place: column.place,
                    files: column.files,
                });
                columns.collect()
            }
        };
        as_table(&columns, format.kind(), &options)
    }

    fn parquet_columns(
        &mut self,
        files: &[StageFile],
        format: &FileFormat,
        options: &InferOptions,
    ) -> Result<Vec<FoundColumn>, SqlError> {
        let file_names: Vec<Arc<str>> = files.iter().map(|file| file.key.as_str().into()).collect();
        let binary_is_text = format.is("BINARY_AS_TEXT");
        let fields = self.parquet_fields(files)?;
        let types: HashMap<String, String> = fields
            .iter()
            .map(|field| (field.name.to_lowercase(), field.inferred(binary_is_text)))
            .collect();
        let mut columns: Vec<FoundColumn> = Vec::new();
        let mut at: HashMap<String, usize> = HashMap::new();
        for field in self.parquet_names(files)? {
            let Some(sql_type) = types.get(&field.column) else {
                continue;
            };
            let (name, file) = (options.name(&field.name), &file_names[field.file]);
            if let Some(at) = at.get(&name) {
                columns[*at].add(sql_type, file);
                continue;
            }
            at.insert(name.clone(), columns.len());
            columns.push(FoundColumn {
                name,
                sql_type: sql_type.clone(),
                place: 1,
                files: vec![Arc::clone(file)],
            });
        }
        Ok(columns)
    }

    /// Adds what a file of delimited text has: columns of its first record's names, or `c1`, `c2` and so on.
    fn csv_columns(
        &self,
        file: &StageFile,
        format: &FileFormat,
        options: &InferOptions,
        found: &mut Found,
    ) -> Result<(), SqlError> {
        let io = |error| unreadable(&error);
        let input = opened(file, format)?;
        let mut reader = CsvReader::new(input, CsvOptions::of(format)).map_err(io)?;
        let file: Arc<str> = file.key.as_str().into();
        let mut columns = Vec::new();
        for (name, place) in reader.names().unwrap_or_default().iter().zip(1..) {
            let at = found.column(options.name(name), place)?;
            found.add(at, Inferred::Nothing, &file);
            columns.push(at);
        }
        for record in 1..=options.records {
            let Some(next) = reader.next().map_err(io)? else {
                break;
            };
            self.look_at_times(record)?;
            if let Err(fault) = next {
                let text = format!("{}\n  File '{file}', record {record}", fault.message);
                return Err(SqlError::new(fault.code, "22000", text));
            }
            for field in 0..reader.len() {
                if field == columns.len() {
                    let place = field + 1;
                    columns.push(found.column(options.name(&format!("c{place}")), place)?);
                }
                let kind = reader.field(field).map_or(Inferred::Nothing, Inferred::of_text);
                found.add(columns[field], kind, &file);
            }
        }
        Ok(())
    }

    /// Adds the fields of a file's documents.
    fn json_columns(
        &self,
        file: &StageFile,
        format: &FileFormat,
        options: &InferOptions,
        found: &mut Found,
    ) -> Result<(), SqlError> {
        let io = |error| unreadable(&error);
        let input = opened(file, format)?;
        let mut reader = JsonReader::new(input, format.is("STRIP_OUTER_ARRAY")).map_err(io)?;
        let file: Arc<str> = file.key.as_str().into();
        for record in 1..=options.records {
            let Some((text, line)) = reader.next().map_err(io)? else {
                break;
            };
            self.look_at_times(record)?;
            let document: Json = serde_json::from_str(text).map_err(|error| {
                let text = format!("Error parsing JSON: {error}\n  File '{file}', line {line}");
                SqlError::new("100069", "22P02", text)
            })?;
            let Json::Object(fields) = document else {
                return Err(SqlError::unsupported("INFER_SCHEMA of JSON that is no object"));
            };
            for (name, value) in &fields {
                let at = found.column(options.name(name), 1)?;
                found.add(at, Inferred::of_json(value), &file);
            }
        }
        Ok(())
    }

    /// Looks at some records whether the statement was stopped.
    fn look_at_times(&self, record: u64) -> Result<(), SqlError> {
        if record.is_multiple_of(RECORDS_UNCHECKED) {
            self.control.check()?;
        }
        Ok(())
    }
}

/// The content of a file.
fn opened(file: &StageFile, format: &FileFormat) -> Result<Box<dyn Read + Send>, SqlError> {
    let compression = Compression::of(format, &file.path, file.key.as_str())?;
    compression.open(&file.path).map_err(|error| unreadable(&error))
}

fn count<T: std::str::FromStr>(name: &str, text: Option<String>) -> Result<T, SqlError> {
    let text = text.unwrap_or_default();
    text.parse().map_err(|_| invalid(name, &text))
}

/// How the value of a column is written in a query over the files.
fn expression(column: &FoundColumn, kind: FileKind, options: &InferOptions) -> String {
    let sql_type = &column.sql_type;
    match kind {
        FileKind::Csv => format!("${}::{sql_type}", column.place),
        _ if options.ignores_case => {
            let name = snowflake_literal(&column.name);
            format!("GET_IGNORE_CASE ($1, {name})::{sql_type}")
        }
        _ => format!("$1:{}::{sql_type}", path(&column.name)),
    }
}

/// A field's name in a path, where case counts also without quotes.
fn path(name: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() && name.chars().all(word) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn as_table(columns: &[FoundColumn], kind: FileKind, options: &InferOptions) -> Result<Source, SqlError> {
    let file_names = columns.iter().flat_map(|column| &column.files);
    if file_names.map(|name| name.len()).sum::<usize>() > FILE_NAMES_BYTES_MAX {
        let text = format!(
            "The names of the columns' files have more than {FILE_NAMES_BYTES_MAX} bytes. Look at fewer files with \
             MAX_FILE_COUNT."
        );
        return Err(SqlError::new("100357", "54000", text));
    }
    let rows = columns.iter().zip(0..).map(|(column, order)| {
        format!(
            "({}, {}, true, {}, {}, {order})",
            literal(&column.name),
            literal(&column.sql_type),
            literal(&expression(column, kind, options)),
            literal(&column.files.join(", "))
        )
    });
    let mut rows: Vec<String> = rows.collect();
    let condition = if rows.is_empty() { " WHERE false" } else { "" };
    if rows.is_empty() {
        rows.push("('', '', true, '', '', 0)".to_owned());
    }
    Ok(Source {
        sql: format!(
            "(SELECT * FROM (VALUES {}) AS inferred(\"COLUMN_NAME\", \"TYPE\", \"NULLABLE\", \"EXPRESSION\", \
             \"FILENAMES\", \"ORDER_ID\"){condition})",
            rows.join(", ")
        ),
        fields: None,
        columns: None,
    })
}

//! `COPY INTO` a stage: rows written to files.
//!
//! With `PARTITION BY` the value of an expression is one column more, the last; rows come in its order, so that one
//! file is open at a time.

use std::sync::Arc;

use arrow_array::{Array as _, RecordBatch, StringArray, cast::AsArray as _};
use snowflake_emulator_engine::{EngineColumn, SqlType};
use sqlparser::ast::{SetExpr, Statement, TableFactor};

use super::copy_options::{invalid, number, truth};
use super::sources::{physical, unreadable};
use super::stage_files::checked_key;
use super::unload_files::{Naming, OpenFile, Written, not_kept};
use super::unload_text::{TextWriter, text_of};
use super::worker::{Done, Work, Worker};
use super::{SqlError, StatementOutput, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{literal, quote, unmangle};
use crate::front::{CopyOut, Parsed, SettingValue};
use crate::plan::kind::UNLOAD;
use crate::plan::shape::{ListType, list};
use crate::stages::{Area, FileFormat, FileKind, FileStore, Upload};

/// Rows that are read at a time.
const BATCH_ROWS: usize = 8192;

/// Bytes after which another file is begun, unless told otherwise.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Most bytes that a statement may ask for in one file.
const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Most partitions of one statement that go into Parquet files, each of which is a statement of the engine's.
const PARQUET_PARTITIONS_MAX: usize = 10_000;

/// Name of the column that says where a row goes.
const PARTITION: &str = "PARTITION BY";

/// Options of a COPY into a stage.
pub(super) struct UnloadOptions {
    format: Option<SettingValue>,
    overwrite: bool,
    pub(super) single: bool,
    file_bytes: u64,
    header: bool,
    detailed: bool,
    pub(super) with_query_id: bool,
    pub(super) is_partitioned: bool,
    returns_rows: bool,
}

impl UnloadOptions {
    fn read(copy: &CopyOut) -> Result<Self, SqlError> {
        let is_partitioned = copy.partition.is_some();
        let mut options = Self {
            format: None,
            overwrite: false,
            single: false,
            file_bytes: FILE_BYTES,
            header: false,
            detailed: false,
            with_query_id: is_partitioned,
            is_partitioned,
            returns_rows: false,
        };
        for setting in &copy.settings {
            match (setting.name.as_str(), &setting.value) {
                ("FILE_FORMAT", value) => options.format = Some(value.clone()),
                ("OVERWRITE", _) => options.overwrite = truth(setting)?,
                ("SINGLE", _) => options.single = truth(setting)?,
                ("HEADER", _) => options.header = truth(setting)?,
                ("DETAILED_OUTPUT", _) => options.detailed = truth(setting)?,
                ("INCLUDE_QUERY_ID", _) => options.with_query_id = truth(setting)?,
                ("MAX_FILE_SIZE", _) => {
                    let asked = number(setting)?.unwrap_or(FILE_BYTES);
                    options.file_bytes = asked.clamp(1, FILE_BYTES_MAX);
                }
                ("VALIDATION_MODE", SettingValue::One { text, .. })
                    if text.eq_ignore_ascii_case("RETURN_ROWS") =>
                {
                    options.returns_rows = true;
                }
                (name, _) => return Err(invalid(name, "")),
            }
        }
        options.check()?;
        Ok(options)
    }

    /// Refuses options that exclude one another.
    fn check(&self) -> Result<(), SqlError> {
        let together = [
            (
                self.is_partitioned && self.overwrite,
                "PARTITION BY with OVERWRITE = TRUE",
            ),
            (
                self.is_partitioned && self.single,
                "PARTITION BY with SINGLE = TRUE",
            ),
            (
                self.is_partitioned && !self.with_query_id,
                "PARTITION BY with INCLUDE_QUERY_ID = FALSE",
            ),
            (
                self.with_query_id && self.overwrite,
                "INCLUDE_QUERY_ID = TRUE with OVERWRITE = TRUE",
            ),
            (
                self.with_query_id && self.single,
                "INCLUDE_QUERY_ID = TRUE with SINGLE = TRUE",
            ),
        ];
        match together.iter().find(|(excluded, _)| *excluded) {
            Some((_, options)) => Err(SqlError::unsupported(*options)),
            None => Ok(()),
        }
    }
}

impl Worker {
    /// Runs a `COPY INTO` a stage.
    pub(super) fn copy_out(&mut self, copy: &CopyOut, work: &Work<'_>) -> Result<StatementOutput, SqlError> {
        let options = UnloadOptions::read(copy)?;
        let partitioned;
        let query = match &copy.partition {
            Some(expression) => {
                partitioned = with_partition(&copy.query, expression)?;
                &partitioned
            }
            None => copy.query.as_ref(),
        };
        let stage = self.stage_at(&copy.location)?;
        let format = match &options.format {
            Some(format) => self.file_scope().format(format),
            None => self.file_scope().format_of(stage.stage.as_ref()),
        };
        let format = format.map_err(|failure| self.in_words(failure))?;
        let lowered = self.lower(query, work)?;
        self.prepare(&lowered)?;
        if options.returns_rows {
            return match self.query(&lowered, None, work.query_id, &mut None)? {
                Done::Answer(output) => Ok(*output),
                Done::Streamed => Err(SqlError::internal("rows streamed to nobody")),
            };
        }
        super::dml::check_guards(self.connection.as_mut(), &lowered)?;
        let described = self.connection.describe(&lowered.sql);
        let columns =
            described.map_err(|error| self.explain_missing(from_engine(&error), &lowered.tables))?;
        let naming = Naming::new(&copy.location.path, &options, &format, work)?;
        // Names with a query id are new.
        if !options.overwrite && !options.with_query_id {
            self.refuse_existing(&stage.area, &naming)?;
        }
        let kept = columns.len() - usize::from(options.is_partitioned);
        // Two columns may have one name.
        let numbers: Vec<String> = (0..columns.len()).map(numbered).collect();
        let rows = Rows {
            area: &stage.area,
            naming: &naming,
            columns: &columns[..kept],
            key: numbered(kept),
            sql: &format!(
                "SELECT * FROM ({}) AS unloaded({})",
                lowered.sql,
                numbers.join(", ")
            ),
        };
        let written = match format.kind() {
            FileKind::Parquet if options.is_partitioned => self.unload_partitions(&rows, &options)?,
            FileKind::Parquet => {
                vec![self.unload_parquet(&rows, &naming.name(0), rows.sql, &options)?]
            }
            FileKind::Csv | FileKind::Json => self.unload_text(&rows, &format, &options)?,
        };
        let number = |value: u64| Some(value.to_string());
        let shaped = if options.detailed {
            let columns = [
                ("FILE_NAME", ListType::Text),
                ("FILE_SIZE", ListType::Number),
                ("ROW_COUNT", ListType::Number),
            ];
            let rows = written
                .iter()
                .map(|file| vec![Some(file.name.clone()), number(file.output), number(file.rows)]);
            list(&columns, rows.collect())
        } else {
            let columns =
                ["rows_unloaded", "input_bytes", "output_bytes"].map(|name| (name, ListType::Number));
            let sum = |value: fn(&Written) -> u64| number(written.iter().map(value).sum());
            let row = vec![
                sum(|file| file.rows),
                sum(|file| file.input),
                sum(|file| file.output),
            ];
            list(&columns, vec![row])
        };
        let mut output = self.answer(work, shaped, None);
        output.statement_type = UNLOAD;
        Ok(output)
    }

    fn refuse_existing(&self, area: &Area, naming: &Naming) -> Result<(), SqlError> {
        let found = self.shared.store.list(area, &naming.stem);
        let found = found.map_err(|error| unreadable(&error))?;
        if found.is_empty() {
            return Ok(());
        }
        let text = format!(
            "Files already existing at the unload destination: {}. Use overwrite option to force unloading.",
            naming.stem
        );
        Err(SqlError::new("100108", "22000", text))
    }

    /// Parquet files of partitions. The rows are kept for the time, because they are read once for each.
    fn unload_partitions(
        &mut self,
        rows: &Rows<'_>,
        options: &UnloadOptions,
    ) -> Result<Vec<Written>, SqlError> {
        let table = physical(&self.keep_query(rows.sql)?);
        let key = &rows.key;
        let query = format!(
            "SELECT DISTINCT {key} FROM {table} ORDER BY {key} LIMIT {}",
            PARQUET_PARTITIONS_MAX + 1
        );
        let found = Catalog::new(self.connection.as_mut()).rows(&query);
        let found = found.map_err(|error| from_engine(&error))?;
        if found.len() > PARQUET_PARTITIONS_MAX {
            let text = format!(
                "The statement would write more than {PARQUET_PARTITIONS_MAX} partitions of Parquet."
            );
            return Err(SqlError::new("100357", "54000", text));
        }
        let mut written = Vec::with_capacity(found.len());
        for partition in found {
            self.control.check()?;
            let partition = partition.optional(0);
            let value = partition.as_deref().map_or_else(|| "NULL".to_owned(), literal);
            let sql = format!("SELECT * FROM {table} WHERE {key} IS NOT DISTINCT FROM {value}");
            let name = rows.naming.name_in(partition.as_deref(), written.len());
            written.push(self.unload_parquet(rows, &name, &sql, options)?);
        }
        Ok(written)
    }

    fn unload_parquet(
        &mut self,
        rows: &Rows<'_>,
        name: &str,
        sql: &str,
        options: &UnloadOptions,
    ) -> Result<Written, SqlError> {
        let scratch = self.shared.store.scratch().map_err(|error| unreadable(&error))?;
        let values: Vec<String> = rows
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let name = if options.header {
                    unmangle(&column.name)
                } else {
                    format!("_COL_{at}")
                };
                format!("{} AS {}", parquet_value(column, &numbered(at)), quote(&name))
            })
            .collect();
        let copy = format!(
            "COPY (SELECT {} FROM ({sql})) TO {} (FORMAT parquet, COMPRESSION {})",
            values.join(", "),
            literal(&scratch.path().to_string_lossy()),
            rows.naming.parquet_compression
        );
        let count = self
            .connection
            .execute(&copy)
            .map_err(|error| from_engine(&error))?;
        let mut upload = begin_file(&self.shared.store, rows.area, name)?;
        let mut file = std::fs::File::open(scratch.path()).map_err(|error| unreadable(&error))?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            self.control.check()?;
            let read = std::io::Read::read(&mut file, &mut buffer).map_err(|error| unreadable(&error))?;
            if read == 0 {
                break;
            }
            upload.write(&buffer[..read]).map_err(|error| not_kept(&error))?;
        }
        let output = upload.written();
        upload.finish().map_err(|error| not_kept(&error))?;
        Ok(Written {
            name: name.to_owned(),
            rows: count,
            input: output,
            output,
        })
    }

    fn unload_text(
        &mut self,
        rows: &Rows<'_>,
        format: &FileFormat,
        options: &UnloadOptions,
    ) -> Result<Vec<Written>, SqlError> {
        let writer = TextWriter::new(format, rows.columns, options.header)?;
        let mut values: Vec<String> = rows
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| text_of(column, &numbered(at), format))
            .collect();
        let mut order = String::new();
        if options.is_partitioned {
            order = format!(" ORDER BY {}", rows.key);
            values.push(rows.key.clone());
        }
        let query = format!("SELECT {} FROM ({}){order}", values.join(", "), rows.sql);
        let store = Arc::clone(&self.shared.store);
        let control = Arc::clone(&self.control);
        let begin = |partition: Option<Option<&str>>, number: usize| -> Result<OpenFile, SqlError> {
            let name = match partition {
                Some(partition) => rows.naming.name_in(partition, number),
                None => rows.naming.name(number),
            };
            let upload = begin_file(&store, rows.area, &name)?;
            let mut file = OpenFile::new(name, upload, rows.naming.compression);
            let mut text = Vec::new();
            writer.begin(&mut text);
            file.write(&text, 0)?;
            Ok(file)
        };
        let mut reader = self
            .connection
            .query(&query, BATCH_ROWS)
            .map_err(|error| from_engine(&error))?;
        let mut written: Vec<Written> = Vec::new();
        let mut open: Option<OpenFile> = None;
        let mut text = Vec::new();
        // Of the open file.
        let mut partition: Option<String> = None;
        loop {
            control.check()?;
            let batch = reader.next_batch().map_err(|error| from_engine(&error))?;
            let Some(batch) = batch else { break };
            let (batch, keys) = split_key(batch, options)?;
            for row in 0..batch.num_rows() {
                let key = keys.as_ref().map(|keys| key_at(keys, row));
                let is_other = key.is_some_and(|key| key != partition.as_deref());
                if is_other && let Some(file) = open.take() {
                    written.push(file.close()?);
                }
                let file = if let Some(file) = &mut open {
                    file
                } else {
                    partition = key.flatten().map(str::to_owned);
                    open.insert(begin(key, written.len())?)
                };
                text.clear();
                writer.row(&batch, row, &mut text)?;
                file.write(&text, 1)?;
                if !options.single
                    && file.input() >= options.file_bytes
                    && let Some(file) = open.take()
                {
                    written.push(file.close()?);
                }
            }
        }
        if written.is_empty() && options.single && open.is_none() {
            open = Some(begin(None, 0)?);
        }
        if let Some(file) = open {
            written.push(file.close()?);
        }
        Ok(written)
    }
}

fn begin_file(store: &Arc<FileStore>, area: &Area, name: &str) -> Result<Upload, SqlError> {
    let created = store.create(area, &checked_key(name)?);
    created.map_err(|error| not_kept(&error))
}

/// What is unloaded, and where it goes.
struct Rows<'a> {
    area: &'a Area,
    naming: &'a Naming,
    /// The columns that go into files.
    columns: &'a [EngineColumn],
    /// Name of the column that says where a row goes, with `PARTITION BY`.
    key: String,
    /// The query, with columns named by [`numbered`].
    sql: &'a str,
}

/// Name of a column by its place in the query, from 0.
fn numbered(at: usize) -> String {
    format!("c{at}")
}

/// The columns that go into files, and those that say into which.
fn split_key(
    batch: RecordBatch,
    options: &UnloadOptions,
) -> Result<(RecordBatch, Option<StringArray>), SqlError> {
    if !options.is_partitioned {
        return Ok((batch, None));
    }
    let wrong = || SqlError::internal("a partition is no text");
    let last = batch.num_columns().checked_sub(1).ok_or_else(wrong)?;
    let keys = batch
        .column(last)
        .as_string_opt::<i32>()
        .ok_or_else(wrong)?
        .clone();
    let kept: Vec<usize> = (0..last).collect();
    let batch = batch.project(&kept).map_err(|_| wrong())?;
    Ok((batch, Some(keys)))
}

fn key_at(keys: &StringArray, row: usize) -> Option<&str> {
    keys.is_valid(row).then(|| keys.value(row))
}

/// A value as Parquet holds it, of the column that has this name in the engine's SQL.
fn parquet_value(column: &EngineColumn, name: &str) -> String {
    match column.sql_type {
        SqlType::TimestampTz { .. }
        | SqlType::DecFloat
        | SqlType::Geography { .. }
        | SqlType::Geometry { .. }
        | SqlType::IntervalYearMonth { .. }
        | SqlType::IntervalDayTime { .. } => format!("sf_to_varchar({name})"),
        SqlType::Variant | SqlType::Object | SqlType::Array => format!("CAST({name} AS VARCHAR)"),
        SqlType::TimestampLtz { .. } => format!("CAST({name} AS TIMESTAMP_NS)"),
        _ => name.to_owned(),
    }
}

/// The query with the value of an expression over its columns as one more, the last.
fn with_partition(query: &Statement, expression: &str) -> Result<Statement, SqlError> {
    let text = format!("SELECT *, TO_VARCHAR({expression}) AS \"{PARTITION}\" FROM (SELECT 1)");
    let pieces = crate::front::split(&text)?;
    let (Parsed::Sql(mut outer), Statement::Query(inner)) = (crate::front::parse(&pieces[0])?, query) else {
        return Err(SqlError::internal("a partition of what is no query"));
    };
    if let Statement::Query(outer) = &mut *outer
        && let SetExpr::Select(select) = &mut *outer.body
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|table| &mut table.relation)
    {
        subquery.clone_from(inner);
    }
    Ok(*outer)
}

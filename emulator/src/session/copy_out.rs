//! `COPY INTO` a stage: rows written to files.

use std::io::Write as _;

use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use snowflake_emulator_engine::{EngineColumn, SqlType};

use super::copy_options::{invalid, number, truth};
use super::sources::unreadable;
use super::stage_files::checked_key;
use super::unload_text::{TextWriter, text_of};
use super::worker::{Done, Work, Worker};
use super::{SqlError, StatementOutput, from_engine};
use crate::catalog::names::{literal, quote, unmangle};
use crate::front::{CopyOut, Setting, SettingValue};
use crate::plan::kind::UNLOAD;
use crate::plan::shape::{ListType, list};
use crate::stages::{Area, Compression, FileFormat, FileKind, StoreError, Upload};

/// Rows that are read at a time.
const BATCH_ROWS: usize = 8192;

/// Bytes after which another file is begun, unless told otherwise.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Most bytes that a statement may ask for in one file.
const FILE_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Options of a COPY into a stage.
struct UnloadOptions {
    format: Option<SettingValue>,
    overwrite: bool,
    single: bool,
    file_bytes: u64,
    header: bool,
    detailed: bool,
    with_query_id: bool,
    returns_rows: bool,
}

impl UnloadOptions {
    fn read(settings: &[Setting]) -> Result<Self, SqlError> {
        let mut options = Self {
            format: None,
            overwrite: false,
            single: false,
            file_bytes: FILE_BYTES,
            header: false,
            detailed: false,
            with_query_id: false,
            returns_rows: false,
        };
        for setting in settings {
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
        Ok(options)
    }
}

/// A file that was written.
struct Written {
    name: String,
    rows: u64,
    /// Bytes before they were compressed.
    input: u64,
    output: u64,
}

impl Worker {
    /// Runs a `COPY INTO` a stage.
    pub(super) fn copy_out(&mut self, copy: &CopyOut, work: &Work<'_>) -> Result<StatementOutput, SqlError> {
        let options = UnloadOptions::read(&copy.settings)?;
        if copy.partition.is_some() {
            return Err(SqlError::unsupported("COPY INTO a stage with PARTITION BY"));
        }
        let stage = self.stage_at(&copy.location)?;
        let format = match &options.format {
            Some(format) => self.file_scope().format(format),
            None => self.file_scope().format_of(stage.stage.as_ref()),
        };
        let format = format.map_err(|failure| self.in_words(failure))?;
        let lowered = self.lower(&copy.query, work)?;
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
        if !options.overwrite {
            self.refuse_existing(&stage.area, &naming)?;
        }
        let written = if format.kind() == FileKind::Parquet {
            vec![self.unload_parquet(&stage.area, &naming, &columns, &lowered.sql)?]
        } else {
            self.unload_text(&stage.area, &naming, &columns, &lowered.sql, (&format, &options))?
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

    fn unload_parquet(
        &mut self,
        area: &Area,
        naming: &Naming,
        columns: &[EngineColumn],
        sql: &str,
    ) -> Result<Written, SqlError> {
        let scratch = self.shared.store.scratch().map_err(|error| unreadable(&error))?;
        let values: Vec<String> = columns
            .iter()
            .map(|column| {
                let name = quote(&column.name);
                let value = match column.sql_type {
                    SqlType::TimestampTz { .. }
                    | SqlType::DecFloat
                    | SqlType::Geography { .. }
                    | SqlType::Geometry { .. }
                    | SqlType::IntervalYearMonth { .. }
                    | SqlType::IntervalDayTime { .. } => format!("sf_to_varchar({name})"),
                    SqlType::Variant | SqlType::Object | SqlType::Array => format!("CAST({name} AS VARCHAR)"),
                    SqlType::TimestampLtz { .. } => format!("CAST({name} AS TIMESTAMP_NS)"),
                    _ => name,
                };
                format!("{value} AS {}", quote(&unmangle(&column.name)))
            })
            .collect();
        let copy = format!(
            "COPY (SELECT {} FROM ({sql})) TO {} (FORMAT parquet, COMPRESSION {})",
            values.join(", "),
            literal(&scratch.path().to_string_lossy()),
            naming.parquet_compression
        );
        let rows = self
            .connection
            .execute(&copy)
            .map_err(|error| from_engine(&error))?;
        let name = naming.name(0);
        let mut upload = self.begin_file(area, &name)?;
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
            name,
            rows,
            input: output,
            output,
        })
    }

    fn begin_file(&self, area: &Area, name: &str) -> Result<Upload, SqlError> {
        let created = self.shared.store.create(area, &checked_key(name)?);
        created.map_err(|error| not_kept(&error))
    }

    fn unload_text(
        &mut self,
        area: &Area,
        naming: &Naming,
        columns: &[EngineColumn],
        sql: &str,
        (format, options): (&FileFormat, &UnloadOptions),
    ) -> Result<Vec<Written>, SqlError> {
        let writer = TextWriter::new(format, columns, options.header)?;
        let values: Vec<String> = columns
            .iter()
            .map(|column| format!("{} AS {}", text_of(column, format), quote(&column.name)))
            .collect();
        let query = format!("SELECT {} FROM ({sql})", values.join(", "));
        let store = std::sync::Arc::clone(&self.shared.store);
        let control = std::sync::Arc::clone(&self.control);
        let begin = |number: usize| -> Result<(String, Packed), SqlError> {
            let name = naming.name(number);
            let created = store.create(area, &checked_key(&name)?);
            let upload = created.map_err(|error| not_kept(&error))?;
            Ok((name, Packed::new(upload, naming.compression)))
        };
        let mut reader = self
            .connection
            .query(&query, BATCH_ROWS)
            .map_err(|error| from_engine(&error))?;
        let mut written: Vec<Written> = Vec::new();
        let mut open: Option<(String, Packed, u64, u64)> = None;
        let mut text = Vec::new();
        loop {
            control.check()?;
            let batch = reader.next_batch().map_err(|error| from_engine(&error))?;
            let Some(batch) = batch else { break };
            for row in 0..batch.num_rows() {
                if open.is_none() {
                    let (name, packed) = begin(written.len())?;
                    text.clear();
                    writer.begin(&mut text);
                    open = Some((name, packed, 0, 0));
                }
                writer.row(&batch, row, &mut text)?;
                if let Some((_, packed, rows, input)) = &mut open {
                    packed.write(&text).map_err(|error| not_kept(&error))?;
                    *input += text.len() as u64;
                    *rows += 1;
                    text.clear();
                    if !options.single && *input >= options.file_bytes {
                        written.extend(close(&mut open)?);
                    }
                }
            }
        }
        written.extend(close(&mut open)?);
        if written.is_empty() && options.single {
            let (name, packed) = begin(0)?;
            text.clear();
            writer.begin(&mut text);
            open = Some((name, packed, 0, text.len() as u64));
            if let Some((_, packed, ..)) = &mut open {
                packed.write(&text).map_err(|error| not_kept(&error))?;
            }
            written.extend(close(&mut open)?);
        }
        Ok(written)
    }
}

fn close(open: &mut Option<(String, Packed, u64, u64)>) -> Result<Option<Written>, SqlError> {
    let Some((name, packed, rows, input)) = open.take() else {
        return Ok(None);
    };
    let output = packed.finish().map_err(|error| not_kept(&error))?;
    Ok(Some(Written {
        name,
        rows,
        input,
        output,
    }))
}

fn not_kept(error: &StoreError) -> SqlError {
    SqlError::new(
        "100035",
        "58030",
        format!("A file could not be written to the stage: {error}"),
    )
}

/// How files are called.
struct Naming {
    /// How all names begin.
    stem: String,
    single: bool,
    ending: String,
    compression: Compression,
    parquet_compression: &'static str,
}

impl Naming {
    fn new(
        path: &str,
        options: &UnloadOptions,
        format: &FileFormat,
        work: &Work<'_>,
    ) -> Result<Self, SqlError> {
        let said = format.text("COMPRESSION").to_uppercase();
        let refused = || SqlError::unsupported(format!("COPY INTO a stage with COMPRESSION = {said}"));
        let mut parquet_compression = "snappy";
        let (compression, ending) = match (format.kind(), said.as_str()) {
            (FileKind::Parquet, "AUTO" | "SNAPPY") => (Compression::None, ".snappy.parquet"),
            (FileKind::Parquet, "NONE") => {
                parquet_compression = "uncompressed";
                (Compression::None, ".parquet")
            }
            (FileKind::Parquet, "GZIP") => {
                parquet_compression = "gzip";
                (Compression::None, ".gz.parquet")
            }
            (FileKind::Csv | FileKind::Json, "AUTO" | "GZIP") => (Compression::Gzip, ".gz"),
            (FileKind::Csv | FileKind::Json, "DEFLATE") => (Compression::Deflate, ".deflate"),
            (FileKind::Csv | FileKind::Json, "RAW_DEFLATE") => (Compression::RawDeflate, ".raw_deflate"),
            (FileKind::Csv | FileKind::Json, "NONE") => (Compression::None, ""),
            _ => return Err(refused()),
        };
        let kind = match (format.optional("FILE_EXTENSION"), format.kind()) {
            (Some(own), FileKind::Csv | FileKind::Json) if !own.is_empty() => {
                format!(".{}", own.trim_start_matches('.'))
            }
            (_, FileKind::Csv) => ".csv".to_owned(),
            (_, FileKind::Json) => ".json".to_owned(),
            (_, FileKind::Parquet) => String::new(),
        };
        let mut stem = path.to_owned();
        if stem.is_empty() || stem.ends_with('/') {
            stem.push_str("data");
        }
        if options.with_query_id {
            stem = format!("{stem}_{}", work.query_id);
        }
        Ok(Self {
            stem,
            single: options.single,
            ending: format!("{kind}{ending}"),
            compression,
            parquet_compression,
        })
    }

    fn name(&self, number: usize) -> String {
        if self.single {
            self.stem.clone()
        } else {
            format!("{}_0_0_{number}{}", self.stem, self.ending)
        }
    }
}

/// A file that is written through its compression.
enum Packed {
    Plain(Sink),
    Gzip(GzEncoder<Sink>),
    Deflate(ZlibEncoder<Sink>),
    Raw(DeflateEncoder<Sink>),
}

/// An upload as a writer.
struct Sink(Upload);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Packed {
    fn new(upload: Upload, compression: Compression) -> Self {
        let (sink, level) = (Sink(upload), flate2::Compression::fast());
        match compression {
            Compression::None => Self::Plain(sink),
            Compression::Gzip => Self::Gzip(GzEncoder::new(sink, level)),
            Compression::Deflate => Self::Deflate(ZlibEncoder::new(sink, level)),
            Compression::RawDeflate => Self::Raw(DeflateEncoder::new(sink, level)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Plain(sink) => sink.0.write(bytes)?,
            Self::Gzip(encoder) => encoder.write_all(bytes)?,
            Self::Deflate(encoder) => encoder.write_all(bytes)?,
            Self::Raw(encoder) => encoder.write_all(bytes)?,
        }
        Ok(())
    }

    /// Ends the file; gives its size.
    fn finish(self) -> Result<u64, StoreError> {
        let Sink(upload) = match self {
            Self::Plain(sink) => sink,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Deflate(encoder) => encoder.finish()?,
            Self::Raw(encoder) => encoder.finish()?,
        };
        let bytes = upload.written();
        upload.finish()?;
        Ok(bytes)
    }
}

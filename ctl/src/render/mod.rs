//! Data as text: the only writer of stdout and of output files.
//!
//! Formats dispatch on Arrow types. Of Snowflake they know one key of column metadata, `snowflake.format`,
//! which says that a text is a JSON document. [`ResultWriter`] takes the messages of a result as they come;
//! [`record`] writes what verbs other than `query` print, [`Sample`] holds a few rows, [`Budget`] as many as an agent
//! wants to read. A format of text is a [`Renderer`] of its own file.

mod budget;
mod cell;
mod clock;
mod column;
mod csv;
mod destination;
mod json;
mod markdown;
mod messages;
mod nested;
mod number;
mod parquet;
pub(crate) mod record;
mod result;
mod sample;
mod sink;
mod table;
mod temporal;
#[cfg(test)]
mod tests;
mod vertical;

use std::io;

use arrow_schema::{ArrowError, DataType, Schema};
use clap::ValueEnum;

pub(crate) use budget::{BYTES_PER_TOKEN, Budget, Budgeted};
pub(crate) use cell::{visible_lines, write_visible};
pub(crate) use clock::{Clock, measured, running, since_1970};
pub(crate) use destination::{PendingFile, stdout_sink, write_stdout};
pub(crate) use json::write_text as write_json_text;
pub(crate) use result::{ResultTaker, ResultWriter};
pub(crate) use sample::{Deeds, Sample};
pub(crate) use sink::Sink;

use crate::config::Screen;
use column::Column;

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table fitted to the screen
    Table,
    /// A block of lines for each row
    Vertical,
    /// A Markdown table
    Markdown,
    /// An array of objects
    Json,
    /// An object a line
    Jsonl,
    /// Comma-separated values
    Csv,
    /// Tab-separated values, quoted like CSV
    Tsv,
    /// An Arrow IPC stream
    Arrow,
    /// A Parquet file
    Parquet,
}

/// Metadata key of a column whose values are of no use when they are cut.
const WHOLE_KEY: &str = "sfctl.whole";

/// Names of a result's columns, which of them hold numbers, and how people are shown a NULL.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    names: Vec<String>,
    numeric: Vec<bool>,
    /// Columns whose values are never cut: numbers and names of things.
    whole: Vec<bool>,
    null: &'static str,
    /// Whether formats that begin with the names do so.
    is_written: bool,
}

impl Header {
    fn of(schema: &Schema, null: &'static str) -> Self {
        Self {
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            numeric: schema
                .fields()
                .iter()
                .map(|field| is_numeric(field.data_type()))
                .collect(),
            whole: schema
                .fields()
                .iter()
                .map(|field| is_numeric(field.data_type()) || field.metadata().contains_key(WHOLE_KEY))
                .collect(),
            null,
            is_written: true,
        }
    }
}

fn is_numeric(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_numeric(values),
        other => other.is_numeric(),
    }
}

/// One format at work. Everything it writes goes through the sink's buffer.
trait Renderer: Send {
    /// Takes the next rows.
    fn rows(&mut self, columns: &[Column], rows: usize, sink: &mut Sink) -> io::Result<()>;

    /// Ends the result, also an empty one.
    fn finish(&mut self, sink: &mut Sink) -> io::Result<()>;
}

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// The output cannot be written; a closed pipe is [`io::ErrorKind::BrokenPipe`].
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    /// The bytes are not what the contract says.
    #[error("cannot read the result as Arrow")]
    Arrow(#[from] ArrowError),
    /// The rows cannot be put into a Parquet file.
    #[error("cannot write the result as Parquet")]
    Parquet(#[source] ::parquet::errors::ParquetError),
    /// Messages came in the wrong order.
    #[error("the result's messages came in the wrong order")]
    OutOfOrder,
    /// A column's type has no text.
    #[error("column `{0}` has the Arrow type {1}, which has no text form here")]
    UnknownType(String, String),
}

impl Format {
    /// The word that chooses it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Vertical => "vertical",
            Format::Markdown => "markdown",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
        }
    }

    /// The format that a file's ending stands for.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "json" => Format::Json,
            "jsonl" | "ndjson" => Format::Jsonl,
            "csv" => Format::Csv,
            "tsv" => Format::Tsv,
            "md" | "markdown" => Format::Markdown,
            "arrow" | "arrows" => Format::Arrow,
            "parquet" | "pq" => Format::Parquet,
            _ => return None,
        })
    }

    /// Whether it is made for reading by eye or whole, so that an unlimited result makes no sense by default.
    pub(crate) fn is_for_screens(self) -> bool {
        match self {
            Format::Table | Format::Vertical | Format::Markdown | Format::Json => true,
            Format::Jsonl | Format::Csv | Format::Tsv | Format::Arrow | Format::Parquet => false,
        }
    }

    /// Whether it is made for people rather than for programs.
    pub(crate) fn is_for_people(self) -> bool {
        match self {
            Format::Table | Format::Vertical | Format::Markdown => true,
            Format::Json | Format::Jsonl | Format::Csv | Format::Tsv | Format::Arrow | Format::Parquet => {
                false
            }
        }
    }

    /// Whether it is not text, so that it would upset a terminal.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Format::Arrow | Format::Parquet)
    }

    /// Whether it is a line of names and then lines of values, so that parts can be put together without the names.
    pub(crate) fn is_delimited(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv)
    }

    /// The format at work, if it is text.
    fn renderer(self, header: &Header, screen: Screen) -> Option<Box<dyn Renderer>> {
        Some(match self {
            Format::Arrow | Format::Parquet => return None,
            Format::Table => Box::new(table::Table::new(header, screen.columns, screen.color)),
            Format::Vertical => Box::new(vertical::Vertical::new(header)),
            Format::Markdown => Box::new(markdown::Markdown::new(header)),
            Format::Json => Box::new(json::Json::new(json::Layout::Array, header)),
            Format::Jsonl => Box::new(json::Json::new(json::Layout::Lines, header)),
            Format::Csv => Box::new(csv::Csv::new(b',', header)),
            Format::Tsv => Box::new(csv::Csv::new(b'\t', header)),
        })
    }
}

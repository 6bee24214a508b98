//! The command line of `query`.

use std::path::PathBuf;

use clap::Args;

use super::comment::unmarked;
use super::values::{Bind, RowLimit};

/// Options of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// SQL text, one statement; `-` or a pipe without SQL reads it from stdin
    #[arg(value_parser = unmarked)]
    pub(crate) sql: Option<String>,
    /// Read the SQL from a file; `-` is stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    pub(crate) file: Option<PathBuf>,
    /// Most rows to fetch, or `all`; 500 for table, vertical, markdown and json and on a terminal, else all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<RowLimit>,
    /// Write to a file that appears only when it is complete; its ending chooses the format
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Value for the next `?`, or NAME=VALUE for `:NAME`; repeat it for more, `=VALUE` if it holds a `=`
    #[arg(long = "bind", value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) binds: Vec<Bind>,
    /// Print one line of JSON on stderr: query id, rows, whether cut, time, session, context
    #[arg(long)]
    pub(crate) stats: bool,
}

//! Where a result goes and how much of it.

use std::path::PathBuf;

use clap::Args;

use super::values::RowLimit;

/// Options of verbs that print a result.
#[derive(Debug, Default, Args)]
pub(crate) struct OutputArguments {
    /// Most rows to fetch, or `all`; 500 for table, vertical, markdown and json and on a terminal, else all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<RowLimit>,
    /// Write to a file that appears only when it is complete; its ending chooses the format
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print one line of JSON on stderr: query id, rows, whether cut, time, session, context, notices
    #[arg(long)]
    pub(crate) stats: bool,
}

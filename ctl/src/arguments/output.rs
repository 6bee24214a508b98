//! Where a result goes and how much of it.

use std::path::PathBuf;

use clap::Args;

use super::values::RowLimit;

/// Smallest budget: what the object takes without any row, and a few of them.
const BUDGET_TOKENS_MIN: u32 = 300;

/// Options of verbs that print a result.
#[derive(Debug, Default, Args)]
pub(crate) struct OutputArguments {
    /// Most rows to fetch, or `all`; 500 for table, vertical, markdown and json and on a terminal, else all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<RowLimit>,
    /// Write to a file that appears only when it is complete; its ending chooses the format
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Leave the line with the names of the columns out, for parts that are put together; csv and tsv only
    #[arg(long)]
    pub(crate) no_header: bool,
    /// Print one JSON object of at most so many tokens: columns, counts, the first rows, and the commands that
    /// fetch the rest; a token is counted as three bytes
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["output", "no_header"],
          value_parser = clap::value_parser!(u32).range(i64::from(BUDGET_TOKENS_MIN)..))]
    pub(crate) budget: Option<u32>,
    /// Print one line of JSON on stderr: query id, rows, whether cut, time, session, context, notices
    #[arg(long)]
    pub(crate) stats: bool,
}

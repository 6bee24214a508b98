//! The command line of `write`.

use std::path::PathBuf;

use clap::Args;

use super::comment::unmarked;
use super::values::Bind;
use super::{LossArguments, PolicyArguments};

/// Options of `write`.
#[derive(Debug, Args)]
pub(crate) struct WriteArguments {
    /// SQL text, one statement; `-` or a pipe without SQL reads it from stdin
    #[arg(value_parser = unmarked)]
    pub(crate) sql: Option<String>,
    /// Read the SQL from a file; `-` is stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    pub(crate) file: Option<PathBuf>,
    /// Run it, show what it changes, and roll it back
    #[arg(long, conflicts_with_all = ["yes", "no_transaction", "hold"])]
    pub(crate) dry_run: bool,
    /// Most rows that it may change without a confirmation; with --yes, most rows at all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) max_rows: Option<i64>,
    /// Confirm beforehand what would have to be confirmed
    #[arg(long, conflicts_with = "hold")]
    pub(crate) yes: bool,
    /// Run it without a transaction around it: it commits by itself and no limit of rows can hold it
    #[arg(long, conflicts_with_all = ["hold", "max_rows"])]
    pub(crate) no_transaction: bool,
    /// Keep its transaction open in any case, until it is confirmed or abandoned
    #[arg(long)]
    pub(crate) hold: bool,
    /// Most rows of each sample of what it changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) sample: Option<i32>,
    /// Value for the next `?`, or NAME=VALUE for `:NAME`; repeat it for more, `=VALUE` if it holds a `=`
    #[arg(long = "bind", value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) binds: Vec<Bind>,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    #[command(flatten)]
    pub(crate) loss: LossArguments,
    #[command(flatten)]
    pub(crate) earlier: EarlierWrite,
}

/// A write that was prepared or committed before, and what to do with it.
#[derive(Debug, Args)]
pub(crate) struct EarlierWrite {
    /// Commit the write that was held, or run the one that waits; `-` reads the token from stdin
    #[arg(long, value_name = "TOKEN", conflicts_with_all = [
        "sql", "file", "dry_run", "max_rows", "yes", "no_transaction", "hold", "sample", "binds", "policy",
        "accept_loss", "abandon", "undo", "table",
    ])]
    pub(crate) confirm: Option<String>,
    /// Roll the write back that was held, or forget the one that waits; `-` reads the token from stdin
    #[arg(long, value_name = "TOKEN", conflicts_with_all = [
        "sql", "file", "dry_run", "max_rows", "yes", "no_transaction", "hold", "sample", "binds", "policy",
        "accept_loss", "undo", "table",
    ])]
    pub(crate) abandon: Option<String>,
    /// Take the effect of an earlier write back, as far as Time Travel reaches: its query id, or `last`
    #[arg(long, value_name = "QUERY_ID", conflicts_with_all = [
        "sql", "file", "max_rows", "no_transaction", "hold", "binds",
    ])]
    pub(crate) undo: Option<String>,
    /// Table that the write of --undo changed, where the service does not remember it
    #[arg(long, value_name = "TABLE", requires = "undo", conflicts_with_all = ["sql", "file"])]
    pub(crate) table: Option<String>,
}

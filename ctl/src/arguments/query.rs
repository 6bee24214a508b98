//! The command line of `query`.

use std::path::PathBuf;

use clap::Args;

use super::comment::unmarked;
use super::output::OutputArguments;
use super::values::Bind;
use super::{LossArguments, PolicyArguments};

/// Options of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// SQL text, one statement; `-` or a pipe without SQL reads it from stdin
    #[arg(value_parser = unmarked)]
    pub(crate) sql: Option<String>,
    /// Read the SQL from a file; `-` is stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Value for the next `?`, or NAME=VALUE for `:NAME`; repeat it for more, `=VALUE` if it holds a `=`
    #[arg(long = "bind", value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) binds: Vec<Bind>,
    /// Submit it, print its query id and leave; see `sfctl job`
    #[arg(long = "async", conflicts_with_all = ["limit", "output", "stats", "budget", "no_header"])]
    pub(crate) submit: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    #[command(flatten)]
    pub(crate) loss: LossArguments,
}

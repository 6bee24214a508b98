//! The command lines of `job`.

use clap::Subcommand;

use super::history::HistoryArguments;
use super::output::OutputArguments;

/// What to do with queries that were submitted with `query --async`, or by anybody else.
#[derive(Debug, Subcommand)]
pub(crate) enum JobVerb {
    /// List submitted queries, the latest first
    List {
        /// List the queries that were not submitted too
        #[arg(long)]
        all_queries: bool,
    },
    /// Show how a query is
    Show {
        /// Its query id or request id, or `last`, the session's latest query
        id: String,
    },
    /// Wait for the end of a query; ends with the exit code that running it would have had
    ///
    /// Ctrl-C ends the waiting, not the query.
    Wait {
        /// Its query id or request id, or `last`, the session's latest query
        id: String,
        /// Print the result afterwards
        #[arg(long)]
        result: bool,
    },
    /// Print the result of a query, waiting for its end first; nothing runs again
    Result {
        /// Its query id or request id, or `last`, the session's latest query
        id: String,
        /// Rows to leave out at the beginning
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        offset: i64,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Search the audit log: statements of every client, the latest first, also of earlier runs of the service
    History(HistoryArguments),
    /// Cancel a query and say whether Snowflake confirmed it
    Cancel {
        /// Its query id or request id, or `last`; else the query that the session is running
        id: Option<String>,
    },
}

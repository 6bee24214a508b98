//! The command lines of `session`.

use std::time::Duration;

use clap::Subcommand;

use super::policy::PolicyArguments;
use super::values::parse_duration;

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionVerb {
    /// List the sessions; `*` marks the one that would be used
    List,
    /// Make a session and log it in
    New {
        /// Its name, else that of --session
        name: Option<String>,
        /// How long it may be unused before it logs out: `30m`, `8h`, `2d`
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        idle_limit: Option<Duration>,
        /// Log in when it is first used instead of now
        #[arg(long)]
        no_login: bool,
        #[command(flatten)]
        policy: PolicyArguments,
    },
    /// Show everything about a session, also while it is busy
    Show {
        /// Its name, else that of --session
        name: Option<String>,
    },
    /// Close a session: stop its query, roll back, log out, forget what is kept of it
    Close {
        /// Its name, else that of --session
        #[arg(conflicts_with = "all")]
        name: Option<String>,
        /// Close every session
        #[arg(long)]
        all: bool,
    },
    /// Begin a session anew: stop its query, roll back, log out, forget its context, variables and losses
    Reset {
        /// Its name, else that of --session
        name: Option<String>,
    },
}

//! What can be typed after `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print every setting with its value
    ///
    /// What is shown is what the service would read if it were started from here; `sfctl service reload` says what
    /// of it does not count yet for the one that runs. A service that systemd or launchd starts has that manager's
    /// variables, not those of this shell.
    Show(ShowArguments),
    /// Say everything that is wrong with the configuration
    Check {
        /// Check this file in place of the user's
        file: Option<PathBuf>,
    },
    /// Print which files are read, the weakest first
    Path,
}

/// What is shown of the settings.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ShowArguments {
    /// Show where each value comes from: file and line, variable, flag or default
    #[arg(long)]
    pub(crate) sources: bool,
    /// Leave out what has its default
    #[arg(long)]
    pub(crate) changed: bool,
}

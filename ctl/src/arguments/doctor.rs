//! What can be typed after `doctor`.

use std::path::PathBuf;

use clap::Args;

/// What is looked at, and what is done about it.
#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Log in too, over the connection of -c or the default one, and log out again
    #[arg(long)]
    pub(crate) online: bool,
    /// Repair what can be repaired without harm: modes of files, a socket that nobody serves, units not read yet
    #[arg(long)]
    pub(crate) fix: bool,
    /// Print JSON; the same as `--format json`
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what was found into this archive (.tar.gz) for a report: also units, configuration and the last 500
    /// records of the log, without secrets
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
}

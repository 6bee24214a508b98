//! The manual pages, made of the same texts as the help.

use std::path::Path;

use clap::CommandFactory as _;

use super::Failure;
use crate::config::Cli;
use crate::platform::PlatformError;

/// Writes a page for each command.
///
/// # Errors
///
/// When the folder is not there or cannot be written to.
pub fn write_manual(directory: &Path) -> Result<(), Failure> {
    let what = format!("write manual pages into {}", directory.display());
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|source| PlatformError::Io { what, source }.into())
}

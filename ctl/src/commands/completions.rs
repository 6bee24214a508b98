//! `completions`: a script for a shell.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::render::{RenderError, write_stdout};

/// Prints the completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "sfctl", &mut script);
    Ok(write_stdout(&script).map_err(RenderError::Output)?)
}

//! `man`: manual pages, made of the same texts as the help.

use std::path::Path;

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Writes a page for each command.
pub(super) fn man(directory: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Arguments::command(), directory).map_err(|error| {
        let what = format!("cannot write manual pages into {}", directory.display());
        Failure::new(Exit::Usage, what).caused_by(error)
    })
}

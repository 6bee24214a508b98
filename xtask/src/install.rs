//! `cargo xtask install`: the programs where a shell finds them, with the engine's library where they find it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::quickstart::{PROGRAMS, build_release};
use crate::shell;

/// Where the programs look for the engine's library, seen from the prefix (`emulator/build.rs` tells the linker).
const LIBRARIES: &str = "lib/snowflake-session";

/// Build in release and install the programs under a prefix
#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    /// Folder that gets `bin/` and `lib/snowflake-session/`; `$HOME/.local` unless given
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

/// Builds and installs. A running service goes on with the programs it has until it is restarted.
pub(crate) fn run(args: &InstallArgs, log: &mut dyn Write) -> Result<()> {
    let prefix = match &args.prefix {
        Some(prefix) => prefix.clone(),
        None => std::env::home_dir()
            .context("there is no home; name a folder with --prefix")?
            .join(".local"),
    };
    build_release(log)?;
    let programs = prefix.join("bin");
    for program in PROGRAMS {
        replace(&shell::programs("release").join(program), &programs.join(program))?;
    }
    let staged = shell::repository().join("target/engine");
    for entry in fs::read_dir(&staged).with_context(|| staged.display().to_string())? {
        let library = entry?.path();
        let is_library = library
            .extension()
            .is_some_and(|ending| ending == "so" || ending == "dylib");
        if let Some(name) = library.file_name().filter(|_| is_library) {
            replace(&library, &prefix.join(LIBRARIES).join(name))?;
        }
    }
    writeln!(
        log,
        "\ninstalled {} in {}\n\
         a running service keeps its old programs until `sfctl service restart`",
        PROGRAMS.join(", "),
        programs.display()
    )?;
    Ok(())
}

/// Copies a file over another in one step, so that a program that runs from the old one is not disturbed.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("an installed file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let fresh = to.with_added_extension("new");
    fs::copy(from, &fresh)
        .and_then(|_| fs::rename(&fresh, to))
        .with_context(|| format!("{} cannot be installed as {}", from.display(), to.display()))
}

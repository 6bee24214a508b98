//! Runs the programs that a command is made of, in the repository, with their output on the screen.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("xtask is a folder of the workspace")
        .to_owned()
}

/// The folder of the programs built with this profile.
pub(crate) fn programs(profile: &str) -> PathBuf {
    let folder = if profile == "dev" { "debug" } else { profile };
    // This very program lies in `target/debug`, wherever the target folder is.
    let target = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.parent()?.to_owned()));
    target.unwrap_or_else(|| repository().join("target")).join(folder)
}

/// The cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(repository());
    command
}

/// Runs a command to its end, on the screen; fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = typed(command);
    let status = command
        .status()
        .with_context(|| format!("`{text}` cannot be started; is it installed?"))?;
    if !status.success() {
        bail!("`{text}` failed ({status})");
    }
    Ok(())
}

/// A command as one would type it.
pub(crate) fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let quoted = |word: &OsStr| {
        let word = word.to_string_lossy();
        if word.contains(' ') {
            format!("\"{word}\"")
        } else {
            word.into_owned()
        }
    };
    let words = std::iter::once(program).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

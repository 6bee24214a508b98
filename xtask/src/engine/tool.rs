//! Runs the developer's tools and gives their words when they fail.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command quietly and gives its standard output.
pub(super) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{name}` cannot be started; is it installed?"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("it said nothing");
        bail!("`{name}` failed ({}): {last}", output.status);
    }
    Ok(output.stdout)
}

/// The C compiler that Rust's own linking needs too.
pub(super) fn c_compiler() -> Command {
    Command::new("cc")
}

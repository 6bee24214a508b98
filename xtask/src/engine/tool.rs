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
        bail!("`{name}` failed ({}): {}", output.status, telling_line(&words));
    }
    Ok(output.stdout)
}

/// The first line that calls itself an error, or the last one.
fn telling_line(words: &str) -> &str {
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find(|line| line.to_ascii_lowercase().contains("error"));
    error.or_else(|| lines().next_back()).unwrap_or("it said nothing")
}

/// The C compiler that Rust's own linking needs too.
pub(super) fn c_compiler() -> Command {
    Command::new("cc")
}

#[cfg(test)]
mod tests {
    use super::telling_line;

    #[test]
    fn finds_the_line_that_tells() {
        assert_eq!(
            telling_line("Looking\nERROR: No matching package\nhint: none\n\n"),
            "ERROR: No matching package"
        );
        assert_eq!(telling_line("one\ntwo\n\n"), "two");
        assert_eq!(telling_line(""), "it said nothing");
    }
}

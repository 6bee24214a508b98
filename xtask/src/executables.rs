//! The workspace's test programs: built by cargo, run by us.
//!
//! Cargo chooses the features of dependencies by the packages it is asked for. One question for the whole workspace
//! builds everything once; `cargo test --package` for each of ours would build most of it again for each.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{self, cargo};

/// One program of tests.
#[derive(Debug)]
pub(crate) struct TestProgram {
    /// The package it belongs to.
    pub(crate) package: String,
    /// The target's name: the file's for integration tests, the crate's for unit tests.
    pub(crate) name: String,
    /// Whether its tests are those within a library or a program, not those of a file of tests.
    pub(crate) is_unit: bool,
    executable: PathBuf,
    /// Where cargo would run it: the package's folder.
    folder: PathBuf,
}

/// Builds the test programs that cargo's options for targets choose (all of them without options), and the programs
/// that their packages' integration tests start.
pub(crate) fn build(targets: &[&str]) -> Result<Vec<TestProgram>> {
    let mut command = cargo(&["test", "--workspace", "--no-run"]);
    command.args(targets);
    command.arg("--message-format=json-render-diagnostics");
    let text = shell::typed(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{text}` cannot be started"))?;
    if !output.status.success() {
        bail!("`{text}` failed ({})", output.status);
    }
    let mut programs = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        if line.first() == Some(&b'{') {
            programs.extend(artifact(&serde_json::from_slice(line)?));
        }
    }
    Ok(programs)
}

/// Of cargo's messages the one about a finished test program.
fn artifact(message: &Value) -> Option<TestProgram> {
    let is_test = message["profile"]["test"].as_bool()?;
    let executable = message["executable"].as_str()?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let package = message["package_id"].as_str()?;
    is_test.then(|| TestProgram {
        package: package_name(package).to_owned(),
        name: message["target"]["name"].as_str().unwrap_or_default().to_owned(),
        is_unit: message["target"]["kind"][0] != "test",
        executable: executable.into(),
        folder: folder.to_owned(),
    })
}

/// The name in a package's identifier, which is `path+file:///…/name#version`, or `…#name@version` where the folder is
/// called otherwise (Cargo's Package ID Specifications).
fn package_name(id: &str) -> &str {
    let (address, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => address.rsplit('/').next().unwrap_or(address),
    }
}

/// Runs these one after the other, all of them also after a failure, each with these arguments and variables.
pub(crate) fn run<'a>(
    programs: impl Iterator<Item = &'a TestProgram>,
    arguments: &[&str],
    variables: &[(&str, String)],
    log: &mut dyn Write,
) -> Result<()> {
    let mut programs = programs.peekable();
    if programs.peek().is_none() {
        bail!("there are no such tests");
    }
    let mut failed = Vec::new();
    for program in programs {
        writeln!(log, "\n     Running {} of {}", program.name, program.package)?;
        let mut command = Command::new(&program.executable);
        command.args(arguments).current_dir(&program.folder);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Err(error) = shell::run(&mut command) {
            failed.push(format!("{} of {}: {error:#}", program.name, program.package));
        }
    }
    if !failed.is_empty() {
        bail!("tests failed: {}", failed.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_both_notations_have_names() {
        assert_eq!(package_name("path+file:///house/sfctl#0.1.0"), "sfctl");
        assert_eq!(package_name("path+file:///house/ctl#sfctl@0.1.0"), "sfctl");
    }
}

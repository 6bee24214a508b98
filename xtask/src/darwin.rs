//! macOS's half of the programs, type-checked where there is no Mac.
//!
//! TLS brings C and assembly, which build scripts compile before anything can be checked: `zig cc` can do that for macOS
//! from anywhere, and cargo-zigbuild hands it to them. Programs are not linked, for want of the system's frameworks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::checks::Outcome;
use crate::quickstart::PROGRAMS;
use crate::shell::{self, cargo};

/// Targets of macOS.
const TARGETS: [&str; 2] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];

/// What pip installs; the versions are part of the folder's name.
const PACKAGES: [&str; 2] = ["cargo-zigbuild==0.24.1", "ziglang==0.17.1"];

/// Checks every program for the targets that rustup has.
pub(crate) fn check() -> Result<Outcome> {
    let listed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let listed = listed.unwrap_or_default();
    let (there, missing): (Vec<&str>, Vec<&str>) = TARGETS
        .into_iter()
        .partition(|target| listed.lines().any(|line| line == *target));
    if !there.is_empty() {
        let mut check = if cfg!(target_os = "macos") {
            cargo(&["check"])
        } else {
            zigbuild()?
        };
        check.args(PROGRAMS.iter().flat_map(|program| ["--package", program]));
        check.args(there.iter().flat_map(|target| ["--target", target]));
        shell::run(&mut check)?;
    }
    Ok(if missing.is_empty() {
        Outcome::Passed
    } else {
        Outcome::LeftOut(format!(
            "{}; `rustup target add` provides them",
            missing.join(" and ")
        ))
    })
}

/// `cargo check` with a C compiler for macOS.
fn zigbuild() -> Result<Command> {
    let tools = tools()?.join("bin");
    let mut check = Command::new(tools.join("cargo-zigbuild"));
    check.arg("check").current_dir(shell::repository());
    check.env("CARGO_ZIGBUILD_PYTHON_PATH", tools.join("python3"));
    // Its wrapper scripts name the tools above, so they belong beside them.
    check.env("CARGO_ZIGBUILD_CACHE_DIR", tools.join("wrappers"));
    Ok(check)
}

/// A virtual environment with the tools. A name of its own per version; an unfinished one is made again.
fn tools() -> Result<PathBuf> {
    let name = PACKAGES.join("-").replace("==", "-");
    let folder = shell::repository().join("target/darwin").join(name);
    let finished = folder.join("finished");
    if !finished.exists() {
        shell::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )?;
        shell::run(&mut pip(&folder))?;
        fs::write(&finished, "").with_context(|| finished.display().to_string())?;
    }
    Ok(folder)
}

fn pip(folder: &Path) -> Command {
    let mut install = Command::new(folder.join("bin/pip"));
    install.args(["--disable-pip-version-check", "install", "--quiet"]);
    install.args(PACKAGES);
    install
}

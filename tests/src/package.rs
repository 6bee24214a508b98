//! The package for Debian, made of the programs under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config;
use crate::process::run;

/// Packs the programs under test into a folder and returns the package. Nothing is compressed, since they are not
/// stripped and nobody waits for less than a download.
///
/// # Panics
///
/// When it cannot be made, for want of `dpkg-deb` for example.
pub fn package(folder: &Path, version: &str) -> PathBuf {
    let mut command = Command::new(config::xtask());
    command
        .args(["deb", "--fast", "--version", version, "--programs"])
        .arg(config::programs())
        .arg("--output")
        .arg(folder);
    let said = run(command, None);
    assert_eq!(said.code, 0, "{said}");
    let path = said.stderr.lines().find_map(|line| line.strip_prefix("deb: "));
    PathBuf::from(path.unwrap_or_else(|| panic!("it does not say where the package is: {said}")))
}

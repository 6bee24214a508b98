//! The library inside DuckDB's Python package: the same C++ code and version as the release archive.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use super::{DUCKDB_VERSION, forwarding, tool};

/// The file in the staged folder that holds the Python module.
const MODULE: &str = "libduckdb-module.so";

/// Downloads the package with pip, takes its module, and makes the library that forwards to it.
pub(super) fn fetch(folder: &Path, cached_at: &Path) -> Result<()> {
    if std::env::consts::OS != "linux" {
        bail!("a Python module can only be linked on Linux");
    }
    let unpacking = folder.join("wheel");
    fs::create_dir(&unpacking)?;
    let platform = format!("manylinux_2_28_{}", std::env::consts::ARCH);
    let python = || Command::new("python3");
    tool::output(
        python()
            .args([
                "-m",
                "pip",
                "--disable-pip-version-check",
                "download",
                "--quiet",
                "--no-deps",
            ])
            .args([
                "--only-binary=:all:",
                "--python-version",
                "3.11",
                "--implementation",
                "cp",
            ])
            .args(["--platform", &platform, "--dest"])
            .arg(&unpacking)
            .arg(format!("duckdb=={DUCKDB_VERSION}")),
    )
    .context("pip cannot download the Python package")?;
    let wheel = find(&unpacking, "duckdb-", "whl")?;
    tool::output(
        python()
            .args(["-m", "zipfile", "-e"])
            .arg(unpacking.join(wheel))
            .arg(&unpacking),
    )?;
    let module = find(&unpacking, "_duckdb.", "so")?;
    fs::rename(unpacking.join(module), folder.join(MODULE))?;
    fs::remove_dir_all(&unpacking)?;
    forwarding::make(folder, MODULE, cached_at)
}

/// The one file whose name begins and ends so.
fn find(folder: &Path, begin: &str, extension: &str) -> Result<String> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(begin)
            && Path::new(&name)
                .extension()
                .is_some_and(|found| found == extension)
        {
            return Ok(name);
        }
    }
    bail!("the Python package has another layout than expected")
}

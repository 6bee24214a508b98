//! DuckDB's release archive, from where the pin file of `libduckdb-sys` says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{library_file_name, tool, workspace_root};

/// Downloads and unpacks the archive; gives up within seconds where the network does not allow it.
pub(super) fn fetch(folder: &Path) -> Result<()> {
    let platform = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => "linux-amd64",
        ("linux", "aarch64") => "linux-arm64",
        ("macos", _) => "osx-universal",
        (os, arch) => bail!("no archive for {os} on {arch}"),
    };
    let pin = fs::read_to_string(binding_crate()?.join(".duckdb-release"))
        .context("libduckdb-sys names no release")?;
    let folder_url = release_url(&pin).context("the pin file of libduckdb-sys names no release")?;
    let archive = folder.join("archive.tar.gz");
    tool::output(
        Command::new("curl")
            .args([
                "--fail",
                "--silent",
                "--show-error",
                "--location",
                "--proto",
                "=https",
            ])
            .args([
                "--connect-timeout",
                "5",
                "--speed-limit",
                "50000",
                "--speed-time",
                "15",
                "--output",
            ])
            .arg(&archive)
            .arg(format!("{folder_url}/duckdb-shared-libs-{platform}.tar.gz")),
    )?;
    let unpacking = folder.join("archive");
    fs::create_dir(&unpacking)?;
    tool::output(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(&unpacking),
    )?;
    fs::rename(
        unpacking.join(library_file_name()),
        folder.join(library_file_name()),
    )
    .context("the archive has another layout than expected")?;
    fs::remove_dir_all(&unpacking)?;
    fs::remove_file(&archive)?;
    Ok(())
}

fn release_url(pin: &str) -> Option<&str> {
    pin.lines()
        .find_map(|line| line.trim().strip_prefix("DUCKDB_RELEASE_URL="))
        .map(|url| url.trim_end_matches('/'))
}

/// The folder of the `libduckdb-sys` that the workspace uses.
fn binding_crate() -> Result<PathBuf> {
    let metadata = tool::output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--manifest-path"])
            .arg(workspace_root().join("Cargo.toml")),
    )?;
    let metadata: Value = serde_json::from_slice(&metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == "libduckdb-sys")
        .and_then(|package| package["manifest_path"].as_str())
        .context("the workspace does not use libduckdb-sys")?;
    Ok(Path::new(manifest)
        .parent()
        .context("a manifest is in a folder")?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::release_url;

    #[test]
    fn reads_the_pin() {
        let pin = "# comment\nDUCKDB_RELEASE_COMMIT=abc\nDUCKDB_RELEASE_URL=https://example.test/v2/\n";
        assert_eq!(release_url(pin), Some("https://example.test/v2"));
        assert_eq!(release_url("# DUCKDB_RELEASE_URL=x"), None);
    }
}

//! Compiles DuckDB from the sources inside `libduckdb-sys` and links what that leaves into one library.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{library_file_name, tool, workspace_root};

/// Builds the engine crate with its `bundled` feature in release mode and links the archives it leaves.
pub(super) fn build(folder: &Path) -> Result<()> {
    let root = workspace_root();
    let messages = tool::output(
        Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--package",
                "snowflake-emulator-engine",
                "--features",
                "bundled",
            ])
            .args(["--message-format", "json", "--manifest-path"])
            .arg(root.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(root.join("target/engine-from-source")),
    )?;
    let out = out_folder(&String::from_utf8_lossy(&messages)).context("libduckdb-sys was not built")?;
    let mut archives: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&out)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "a") {
            archives.push(path);
        }
    }
    if archives.is_empty() {
        bail!("libduckdb-sys left no archive in {}", out.display());
    }
    link(&archives, &folder.join(library_file_name()))
}

/// Every object counts: the one that registers the core functions is referred to by none.
fn link(archives: &[PathBuf], library: &Path) -> Result<()> {
    let mut command = tool::c_compiler();
    command.arg("-shared").arg("-o").arg(library);
    if cfg!(target_os = "macos") {
        for archive in archives {
            command.arg(format!("-Wl,-force_load,{}", archive.display()));
        }
        command
            .arg(format!("-Wl,-install_name,@rpath/{}", library_file_name()))
            .arg("-lc++");
    } else {
        command
            .arg("-Wl,--whole-archive")
            .args(archives)
            .arg("-Wl,--no-whole-archive");
        command.arg(format!("-Wl,-soname,{}", library_file_name()));
        command.args(["-lstdc++", "-lm", "-lpthread", "-ldl"]);
    }
    tool::output(&mut command).map(|_| ())
}

/// Where the build script of `libduckdb-sys` wrote, from cargo's JSON messages.
fn out_folder(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| {
            let ours = message["reason"] == "build-script-executed"
                && message["package_id"]
                    .as_str()
                    .is_some_and(|id| id.contains("libduckdb-sys"));
            ours.then(|| message["out_dir"].as_str().map(PathBuf::from))
                .flatten()
        })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::out_folder;

    #[test]
    fn finds_the_build_scripts_folder() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"package_id\":\"x#libduckdb-sys@1\"}\n",
            "{\"reason\":\"build-script-executed\",\"package_id\":\"x#serde@1\",\"out_dir\":\"/a\"}\n",
            "{\"reason\":\"build-script-executed\",\"package_id\":\"x#libduckdb-sys@1\",\"out_dir\":\"/b/out\"}\n",
        );
        assert_eq!(out_folder(messages), Some(PathBuf::from("/b/out")));
    }
}

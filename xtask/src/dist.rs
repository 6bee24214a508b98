//! `cargo xtask dist`: the release artifacts, programs that need no library of ours beside them: an archive, and a package
//! for Debian where that can be made.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::deb::DebArgs;
use crate::quickstart::PROGRAMS;
use crate::shell::{self, cargo};

/// What is packed beside the programs, where it is there.
const TEXTS: [&str; 8] = [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "systemd",
    "launchd",
    // Names the plugin, so that an unpacked release can be given to Claude Code as it is.
    ".claude-plugin",
    "plugin",
    "packaging",
];

/// Build the release artifact, with the engine compiled in (20 to 35 minutes the first time)
#[derive(Debug, clap::Args)]
pub(crate) struct DistArgs {
    /// Link the engine's library instead and put it beside the programs: quick, for a try
    #[arg(long)]
    shared: bool,
}

/// Builds with profile `dist` and packs `target/dist/snowflake-session-VERSION-PLATFORM.tar.gz` and the package.
pub(crate) fn run(args: &DistArgs, log: &mut dyn Write) -> Result<()> {
    let mut build = cargo(&["build", "--profile", "dist"]);
    // What is given away looks for the engine's library beside itself, and not where this machine has it.
    build.env("SNOWFLAKE_SESSION_RELOCATABLE", "1");
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    if args.shared {
        crate::engine::run(&crate::engine::EngineArgs::default(), log)?;
    } else {
        writeln!(
            log,
            "dist: DuckDB is compiled in; the first time takes 20 to 35 minutes on two cores"
        )?;
        // The engine's crate is chosen too, so that its feature can be named.
        build.args([
            "--package",
            "snowflake-emulator-engine",
            "--features",
            "snowflake-emulator-engine/bundled",
        ]);
    }
    shell::run(&mut build)?;

    let name = format!("snowflake-session-{}-{}", env!("CARGO_PKG_VERSION"), platform());
    let built = shell::programs("dist");
    let folder = built.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for program in PROGRAMS {
        fs::copy(built.join(program), folder.join(program))
            .with_context(|| format!("{program} was not built"))?;
    }
    if args.shared {
        copy_all(&shell::repository().join("target/engine"), &folder)?;
    }
    for text in TEXTS {
        let from = shell::repository().join(text);
        if from.is_dir() {
            copy_all(&from, &folder.join(text))?;
        } else if from.is_file() {
            fs::copy(&from, folder.join(text))?;
        }
    }
    let pages = folder.join("share/man/man1");
    fs::create_dir_all(&pages)?;
    for program in PROGRAMS {
        shell::run(Command::new(folder.join(program)).arg("man").arg(&pages))?;
    }
    let archive = built.join(format!("{name}.tar.gz"));
    shell::run(
        Command::new("tar")
            .arg("-czf")
            .arg(&archive)
            .arg("-C")
            .arg(&built)
            .arg(&name),
    )?;
    writeln!(log, "dist: {}", archive.display())?;
    if crate::deb::is_possible() {
        crate::deb::run(&DebArgs::of_release(&folder, &built), log)?;
    } else {
        writeln!(log, "dist: no package for Debian, since there is no `dpkg-deb`")?;
    }
    Ok(())
}

fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

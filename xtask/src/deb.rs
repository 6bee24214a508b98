//! `cargo xtask deb`: a package for Debian and its relatives, assembled as a tree of files and packed by `dpkg-deb`.
//!
//! [`tree`] knows what lies where, [`control`] what dpkg is told of it. Nothing is compiled here unless no folder with
//! programs is named, and no tool of Debian's but `dpkg-deb` is needed.

mod control;
mod tree;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::tree::Tree;
use crate::quickstart::{PROGRAMS, build_relocatable};
use crate::shell;

/// Name of the package.
pub(crate) const PACKAGE: &str = "snowflake-session";

/// Version and maintainer of a package of which nothing else is said.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
const MAINTAINER: &str = "the snowflake-session authors <root@localhost>";

/// Assemble a package for Debian and Ubuntu; builds in release unless it is told where programs are
#[derive(Debug, clap::Args)]
pub(crate) struct DebArgs {
    /// Folder with programs that are built already
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Folder for the package
    #[arg(long, value_name = "DIR", default_value = "target/deb")]
    output: PathBuf,
    /// Version of the package
    #[arg(long, default_value = VERSION)]
    version: String,
    /// Who answers for it, as `NAME <ADDRESS>`
    #[arg(long, default_value = MAINTAINER)]
    maintainer: String,
    /// Do not compress: quick, for a try
    #[arg(long)]
    fast: bool,
}

impl DebArgs {
    /// What a release asks for: programs from this folder, the package into that one.
    pub(crate) fn of_release(programs: &Path, output: &Path) -> Self {
        Self {
            programs: Some(programs.to_owned()),
            output: output.to_owned(),
            version: VERSION.to_owned(),
            maintainer: MAINTAINER.to_owned(),
            fast: false,
        }
    }
}

/// Whether packages can be made here.
pub(crate) fn is_possible() -> bool {
    let asked = Command::new("dpkg-deb").arg("--version").output();
    asked.is_ok_and(|output| output.status.success())
}

/// Assembles `OUTPUT/snowflake-session_VERSION_ARCHITECTURE.deb`.
pub(crate) fn run(args: &DebArgs, log: &mut dyn Write) -> Result<()> {
    if !is_possible() {
        bail!("there is no `dpkg-deb`; install dpkg");
    }
    let programs = if let Some(folder) = &args.programs {
        folder.clone()
    } else {
        build_relocatable(log)?;
        shell::programs("release")
    };
    let architecture = said(Command::new("dpkg").arg("--print-architecture"))?;
    fs::create_dir_all(&args.output).with_context(|| args.output.display().to_string())?;
    let scratch = tempfile::tempdir_in(&args.output)?;
    let root = scratch.path().join(PACKAGE);
    let package = control::Package {
        version: &args.version,
        architecture: architecture.trim(),
        maintainer: &args.maintainer,
        time: source_time()?,
    };

    let tree = Tree::new(root.clone());
    tree.programs(&programs)?;
    tree.texts_of_programs(&programs, scratch.path())?;
    tree.repository_files()?;
    tree.documents(&package)?;
    control::write(&tree, &package)?;

    let file = args
        .output
        .join(format!("{PACKAGE}_{}_{}.deb", args.version, package.architecture));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "--build"]);
    pack.arg(if args.fast { "-Znone" } else { "-Zxz" });
    // Times in the package are at most this, so that the same sources make the same package.
    pack.env("SOURCE_DATE_EPOCH", package.time.to_string());
    shell::run(pack.arg(&root).arg(&file))?;
    writeln!(log, "deb: {}", file.display())?;
    Ok(())
}

/// Seconds since 1970 of what is packed: of the last commit, or now where there is none.
fn source_time() -> Result<u64> {
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"])
        .current_dir(shell::repository());
    if let Ok(text) = said(&mut git)
        && let Ok(seconds) = text.trim().parse()
    {
        return Ok(seconds);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(now.as_secs())
}

/// What a command prints.
fn said(command: &mut Command) -> Result<String> {
    let text = shell::typed(command);
    let output = command
        .output()
        .with_context(|| format!("`{text}` cannot be started"))?;
    if !output.status.success() {
        bail!(
            "`{text}` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The programs that are packed, in a folder.
fn programs_in(folder: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
    PROGRAMS.into_iter().map(move |name| (folder.join(name), name))
}

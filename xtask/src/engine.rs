//! `cargo xtask engine`: provides DuckDB's library, so that nobody compiles two million lines of C++
//! to change a line of ours.
//!
//! The linker looks for it in `target/engine` (`.cargo/config.toml`). It gets there from the first of:
//! the user's cache; DuckDB's release archive, where the network allows; the library inside the Python
//! package of the same version; the sources inside the `libduckdb-sys` crate (20 minutes or more).
//! What a source yields is probed (it must load, and say that it is the version we bind to) before
//! it enters the cache; what enters the cache is listed with its checksums in `engine.json`.
//!
//! `cache` holds both folders' layout; `archive`, `wheel` and `from_source` are the sources;
//! `forwarding` makes a library that can be linked out of a Python module, which cannot.

mod archive;
mod cache;
mod forwarding;
mod from_source;
mod probe;
mod tool;
mod wheel;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use cache::EngineFolder;

/// DuckDB's version; the binding is pinned to it (`libduckdb-sys` 1.20000.x is DuckDB 2.0.0).
const DUCKDB_VERSION: &str = "2.0.0";

/// Provide the embedded engine's library (DuckDB) for building
#[derive(Debug, Default, clap::Args)]
pub(crate) struct EngineArgs {
    /// Take the library from this source only
    #[arg(long, value_enum)]
    source: Option<Source>,
    /// Ignore what is staged and cached
    #[arg(long)]
    refresh: bool,
}

/// Where the library comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Source {
    /// DuckDB's release archive
    Archive,
    /// The Python package's library
    Wheel,
    /// Compiled here from the sources in the crate
    Compiled,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Archive => "archive",
            Source::Wheel => "wheel",
            Source::Compiled => "compiled",
        }
    }

    /// Puts `libduckdb` and what it needs into `folder`.
    fn fetch(self, folder: &Path, cached_at: &Path) -> Result<()> {
        match self {
            Source::Archive => archive::fetch(folder),
            Source::Wheel => wheel::fetch(folder, cached_at),
            Source::Compiled => from_source::build(folder),
        }
    }
}

/// Stages the library in `target/engine`; does nothing when it is there already.
pub(crate) fn run(args: &EngineArgs, log: &mut dyn Write) -> Result<()> {
    let staged = EngineFolder::at(workspace_root().join("target/engine"));
    if !args.refresh && args.source.is_none() && staged.is_complete(DUCKDB_VERSION) {
        return Ok(());
    }
    let cached = EngineFolder::at(cache::cache_path(DUCKDB_VERSION)?);
    if args.refresh || args.source.is_some() || !cached.is_complete(DUCKDB_VERSION) {
        provide(args.source, &cached, log)?;
    }
    cached
        .verify_checksums()
        .context("the cached engine is damaged; run `cargo xtask engine --refresh`")?;
    cached.stage_into(&staged)?;
    writeln!(
        log,
        "engine: DuckDB {DUCKDB_VERSION} ({}) is in {}",
        cached.source()?,
        staged.path().display()
    )?;
    Ok(())
}

fn provide(only: Option<Source>, cached: &EngineFolder, log: &mut dyn Write) -> Result<()> {
    let candidates = match only {
        Some(source) => vec![source],
        None => vec![Source::Archive, Source::Wheel, Source::Compiled],
    };
    let mut failures = Vec::new();
    for source in candidates {
        match provide_from(source, cached, log) {
            Ok(()) => return Ok(()),
            Err(error) => {
                writeln!(log, "engine: not from {}: {error:#}", source.name())?;
                failures.push(format!("{}: {error:#}", source.name()));
            }
        }
    }
    bail!(
        "no source gave DuckDB {DUCKDB_VERSION}\n  {}\nhint: the Python package is the quickest; on Debian install it with \
         `apt-get install python3 python3-pip`, then run `cargo xtask engine` again",
        failures.join("\n  ")
    )
}

fn provide_from(source: Source, cached: &EngineFolder, log: &mut dyn Write) -> Result<()> {
    if source == Source::Compiled {
        writeln!(
            log,
            "engine: compiling DuckDB from source; this takes 20 minutes or more"
        )?;
    }
    let workshop = cached.workshop()?;
    source.fetch(workshop.path(), cached.path())?;
    let version = probe::library_version(workshop.path())?;
    if version != format!("v{DUCKDB_VERSION}") {
        bail!("it is DuckDB {version}, and the binding needs v{DUCKDB_VERSION}");
    }
    workshop.enter_cache(source.name(), DUCKDB_VERSION, cached)
}

/// The file name of the library that programs link.
fn library_file_name() -> &'static str {
    if cfg!(target_os = "macos") {
        "libduckdb.dylib"
    } else {
        "libduckdb.so"
    }
}

fn workspace_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("xtask is a folder of the workspace")
        .to_owned()
}

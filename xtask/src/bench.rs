//! `cargo xtask bench`: speed and size against the peers, in one run, into `docs/benchmarks.md`.

use std::io::Write;

use anyhow::Result;

use crate::quickstart::build_release;
use crate::shell;

/// Measure against the peers and write docs/benchmarks.md
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Rounds; each runs every peer once, so that a busy spell falls on all
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Measure only this part; repeat it for more
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

/// Builds in release and runs the measuring program of the end-to-end crate over it.
pub(crate) fn run(args: &BenchArgs, log: &mut dyn Write) -> Result<()> {
    build_release(log)?;
    shell::run(&mut shell::cargo(&[
        "build",
        "--release",
        "--package",
        "snowflake-session-tests",
        "--bins",
    ]))?;
    let programs = shell::programs("release");
    let mut bench = std::process::Command::new(programs.join("bench"));
    bench.current_dir(shell::repository());
    bench.arg(args.rounds.to_string()).args(&args.only);
    shell::run(bench.env("SNOWFLAKE_SESSION_TEST_PROGRAMS", programs))
}

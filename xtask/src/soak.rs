//! `cargo xtask soak`: fifty sessions at work under faults, for as long as one likes.

use std::io::Write;

use anyhow::Result;

use crate::quickstart::build_release;
use crate::shell;

/// Let fifty sessions work while faults come, and hold the table against what they were told
#[derive(Debug, clap::Args)]
pub(crate) struct SoakArgs {
    /// Seconds of work
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Decides which work and which faults come
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Builds in release and runs the endurance program of the end-to-end crate over it.
pub(crate) fn run(args: &SoakArgs, log: &mut dyn Write) -> Result<()> {
    build_release(log)?;
    let (seconds, seed) = (args.seconds.to_string(), args.seed.to_string());
    let mut soak = shell::cargo(&[
        "run",
        "--quiet",
        "--package",
        "snowflake-session-tests",
        "--bin",
        "soak",
    ]);
    soak.args(["--", "--seconds", &seconds, "--seed", &seed]);
    shell::run(soak.env("SNOWFLAKE_SESSION_TEST_PROGRAMS", shell::programs("release")))
}

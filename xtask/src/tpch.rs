//! `cargo xtask tpch`: the 22 queries through the release programs, against the published answers.

use std::io::Write;

use anyhow::Result;

use crate::quickstart::build_release;
use crate::shell;

/// Ask the 22 TPC-H queries and compare with the published answers
#[derive(Debug, clap::Args)]
pub(crate) struct TpchArgs {
    /// Scale factor: 1, or 0.01 for a quick run
    #[arg(long, default_value = "1", value_parser = ["1", "0.01"])]
    scale: String,
}

/// Builds in release and runs the checker of the end-to-end crate over it.
pub(crate) fn run(args: &TpchArgs, log: &mut dyn Write) -> Result<()> {
    build_release(log)?;
    let mut check = shell::cargo(&[
        "run",
        "--quiet",
        "--package",
        "snowflake-session-tests",
        "--bin",
        "tpch",
    ]);
    check.args(["--", &args.scale]);
    shell::run(check.env("SNOWFLAKE_SESSION_TEST_PROGRAMS", shell::programs("release")))
}

//! Sessions at work while everything fails around them; see `snowflake_session_tests::soak`. `cargo xtask soak` runs it.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use snowflake_session_tests::soak::{Plan, run};

/// Let many sessions work while faults come, and hold the table against what they were told
#[derive(Debug, Parser)]
struct Arguments {
    /// Seconds of work
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Sessions side by side
    #[arg(long, default_value_t = 50)]
    sessions: usize,
    /// Fewest statements in all
    #[arg(long, default_value_t = 1000)]
    statements: u64,
    /// Decides which work and which faults come
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let report = run(Plan {
        duration: Duration::from_secs(arguments.seconds),
        sessions: arguments.sessions,
        statements_min: arguments.statements,
        seed: arguments.seed,
    })?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

//! Developer commands: `cargo xtask <command>`.
//!
//! Each command is a file: what it runs, in which order, and what it says. `shell` runs other programs and `home` makes
//! the throw-away home in which a command may start ours. Nothing here imports our crates: a command sees the programs
//! as a user does.

mod bench;
mod checks;
mod darwin;
mod deb;
mod dist;
mod engine;
mod executables;
mod home;
mod icon;
mod install;
mod quickstart;
mod shell;
mod soak;
mod tpch;

use std::io;
use std::process::ExitCode;

use clap::Parser;

/// Developer commands of snowflake-session.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Command {
    Quickstart(quickstart::QuickstartArgs),
    Test(checks::TestArgs),
    Tpch(tpch::TpchArgs),
    Soak(soak::SoakArgs),
    Bench(bench::BenchArgs),
    Install(install::InstallArgs),
    Dist(dist::DistArgs),
    Deb(deb::DebArgs),
    Engine(engine::EngineArgs),
    Icon(icon::IconArgs),
}

fn main() -> ExitCode {
    let mut log = io::stderr();
    let result = match Command::parse() {
        Command::Quickstart(args) => quickstart::run(&args, &mut log),
        Command::Test(args) => checks::run(&args, &mut log),
        Command::Tpch(args) => tpch::run(&args, &mut log),
        Command::Soak(args) => soak::run(&args, &mut log),
        Command::Bench(args) => bench::run(&args, &mut log),
        Command::Install(args) => install::run(&args, &mut log),
        Command::Dist(args) => dist::run(&args, &mut log),
        Command::Deb(args) => deb::run(&args, &mut log),
        Command::Engine(args) => engine::run(&args, &mut log),
        Command::Icon(args) => icon::run(&args, &mut log),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = io::Write::write_fmt(&mut log, format_args!("error: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

//! Developer commands: `cargo xtask <command>`.

mod engine;

use std::{io, process::ExitCode};

use clap::Parser;

/// Developer commands of snowflake-session.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Command {
    Engine(engine::EngineArgs),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Engine(args) => engine::run(&args, &mut io::stderr()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error is gone.
            let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("error: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

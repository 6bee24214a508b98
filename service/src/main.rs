//! The process: command line in, exit code out.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use snowflake_session::app;
use snowflake_session::config::{Cli, Command, Environment};

/// Exit code of a wrong command line; systemd's unit does not restart after it.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let environment = Environment::of_process();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version are answers too; a closed pipe is no reason to complain about them.
            let _ = answer.print();
            return if answer.use_stderr() {
                ExitCode::from(EX_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let ended = match &cli.command {
        Command::Run(flags) => app::run(&environment, flags),
        Command::Start(flags) => app::start(&environment, flags),
        Command::Config(flags) => app::print_configuration(&environment, flags, &mut std::io::stdout()),
        Command::Reach { connection } => app::print_reach(&environment, connection, &mut std::io::stdout()),
        Command::Man { directory } => app::write_manual(directory),
        Command::Connections => app::print_connections(&environment, &mut std::io::stdout()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

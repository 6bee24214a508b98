//! `snowflake-emulator`: reads the command line, runs the emulator, tells how it ended.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use snowflake_emulator::app::{self, AppError};
use snowflake_emulator::config::{Cli, Command, ServeArguments, ServeConfig};
use tracing_subscriber::EnvFilter;

const USAGE: u8 = 2;
const CANNOT_SERVE: u8 = 3;
const INTERNAL: u8 = 70;
const INTERRUPTED: u8 = 130;

/// Time for threads that still work when everything is done.
const LAST_THREADS_WAIT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, and are no failures.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match cli.command {
        Command::Serve(arguments) => serve(arguments),
    }
}

fn serve(arguments: ServeArguments) -> ExitCode {
    let filter = match EnvFilter::try_new(&arguments.log) {
        Ok(filter) => filter,
        Err(error) => return fail(&error, USAGE),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let config = match ServeConfig::resolve(arguments) {
        Ok(config) => config,
        Err(error) => return fail(&error, USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, INTERNAL),
    };
    let served = runtime.block_on(app::serve(config));
    runtime.shutdown_timeout(LAST_THREADS_WAIT);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, exit_code(&error)),
    }
}

fn exit_code(error: &AppError) -> u8 {
    match error {
        AppError::Listen { .. } | AppError::Open(_) | AppError::Results { .. } => CANNOT_SERVE,
        AppError::ReadyFile { .. } => USAGE,
        AppError::Signals(_) | AppError::Flush(_) => INTERNAL,
        AppError::Interrupted => INTERRUPTED,
    }
}

/// Says what went wrong, with its causes, each on a line.
fn fail(error: &dyn Error, code: u8) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(stderr, "  caused by: {error}");
        cause = error.source();
    }
    ExitCode::from(code)
}

//! `snowflake-emulator`: reads the command line, runs the emulator or a command about one, tells how it ended.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use snowflake_emulator::app::{self, AppError};
use snowflake_emulator::config::{Cli, Command, ServeArguments, ServeConfig};
use snowflake_emulator::life::{self, LifeError};
use tracing_subscriber::EnvFilter;

const USAGE: u8 = 2;
const CANNOT_SERVE: u8 = 3;
const LATE: u8 = 4;
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
    // What stands after the name of the command.
    let line: Vec<_> = std::env::args_os().skip(2).collect();
    let done = match cli.command {
        Command::Serve(arguments) => return serve(*arguments, &line),
        Command::Start(arguments) => match ServeConfig::resolve(*arguments) {
            Ok(config) => life::start(&config, line),
            Err(error) => return fail(&error, USAGE),
        },
        Command::Stop(folder) => life::stop(&folder),
        Command::Status { folder, json } => life::status(&folder, json),
        Command::Reset(replace) => life::reset(&replace),
        Command::Snapshot(verb) => life::snapshot(&verb),
        Command::Restore { name, replace } => life::restore(&name, &replace),
        Command::Logs {
            folder,
            lines,
            follow,
            log_file,
        } => life::logs(&folder, lines, follow, log_file),
        Command::Man { directory } => {
            return match clap_mangen::generate_to(Cli::command(), directory) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error, USAGE),
            };
        }
        Command::Fault(verb) => life::fault(&verb),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, life_exit_code(&error)),
    }
}

fn life_exit_code(error: &LifeError) -> u8 {
    match error {
        LifeError::NoFolder | LifeError::Snapshot(_) | LifeError::Io { .. } | LifeError::Output(_) => USAGE,
        LifeError::Serving { .. }
        | LifeError::InUse { .. }
        | LifeError::NotServing(_)
        | LifeError::Ended(_)
        | LifeError::Control(_) => CANNOT_SERVE,
        LifeError::Late(_) => LATE,
    }
}

fn serve(arguments: ServeArguments, line: &[OsString]) -> ExitCode {
    if arguments.new_session {
        // Fails for the leader of a process group only, which needs none.
        let _ = rustix::process::setsid();
    }
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
        Ok(config) => ServeConfig {
            command_line: line
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            ..config
        },
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

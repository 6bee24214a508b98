//! What can be typed. Doc comments in this room are the help text.

mod comment;
mod config;
mod doctor;
mod emulator;
mod history;
mod job;
mod late;
mod output;
mod parse;
mod policy;
mod query;
mod server;
mod session;
mod values;
mod write;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use config::{ConfigVerb, ShowArguments};
pub(crate) use doctor::DoctorArguments;
pub(crate) use emulator::{EmulatorVerb, FaultVerb, Replace, SnapshotVerb, Which};
pub(crate) use history::{Decision, EndState, HistoryArguments, Moment};
pub(crate) use job::JobVerb;
pub(crate) use late::Late;
pub(crate) use output::OutputArguments;
pub(crate) use parse::parse;
pub(crate) use policy::{PolicyArguments, PolicyChoice};
pub(crate) use query::QueryArguments;
pub(crate) use server::{ServerAddress, parse_server};
pub(crate) use session::SessionVerb;
pub(crate) use values::{Bind, RowLimit, parse_duration};
pub(crate) use write::WriteArguments;

use crate::render::Format;
use crate::ui::ColorChoice;

/// Run SQL in long-lived Snowflake sessions
///
/// Data goes to stdout, everything else to stderr; stdout is empty on failure.
///
/// Exit codes: 0 done, 1 Snowflake rejected the SQL or the session has lost something, 2 usage or
/// configuration, 3 cannot reach the service or Snowflake or login refused, 4 timeout, 5 refused by
/// policy or a limit or a write that is held, 70 a defect, 75 the running service is older: later,
/// 130 interrupted.
#[derive(Debug, Parser)]
#[command(
    name = "sfctl",
    version,
    propagate_version = false,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    /// Connection to use, as named in connections.toml [env: SFCTL_CONNECTION]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) connection: Option<String>,
    /// Session to use; else `default`, or one named like the connection of -c [env: SFCTL_SESSION]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// Socket of the service [env: SFCTL_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Service of another machine, `https://HOST:PORT`, over mutual TLS [env: SFCTL_SERVER]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "socket", value_parser = parse_server)]
    pub(crate) server: Option<ServerAddress>,
    /// PEM file with the authorities of that service's certificate [env: SFCTL_TLS_CA]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// PEM file with the certificate to show it [env: SFCTL_TLS_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the key of that certificate [env: SFCTL_TLS_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// How to print data; `table` unless the name of an output file says otherwise [env: SFCTL_FORMAT]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true,
          help = format_help())]
    pub(crate) format: Option<Format>,
    /// Most time for the statement or the call: `30`, `500ms`, `2m`, `1h` [env: SFCTL_TIMEOUT]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Fail instead of starting the service when it does not run [env: SFCTL_NO_AUTOSTART]
    #[arg(long, global = true)]
    pub(crate) no_autostart: bool,
    /// Say nothing on stderr but errors, `--stats` and that a result was cut
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say on stderr what is being done
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// When to use colour [env: SFCTL_COLOR, NO_COLOR]
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run one SQL statement and print its result
    Query(Late<QueryArguments>),
    /// Run one SQL statement that changes something, so that it can be looked at before it counts
    ///
    /// Rows are changed in a transaction. Within its limits it is committed; otherwise it is held, with exit code 5,
    /// and a token says how to go on: `--confirm TOKEN` or `--abandon TOKEN`. What commits by itself and needs a
    /// confirmation waits for it and has not run.
    Write(Late<Box<WriteArguments>>),
    /// Begin a transaction that stays open until `commit` or `rollback`
    Begin(Late<LossArguments>),
    /// Commit the open transaction
    Commit,
    /// Roll the open transaction back
    Rollback,
    /// Show the session: who, where, in which state
    Context,
    /// Change the session's database, schema, warehouse or role
    Use {
        /// What to change
        #[arg(value_enum)]
        part: ContextPart,
        /// Its name; quote it to keep case, `DATABASE.SCHEMA` for both
        name: String,
        #[command(flatten)]
        loss: LossArguments,
    },
    /// Log in and report who and where we are
    Connect,
    /// List, make, show, close and reset sessions
    #[command(subcommand, arg_required_else_help = true)]
    Session(Late<SessionVerb>),
    /// List, await, read and cancel submitted queries
    #[command(subcommand, arg_required_else_help = true)]
    Job(Late<JobVerb>),
    /// Run, start, stop and inspect the service
    #[command(subcommand, arg_required_else_help = true)]
    Service(Late<ServiceVerb>),
    /// Show and check the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Config(Late<ConfigVerb>),
    /// Start, stop, copy and reset a local Snowflake: the service's own, or the one of a data folder
    ///
    /// Without --data a command is about the emulator behind the connection `local`, which the service starts when it is
    /// needed; with it, about one that runs by itself.
    #[command(subcommand, arg_required_else_help = true)]
    Emulator(Late<EmulatorVerb>),
    /// Look for what is wrong with service, connections and machine, and say what repairs it
    ///
    /// Works with no service running. Each check is ok, warn, fail or skip; exit code 0 when all is well, 1 with
    /// warnings, 2 with failures. No secret is printed.
    Doctor(Late<DoctorArguments>),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands into a folder, for `man -M` or a package
    Man {
        /// The folder, which must be there
        directory: PathBuf,
    },
    /// Print the versions of sfctl and of the running service
    Version,
}

/// A part of the session context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContextPart {
    Database,
    Schema,
    Warehouse,
    Role,
}

/// What to do when the session has lost something that cannot be restored.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LossArguments {
    /// Go on although the session has lost a transaction, temporary tables or the like
    #[arg(long)]
    pub(crate) accept_loss: bool,
}

/// What to do with the service.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceVerb {
    /// Run the service in the foreground
    Run,
    /// Start the service, or its socket where systemd holds it
    Start,
    /// Stop the service: finish or cancel queries, log sessions out
    Stop,
    /// Stop the service and start it again
    Restart,
    /// Show version, process, manager, sessions, socket and emulator
    Status,
    /// Print what the running service has counted, as Prometheus reads it
    Metrics,
    /// Let the running service read its configuration again
    Reload,
    /// Print what the service has logged, newest last
    Logs(LogsArguments),
    /// Have systemd or launchd run the service for you, from now on and after each login
    Install,
    /// Undo `install`: stop the service and remove what it wrote
    Uninstall,
}

/// Which of the service's log is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LogsArguments {
    /// Go on printing what is logged, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many lines of what there is, at most
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) lines: usize,
}

fn format_help() -> String {
    let words: Vec<&str> = Format::value_variants()
        .iter()
        .map(|format| format.name())
        .collect();
    format!(
        "How to print data: {}; `table` unless the name of the output file says otherwise [env: SFCTL_FORMAT]",
        words.join(", ")
    )
}

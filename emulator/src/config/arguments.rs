//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::folder::SnapshotName;

/// A Snowflake that runs on this machine.
///
/// Speaks Snowflake's connector protocol over HTTP; point any Snowflake driver at it with host, port
/// and protocol "http".
#[derive(Debug, Parser)]
#[command(name = "snowflake-emulator", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until stopped by a signal
    Serve(Box<ServeArguments>),
    /// Start an emulator in the background that serves a data folder; takes the options of `serve`
    Start(Box<ServeArguments>),
    /// Stop the emulator of a data folder: its statements end, what is committed stays
    Stop(FolderArguments),
    /// Tell whether an emulator serves a data folder, and where
    Status {
        #[command(flatten)]
        folder: FolderArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove all databases and files in stages; snapshots stay
    Reset(ReplaceArguments),
    /// Keep copies of a data folder, also while an emulator serves it
    #[command(subcommand, arg_required_else_help = true)]
    Snapshot(SnapshotVerb),
    /// Put a snapshot in the place of what a data folder holds
    Restore {
        /// Name of the snapshot
        name: SnapshotName,
        #[command(flatten)]
        replace: ReplaceArguments,
    },
    /// Print what the emulator of a data folder has logged
    Logs {
        #[command(flatten)]
        folder: FolderArguments,
        /// How many lines, at most
        #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 1000)]
        lines: usize,
        /// Go on with what is logged from now on
        #[arg(short, long)]
        follow: bool,
        /// Read this file instead of the one in the folder
        #[arg(long, value_name = "FILE", hide = true)]
        log_file: Option<PathBuf>,
    },
    /// Write the manual pages into a folder, for a package
    Man {
        /// The folder, which must be there
        directory: PathBuf,
    },
    /// Make faults in a running emulator that was started with --fault or --fault-control
    #[command(subcommand, arg_required_else_help = true)]
    Fault(FaultVerb),
}

/// Which data folder.
#[derive(Clone, Debug, Args)]
pub struct FolderArguments {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// How to replace what a data folder holds.
#[derive(Clone, Debug, Args)]
pub struct ReplaceArguments {
    /// The data folder
    #[command(flatten)]
    pub folder: FolderArguments,
    /// If an emulator serves the folder: stop it, which ends its sessions, and start it again as it was
    #[arg(long)]
    pub restart: bool,
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Copy databases and files in stages under a name
    Create {
        /// Name of the snapshot
        name: SnapshotName,
        #[command(flatten)]
        folder: FolderArguments,
    },
    /// List the snapshots of a data folder
    List {
        #[command(flatten)]
        folder: FolderArguments,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete a snapshot
    Delete {
        /// Name of the snapshot
        name: SnapshotName,
        #[command(flatten)]
        folder: FolderArguments,
    },
}

/// What to do with faults.
#[derive(Debug, Subcommand)]
pub enum FaultVerb {
    /// Add rules after those that are there
    Add {
        /// Rules, such as "status=503,on=query,times=2"
        #[arg(required = true, value_name = "RULE")]
        rules: Vec<String>,
        #[command(flatten)]
        target: FaultTarget,
    },
    /// List the rules, with how often each fired
    List {
        #[command(flatten)]
        target: FaultTarget,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove all rules
    Clear {
        #[command(flatten)]
        target: FaultTarget,
    },
}

/// Which running emulator.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct FaultTarget {
    /// The one that serves this data folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The one that listens here
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub address: Option<SocketAddr>,
}

/// Options of `serve`. What is not given comes from the configuration file, then from the defaults.
#[derive(Debug, Default, Args)]
pub struct ServeArguments {
    /// Address and port to listen on; port 0 takes any free one [default: 127.0.0.1:8432]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Keep databases in this folder, which is made if it is missing
    #[arg(long, value_name = "DIR", conflicts_with = "in_memory")]
    pub data: Option<PathBuf>,
    /// Keep databases in memory; they are gone when the emulator stops (the default)
    #[arg(long)]
    pub in_memory: bool,
    /// Write address and process id to this file, as JSON, once connections are accepted
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,
    /// Stop when standard input ends
    #[arg(long)]
    pub stop_with_stdin: bool,
    /// Life of a session token, in seconds [default: 3600]
    #[arg(long, value_name = "N")]
    pub session_token_seconds: Option<u64>,
    /// Life of a master token, in seconds [default: 14400]
    #[arg(long, value_name = "N")]
    pub master_token_seconds: Option<u64>,
    /// End sessions that were not used for so long, in seconds [default: 14400]
    #[arg(long, value_name = "N")]
    pub idle_seconds: Option<u64>,
    /// Answer "in progress" to statements that take longer, in seconds [default: 45]
    #[arg(long, value_name = "N")]
    pub answer_seconds: Option<u64>,
    /// Let the engine use up to this much memory, in MiB [default: 2048]
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u64>,
    /// Let the engine use so many threads [default: one for each processor, at most 4]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Keep results in memory up to this size, in MiB; files take the rest [default: 256]
    #[arg(long, value_name = "MIB")]
    pub result_memory: Option<u64>,
    /// Keep results in files up to this size, in MiB [default: 8192]
    #[arg(long, value_name = "MIB")]
    pub result_disk: Option<u64>,
    /// Compress answers and all result chunks; for networks that are slower than processors
    #[arg(long)]
    pub compress: bool,
    /// Speak TLS with this certificate (chain), in PEM; needs --tls-key
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Allow addresses that other machines reach; needs users in the configuration file
    #[arg(long)]
    pub allow_remote: bool,
    /// Make this fault, such as "status=503,on=query,times=2"; may be given several times
    #[arg(long = "fault", value_name = "RULE")]
    pub faults: Vec<String>,
    /// Let faults be changed while serving, at /faults; --fault lets them be, too
    #[arg(long)]
    pub fault_control: bool,
    /// Seed of faults with a probability: the same seed makes the same faults [default: 0]
    #[arg(long, value_name = "N")]
    pub fault_seed: Option<u64>,
    /// Show metrics at /metrics to this machine, as Prometheus reads them
    #[arg(long)]
    pub metrics: bool,
    /// Begin a session of the system's own, which outlives the terminal
    #[arg(long, hide = true)]
    pub new_session: bool,
    /// Read users and further settings from this TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log, such as "info" or "snowflake_emulator=debug"
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,
}

//! `emulator`: the local Snowflake's life.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with a local Snowflake.
#[derive(Debug, Subcommand)]
pub(crate) enum EmulatorVerb {
    /// Start it; the service's own by logging in to the connection `local`
    Start {
        #[command(flatten)]
        which: Which,
        /// Options of `snowflake-emulator serve`, after `--`; with --data only
        #[arg(last = true, requires = "data", value_name = "OPTION")]
        options: Vec<OsString>,
    },
    /// Stop it: its sessions end, what is committed stays; the service starts its own again when it is needed
    Stop(Which),
    /// Tell whether it runs, and where
    Status(Which),
    /// Remove all databases and files in stages; snapshots stay
    Reset(Replace),
    /// Keep copies of its data, also while it runs
    #[command(subcommand, arg_required_else_help = true)]
    Snapshot(SnapshotVerb),
    /// Put a snapshot in the place of its data
    Restore {
        /// Name of the snapshot
        name: String,
        #[command(flatten)]
        replace: Replace,
    },
    /// Print what it has logged, newest last
    Logs {
        /// How many lines, at most
        #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 1000)]
        lines: usize,
        /// Go on with what is logged from now on
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Make faults in it: it must run with --fault-control, the service's with `emulator.fault_control`
    #[command(subcommand, arg_required_else_help = true)]
    Fault(FaultVerb),
}

/// Which emulator.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The one of this data folder, not the service's own
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

/// How to replace an emulator's data.
#[derive(Clone, Debug, Args)]
pub(crate) struct Replace {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Stop it if it runs, which ends its sessions, and start it again
    #[arg(long)]
    pub(crate) restart: bool,
}

/// What to do with snapshots.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Copy its data under a name
    Create {
        /// Name of the snapshot
        name: String,
        #[command(flatten)]
        which: Which,
    },
    /// List the snapshots
    List(Which),
    /// Delete a snapshot
    Delete {
        /// Name of the snapshot
        name: String,
        #[command(flatten)]
        which: Which,
    },
}

/// What to do with faults.
#[derive(Debug, Subcommand)]
pub(crate) enum FaultVerb {
    /// Add rules after those that are there
    Add {
        /// Rules, such as "status=503,on=query,times=2"
        #[arg(required = true, value_name = "RULE")]
        rules: Vec<String>,
        #[command(flatten)]
        which: Which,
    },
    /// List the rules, with how often each fired
    List(Which),
    /// Remove all rules
    Clear(Which),
}

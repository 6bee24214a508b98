//! What statements may do, as it is typed.

use clap::{Args, ValueEnum};

/// How much statements may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyChoice {
    /// Read, and change the session itself
    ReadOnly,
    /// Write too, with `sfctl write`, under guards
    Guarded,
    /// Whatever the connection's own rules do not deny
    Open,
}

/// The option of verbs that run statements or make sessions.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PolicyArguments {
    /// What statements may do, never more than the connection allows: `query` reads and `write` is guarded
    /// unless told otherwise [env: SFCTL_POLICY]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) policy: Option<PolicyChoice>,
}

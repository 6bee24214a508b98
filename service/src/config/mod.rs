//! What the user configured: the only reader of environment, files and flags.
//!
//! A value is born in `defaults.toml` with its comment, and may be overlaid by the system file, the user
//! file, environment variables and flags, in this order ([`layers`]). The merged whole is read key by key
//! into [`Settings`], so that every fault is told at once, each with its source ([`read`]). Nothing else of
//! the service has been touched by then. Each room gets its own small struct out of [`Settings`]; this room
//! knows `domain`'s limits and rules and nothing of the others.

mod environment;
mod flags;
mod layers;
mod listing;
#[cfg(test)]
mod manual;
mod metrics;
mod network;
mod oversight;
mod read;
mod reload;
mod settings;
mod tcp;
mod traces;
mod values;

pub use environment::Environment;
pub use flags::{Cli, Command, RunFlags};
pub use layers::{Fault, Faults};
pub use listing::{FileOutcome, LayerName, Listing, Setting, SettingsFile};
pub use metrics::MetricsSettings;
pub use oversight::{AuditSettings, KeepSql, OversightSettings};
pub(crate) use reload::counts_at_reload;
pub use settings::{
    EmulatorSettings, Examined, Folders, LogSettings, RpcSettings, Settings, SocketSettings, examine, load,
};
pub use tcp::{TcpSettings, TlsFiles};
pub use traces::TracesSettings;

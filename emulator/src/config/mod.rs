//! What the user wrote, on the command line and in the configuration file, and what the program uses.

mod accounts;
mod arguments;
mod file;
mod resolve;
mod sql_api;

pub use arguments::{
    Cli, Command, FaultTarget, FaultVerb, FolderArguments, ReplaceArguments, ServeArguments, SnapshotVerb,
};
pub use resolve::{ConfigError, ServeConfig};

//! The command line of the service.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// System service that keeps Snowflake sessions alive
///
/// People and programs talk to it with `sfctl`.
#[derive(Debug, Parser)]
#[command(name = "snowflake-session", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve in the foreground until told to stop
    Run(RunFlags),
    /// Start serving in the background and return when the service answers
    Start(RunFlags),
    /// Print the configuration as JSON, with everything that is wrong with it; `sfctl config` shows it to people
    Config(RunFlags),
    /// Look at a connection's server without a login and print its clock and certificate as JSON, for `sfctl doctor`
    Reach {
        /// Name of the connection
        connection: String,
    },
    /// Write the manual pages into a folder, for a package
    Man {
        /// The folder, which must be there
        directory: PathBuf,
    },
    /// Print the connections as JSON, with everything that is wrong with them and without secrets, for `sfctl doctor`
    Connections,
}

/// Flags that win over files and environment.
#[derive(Debug, Clone, Default, Args)]
pub struct RunFlags {
    /// Path of the gRPC socket
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Configuration file to read instead of the user's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for what outlives the service
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a filter
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// How long to stay without any session, for example 15min; 0s means for ever
    #[arg(long, value_name = "DURATION")]
    pub idle_exit: Option<String>,
}

impl RunFlags {
    /// The flags that were given: flag, key, value. Paths are made absolute, since a background service
    /// changes its working folder.
    pub(super) fn given(&self) -> Vec<(&'static str, &'static str, String)> {
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map(|path| {
                std::path::absolute(path)
                    .unwrap_or_else(|_| path.clone())
                    .to_string_lossy()
                    .into_owned()
            })
        };
        [
            ("--socket", "socket.path", path(&self.socket)),
            ("--state-dir", "state.directory", path(&self.state_dir)),
            ("--log", "log.level", self.log.clone()),
            ("--idle-exit", "service.idle_exit", self.idle_exit.clone()),
        ]
        .into_iter()
        .filter_map(|(flag, key, value)| value.map(|value| (flag, key, value)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn paths_of_flags_become_absolute() {
        let flags = RunFlags {
            socket: Some("a/b.sock".into()),
            ..RunFlags::default()
        };
        let given = flags.given();
        assert_eq!(given.len(), 1);
        assert!(
            given[0].2.starts_with('/') && given[0].2.ends_with("a/b.sock"),
            "{given:?}"
        );
    }
}

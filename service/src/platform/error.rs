//! What the operating system may refuse, by what the user can do.

use std::io;
use std::path::PathBuf;

/// The result of a call to this room.
pub type Result<T, E = PlatformError> = std::result::Result<T, E>;

/// Why the operating system cannot give us what we need.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The path of a socket is longer than the system allows.
    #[error("socket path {} has {length} bytes, {max} are possible here; choose a shorter one", path.display())]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The longest that is possible.
        max: usize,
    },
    /// Others can reach a folder that must be private.
    #[error("folder {} is not private: {why}", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else holds what only one may hold.
    #[error("{what} is in use by another snowflake-session{}", pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// What is in use.
        what: String,
        /// Who holds it, when it says so.
        pid: Option<u32>,
    },
    /// There is something at the socket's path that we did not make.
    #[error("{} is there already and {why}; not touched", path.display())]
    PathTaken {
        /// The path.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// The service manager passed something that we cannot serve.
    #[error("the service manager passed {what}")]
    Activation {
        /// What it passed.
        what: String,
    },
    /// Anything else the system said.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl PlatformError {
    /// Says what was being done.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// True when another configuration, not another try, is needed.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::SocketPathTooLong { .. }
                | Self::NotPrivate { .. }
                | Self::PathTaken { .. }
                | Self::Activation { .. }
        )
    }
}

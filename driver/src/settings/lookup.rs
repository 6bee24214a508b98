//! Finding and reading the files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::connection::{ConnectionSettings, Overrides, ValueSource};
use crate::Result;

/// Where to look: the user's home and the environment, handed in by whoever may read them.
#[derive(Clone)]
pub struct Lookup {
    /// The user's home directory.
    pub home: PathBuf,
    /// The environment, names and values as text. Only `SNOWFLAKE_*`, `SF_*`, `XDG_CONFIG_HOME` and
    /// `PRIVATE_KEY_PASSPHRASE` are looked at.
    pub environment: BTreeMap<String, String>,
}

impl Lookup {
    /// Looks in `home` with this environment.
    pub fn new(home: impl Into<PathBuf>, environment: BTreeMap<String, String>) -> Self {
        Self {
            home: home.into(),
            environment,
        }
    }
}

/// All connections that the files and the environment define.
#[derive(Clone)]
pub struct Connections {
    _private: (),
}

impl Connections {
    /// Reads the files. Missing files are no error.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`](crate::DriverError::Configuration) naming file and line for a file that cannot be
    /// read, is not valid TOML, or may be written by others.
    pub fn load(lookup: &Lookup) -> Result<Self> {
        let _ = lookup;
        unimplemented!("signatures first")
    }

    /// Names of the defined connections, sorted. Empty when nothing is configured.
    pub fn names(&self) -> Vec<String> {
        unimplemented!("signatures first")
    }

    /// Name of the default connection and where that was said: `SNOWFLAKE_DEFAULT_CONNECTION_NAME`, then
    /// `default_connection_name` in `config.toml`, then the name `default` if such a connection is defined. `None` when
    /// none of them applies.
    pub fn default_name(&self) -> Option<(String, ValueSource)> {
        unimplemented!("signatures first")
    }

    /// The connection `name`, complete and checked.
    ///
    /// Key and token files are read now, so that a rotated file counts at the next call.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`](crate::DriverError::Configuration) for an unknown name (with the known ones as
    /// hint), a missing or wrong value, or an authenticator that is not supported.
    pub fn get(&self, name: &str, overrides: &Overrides) -> Result<ConnectionSettings> {
        let _ = (name, overrides);
        unimplemented!("signatures first")
    }

    /// The files that were read, in order of rising precedence.
    pub fn files(&self) -> &[PathBuf] {
        unimplemented!("signatures first")
    }

    /// Things worth telling the user, complete sentences: files that others may read, for example.
    pub fn warnings(&self) -> &[String] {
        unimplemented!("signatures first")
    }
}

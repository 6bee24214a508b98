//! The process environment, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment of a process, as text. Variables that are not UTF-8 are left out.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// Prefix of our own variables.
pub(super) const PREFIX: &str = "SNOWFLAKE_SESSIOND_";

/// What a child process needs to find its files and libraries; everything else, tokens and passwords of the
/// user's shell among it, stays here.
const FOR_CHILDREN: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "RUST_BACKTRACE",
];

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's value; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// A folder, when it is an absolute path.
    pub(super) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    }

    /// Our own variables: what follows the prefix, and the value.
    pub(super) fn own(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.as_str())))
    }

    /// What child processes get.
    pub(super) fn for_children(&self) -> Vec<(OsString, OsString)> {
        self.variables
            .iter()
            .filter(|(name, _)| {
                FOR_CHILDREN.contains(&name.as_str()) || name.starts_with("SNOWFLAKE_EMULATOR_")
            })
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    /// All of it, for the reader of Snowflake's own settings.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self {
            variables: variables.into_iter().collect(),
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

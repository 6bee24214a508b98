//! Finding and reading the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Table;

use crate::{DriverError, Result};

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

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The folder with Snowflake's files, which need not exist.
    pub fn snowflake_home(&self) -> PathBuf {
        if let Some(folder) = self.variable("SNOWFLAKE_HOME") {
            return self.expanded(folder);
        }
        let classic = self.home.join(".snowflake");
        if classic.is_dir() {
            return classic;
        }
        if cfg!(target_os = "macos") {
            return self.home.join("Library/Application Support/snowflake");
        }
        let configuration = self.variable("XDG_CONFIG_HOME").map(PathBuf::from);
        configuration
            .unwrap_or_else(|| self.home.join(".config"))
            .join("snowflake")
    }

    /// A path with a leading `~` replaced by the home directory.
    pub(crate) fn expanded(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if path == "~" => self.home.clone(),
            None => PathBuf::from(path),
        }
    }
}

impl std::fmt::Debug for Lookup {
    /// Shows no values: the environment may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// One file as read.
pub(crate) struct SettingsFile {
    pub(crate) path: PathBuf,
    pub(crate) table: Table,
    /// A sentence about permissions, when there is something to say.
    pub(crate) warning: Option<String>,
}

/// Reads a TOML file; `None` when there is none.
pub(crate) fn read_file(path: PathBuf) -> Result<Option<SettingsFile>> {
    let unreadable = |source| DriverError::Io {
        what: format!("{} cannot be read", path.display()),
        source,
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let warning = check_permissions(&path)?;
    let table = parse(&text, &path.display().to_string())?;
    Ok(Some(SettingsFile { path, table, warning }))
}

/// Parses TOML; the error names the place but never quotes the line, which may hold a password.
pub(crate) fn parse(text: &str, name: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = text
            .get(..offset)
            .map_or(1, |before| before.matches('\n').count() + 1);
        let message = error
            .message()
            .lines()
            .next()
            .unwrap_or("it is not TOML")
            .to_owned();
        DriverError::Configuration {
            message: format!("{name} is not valid TOML, line {line}: {message}"),
            hint: Some("texts need quotes: key = \"value\"".to_owned()),
        }
    })
}

/// Refuses a file that others may write, and says when others may read it.
#[cfg(unix)]
fn check_permissions(path: &Path) -> Result<Option<String>> {
    use std::os::unix::fs::PermissionsExt as _;

    let unreadable = |source| DriverError::Io {
        what: format!("{} cannot be read", path.display()),
        source,
    };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    let remedy = format!("chmod 0600 \"{}\"", path.display());
    if mode & 0o022 != 0 {
        return Err(DriverError::Configuration {
            message: format!(
                "{} may be changed by other users, so it is not used",
                path.display()
            ),
            hint: Some(remedy),
        });
    }
    let readable = mode & 0o044 != 0;
    Ok(readable.then(|| format!("{} may be read by other users; run: {remedy}", path.display())))
}

#[cfg(not(unix))]
fn check_permissions(_path: &Path) -> Result<Option<String>> {
    Ok(None)
}

//! One connection, complete and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use snowflake_session_gateway::Secret;
use url::Url;

use crate::{ParameterValue, SessionContext};

/// How to prove who we are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// User and password, with a one-time passcode where the account asks for one.
    Password {
        /// The password.
        password: Secret,
        /// A one-time code to send beside it.
        passcode: Option<Secret>,
        /// The code is already appended to the password.
        passcode_in_password: bool,
    },
    /// A programmatic access token.
    ProgrammaticAccessToken(Secret),
    /// A key pair: a PKCS#8 key in PEM, plain or encrypted.
    KeyPair {
        /// The PEM text.
        pem: Secret,
        /// Passphrase of an encrypted key.
        passphrase: Option<Secret>,
    },
    /// A ready OAuth access token.
    OAuth(Secret),
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// Given by the caller.
    Override,
    /// An environment variable of this name.
    Environment(String),
    /// A file, with the table in it.
    File {
        /// The file.
        path: PathBuf,
        /// The table, for example `connections.dev`; empty at the top of the file.
        table: String,
    },
    /// Derived or default; the text says how.
    Derived(&'static str),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override => f.write_str("given on the command line"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, table } if table.is_empty() => write!(f, "{}", path.display()),
            Self::File { path, table } => write!(f, "[{table}] in {}", path.display()),
            Self::Derived(how) => f.write_str(how),
        }
    }
}

/// A value as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownValue {
    /// The key.
    pub key: String,
    /// The value; `****` for a secret.
    pub value: String,
    /// Where it came from.
    pub source: ValueSource,
}

/// Values from the caller, which win over every file and variable. Keys as in `connections.toml`.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Key and value, for example `warehouse` and `BIG_WH`. Values of secret keys are redacted in `Debug` because they
    /// are [`Secret`]s.
    pub values: BTreeMap<String, Secret>,
}

/// One connection, complete and checked. Secrets in it are redacted in `Debug`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionSettings {
    /// Its name.
    pub name: String,
    /// Account as it goes into the login: locator or `org-account`, without region and domain.
    pub account: String,
    /// User name. May be empty for tokens that carry it.
    pub user: String,
    /// How to log in.
    pub credential: Credential,
    /// Scheme, host and port of the server.
    pub endpoint: Url,
    /// Database, schema, warehouse and role to start with.
    pub context: SessionContext,
    /// Session parameters to start with.
    pub session_parameters: BTreeMap<String, ParameterValue>,
    /// Whether heartbeats keep the session alive while it is idle; true unless `client_session_keep_alive` says no.
    pub keep_alive: bool,
    /// Where each value came from, by key, for `config show --sources`. Values themselves are not in it.
    pub sources: BTreeMap<String, ValueSource>,
}

impl Overrides {
    /// Adds one value.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.values.insert(key.into(), value.into());
        self
    }
}

impl ConnectionSettings {
    /// Makes settings from values that are already known, for example for an emulator on this machine.
    pub fn new(
        name: impl Into<String>,
        account: impl Into<String>,
        user: impl Into<String>,
        credential: Credential,
        endpoint: Url,
    ) -> Self {
        Self {
            name: name.into(),
            account: account.into(),
            user: user.into(),
            credential,
            endpoint,
            context: SessionContext::default(),
            session_parameters: BTreeMap::new(),
            keep_alive: true,
            sources: BTreeMap::new(),
        }
    }
}

//! Which connections there are, and the values of each.

use std::collections::BTreeSet;
use std::path::PathBuf;

use toml::{Table, Value};

use super::complete::complete;
use super::connection::{ConnectionSettings, Overrides, ShownValue, ValueSource};
use super::keys::{canonical, is_known, is_secret, split_name_and_key};
use super::lookup::{Lookup, SettingsFile, parse, read_file};
use super::values::Values;
use crate::{DriverError, Result};

/// All connections that the files and the environment define.
#[derive(Clone)]
pub struct Connections {
    lookup: Lookup,
    layers: Vec<Layer>,
    default_name: Option<(String, ValueSource)>,
    files: Vec<PathBuf>,
    warnings: Vec<String>,
}

/// Tables of connections from one place. Later layers win.
#[derive(Clone)]
struct Layer {
    tables: Table,
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    File { path: PathBuf, prefix: &'static str },
    Variable(&'static str),
}

const TOML_VARIABLE: &str = "SNOWFLAKE_CONNECTIONS";
const DEFAULT_VARIABLE: &str = "SNOWFLAKE_DEFAULT_CONNECTION_NAME";
/// The connection that is used when nothing else is said, and that unqualified variables alone can define.
const DEFAULT_NAME: &str = "default";

impl Connections {
    /// Reads the files. Missing files are no error.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`] naming file and line for a file that is not valid TOML or may be written by others,
    /// [`DriverError::Io`] for one that cannot be read.
    pub fn load(lookup: &Lookup) -> Result<Self> {
        let folder = lookup.snowflake_home();
        let mut connections = Self {
            lookup: lookup.clone(),
            layers: Vec::new(),
            default_name: None,
            files: Vec::new(),
            warnings: Vec::new(),
        };
        if let Some(mut file) = connections.read(folder.join("config.toml"))? {
            let name = file
                .table
                .get("default_connection_name")
                .and_then(Value::as_str)
                .map(str::to_owned);
            let source = ValueSource::File {
                path: file.path.clone(),
                table: String::new(),
            };
            connections.default_name = name.filter(|name| !name.is_empty()).map(|name| (name, source));
            match file.table.remove("connections") {
                Some(Value::Table(tables)) => {
                    connections.add_layer(
                        tables,
                        Origin::File {
                            path: file.path,
                            prefix: "connections.",
                        },
                    )?;
                }
                None => {}
                Some(_) => return Err(not_a_table("connections", &file.path.display().to_string())),
            }
        }
        if let Some(file) = connections.read(folder.join("connections.toml"))? {
            connections.add_layer(
                file.table,
                Origin::File {
                    path: file.path,
                    prefix: "",
                },
            )?;
        }
        if let Some(text) = lookup.variable(TOML_VARIABLE) {
            let tables = parse(text, TOML_VARIABLE)?;
            connections.add_layer(tables, Origin::Variable(TOML_VARIABLE))?;
        }
        if let Some(name) = lookup.variable(DEFAULT_VARIABLE) {
            let source = ValueSource::Environment(DEFAULT_VARIABLE.to_owned());
            connections.default_name = Some((name.to_owned(), source));
        }
        Ok(connections)
    }

    fn read(&mut self, path: PathBuf) -> Result<Option<SettingsFile>> {
        let file = read_file(path)?;
        if let Some(file) = &file {
            self.files.push(file.path.clone());
            let silenced = self
                .lookup
                .variable("SF_SKIP_WARNING_FOR_READ_PERMISSIONS_ON_CONFIG_FILE");
            let silenced = silenced.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
            self.warnings.extend(file.warning.clone().filter(|_| !silenced));
        }
        Ok(file)
    }

    fn add_layer(&mut self, tables: Table, origin: Origin) -> Result<()> {
        if let Some((name, _)) = tables.iter().find(|(_, table)| !table.is_table()) {
            return Err(not_a_table(name, &origin.name()));
        }
        self.layers.push(Layer { tables, origin });
        Ok(())
    }

    /// Names of the defined connections, sorted. Empty when nothing is configured.
    pub fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = self
            .layers
            .iter()
            .flat_map(|layer| layer.tables.keys().cloned())
            .collect();
        for (name, ..) in self.qualified_variables() {
            if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                names.insert(name);
            }
        }
        if self.lookup.variable("SNOWFLAKE_ACCOUNT").is_some() && names.is_empty() {
            names.insert(DEFAULT_NAME.to_owned());
        }
        names.into_iter().collect()
    }

    /// Name of the default connection and where that was said: `SNOWFLAKE_DEFAULT_CONNECTION_NAME`, then
    /// `default_connection_name` in `config.toml`, then the name `default` if such a connection is defined. `None` when
    /// none of them applies.
    ///
    /// `SNOWFLAKE_ACCOUNT` in the environment defines a connection `default` when no other is defined.
    pub fn default_name(&self) -> Option<(String, ValueSource)> {
        let by_name = || {
            let defined = self.names().iter().any(|name| name == DEFAULT_NAME);
            defined.then(|| {
                (
                    DEFAULT_NAME.to_owned(),
                    ValueSource::Derived("the connection named default"),
                )
            })
        };
        self.default_name.clone().or_else(by_name)
    }

    /// The connection `name`, complete and checked.
    ///
    /// Key and token files are read now, so that a rotated file counts at the next call.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`] for an unknown name (with the known ones as hint), a missing or wrong value, or an
    /// authenticator that is not supported; [`DriverError::Io`] for a key or token file that cannot be read.
    pub fn get(&self, name: &str, overrides: &Overrides) -> Result<ConnectionSettings> {
        let values = self.merged(name, overrides)?;
        complete(name, values, &self.lookup)
    }

    /// The values of a connection as found, sorted by key, secrets masked: for showing where each comes from.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`] for an unknown name.
    pub fn shown(&self, name: &str, overrides: &Overrides) -> Result<Vec<ShownValue>> {
        let values = self.merged(name, overrides)?;
        let show = |(key, raw): (String, super::values::RawValue)| {
            let value = match raw.value {
                _ if is_secret(&key) => "****".to_owned(),
                Value::String(text) => text,
                // A table may hold anything.
                Value::Table(_) | Value::Array(_) => "…".to_owned(),
                other => other.to_string(),
            };
            ShownValue {
                key,
                value,
                source: raw.source,
            }
        };
        Ok(values.0.into_iter().map(show).collect())
    }

    /// The files that were read, in order of rising precedence.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Things worth telling the user, complete sentences: files that others may read, for example.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn merged(&self, name: &str, overrides: &Overrides) -> Result<Values> {
        let names = self.names();
        if !names.iter().any(|known| known == name) {
            let known = if names.is_empty() {
                "none is defined; each is a table in Snowflake's connections.toml".to_owned()
            } else {
                names.join(", ")
            };
            return Err(DriverError::Configuration {
                message: format!("there is no connection named {name:?}"),
                hint: Some(format!("connections: {known}")),
            });
        }
        let mut values = Values::default();
        for layer in &self.layers {
            let Some(table) = layer.tables.get(name).and_then(Value::as_table) else {
                continue;
            };
            for (key, value) in table {
                values.set(canonical(key), value.clone(), layer.origin.source(name));
            }
        }
        for (variable_name, key, variable, value) in self.qualified_variables() {
            if variable_name.eq_ignore_ascii_case(name) {
                values.set(
                    key,
                    Value::from(value),
                    ValueSource::Environment(variable.to_owned()),
                );
            }
        }
        for (key, value) in &overrides.values {
            values.set(canonical(key), Value::from(value.expose()), ValueSource::Override);
        }
        self.fill_gaps(&mut values);
        Ok(values)
    }

    /// `SNOWFLAKE_<KEY>` where nothing else gave the key.
    fn fill_gaps(&self, values: &mut Values) {
        for (variable, value) in &self.lookup.environment {
            let key = variable.strip_prefix("SNOWFLAKE_").map(str::to_ascii_lowercase);
            let Some(key) = key.filter(|key| is_known(key) && !value.is_empty()) else {
                continue;
            };
            values.fill(
                &canonical(&key),
                value,
                ValueSource::Environment(variable.clone()),
            );
        }
        let passphrase = "PRIVATE_KEY_PASSPHRASE";
        if let Some(value) = self.lookup.variable(passphrase) {
            values.fill(
                "private_key_passphrase",
                value,
                ValueSource::Environment(passphrase.to_owned()),
            );
        }
    }

    /// `SNOWFLAKE_CONNECTIONS_<NAME>_<KEY>`: name, canonical key, variable, value.
    fn qualified_variables(&self) -> impl Iterator<Item = (String, String, &str, &str)> {
        self.lookup.environment.iter().filter_map(|(variable, value)| {
            let rest = variable
                .strip_prefix("SNOWFLAKE_CONNECTIONS_")
                .filter(|_| !value.is_empty())?;
            let (name, key) = split_name_and_key(rest)?;
            Some((name, key, variable.as_str(), value.as_str()))
        })
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections")
            .field("names", &self.names())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Variable(name) => (*name).to_owned(),
        }
    }

    fn source(&self, connection: &str) -> ValueSource {
        match self {
            Self::File { path, prefix } => ValueSource::File {
                path: path.clone(),
                table: format!("{prefix}{connection}"),
            },
            Self::Variable(name) => ValueSource::Environment((*name).to_owned()),
        }
    }
}

fn not_a_table(name: &str, place: &str) -> DriverError {
    DriverError::Configuration {
        message: format!("{name:?} in {place} is not a connection: it must be a table"),
        hint: Some(format!("write [{name}] on a line of its own and its keys below")),
    }
}

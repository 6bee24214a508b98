//! What there is to know of the connections without logging in: for whoever looks for what is wrong with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use snowflake_session_driver::{Connections, Lookup, Overrides, ShownValue};

/// Keys whose value names a file with a secret in it.
const SECRET_FILES: [&str; 2] = ["private_key_file", "token_file_path"];

/// All connections of a user. Nothing in it is secret.
#[derive(Debug, Serialize)]
pub struct ConnectionsReport {
    /// Snowflake's own files that were read, the strongest last.
    pub files: Vec<PathBuf>,
    /// Why none of them can be used, if that is so.
    pub fault: Option<ReportedFault>,
    /// What is worth a word although it works.
    pub warnings: Vec<String>,
    /// The connection that is used when none is named; absent where that is the emulator on this machine.
    pub default: Option<String>,
    /// The connections by name.
    pub connections: Vec<ReportedConnection>,
}

/// One connection.
#[derive(Debug, Serialize)]
pub struct ReportedConnection {
    /// Its name.
    pub name: String,
    /// Scheme, host and port of the server; absent where something is wrong with the connection.
    pub endpoint: Option<Endpoint>,
    /// Files that hold its key or token.
    pub secret_files: Vec<PathBuf>,
    /// Keys with their values, secrets masked, and where each is said.
    pub values: Vec<ReportedValue>,
    /// What is wrong with it.
    pub fault: Option<ReportedFault>,
}

/// Where a connection leads.
#[derive(Debug, Serialize)]
pub struct Endpoint {
    /// `https`, or `http` for a server on this machine.
    pub scheme: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A key with its value.
#[derive(Debug, Serialize)]
pub struct ReportedValue {
    /// The key.
    pub key: String,
    /// Its value; stars for a secret.
    pub value: String,
    /// File and table, or variable.
    pub source: String,
}

/// Something that is wrong, and what to do.
#[derive(Debug, Serialize)]
pub struct ReportedFault {
    /// What.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Reads the files and the variables of `environment`, and the key and token files that they name.
pub fn report_connections(home: PathBuf, environment: BTreeMap<String, String>) -> ConnectionsReport {
    let lookup = Lookup::new(&home, environment);
    let connections = match Connections::load(&lookup) {
        Ok(connections) => connections,
        Err(error) => {
            return ConnectionsReport {
                files: Vec::new(),
                fault: Some(fault(error)),
                warnings: Vec::new(),
                default: None,
                connections: Vec::new(),
            };
        }
    };
    let names = connections.names();
    ConnectionsReport {
        files: connections.files().to_vec(),
        fault: None,
        warnings: connections.warnings().to_vec(),
        default: connections.default_name().map(|(name, _)| name),
        connections: names
            .iter()
            .map(|name| connection(name, &connections, &home))
            .collect(),
    }
}

fn connection(name: &str, connections: &Connections, home: &Path) -> ReportedConnection {
    let (none, of_secrets) = (Overrides::default(), |value: &&ShownValue| {
        SECRET_FILES.contains(&value.key.as_str())
    });
    let values = connections.shown(name, &none).unwrap_or_default();
    let secret_files = values.iter().filter(of_secrets);
    let secret_files = secret_files.map(|value| in_home(&value.value, home)).collect();
    let (endpoint, fault) = match connections.get(name, &none) {
        Ok(settings) => {
            let url = &settings.endpoint;
            let endpoint = Endpoint {
                scheme: url.scheme().to_owned(),
                host: url.host_str().unwrap_or_default().to_owned(),
                port: url.port_or_known_default().unwrap_or_default(),
            };
            (Some(endpoint), None)
        }
        Err(error) => (None, Some(fault(error))),
    };
    ReportedConnection {
        name: name.to_owned(),
        endpoint,
        secret_files,
        values: values
            .into_iter()
            .map(|value| ReportedValue {
                source: value.source.to_string(),
                key: value.key,
                value: value.value,
            })
            .collect(),
        fault,
    }
}

/// A path with a leading `~` as a path of this home.
fn in_home(path: &str, home: &Path) -> PathBuf {
    path.strip_prefix("~/")
        .map_or_else(|| PathBuf::from(path), |rest| home.join(rest))
}

fn fault(error: snowflake_session_driver::DriverError) -> ReportedFault {
    let error = super::error::from_driver(error);
    ReportedFault {
        message: crate::domain::error::Chain(&error).to_string(),
        hint: error.facts().hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str, variables: &[(&str, &str)]) -> ConnectionsReport {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".snowflake");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("connections.toml"), text).unwrap();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        report_connections(home.path().to_owned(), variables.collect())
    }

    #[test]
    fn a_connection_is_told_without_its_secrets() {
        let report = report(
            "[default]\naccount = \"acme-prod\"\nuser = \"me\"\npassword = \"s3same\"\n",
            &[("SNOWFLAKE_CONNECTIONS_DEFAULT_ROLE", "READER")],
        );
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("s3same"), "{text}");
        assert_eq!(report.default.as_deref(), Some("default"));
        let connection = &report.connections[0];
        let endpoint = connection.endpoint.as_ref().unwrap();
        assert_eq!(
            (endpoint.scheme.as_str(), endpoint.host.as_str(), endpoint.port),
            ("https", "acme-prod.snowflakecomputing.com", 443)
        );
        let role = connection
            .values
            .iter()
            .find(|value| value.key == "role")
            .unwrap();
        assert!(
            role.source.contains("SNOWFLAKE_CONNECTIONS_DEFAULT_ROLE"),
            "{role:?}"
        );
    }

    #[test]
    fn faults_are_told_by_connection() {
        let report = report(
            "[a]\naccount = \"x-y\"\nuser = \"me\"\nauthenticator = \"nonsense\"\n\
             [b]\naccount = \"x-y\"\nuser = \"me\"\nauthenticator = \"SNOWFLAKE_JWT\"\nprivate_key_file = \"~/k.p8\"\n",
            &[],
        );
        let messages: Vec<&str> = report
            .connections
            .iter()
            .map(|connection| connection.fault.as_ref().unwrap().message.as_str())
            .collect();
        assert!(messages[0].contains("nonsense"), "{messages:?}");
        assert!(messages[1].contains("k.p8"), "{messages:?}");
        assert!(report.connections[1].secret_files[0].ends_with("k.p8"));
        assert!(report.connections[1].secret_files[0].is_absolute());
    }

    #[test]
    fn files_that_cannot_be_used_are_one_fault() {
        let report = report("[a\n", &[]);
        assert!(report.fault.unwrap().message.contains("line 1"));
    }
}

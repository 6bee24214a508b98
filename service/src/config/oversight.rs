//! What statements may do, and what is kept of them: `[policy]`, `[audit]`, `query.tag`.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::read::Reader;
use super::values::{Count, Text, Texts};
use crate::domain::names::ConnectionName;
use crate::domain::policy::{AskServer, Level, Policies, Policy, Rule};

/// What watches over the sessions.
#[derive(Debug, Clone)]
pub struct OversightSettings {
    /// What statements may do.
    pub policies: Policies,
    /// Connections for which it is said that Snowflake is asked about statements, so that the server is one that
    /// compiles without running, whatever its name.
    pub describing: HashSet<ConnectionName>,
    /// Queries are tagged.
    pub query_tag: bool,
    /// The audit log.
    pub audit: AuditSettings,
}

/// The audit log.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// How much of the texts is kept.
    pub sql: KeepSql,
    /// Size at which a file ends.
    pub file_bytes_max: u64,
    /// Age at which a file ends.
    pub file_age_max: Duration,
    /// Size of all files.
    pub total_bytes_max: u64,
    /// How long a file is kept after its last line.
    pub keep: Duration,
    /// Records that wait for the disk.
    pub queue_max: usize,
    /// Bytes of texts among them.
    pub queue_bytes_max: u64,
    /// How long one search may take.
    pub search_time_max: Duration,
}

/// How much of the texts is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepSql {
    /// Nothing.
    None,
    /// The head.
    Head,
    /// All.
    Full,
}

impl FromStr for KeepSql {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "head" => Ok(Self::Head),
            "full" => Ok(Self::Full),
            _ => Err(format!("{text:?} is not one of \"none\", \"head\", \"full\"")),
        }
    }
}

/// Which statements Snowflake is asked about, as it is written.
struct Ask(AskServer);

impl FromStr for Ask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self(AskServer::Never)),
            "writes" => Ok(Self(AskServer::Writes)),
            "always" => Ok(Self(AskServer::Always)),
            _ => Err(format!(
                "{text:?} is not one of \"never\", \"writes\", \"always\""
            )),
        }
    }
}

/// Keys of `policy.connections.NAME`.
pub(super) const CONNECTION_KEYS: [&str; 5] = ["level", "allow", "deny", "rows_max", "ask_server"];

/// What is different for one connection. Keys that do not exist were found before.
#[derive(Deserialize)]
struct Different {
    level: Option<Text>,
    allow: Option<Texts>,
    deny: Option<Texts>,
    rows_max: Option<Count>,
    ask_server: Option<Text>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> OversightSettings {
    const MEBIBYTE: u64 = 1 << 20;
    const MINUTE: Duration = Duration::from_mins(1);
    let file_bytes_max = reader.size("audit.file_bytes_max", 64 * 1024, 256 * MEBIBYTE);
    let (policies, describing) = policies(reader);
    OversightSettings {
        policies,
        describing,
        query_tag: reader.truth("query.tag"),
        audit: AuditSettings {
            sql: reader.word("audit.sql", KeepSql::None),
            file_bytes_max,
            file_age_max: reader.duration("audit.file_age_max", MINUTE),
            total_bytes_max: reader.size("audit.total_bytes_max", file_bytes_max, 1024 * 1024 * MEBIBYTE),
            keep: reader.duration("audit.keep", MINUTE),
            queue_max: reader.count("audit.queue_max", 16),
            queue_bytes_max: reader.size("audit.queue_bytes_max", MEBIBYTE, 1024 * MEBIBYTE),
            search_time_max: reader.duration("audit.search_time_max", Duration::from_millis(10)),
        },
    }
}

fn policies(reader: &mut Reader<'_>) -> (Policies, HashSet<ConnectionName>) {
    let general = Policy {
        level: reader.word("policy.level", Level::ReadOnly),
        allow: reader.list("policy.allow"),
        deny: reader.list("policy.deny"),
        rows_max: reader.count("policy.rows_max", 0) as u64,
        ask_server: reader.word("policy.ask_server", Ask(AskServer::Writes)).0,
    };
    check_allow(reader, "policy.allow", &general.allow);
    let mut connections = HashMap::new();
    let mut describing = HashSet::new();
    for (name, different) in reader.tables::<Different>("policy.connections") {
        let key = |key: &str| format!("policy.connections.{name}.{key}");
        let Ok(connection) = name.parse::<ConnectionName>() else {
            reader.fault(&key("level"), format!("{name:?} is no name of a connection"));
            continue;
        };
        let mut policy = general.clone();
        if let Some(Text(level)) = different.level {
            policy.level = reader.parsed(&key("level"), &level).unwrap_or(policy.level);
        }
        if let Some(Texts(allow)) = different.allow {
            policy.allow = reader.each(&key("allow"), &allow);
            check_allow(reader, &key("allow"), &policy.allow);
        }
        if let Some(Texts(deny)) = different.deny {
            policy.deny = reader.each(&key("deny"), &deny);
        }
        if let Some(Count(rows_max)) = different.rows_max {
            policy.rows_max = rows_max;
        }
        if let Some(Text(ask)) = different.ask_server {
            policy.ask_server = reader
                .parsed(&key("ask_server"), &ask)
                .map_or(policy.ask_server, |Ask(ask)| ask);
            describing.insert(connection.clone());
        }
        connections.insert(connection, Arc::new(policy));
    }
    let policies = Policies {
        general: Arc::new(general),
        connections,
    };
    (policies, describing)
}

/// What is not understood cannot be listed as harmless.
fn check_allow(reader: &mut Reader<'_>, key: &str, rules: &[Rule]) {
    for rule in rules.iter().filter(|rule| rule.is_about_unknown()) {
        let why = format!(
            "rule \"{rule}\": what is not understood cannot be allowed by a rule; a level can be open"
        );
        reader.fault(key, why);
    }
}

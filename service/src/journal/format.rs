//! What stands in a session's file.
//!
//! A version number comes first and is looked at before anything else. A new field is optional for readers; a change
//! that older readers would misunderstand takes a new version.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::domain::context::Context;
use crate::domain::journal::record::Record;
use crate::domain::journal::{Journal, TemporaryObject};
use crate::domain::loss::{Loss, LossKind};
use crate::domain::statement::Literal;
use crate::domain::upstream::Identity;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    session: String,
    connection: String,
    #[serde(default)]
    idle_limit_ms: Option<u64>,
    #[serde(default)]
    policy: Option<String>,
    /// Milliseconds since 1970, as all times here.
    create_time: u64,
    last_use_time: u64,
    #[serde(default)]
    identity: KeptIdentity,
    #[serde(default)]
    last_query_id: String,
    #[serde(default)]
    context: KeptContext,
    #[serde(default)]
    secondary_roles: Option<String>,
    /// Values as SQL literals; null where there is nothing to set again.
    #[serde(default)]
    parameters: BTreeMap<String, Option<String>>,
    #[serde(default)]
    variables: BTreeMap<String, Option<String>>,
    #[serde(default)]
    temporary_objects: Vec<KeptObject>,
    #[serde(default)]
    transaction_begin_time: Option<u64>,
    #[serde(default)]
    transaction_is_held: bool,
    #[serde(default)]
    losses: Vec<KeptLoss>,
}

#[derive(Default, Serialize, Deserialize)]
struct KeptIdentity {
    user: String,
    account: String,
    server_version: String,
    host: String,
}

#[derive(Default, Serialize, Deserialize)]
struct KeptContext {
    role: Option<String>,
    warehouse: Option<String>,
    database: Option<String>,
    schema: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptObject {
    name: String,
    path: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptLoss {
    kind: KeptKind,
    name: String,
    cause: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KeptKind {
    Transaction,
    Write,
    TemporaryObject,
    Variable,
    Parameter,
    Context,
}

/// The text of a session's file.
pub(super) fn write(record: &Record) -> Result<Vec<u8>, serde_json::Error> {
    let journal = &record.journal;
    let file = File {
        version: VERSION,
        session: record.name.to_string(),
        connection: record.connection.to_string(),
        idle_limit_ms: record
            .idle_limit
            .map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        policy: record.policy.map(|policy| policy.to_string()),
        create_time: millis(record.create_time),
        last_use_time: millis(record.last_use_time),
        identity: KeptIdentity {
            user: record.identity.user.clone(),
            account: record.identity.account.clone(),
            server_version: record.identity.server_version.clone(),
            host: record.identity.host.clone(),
        },
        last_query_id: record.last_query_id.clone(),
        context: KeptContext {
            role: journal.context.role.clone(),
            warehouse: journal.context.warehouse.clone(),
            database: journal.context.database.clone(),
            schema: journal.context.schema.clone(),
        },
        secondary_roles: journal.secondary_roles.clone(),
        parameters: texts(&journal.parameters),
        variables: texts(&journal.variables),
        temporary_objects: journal
            .temporary_objects
            .iter()
            .map(|object| KeptObject {
                name: object.name.clone(),
                path: object.path.clone(),
            })
            .collect(),
        transaction_begin_time: journal.transaction.map(millis),
        transaction_is_held: journal.transaction_is_held,
        losses: journal.losses.iter().map(kept_loss).collect(),
    };
    serde_json::to_vec_pretty(&file)
}

/// Reads the text of a session's file; says what is wrong with it.
pub(super) fn read(text: &[u8]) -> Result<Record, String> {
    // Only the place of a fault is told: the text around it may hold values.
    let fault = |error: serde_json::Error| {
        format!(
            "not as it should be in line {} column {}",
            error.line(),
            error.column()
        )
    };
    let head: Head = serde_json::from_slice(text).map_err(fault)?;
    if head.version != VERSION {
        return Err(format!("it has version {}, not {VERSION}", head.version));
    }
    let file: File = serde_json::from_slice(text).map_err(fault)?;
    Ok(Record {
        name: file.session.parse().map_err(|_| "it names no session")?,
        connection: file.connection.parse().map_err(|_| "it names no connection")?,
        idle_limit: file.idle_limit_ms.map(Duration::from_millis),
        // A level that this version does not know is not to be taken for none.
        policy: file
            .policy
            .map(|policy| policy.parse().map_err(|_| "its policy is none that is known"))
            .transpose()?,
        create_time: time(file.create_time),
        last_use_time: time(file.last_use_time),
        identity: Identity {
            user: file.identity.user,
            account: file.identity.account,
            server_version: file.identity.server_version,
            host: file.identity.host,
            upstream_session_id: 0,
        },
        last_query_id: file.last_query_id,
        journal: Journal {
            context: Context {
                role: file.context.role,
                warehouse: file.context.warehouse,
                database: file.context.database,
                schema: file.context.schema,
            },
            secondary_roles: file.secondary_roles,
            parameters: literals(file.parameters, Literal::parse_setting),
            variables: literals(file.variables, Literal::parse),
            temporary_objects: file
                .temporary_objects
                .into_iter()
                .map(|KeptObject { name, path }| TemporaryObject { name, path })
                .collect(),
            transaction: file.transaction_begin_time.map(time),
            transaction_is_held: file.transaction_is_held,
            losses: file.losses.into_iter().map(loss).collect(),
        },
    })
}

fn texts(set: &BTreeMap<String, Option<Literal>>) -> BTreeMap<String, Option<String>> {
    set.iter()
        .map(|(name, value)| {
            (
                name.clone(),
                value.as_ref().map(|value| value.as_sql().to_owned()),
            )
        })
        .collect()
}

/// What is no literal any more is remembered by name.
fn literals(
    set: BTreeMap<String, Option<String>>,
    parse: impl Fn(&str) -> Option<Literal>,
) -> BTreeMap<String, Option<Literal>> {
    set.into_iter()
        .map(|(name, value)| (name, value.and_then(|value| parse(&value))))
        .collect()
}

fn kept_loss(loss: &Loss) -> KeptLoss {
    let kind = match loss.kind {
        LossKind::Transaction => KeptKind::Transaction,
        LossKind::Write => KeptKind::Write,
        LossKind::TemporaryObject => KeptKind::TemporaryObject,
        LossKind::Variable => KeptKind::Variable,
        LossKind::Parameter => KeptKind::Parameter,
        LossKind::Context => KeptKind::Context,
    };
    KeptLoss {
        kind,
        name: loss.name.clone(),
        cause: loss.cause.clone(),
    }
}

fn loss(kept: KeptLoss) -> Loss {
    let kind = match kept.kind {
        KeptKind::Transaction => LossKind::Transaction,
        KeptKind::Write => LossKind::Write,
        KeptKind::TemporaryObject => LossKind::TemporaryObject,
        KeptKind::Variable => LossKind::Variable,
        KeptKind::Parameter => LossKind::Parameter,
        KeptKind::Context => LossKind::Context,
    };
    Loss {
        kind,
        name: kept.name,
        cause: kept.cause,
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A time that no clock can show is the beginning of time, so that its session is the oldest.
fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::statement::check;

    /// A session that holds one of everything.
    pub(in crate::journal) fn record(name: &str) -> Record {
        let mut journal = Journal::default();
        journal.context.database = Some("my \"db\"".into());
        for sql in [
            "alter session set timezone = 'UTC'",
            "set (a, \"b\") = (1, 'it''s')",
            "set c = a()",
            "create temp table t (a int)",
            "use secondary roles all",
        ] {
            for effect in check(sql, 1000).unwrap() {
                journal.note(&effect);
            }
        }
        journal.transaction = Some(time(1_700_000_000_123));
        journal.add_loss(LossKind::Context, "role R".into(), "refused");
        Record {
            name: name.parse().unwrap(),
            connection: "prod".parse().unwrap(),
            idle_limit: Some(Duration::from_secs(90)),
            policy: Some(crate::domain::policy::Level::Guarded),
            create_time: time(1),
            last_use_time: time(2),
            identity: Identity {
                user: "ME".into(),
                ..Identity::default()
            },
            last_query_id: "q".into(),
            journal,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let record = record("etl");
        assert_eq!(read(&write(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn other_versions_and_nonsense_are_told_without_their_contents() {
        for (text, told) in [
            ("", "not as it should be in line 1 column 0"),
            ("{\"version\": 2}", "it has version 2, not 1"),
            (
                "{\"version\": 1, \"variables\": \"secret\"}",
                "not as it should be in line 1 column 36",
            ),
            (
                "{\"version\":1,\"session\":\"a b\",\"connection\":\"c\",\"create_time\":1,\"last_use_time\":1}",
                "it names no session",
            ),
            (
                "{\"version\":1,\"session\":\"a\",\"connection\":\"c\",\"policy\":\"lax\",\"create_time\":1,\"last_use_time\":1}",
                "its policy is none that is known",
            ),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err(), told, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_no_literal_is_not_taken() {
        let mut text = String::from_utf8(write(&record("etl")).unwrap()).unwrap();
        text = text.replace("\"A\": \"1\"", "\"A\": \"1); drop table t; select (1\"");
        let read = read(text.as_bytes()).unwrap();
        assert_eq!(read.journal.variables["A"], None);
    }
}

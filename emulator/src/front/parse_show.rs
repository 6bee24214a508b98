//! SHOW and DESCRIBE.

use super::command::{Command, Describe, DescribeKind};
use super::cursor::Cursor;
use super::show_command::{Absent, Show, ShowKind, ShowScope};
use crate::contract::SqlError;

/// `SHOW …`, after its first word.
pub(super) fn parse_show(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let terse = cursor.eat(&["TERSE"]);
    let kind = kind(cursor)?;
    let mut show = Show {
        kind,
        terse,
        history: cursor.eat(&["HISTORY"]),
        like: None,
        scope: ShowScope::Unsaid,
        starts_with: None,
        limit: None,
        from: None,
    };
    while !cursor.at_end() {
        clause(cursor, &mut show)?;
    }
    Ok(Command::Show(show))
}

/// What is listed, by its words; longer ones before those that they begin with.
const KINDS: [(&[&str], ShowKind); 49] = [
    (&["DATABASES"], ShowKind::Databases),
    (&["SCHEMAS"], ShowKind::Schemas),
    (&["TABLES"], ShowKind::Tables),
    (&["VIEWS"], ShowKind::Views),
    (&["OBJECTS"], ShowKind::Objects),
    (&["COLUMNS"], ShowKind::Columns),
    (&["SEQUENCES"], ShowKind::Sequences),
    (&["WAREHOUSES"], ShowKind::Warehouses),
    (&["ROLES"], ShowKind::Roles),
    (&["USERS"], ShowKind::Users),
    (&["GRANTS"], ShowKind::Grants),
    (&["FUTURE", "GRANTS"], ShowKind::FutureGrants),
    (&["PARAMETERS"], ShowKind::Parameters),
    (&["VARIABLES"], ShowKind::Variables),
    (&["TRANSACTIONS"], ShowKind::Transactions),
    (&["STAGES"], ShowKind::Stages),
    (&["FILE", "FORMATS"], ShowKind::FileFormats),
    (&["PRIMARY", "KEYS"], ShowKind::PrimaryKeys),
    (&["UNIQUE", "KEYS"], ShowKind::UniqueKeys),
    (&["IMPORTED", "KEYS"], ShowKind::ImportedKeys),
    (&["EXPORTED", "KEYS"], ShowKind::ExportedKeys),
    (&["ALERTS"], ShowKind::Absent(Absent::Alerts)),
    (&["DYNAMIC", "TABLES"], ShowKind::Absent(Absent::DynamicTables)),
    (&["EXTERNAL", "TABLES"], ShowKind::Absent(Absent::ExternalTables)),
    (&["FUNCTIONS"], ShowKind::Absent(Absent::Functions)),
    (&["USER", "FUNCTIONS"], ShowKind::Absent(Absent::Functions)),
    (&["BUILTIN", "FUNCTIONS"], ShowKind::Absent(Absent::Functions)),
    (&["EXTERNAL", "FUNCTIONS"], ShowKind::Absent(Absent::Functions)),
    (&["INTEGRATIONS"], ShowKind::Absent(Absent::Integrations)),
    (&["API", "INTEGRATIONS"], ShowKind::Absent(Absent::Integrations)),
    (
        &["CATALOG", "INTEGRATIONS"],
        ShowKind::Absent(Absent::Integrations),
    ),
    (
        &["EXTERNAL", "ACCESS", "INTEGRATIONS"],
        ShowKind::Absent(Absent::Integrations),
    ),
    (
        &["NOTIFICATION", "INTEGRATIONS"],
        ShowKind::Absent(Absent::Integrations),
    ),
    (
        &["SECURITY", "INTEGRATIONS"],
        ShowKind::Absent(Absent::Integrations),
    ),
    (
        &["STORAGE", "INTEGRATIONS"],
        ShowKind::Absent(Absent::Integrations),
    ),
    (&["MASKING", "POLICIES"], ShowKind::Absent(Absent::Policies)),
    (&["ROW", "ACCESS", "POLICIES"], ShowKind::Absent(Absent::Policies)),
    (
        &["MATERIALIZED", "VIEWS"],
        ShowKind::Absent(Absent::MaterializedViews),
    ),
    (
        &["NETWORK", "POLICIES"],
        ShowKind::Absent(Absent::NetworkPolicies),
    ),
    (&["PIPES"], ShowKind::Absent(Absent::Pipes)),
    (&["PROCEDURES"], ShowKind::Absent(Absent::Procedures)),
    (&["USER", "PROCEDURES"], ShowKind::Absent(Absent::Procedures)),
    (&["BUILTIN", "PROCEDURES"], ShowKind::Absent(Absent::Procedures)),
    (&["SECRETS"], ShowKind::Absent(Absent::Secrets)),
    (&["SHARES"], ShowKind::Absent(Absent::Shares)),
    (&["STREAMLITS"], ShowKind::Absent(Absent::Streamlits)),
    (&["STREAMS"], ShowKind::Absent(Absent::Streams)),
    (&["TAGS"], ShowKind::Absent(Absent::Tags)),
    (&["TASKS"], ShowKind::Absent(Absent::Tasks)),
];

/// Lists that Snowflake has and this emulator does not: refused as such, not as nonsense.
const OTHERS: [&str; 24] = [
    "APPLICATION",
    "APPLICATIONS",
    "CHANNELS",
    "COMPUTE",
    "CONNECTIONS",
    "DATABASE",
    "DATASETS",
    "EVENT",
    "EXTERNAL",
    "FAILOVER",
    "GIT",
    "HYBRID",
    "ICEBERG",
    "IMAGE",
    "LOCKS",
    "MODELS",
    "NETWORK",
    "NOTEBOOKS",
    "ORGANIZATION",
    "PASSWORD",
    "REGIONS",
    "REPLICATION",
    "RESOURCE",
    "SERVICES",
];

fn kind(cursor: &mut Cursor<'_>) -> Result<ShowKind, SqlError> {
    if let Some((_, kind)) = KINDS.iter().find(|(words, _)| cursor.eat(words)) {
        return Ok(*kind);
    }
    match OTHERS.iter().find(|word| cursor.peek_word(0, word)) {
        Some(word) => Err(SqlError::unsupported(format!("SHOW {word}"))),
        None => Err(cursor.unexpected()),
    }
}

fn clause(cursor: &mut Cursor<'_>, show: &mut Show) -> Result<(), SqlError> {
    if cursor.eat(&["LIKE"]) {
        show.like = Some(cursor.text()?);
    } else if cursor.eat(&["STARTS", "WITH"]) {
        show.starts_with = Some(cursor.text()?);
    } else if cursor.eat(&["LIMIT"]) {
        show.limit = Some(cursor.integer()?);
    } else if show.limit.is_some() && cursor.eat(&["FROM"]) {
        show.from = Some(cursor.text()?);
    } else if show.kind == ShowKind::Absent(Absent::Tasks) && cursor.eat(&["ROOT", "ONLY"]) {
        // None of them has another before it.
    } else if ["TO", "OF", "ON"].iter().any(|word| cursor.peek_word(0, word)) {
        show.scope = grants(cursor, show.kind)?;
    } else if cursor.eat(&["IN"]) || cursor.eat(&["FROM"]) || cursor.eat(&["FOR"]) {
        show.scope = scope(cursor, show.kind)?;
    } else {
        return Err(cursor.unexpected());
    }
    Ok(())
}

/// `TO ROLE r`, `OF ROLE r`, `ON kind name`, `ON name`, `ON ACCOUNT`; future grants are listed of a role only.
fn grants(cursor: &mut Cursor<'_>, listed: ShowKind) -> Result<ShowScope, SqlError> {
    let is_known = match listed {
        ShowKind::Grants => true,
        ShowKind::FutureGrants => cursor.peek_word(0, "TO"),
        _ => false,
    };
    if !is_known {
        return Err(cursor.unexpected());
    }
    let relation = cursor.word()?;
    let mut kind = Vec::new();
    if relation == "ON" {
        if cursor.eat(&["ACCOUNT"]) {
            return Ok(ShowScope::Grants {
                relation,
                kind: "ACCOUNT".to_owned(),
                path: Vec::new(),
            });
        }
        while cursor.name_follows() {
            kind.push(cursor.word()?);
        }
    } else {
        if cursor.eat(&["DATABASE"]) {
            kind.push("DATABASE".to_owned());
        }
        kind.push(cursor.word()?);
    }
    Ok(ShowScope::Grants {
        relation,
        kind: kind.join(" "),
        path: cursor.path()?,
    })
}

fn scope(cursor: &mut Cursor<'_>, kind: ShowKind) -> Result<ShowScope, SqlError> {
    if cursor.eat(&["ACCOUNT"]) || cursor.eat(&["SESSION"]) {
        return Ok(ShowScope::Account);
    }
    if cursor.eat(&["DATABASE"]) {
        return Ok(ShowScope::Database(optional_path(cursor)?));
    }
    if cursor.eat(&["SCHEMA"]) {
        return Ok(ShowScope::Schema(optional_path(cursor)?));
    }
    if cursor.eat(&["TABLE"]) || cursor.eat(&["VIEW"]) {
        return Ok(ShowScope::Table(cursor.path()?));
    }
    let path = cursor.path()?;
    Ok(match kind {
        ShowKind::Schemas => ShowScope::Database(Some(path)),
        ShowKind::Columns
        | ShowKind::PrimaryKeys
        | ShowKind::UniqueKeys
        | ShowKind::ImportedKeys
        | ShowKind::ExportedKeys => ShowScope::Table(path),
        _ => ShowScope::Schema(Some(path)),
    })
}

fn optional_path(cursor: &mut Cursor<'_>) -> Result<Option<super::command::Path>, SqlError> {
    let clause = ["LIKE", "STARTS", "LIMIT"]
        .iter()
        .any(|word| cursor.peek_word(0, word));
    if cursor.at_end() || clause {
        Ok(None)
    } else {
        cursor.path().map(Some)
    }
}

/// `DESCRIBE …` or `DESC …`, after its first word.
pub(super) fn parse_describe(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if let Some(command) = super::parse_stage::parse_describe(cursor)? {
        return Ok(command);
    }
    if cursor.eat(&["RESULT"]) {
        if cursor.at_end() {
            return Err(cursor.unexpected());
        }
        let query = format!("SELECT {}", cursor.rest());
        let query = super::sql::parse(&query, cursor.origin())?;
        return Ok(Command::DescribeResult(Box::new(query)));
    }
    let kinds = [
        ("TABLE", DescribeKind::Table),
        ("VIEW", DescribeKind::View),
        ("SEQUENCE", DescribeKind::Sequence),
        ("SCHEMA", DescribeKind::Schema),
        ("DATABASE", DescribeKind::Database),
    ];
    let Some((_, kind)) = kinds.into_iter().find(|(word, _)| cursor.eat(&[word])) else {
        // `DESC t` is not Snowflake's; anything else is a kind that we do not describe.
        let mut words = cursor.word()?;
        if cursor.at_end() {
            return Err(cursor.unexpected());
        }
        words.insert_str(0, "DESCRIBE ");
        return Err(SqlError::unsupported(words));
    };
    let path = cursor.path()?;
    if kind == DescribeKind::Table && cursor.eat(&["TYPE"]) {
        cursor.expect_sign('=')?;
        if !cursor.eat(&["COLUMNS"]) {
            return Err(SqlError::unsupported("DESCRIBE TABLE TYPE = STAGE"));
        }
    }
    cursor.end()?;
    Ok(Command::Describe(Describe { kind, path }))
}

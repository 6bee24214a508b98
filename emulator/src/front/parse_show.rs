//! SHOW and DESCRIBE.

use super::command::{Command, Describe, DescribeKind, Show, ShowKind, ShowScope};
use super::cursor::Cursor;
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

/// Lists that Snowflake has and this emulator does not: refused as such, not as nonsense.
const OTHERS: [&str; 13] = [
    "PIPES",
    "STREAMS",
    "TASKS",
    "USERS",
    "SHARES",
    "TAGS",
    "INTEGRATIONS",
    "LOCKS",
    "REGIONS",
    "MATERIALIZED",
    "EXTERNAL",
    "DYNAMIC",
    "SECRETS",
];

fn kind(cursor: &mut Cursor<'_>) -> Result<ShowKind, SqlError> {
    if cursor.eat(&["FILE", "FORMATS"]) {
        return Ok(ShowKind::FileFormats);
    }
    for (word, kind) in [
        ("PRIMARY", ShowKind::PrimaryKeys),
        ("UNIQUE", ShowKind::UniqueKeys),
        ("IMPORTED", ShowKind::ImportedKeys),
        ("EXPORTED", ShowKind::ExportedKeys),
    ] {
        if cursor.eat(&[word, "KEYS"]) {
            return Ok(kind);
        }
    }
    if cursor.eat(&["USER", "FUNCTIONS"])
        || cursor.eat(&["BUILTIN", "FUNCTIONS"])
        || cursor.eat(&["USER", "PROCEDURES"])
        || cursor.eat(&["PROCEDURES"])
    {
        return Ok(ShowKind::Functions);
    }
    let known = [
        ("DATABASES", ShowKind::Databases),
        ("SCHEMAS", ShowKind::Schemas),
        ("TABLES", ShowKind::Tables),
        ("VIEWS", ShowKind::Views),
        ("OBJECTS", ShowKind::Objects),
        ("COLUMNS", ShowKind::Columns),
        ("SEQUENCES", ShowKind::Sequences),
        ("WAREHOUSES", ShowKind::Warehouses),
        ("ROLES", ShowKind::Roles),
        ("GRANTS", ShowKind::Grants),
        ("PARAMETERS", ShowKind::Parameters),
        ("VARIABLES", ShowKind::Variables),
        ("TRANSACTIONS", ShowKind::Transactions),
        ("FUNCTIONS", ShowKind::Functions),
        ("STAGES", ShowKind::Stages),
    ];
    for (word, kind) in known {
        if cursor.eat(&[word]) {
            return Ok(kind);
        }
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
    } else if show.kind == ShowKind::Grants {
        let relation = cursor.word()?;
        if !["TO", "OF", "ON"].contains(&relation.as_str()) {
            return Err(cursor.unexpected());
        }
        let kind = cursor.word()?;
        show.scope = ShowScope::Grants {
            relation,
            kind,
            path: cursor.path()?,
        };
    } else if cursor.eat(&["IN"]) || cursor.eat(&["FROM"]) || cursor.eat(&["FOR"]) {
        show.scope = scope(cursor, show.kind)?;
    } else {
        return Err(cursor.unexpected());
    }
    Ok(())
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

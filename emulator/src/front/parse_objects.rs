//! CREATE, ALTER, DROP and UNDROP of databases, schemas, warehouses and roles; TRUNCATE and COMMENT.

use super::command::{
    AccountKind, AlterObject, Change, Command, Comment, CommentKind, CreateAccountObject, CreateNamespace,
    DropObject, NamespaceKind, Path, Property, PropertyValue,
};
use super::cursor::Cursor;
use super::parse_sequence;
use super::parse_session::{parse_alter_session, properties};
use crate::contract::SqlError;

/// `CREATE …`, after its first word; `None` when it is `sqlparser`'s.
pub(super) fn parse_create(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    if let Some(command) = super::parse_template::parse_template(cursor)? {
        return Ok(Some(command));
    }
    let or_replace = cursor.eat(&["OR", "REPLACE"]);
    if let Some(command) = super::parse_stage::parse_create(cursor, or_replace)? {
        return Ok(Some(command));
    }
    let transient = cursor.eat(&["TRANSIENT"]);
    if let Some(kind) = namespace(cursor) {
        return create_namespace(cursor, kind, or_replace, transient).map(Some);
    }
    if transient {
        return Ok(None);
    }
    if cursor.eat(&["SEQUENCE"]) {
        return parse_sequence::create(cursor, or_replace).map(Some);
    }
    match account(cursor) {
        Some(kind) => create_account_object(cursor, kind, or_replace).map(Some),
        None => Ok(None),
    }
}

fn create_namespace(
    cursor: &mut Cursor<'_>,
    kind: NamespaceKind,
    or_replace: bool,
    transient: bool,
) -> Result<Command, SqlError> {
    let mut if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let path = cursor.path()?;
    // Snowflake takes the words after the name as well.
    if_not_exists |= cursor.eat(&["IF", "NOT", "EXISTS"]);
    let clone = if cursor.eat(&["CLONE"]) {
        Some(cursor.path()?)
    } else {
        None
    };
    if cursor.peek_word(0, "FROM") {
        return Err(SqlError::unsupported("CREATE DATABASE FROM SHARE"));
    }
    let (mut options, mut clone_stages) = (Vec::new(), false);
    while !cursor.at_end() {
        if clone.is_some() && cursor.eat(&["INCLUDE", "INTERNAL", "STAGES"]) {
            clone_stages = true;
        } else if clone.is_some() && is_ignored_of_clone(cursor) {
            // There are no such tables.
        } else if cursor.eat(&["WITH", "MANAGED", "ACCESS"]) {
            options.push(Property {
                name: "MANAGED ACCESS".to_owned(),
                value: PropertyValue::Bool(true),
            });
        } else if cursor.peek_word(0, "AT") || cursor.peek_word(0, "BEFORE") {
            return Err(SqlError::unsupported("CLONE of the past of a database or schema"));
        } else {
            cursor.eat(&["WITH"]);
            let found = properties(cursor)?;
            if found.is_empty() {
                return Err(cursor.unexpected());
            }
            options.extend(found);
        }
    }
    Ok(Command::CreateNamespace(CreateNamespace {
        kind,
        or_replace,
        if_not_exists,
        transient,
        path,
        clone,
        clone_stages,
        properties: options,
    }))
}

fn is_ignored_of_clone(cursor: &mut Cursor<'_>) -> bool {
    cursor.eat(&["IGNORE", "HYBRID", "TABLES"])
        || cursor.eat(&["IGNORE", "TABLES", "WITH", "INSUFFICIENT", "DATA", "RETENTION"])
}

fn create_account_object(
    cursor: &mut Cursor<'_>,
    kind: AccountKind,
    or_replace: bool,
) -> Result<Command, SqlError> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = cursor.single_name()?;
    cursor.eat(&["WITH"]);
    let properties = properties(cursor)?;
    cursor.end()?;
    Ok(Command::CreateAccountObject(CreateAccountObject {
        kind,
        or_replace,
        if_not_exists,
        name,
        properties,
    }))
}

/// `DROP …`, after its first word; `None` when it is `sqlparser`'s.
pub(super) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    if let Some(command) = super::parse_stage::parse_drop(cursor)? {
        return Ok(Some(command));
    }
    if let Some(kind) = namespace(cursor) {
        return drop_object(cursor, kind).map(Command::DropNamespace).map(Some);
    }
    if cursor.eat(&["SEQUENCE"]) {
        return drop_object(cursor, ()).map(Command::DropSequence).map(Some);
    }
    match account(cursor) {
        Some(kind) => drop_object(cursor, kind)
            .map(Command::DropAccountObject)
            .map(Some),
        None => Ok(None),
    }
}

fn drop_object<K>(cursor: &mut Cursor<'_>, kind: K) -> Result<DropObject<K>, SqlError> {
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let path = cursor.path()?;
    let restrict = cursor.eat(&["RESTRICT"]);
    if !restrict {
        cursor.eat(&["CASCADE"]);
    }
    cursor.end()?;
    Ok(DropObject {
        kind,
        if_exists,
        path,
        restrict,
    })
}

/// `UNDROP …`, after its first word.
pub(super) fn parse_undrop(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let command = if let Some(kind) = namespace(cursor) {
        Command::UndropNamespace(kind, cursor.path()?)
    } else {
        cursor.expect(&["TABLE"])?;
        Command::UndropTable(cursor.path()?)
    };
    cursor.end()?;
    Ok(command)
}

/// `ALTER …`, after its first word; `None` when it is `sqlparser`'s.
pub(super) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    if let Some(command) = super::parse_stage::parse_alter(cursor)? {
        return Ok(Some(command));
    }
    if cursor.eat(&["SESSION"]) {
        return parse_alter_session(cursor).map(Some);
    }
    if let Some(kind) = namespace(cursor) {
        return alter_object(cursor, kind).map(Command::AlterNamespace).map(Some);
    }
    if cursor.eat(&["VIEW"]) {
        return alter_object(cursor, ()).map(Command::AlterView).map(Some);
    }
    if cursor.eat(&["SEQUENCE"]) {
        return parse_sequence::alter(cursor).map(Some);
    }
    if cursor.peek_word(0, "TABLE") {
        if let Some(comments) = column_comments(&mut cursor.clone()) {
            return Ok(Some(Command::CommentColumns(comments)));
        }
        // Whatever else it is, is `sqlparser`'s business.
        return table_options(&mut cursor.clone());
    }
    match account(cursor) {
        Some(kind) => alter_object(cursor, kind)
            .map(Command::AlterAccountObject)
            .map(Some),
        None => Ok(None),
    }
}

/// `TABLE t {ALTER | MODIFY} [(] [COLUMN] a COMMENT 'text' [, [COLUMN] b COMMENT 'text' …] [)]`.
fn column_comments(cursor: &mut Cursor<'_>) -> Option<Vec<Comment>> {
    cursor.expect(&["TABLE"]).ok()?;
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let table = cursor.path().ok()?;
    if !cursor.eat(&["ALTER"]) {
        cursor.expect(&["MODIFY"]).ok()?;
    }
    let bracket = cursor.eat_sign('(');
    let comments = cursor
        .list(|cursor| {
            cursor.eat(&["COLUMN"]);
            let mut path = table.clone();
            path.push(cursor.name()?);
            let text = if cursor.eat(&["UNSET", "COMMENT"]) {
                String::new()
            } else {
                cursor.expect(&["COMMENT"])?;
                cursor.text()?
            };
            Ok(Comment {
                kind: CommentKind::Column,
                if_exists,
                path,
                text,
            })
        })
        .ok()?;
    if bracket {
        cursor.expect_sign(')').ok()?;
    }
    cursor.end().ok()?;
    Some(comments)
}

/// `TABLE t {SET | UNSET} options`; none when something else is altered.
fn table_options(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    cursor.expect(&["TABLE"])?;
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let Ok(path) = cursor.path() else { return Ok(None) };
    if !cursor.peek_word(0, "SET") && !cursor.peek_word(0, "UNSET") {
        return Ok(None);
    }
    for word in [
        "TAG",
        "MASKING",
        "AGGREGATION",
        "JOIN",
        "STAGE_FILE_FORMAT",
        "STAGE_COPY_OPTIONS",
    ] {
        if cursor.peek_word(1, word) {
            return Err(SqlError::unsupported(format!("ALTER TABLE SET {word}")));
        }
    }
    let change = change(cursor)?;
    cursor.end()?;
    Ok(Some(Command::AlterTable(AlterObject {
        kind: (),
        if_exists,
        path,
        change,
    })))
}

fn alter_object<K>(cursor: &mut Cursor<'_>, kind: K) -> Result<AlterObject<K>, SqlError> {
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let unnamed = ["SUSPEND", "RESUME", "SET", "UNSET", "ABORT"]
        .iter()
        .any(|word| cursor.peek_word(0, word));
    let path = if unnamed { Path::new() } else { cursor.path()? };
    let change = change(cursor)?;
    cursor.end()?;
    Ok(AlterObject {
        kind,
        if_exists,
        path,
        change,
    })
}

fn change(cursor: &mut Cursor<'_>) -> Result<Change, SqlError> {
    if cursor.eat(&["RENAME", "TO"]) {
        return cursor.path().map(Change::Rename);
    }
    if cursor.eat(&["SWAP", "WITH"]) {
        return cursor.path().map(Change::Swap);
    }
    if cursor.eat(&["SUSPEND"]) {
        return Ok(Change::Suspend);
    }
    if cursor.eat(&["RESUME"]) {
        cursor.eat(&["IF", "SUSPENDED"]);
        return Ok(Change::Resume);
    }
    if cursor.eat(&["ABORT", "ALL", "QUERIES"]) {
        return Ok(Change::AbortAllQueries);
    }
    if cursor.eat(&["SET"]) {
        let found = properties(cursor)?;
        return if found.is_empty() {
            Err(cursor.unexpected())
        } else {
            Ok(Change::Set(found))
        };
    }
    cursor.expect(&["UNSET"])?;
    cursor.list(Cursor::word).map(Change::Unset)
}

/// `TRUNCATE …`, after its first word.
pub(super) fn parse_truncate(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if cursor.peek_word(0, "MATERIALIZED") {
        return Err(SqlError::unsupported("TRUNCATE MATERIALIZED VIEW"));
    }
    cursor.eat(&["TABLE"]);
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let path = cursor.path()?;
    cursor.end()?;
    Ok(Command::Truncate { if_exists, path })
}

/// `COMMENT …`, after its first word.
pub(super) fn parse_comment(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let if_exists_first = cursor.eat(&["IF", "EXISTS"]);
    cursor.expect(&["ON"])?;
    let kind = if let Some(kind) = namespace(cursor) {
        CommentKind::Namespace(kind)
    } else if let Some(kind) = account(cursor) {
        CommentKind::Account(kind)
    } else if cursor.eat(&["TABLE"]) {
        CommentKind::Table
    } else if cursor.eat(&["VIEW"]) {
        CommentKind::View
    } else if cursor.eat(&["COLUMN"]) {
        CommentKind::Column
    } else if cursor.eat(&["SEQUENCE"]) {
        CommentKind::Sequence
    } else {
        let kind = cursor.word()?;
        return Err(SqlError::unsupported(format!("COMMENT ON {kind}")));
    };
    let if_exists = cursor.eat(&["IF", "EXISTS"]) || if_exists_first;
    let path = cursor.path()?;
    cursor.expect(&["IS"])?;
    let text = cursor.text()?;
    cursor.end()?;
    Ok(Command::Comment(Comment {
        kind,
        if_exists,
        path,
        text,
    }))
}

fn namespace(cursor: &mut Cursor<'_>) -> Option<NamespaceKind> {
    if cursor.peek_word(1, "ROLE") {
        return None; // DATABASE ROLE
    }
    if cursor.eat(&["DATABASE"]) {
        Some(NamespaceKind::Database)
    } else if cursor.eat(&["SCHEMA"]) {
        Some(NamespaceKind::Schema)
    } else {
        None
    }
}

fn account(cursor: &mut Cursor<'_>) -> Option<AccountKind> {
    if cursor.eat(&["WAREHOUSE"]) {
        Some(AccountKind::Warehouse)
    } else if cursor.eat(&["ROLE"]) {
        Some(AccountKind::Role)
    } else {
        None
    }
}

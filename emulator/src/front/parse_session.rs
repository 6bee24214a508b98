//! USE, SET, UNSET, ALTER SESSION and the transaction statements.

use super::command::{AlterSession, Command, Property, PropertyValue, Use};
use super::cursor::Cursor;
use super::lexer::Kind;
use super::sql;
use crate::contract::SqlError;

/// `USE …`, after its first word.
pub(super) fn parse_use(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let used = if cursor.eat(&["SECONDARY", "ROLES"]) {
        Use::SecondaryRoles(cursor.rest().to_uppercase())
    } else if cursor.eat(&["WAREHOUSE"]) {
        Use::Warehouse(cursor.single_name()?)
    } else if cursor.eat(&["ROLE"]) {
        Use::Role(cursor.single_name()?)
    } else if cursor.eat(&["SCHEMA"]) {
        Use::Schema(cursor.path()?)
    } else {
        cursor.eat(&["DATABASE"]);
        let mut path = cursor.path()?;
        match (path.len(), path.pop()) {
            (1, Some(name)) => Use::Database(name),
            (_, Some(schema)) => {
                path.push(schema);
                Use::Schema(path)
            }
            (_, None) => return Err(cursor.unexpected()),
        }
    };
    cursor.end()?;
    Ok(Command::Use(used))
}

/// `SET …`, after its first word.
pub(super) fn parse_set(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if cursor.eat_sign('(') {
        let names = cursor.list(Cursor::name)?;
        cursor.expect_sign(')')?;
        cursor.expect_sign('=')?;
        let is_query = cursor.peek_word(1, "SELECT") || cursor.peek_word(1, "WITH");
        if is_query {
            cursor.expect_sign('(')?;
        }
        let rest = cursor.rest();
        let query = match (is_query, rest.strip_suffix(')')) {
            (true, Some(inner)) => inner.to_owned(),
            (true, None) => return Err(cursor.unexpected()),
            (false, _) => {
                let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                format!("SELECT {}", inner.ok_or_else(|| cursor.unexpected())?)
            }
        };
        return Ok(Command::Set(
            names,
            Box::new(sql::parse(&query, cursor.origin())?),
        ));
    }
    let name = cursor.name()?;
    cursor.expect_sign('=')?;
    if cursor.at_end() {
        return Err(cursor.unexpected());
    }
    let query = format!("SELECT {}", cursor.rest());
    Ok(Command::Set(
        vec![name],
        Box::new(sql::parse(&query, cursor.origin())?),
    ))
}

/// `UNSET …`, after its first word.
pub(super) fn parse_unset(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let parenthesised = cursor.eat_sign('(');
    let names = cursor.list(Cursor::name)?;
    if parenthesised {
        cursor.expect_sign(')')?;
    }
    cursor.end()?;
    Ok(Command::Unset(names))
}

/// `ALTER SESSION …`, after those words.
pub(super) fn parse_alter_session(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let mut altered = AlterSession {
        set: Vec::new(),
        unset: Vec::new(),
    };
    if cursor.eat(&["SET"]) {
        altered.set = properties(cursor)?;
        if altered.set.is_empty() {
            return Err(cursor.unexpected());
        }
    } else {
        cursor.expect(&["UNSET"])?;
        altered.unset = cursor.list(Cursor::word)?;
    }
    cursor.end()?;
    Ok(Command::AlterSession(altered))
}

/// `BEGIN …` or `START TRANSACTION …`, after `BEGIN` or `START`.
pub(super) fn parse_begin(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if !cursor.eat(&["TRANSACTION"]) {
        cursor.eat(&["WORK"]);
    }
    let name = if cursor.eat(&["NAME"]) {
        Some(cursor.name()?)
    } else {
        None
    };
    cursor.end()?;
    Ok(Command::Begin(name))
}

/// The end of `COMMIT` or `ROLLBACK`.
pub(super) fn parse_transaction_end(cursor: &mut Cursor<'_>, command: Command) -> Result<Command, SqlError> {
    cursor.eat(&["WORK"]);
    cursor.end()?;
    Ok(command)
}

/// `NAME = value NAME = value …` with or without commas, up to what is not a property.
pub(super) fn properties(cursor: &mut Cursor<'_>) -> Result<Vec<Property>, SqlError> {
    let mut found = Vec::new();
    while cursor.peek().is_some_and(|token| token.kind == Kind::Word) {
        if cursor.peek_word(0, "TAG") || cursor.peek_word(1, "TAG") {
            return Err(SqlError::unsupported("TAG"));
        }
        let name = cursor.word()?;
        cursor.expect_sign('=')?;
        found.push(Property {
            name,
            value: value(cursor)?,
        });
        cursor.eat_sign(',');
    }
    Ok(found)
}

fn value(cursor: &mut Cursor<'_>) -> Result<PropertyValue, SqlError> {
    let Some(token) = cursor.peek() else {
        return Err(cursor.unexpected());
    };
    match token.kind {
        Kind::Text => cursor.text().map(PropertyValue::Text),
        Kind::Word if cursor.eat(&["TRUE"]) => Ok(PropertyValue::Bool(true)),
        Kind::Word if cursor.eat(&["FALSE"]) => Ok(PropertyValue::Bool(false)),
        Kind::Word | Kind::Quoted => {
            let path = cursor.path()?;
            let text: Vec<&str> = path.iter().map(crate::catalog::names::Name::as_str).collect();
            Ok(PropertyValue::Word(text.join(".")))
        }
        _ => cursor.integer().map(PropertyValue::Integer),
    }
}

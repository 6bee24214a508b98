//! The front: text in, typed statements out.
//!
//! [`split()`] cuts a text into statements and knows comments, quotes and `$$`. [`parse`] reads one:
//! statements about the session and the account (SHOW, USE, SET, transactions, databases, grants) are read
//! by our own parser into a [`Command`]; queries, DML, tables and views are `sqlparser`'s. What neither
//! knows is a syntax error with its place in the user's text, or refused by name.
//!
//! Nothing here knows a session or a catalog.

mod alone;
mod alter_table_text;
mod command;
mod cursor;
mod escapes;
mod interval_types;
mod lexer;
mod location;
mod names;
mod needs;
mod nesting;
mod parse_copy;
mod parse_execute;
mod parse_explain;
mod parse_grant;
mod parse_objects;
mod parse_sequence;
mod parse_session;
mod parse_show;
mod parse_stage;
mod parse_template;
mod parse_wait;
mod sequence_command;
mod show_command;
mod split;
mod sql;
mod stage_command;
mod stage_tables;
mod untyped_columns;

pub use alone::leaves_session_alone;
pub use command::*;
pub use interval_types::INTERVAL_TYPE;
pub use location::{Location, Place};
pub use names::{path_of, view_query};
pub use needs::{Needs, needs};
pub use sequence_command::*;
pub use show_command::*;
pub use split::{Piece, TEXT_BYTES_MAX, split};
pub use stage_command::*;
pub use stage_tables::StageTable;
pub use untyped_columns::UNTYPED;

use std::collections::BTreeMap;

use sqlparser::ast::{AlterTableOperation, Statement};

use crate::contract::{Binding, SqlError};
use cursor::Cursor;

/// One statement, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// Ours.
    Command(Command),
    /// `sqlparser`'s.
    Sql(Box<Statement>),
}

/// Reads one statement.
pub fn parse(piece: &Piece<'_>) -> Result<Parsed, SqlError> {
    parse_bound(piece, &BTreeMap::new())
}

/// Reads one statement; values are bound to where it has `?` for a name, a location or an option.
pub fn parse_bound(piece: &Piece<'_>, bindings: &BTreeMap<String, Binding>) -> Result<Parsed, SqlError> {
    match parse_command(piece, bindings)? {
        Some(command) => Ok(Parsed::Command(command)),
        None => parse_sql(piece, Some(bindings)).map(|statement| Parsed::Sql(Box::new(statement))),
    }
}

/// Reads a statement that is `sqlparser`'s, with the stages among its tables.
fn parse_sql(piece: &Piece<'_>, bindings: Option<&BTreeMap<String, Binding>>) -> Result<Statement, SqlError> {
    if let Some(statement) = parse_alter_table(piece) {
        return Ok(statement);
    }
    let Some(replaced) = stage_tables::replace(piece, bindings)? else {
        return sql::parse(piece.text, piece.origin);
    };
    let mut statement = sql::parse(&replaced.text, piece.origin)?;
    stage_tables::restore(&mut statement, &replaced.tables);
    Ok(statement)
}

/// Reads an `ALTER TABLE` of columns; none for others, and when something is wrong with it, of which the statement as
/// it was written tells the place.
fn parse_alter_table(piece: &Piece<'_>) -> Option<Statement> {
    let rewritten = alter_table_text::rewrite(piece)?;
    let mut statement = sql::parse(&rewritten.text, piece.origin).ok()?;
    if let Statement::AlterTable(table) = &mut statement {
        for at in rewritten.guarded {
            if let Some(AlterTableOperation::AddColumn { if_not_exists, .. }) = table.operations.get_mut(at) {
                *if_not_exists = true;
            }
        }
    }
    Some(statement)
}

fn parse_command(
    piece: &Piece<'_>,
    bindings: &BTreeMap<String, Binding>,
) -> Result<Option<Command>, SqlError> {
    let mut cursor = Cursor::bound(piece, bindings);
    let Ok(first) = cursor.word() else { return Ok(None) };
    let cursor = &mut cursor;
    match first.as_str() {
        "SHOW" => parse_show::parse_show(cursor).map(Some),
        "DESC" | "DESCRIBE" => parse_show::parse_describe(cursor).map(Some),
        "USE" => parse_session::parse_use(cursor).map(Some),
        "SET" => parse_session::parse_set(cursor).map(Some),
        "UNSET" => parse_session::parse_unset(cursor).map(Some),
        "BEGIN" => parse_session::parse_begin(cursor).map(Some),
        "START" if cursor.peek_word(0, "TRANSACTION") => parse_session::parse_begin(cursor).map(Some),
        "COMMIT" => parse_session::parse_transaction_end(cursor, Command::Commit).map(Some),
        "ROLLBACK" => parse_session::parse_transaction_end(cursor, Command::Rollback).map(Some),
        "CREATE" => parse_objects::parse_create(cursor),
        "DROP" => parse_objects::parse_drop(cursor),
        "UNDROP" => parse_objects::parse_undrop(cursor).map(Some),
        "ALTER" => parse_objects::parse_alter(cursor),
        "GRANT" => parse_grant::parse_grant(cursor, false).map(Some),
        "REVOKE" => parse_grant::parse_grant(cursor, true).map(Some),
        "COMMENT" => parse_objects::parse_comment(cursor).map(Some),
        "TRUNCATE" => parse_objects::parse_truncate(cursor).map(Some),
        "CALL" => parse_wait::parse_call(cursor).map(Some),
        "SELECT" if cursor.peek_word(0, parse_wait::NAME) => parse_wait::parse_select(cursor).map(Some),
        "COPY" => parse_copy::parse_copy(cursor).map(Some),
        "PUT" => parse_stage::parse_put(cursor).map(Some),
        "GET" => parse_stage::parse_get(cursor).map(Some),
        "LIST" | "LS" => parse_stage::parse_list(cursor).map(Some),
        "REMOVE" | "RM" => parse_stage::parse_remove(cursor).map(Some),
        "EXPLAIN" => parse_explain::parse_explain(cursor, bindings).map(Some),
        "EXECUTE" => parse_execute::parse_execute(cursor).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;

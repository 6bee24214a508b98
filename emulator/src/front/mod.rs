//! The front: text in, typed statements out.
//!
//! [`split()`] cuts a text into statements and knows comments, quotes and `$$`. [`parse`] reads one:
//! statements about the session and the account (SHOW, USE, SET, transactions, databases, grants) are read
//! by our own parser into a [`Command`]; queries, DML, tables and views are `sqlparser`'s. What neither
//! knows is a syntax error with its place in the user's text, or refused by name.
//!
//! Nothing here knows a session or a catalog.

mod alone;
mod command;
mod cursor;
mod lexer;
mod needs;
mod parse_grant;
mod parse_objects;
mod parse_session;
mod parse_show;
mod parse_wait;
mod split;
mod sql;

pub use alone::leaves_session_alone;
pub use command::*;
pub use needs::{Needs, needs};
pub use split::{Piece, TEXT_BYTES_MAX, split};

use sqlparser::ast::Statement;

use crate::contract::SqlError;
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
    match parse_command(piece)? {
        Some(command) => Ok(Parsed::Command(command)),
        None => sql::parse(piece.text, piece.origin).map(|statement| Parsed::Sql(Box::new(statement))),
    }
}

fn parse_command(piece: &Piece<'_>) -> Result<Option<Command>, SqlError> {
    let mut cursor = Cursor::new(piece);
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
        "EXECUTE" | "COPY" | "PUT" | "GET" | "LIST" | "LS" | "REMOVE" | "RM" | "EXPLAIN" => {
            Err(SqlError::unsupported(first))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;

//! `COPY INTO`, in both directions.

use super::command::Command;
use super::cursor::Cursor;
use super::parse_stage::{is_location, location, settings};
use super::split::{Piece, split};
use super::stage_command::{CopyIn, CopyOut, CopySource, StageCommand};
use crate::contract::SqlError;

/// `COPY …`, after its first word.
pub(super) fn parse_copy(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    if cursor.peek_word(0, "FILES") {
        return Err(SqlError::unsupported("COPY FILES"));
    }
    cursor.expect(&["INTO"])?;
    if is_location(cursor) {
        return copy_out(cursor).map(|copy| Command::Stage(StageCommand::CopyOut(Box::new(copy))));
    }
    let target = cursor.path()?;
    let mut columns = Vec::new();
    if cursor.eat_sign('(') {
        columns = cursor.list(Cursor::name)?;
        cursor.expect_sign(')')?;
    }
    let mut settings_before = settings_unless_from(cursor)?;
    cursor.expect(&["FROM"])?;
    let source = if let Some(query) = bracketed(cursor)? {
        CopySource::Query(Box::new(statement(cursor, query)?))
    } else {
        CopySource::Stage(location(cursor)?)
    };
    settings_before.extend(settings(cursor)?);
    cursor.end()?;
    Ok(Command::Stage(StageCommand::CopyIn(Box::new(CopyIn {
        target,
        columns,
        source,
        settings: settings_before,
    }))))
}

fn settings_unless_from(cursor: &mut Cursor<'_>) -> Result<Vec<super::Setting>, SqlError> {
    if cursor.peek_word(0, "FROM") {
        Ok(Vec::new())
    } else {
        settings(cursor)
    }
}

fn copy_out(cursor: &mut Cursor<'_>) -> Result<CopyOut, SqlError> {
    let location = location(cursor)?;
    cursor.expect(&["FROM"])?;
    let query = if let Some(query) = bracketed(cursor)? {
        statement(cursor, query)?
    } else {
        let (piece, _) = cursor.piece();
        let start = cursor.at();
        cursor.path()?;
        let (first, last) = (piece.tokens[start], piece.tokens[cursor.at() - 1]);
        let text = format!("SELECT * FROM {}", &piece.text[first.start..last.end]);
        let pieces = split(&text)?;
        super::parse_sql(&pieces[0], cursor.piece().1)?
    };
    let mut partition = None;
    if cursor.eat(&["PARTITION", "BY"]) {
        let Some((from, to)) = bracketed(cursor)? else {
            return Err(cursor.unexpected());
        };
        partition = Some(cursor.piece().0.text[from..to].to_owned());
    }
    let settings = settings(cursor)?;
    cursor.end()?;
    Ok(CopyOut {
        location,
        query: Box::new(query),
        partition,
        settings,
    })
}

/// What stands in the brackets that come next, in bytes; none when there are none.
fn bracketed(cursor: &mut Cursor<'_>) -> Result<Option<(usize, usize)>, SqlError> {
    let (piece, _) = cursor.piece();
    let Some(open) = cursor.peek().copied() else {
        return Ok(None);
    };
    if !cursor.eat_sign('(') {
        return Ok(None);
    }
    let mut depth = 1;
    for at in cursor.at()..piece.tokens.len() {
        let token = piece.tokens[at];
        if token.is_sign(piece.text, '(') {
            depth += 1;
        } else if token.is_sign(piece.text, ')') {
            depth -= 1;
            if depth == 0 {
                cursor.go_to(at + 1);
                return Ok(Some((open.end, token.start)));
            }
        }
    }
    cursor.go_to(piece.tokens.len());
    Err(cursor.unexpected())
}

/// The statement in a part of the text.
fn statement(cursor: &Cursor<'_>, (from, to): (usize, usize)) -> Result<sqlparser::ast::Statement, SqlError> {
    let (piece, bindings) = cursor.piece();
    let text = &piece.text[from..to];
    let tokens = piece
        .tokens
        .iter()
        .filter(|token| token.start >= from && token.end <= to);
    let inner = Piece {
        text,
        tokens: tokens
            .map(|token| super::lexer::Token {
                start: token.start - from,
                end: token.end - from,
                ..*token
            })
            .collect(),
        origin: piece.place(from),
    };
    super::parse_sql(&inner, bindings)
}

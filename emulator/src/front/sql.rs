//! The statements that are `sqlparser`'s, and its errors in Snowflake's words.

use sqlparser::ast::Statement;
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Tokenizer;

use super::cursor::in_whole_text;
use super::{escapes, interval_types, lexer, nesting, untyped_columns};
use crate::contract::SqlError;

/// Nesting of expressions and subqueries beyond which a statement is refused.
const DEPTH_MAX: usize = 120;

/// Parses one statement that starts at `origin` in the whole text.
pub(super) fn parse(text: &str, origin: (u32, u32)) -> Result<Statement, SqlError> {
    let tokens = Tokenizer::new(&SnowflakeDialect, text)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|error| in_snowflakes_words(error.into(), text, origin))?;
    let tokens = escapes::read(tokens);
    nesting::refuse_runs(&tokens)?;
    let mut parser = Parser::new(&SnowflakeDialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(untyped_columns::typed(interval_types::named(tokens)));
    let mut statement = parser
        .parse_statement()
        .map_err(|error| in_snowflakes_words(error, text, origin))?;
    nesting::level(&mut statement)?;
    let next = parser.peek_token();
    if next.token == sqlparser::tokenizer::Token::EOF {
        return Ok(statement);
    }
    let place = (
        next.span.start.line as u32,
        (next.span.start.column as u32).saturating_sub(1),
    );
    let (line, position) = in_whole_text(origin, place);
    Err(SqlError::syntax(line, position, &next.token.to_string()))
}

fn in_snowflakes_words(error: ParserError, text: &str, origin: (u32, u32)) -> SqlError {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return nesting::too_deep();
        }
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
    };
    let (said, place) = match message.rsplit_once(" at Line: ") {
        Some((said, place)) => (said, read_place(place)),
        None => (message.as_str(), None),
    };
    let place = place.unwrap_or_else(|| lexer::line_and_position(text, text.len()));
    let (line, position) = in_whole_text(origin, place);
    match said.rsplit_once("found: ") {
        Some((_, "EOF")) => SqlError::syntax(line, position, "<EOF>"),
        Some((_, token)) => SqlError::syntax(line, position, token),
        // The parser understood the words but not their combination.
        None => {
            let detail = format!("syntax error line {line} at position {position}: {said}.");
            SqlError {
                position: Some((line, position)),
                ..SqlError::compilation("001003", "42000", detail)
            }
        }
    }
}

/// `3, Column: 7` as line and position from 0.
fn read_place(place: &str) -> Option<(u32, u32)> {
    let (line, column) = place.split_once(", Column: ")?;
    let column: u32 = column.trim().parse().ok()?;
    Some((line.trim().parse().ok()?, column.saturating_sub(1)))
}

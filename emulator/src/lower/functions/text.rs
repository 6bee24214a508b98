//! Text functions whose arguments need a rewrite.

use sqlparser::ast::Expr;

use super::super::build::call;
use super::super::refuse::argument_count;
use super::Call;
use crate::contract::SqlError;

/// Lowers a text function; `None` when it is none of these.
pub(super) fn lower(function: &mut Call) -> Result<Option<Expr>, SqlError> {
    let name = function.name.clone();
    Ok(Some(match name.as_str() {
        "SUBSTR" | "SUBSTRING" => substr(std::mem::take(&mut function.args))?,
        "TRIM" | "LTRIM" | "RTRIM" => {
            function.expect(1, 2)?;
            trim(&name.to_lowercase(), std::mem::take(&mut function.args))
        }
        _ => return Ok(None),
    }))
}

/// `SUBSTR(text, start[, length])`.
pub(super) fn substr(args: Vec<Expr>) -> Result<Expr, SqlError> {
    match args.len() {
        2 | 3 => Ok(call("sf_substr", args)),
        got => Err(argument_count("SUBSTR", if got < 2 { 2 } else { 3 }, got)),
    }
}

/// `TRIM(text[, characters])`; Snowflake takes off blanks only, no other white space.
pub(super) fn trim(name: &str, args: Vec<Expr>) -> Expr {
    call(&format!("sf_{name}"), args)
}

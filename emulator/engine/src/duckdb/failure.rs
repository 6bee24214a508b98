//! DuckDB's errors as ours.

use duckdb_neo::error::{DuckDBError, Error};

use crate::{EngineError, EngineErrorKind as Kind, ErrorCode, functions::FunctionError};

/// Classifies an error and finds its place in `sql`.
pub(super) fn failure(error: Error, sql: &str) -> EngineError {
    if let Some(function) = FunctionError::from_engine_text(&error.message) {
        return EngineError {
            kind: Kind::Function,
            message: function.message,
            position: None,
            code: Some(ErrorCode::of_function(function.code)),
        };
    }
    // Texts with one are written without it, so this is somewhere no expression may stand.
    if sql.contains('\0') {
        return EngineError {
            kind: Kind::Syntax,
            message: "a NUL character is allowed in values only".to_owned(),
            position: None,
            code: None,
        };
    }
    let (message, position) = split_position(&error.message, sql);
    let kind = match class_prefix(message) {
        // The text's class is finer than the code for a few classes.
        Some("TransactionContext Error") => transaction_kind(message),
        Some("Out of Range Error") => Kind::Arithmetic,
        _ => kind(error.code, message),
    };
    let text = class_prefix(message).map_or(message, |class| message[class.len() + 1..].trim_start());
    EngineError {
        kind,
        message: text.to_owned(),
        position,
        code: None,
    }
}

fn kind(code: DuckDBError, message: &str) -> Kind {
    match code {
        DuckDBError::QueryParser | DuckDBError::QuerySyntax => Kind::Syntax,
        DuckDBError::DatabaseCatalog | DuckDBError::ResourceMissingExtension => Kind::Catalog,
        DuckDBError::QueryBinder
        | DuckDBError::QueryPlanner
        | DuckDBError::QueryExpression
        | DuckDBError::TypeMismatch
        | DuckDBError::TypeInvalid
        | DuckDBError::QueryParameterNotResolved => Kind::Binder,
        DuckDBError::TypeConversion => Kind::Conversion,
        DuckDBError::InputOutOfRange | DuckDBError::TypeDecimal | DuckDBError::TypeDivideByZero => {
            Kind::Arithmetic
        }
        DuckDBError::DatabaseConstraint => Kind::Constraint,
        DuckDBError::DatabaseTransaction => transaction_kind(message),
        DuckDBError::RuntimeInterrupt => Kind::Interrupted,
        DuckDBError::ResourceOutOfMemory
        | DuckDBError::IoGeneral
        | DuckDBError::IoReadFailure
        | DuckDBError::IoEof
        | DuckDBError::IoFileNotFound => Kind::Resources,
        _ => Kind::Internal,
    }
}

fn transaction_kind(message: &str) -> Kind {
    if message.contains("onflict") {
        Kind::Conflict
    } else {
        Kind::Transaction
    }
}

/// `Binder Error` of `Binder Error: Referenced column …`.
fn class_prefix(message: &str) -> Option<&str> {
    let (class, _) = message.split_once(':')?;
    let named = class.ends_with("Error") && class.len() < 40 && !class.contains('\n');
    named.then_some(class)
}

/// Takes DuckDB's excerpt (`LINE 1: select …` and a caret below) off the text and finds the byte it means.
fn split_position<'a>(message: &'a str, sql: &str) -> (&'a str, Option<usize>) {
    let Some(start) = message.rfind("\nLINE ") else {
        return (message.trim_end(), None);
    };
    let text = message[..start].trim_end();
    (text, position(&message[start + 1..], sql))
}

fn position(excerpt: &str, sql: &str) -> Option<usize> {
    let (shown, below) = excerpt.split_once('\n')?;
    let caret = below.lines().next()?.chars().position(|sign| sign == '^')?;
    let (label, line) = shown.split_once(": ")?;
    let number: usize = label.strip_prefix("LINE ")?.parse().ok()?;
    let column = caret.checked_sub(label.chars().count() + 2)?;
    let line_start: usize = sql.split_inclusive('\n').take(number - 1).map(str::len).sum();
    let source = sql.get(line_start..)?.lines().next()?;
    // A long line is cut at both ends; what is left of it says where it stood.
    let (visible, skipped) = match line.strip_prefix("...") {
        Some(rest) => (rest, 3),
        None => (line, 0),
    };
    let visible = visible.strip_suffix("...").unwrap_or(visible);
    let offset = source.find(visible)?;
    let into_visible = visible
        .char_indices()
        .nth(column.checked_sub(skipped)?)
        .map(|(byte, _)| byte)?;
    Some(line_start + offset + into_visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: DuckDBError, message: &str) -> Error {
        Error {
            code,
            message: message.to_owned(),
        }
    }

    #[test]
    fn strips_the_class_and_finds_the_place() {
        let sql = "select a,\n  foo(b) from t";
        let message = "Binder Error: no function foo\n\nLINE 2:   foo(b) from t\n          ^";
        let found = failure(error(DuckDBError::QueryBinder, message), sql);
        assert_eq!(found.kind, Kind::Binder);
        assert_eq!(found.message, "no function foo");
        assert_eq!(found.position, Some(12));
    }

    #[test]
    fn finds_the_place_in_a_line_cut_at_both_ends() {
        let sql = format!("select {}, wrong, 1 from t", "a".repeat(100));
        let message = "Binder Error: x\n\nLINE 1: ...aaa, wrong, 1...\n                ^";
        let found = failure(error(DuckDBError::QueryBinder, message), &sql);
        assert_eq!(found.position, sql.find("wrong"));
    }

    #[test]
    fn a_conflict_is_not_a_misused_transaction() {
        let conflict = "TransactionContext Error: Conflict on update!";
        assert_eq!(
            failure(error(DuckDBError::DatabaseTransaction, conflict), "").kind,
            Kind::Conflict
        );
        let none = "TransactionContext Error: cannot commit - no transaction is active";
        assert_eq!(
            failure(error(DuckDBError::DatabaseTransaction, none), "").kind,
            Kind::Transaction
        );
    }
}

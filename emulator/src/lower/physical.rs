//! The last step: names and literals in the spelling the engine reads.
//!
//! Names with quotes are mangled (see [`crate::catalog::names`]), names without are final already. Text
//! literals are written here and not by the parser's own printer, which takes two quotes in a row for one
//! that is escaped already.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Statement, Value, ValueWithSpan, VisitMut, VisitorMut};

use crate::catalog::names;
use crate::contract::SqlError;

/// Spells the statement for the engine.
pub(super) fn apply(statement: &mut Statement) {
    let _: ControlFlow<SqlError> = statement.visit(&mut Physical);
}

/// The engine's text of a lowered expression.
pub(super) fn text_of(mut expr: Expr) -> String {
    let _: ControlFlow<SqlError> = expr.visit(&mut Physical);
    expr.to_string()
}

/// The engine's text of any other lowered part.
pub(super) fn part_text<T: VisitMut + std::fmt::Display>(part: &mut T) -> String {
    let _: ControlFlow<SqlError> = part.visit(&mut Physical);
    part.to_string()
}

struct Physical;

impl VisitorMut for Physical {
    type Break = SqlError;

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> ControlFlow<SqlError> {
        if ident.quote_style.is_some() {
            ident.value = names::quote(&names::mangle(&ident.value));
            ident.quote_style = None;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<SqlError> {
        if let Value::SingleQuotedString(text) = &value.value {
            // A number is the one value whose text the printer leaves alone.
            value.value = Value::Number(names::literal(text), false);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, parse};
    use super::*;

    fn spelled(sql: &str) -> String {
        let mut statement = parse(sql);
        super::super::identifiers::apply(&mut statement);
        apply(&mut statement);
        statement.to_string()
    }

    #[test]
    fn names_are_mangled_and_literals_escaped() {
        check(
            spelled,
            &[
                (r#"select "aB", c"#, r#"SELECT "~a~B", "C""#),
                (
                    r"select 'it''s', '''''', '\'', 'a\\'",
                    r"SELECT 'it''s', '''''', '''', 'a\'",
                ),
            ],
        );
    }
}

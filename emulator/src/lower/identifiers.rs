//! Identifiers: from what was typed to the name it means.
//!
//! Snowflake reads an unquoted identifier in upper case and a quoted one as it is. After this step every
//! identifier of the statement carries quotes and its exact spelling, so that later steps compare names by
//! plain equality. Names with several parts that lead to a column lose the parts before the table, because
//! the engine knows a table in a query by one name only.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, SelectItem, SelectItemQualifiedWildcardKind, Statement,
    VisitMut, VisitorMut,
};

use crate::contract::SqlError;

/// Gives every identifier its exact spelling.
pub(super) fn apply(statement: &mut Statement) {
    let _: ControlFlow<SqlError> = statement.visit(&mut Spelling);
}

struct Spelling;

impl VisitorMut for Spelling {
    type Break = SqlError;

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> ControlFlow<SqlError> {
        if ident.quote_style.is_none() {
            ident.value = match ident.value.strip_prefix('$') {
                // The first column of VALUES, as in `v.$1`.
                Some(number) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
                    format!("COLUMN{number}")
                }
                _ => ident.value.to_uppercase(),
            };
        }
        ident.quote_style = Some('"');
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if let Expr::CompoundIdentifier(parts) = expr
            && parts.len() > 2
            && parts.last().is_some_and(|last| last.value != "NEXTVAL")
        {
            parts.drain(..parts.len() - 2);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut sqlparser::ast::Select) -> ControlFlow<SqlError> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            {
                keep_last(name);
            }
        }
        ControlFlow::Continue(())
    }
}

/// Drops all parts of a name but the last.
pub(super) fn keep_last(name: &mut ObjectName) {
    if name.0.len() > 1 {
        name.0.drain(..name.0.len() - 1);
    }
}

/// The exact spelling of a one-part name.
pub(super) fn simple(name: &ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(&ident.value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, parse};
    use super::*;

    fn spelled(sql: &str) -> String {
        let mut statement = parse(sql);
        apply(&mut statement);
        statement.to_string()
    }

    #[test]
    fn unquoted_names_are_upper_case() {
        check(
            spelled,
            &[
                ("select a, \"a\" from t", r#"SELECT "A", "a" FROM "T""#),
                (
                    "select db.s.t.a, s.t.*, t.b from db.s.t",
                    r#"SELECT "T"."A", "T".*, "T"."B" FROM "DB"."S"."T""#,
                ),
                ("select v.$1 from v", r#"SELECT "V"."COLUMN1" FROM "V""#),
                ("select s.seq.nextval", r#"SELECT "S"."SEQ"."NEXTVAL""#),
            ],
        );
    }
}

//! `TABLE(RESULT_SCAN('<query id>'))`: the rows that a statement gave earlier, as a table.
//!
//! The table has a name of its own in the connection's temporary schema; the session fills it before the statement
//! runs. Runs before the other table functions, once values stand where bindings and variables were.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Statement, TableFactor, VisitMut,
    VisitorMut,
};

use super::build::{literal_text, raw_name};
use super::refuse::{invalid_argument, unsupported};
use super::{Scope, identifiers, session_functions};
use crate::catalog::names::{TEMPORARY_SCHEMA, quote};
use crate::contract::{QueryId, SqlError};

const NAME: &str = "RESULT_SCAN";

/// Puts tables in the place of calls; gives the ids of the queries whose results they are, and whether the meaning
/// depends on the session's earlier queries.
pub(super) fn apply(
    statement: &mut Statement,
    scope: &Scope<'_>,
) -> Result<(BTreeSet<QueryId>, bool), SqlError> {
    let mut scans = Scans {
        scope,
        found: BTreeSet::new(),
        is_relative: false,
    };
    match statement.visit(&mut scans) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok((scans.found, scans.is_relative)),
    }
}

/// Name of the table with a query's result in the connection's temporary schema.
#[must_use]
pub fn table_name(id: QueryId) -> String {
    format!("result.{id}")
}

struct Scans<'a> {
    scope: &'a Scope<'a>,
    found: BTreeSet<QueryId>,
    is_relative: bool,
}

impl VisitorMut for Scans<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        match self.replace(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Scans<'_> {
    fn replace(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        let (name, arguments, alias) = match factor {
            TableFactor::Function {
                name, args, alias, ..
            } => (&*name, args.as_slice(), alias),
            TableFactor::Table {
                name,
                args: Some(args),
                alias,
                ..
            } => (&*name, args.args.as_slice(), alias),
            TableFactor::TableFunction {
                expr: Expr::Function(function),
                alias,
            } => match &function.args {
                FunctionArguments::List(list) => (&function.name, list.args.as_slice(), alias),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        if !is_scan(name) {
            return Ok(());
        }
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = arguments else {
            return Err(invalid_argument(NAME));
        };
        let id = self.query_id(argument)?;
        self.found.insert(id);
        let name = raw_name(format!("{TEMPORARY_SCHEMA}.{}", quote(&table_name(id))));
        let alias = alias.take();
        *factor = TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        Ok(())
    }

    fn query_id(&mut self, argument: &Expr) -> Result<QueryId, SqlError> {
        let text = match argument {
            Expr::Function(function) if identifiers::simple(&function.name) == Some("LAST_QUERY_ID") => {
                self.is_relative = true;
                session_functions::last_query_id(function, self.scope)?
            }
            other => literal_text(other)
                .ok_or_else(|| unsupported("RESULT_SCAN of an expression"))?
                .to_owned(),
        };
        QueryId::try_parse(&text).map_err(|_| SqlError::no_statement(&text))
    }
}

/// The call itself, or `TABLE(…)` around it.
fn is_scan(name: &ObjectName) -> bool {
    identifiers::simple(name) == Some(NAME)
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn results_are_tables() {
        check(
            lowered,
            &[
                (
                    "select \"name\" from table(result_scan('00000000-0000-0000-0000-000000000001')) r where r.\"name\" like 'a%'",
                    r#"SELECT "~name~" FROM temp.main."result.00000000-0000-0000-0000-000000000001" "R" WHERE "R"."~name~" LIKE 'a%'"#,
                ),
                (
                    "select * from table(result_scan('x'))",
                    "000709 02000: Statement x not found",
                ),
                (
                    "select * from table(result_scan(a))",
                    "000002 0A000: Unsupported feature 'RESULT_SCAN of an expression'.",
                ),
            ],
        );
    }
}

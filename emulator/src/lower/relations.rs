//! Tables and views: from Snowflake's name to the engine's.
//!
//! A name with one part that an enclosing query's `WITH` defines is left alone; any other name in a FROM
//! clause, or the target of a statement, is resolved against the session's database and schema. The table
//! keeps its Snowflake name as alias, so that columns can be qualified with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Ident, ObjectName, ObjectNamePart, Query, SetExpr, Statement, TableAlias, TableFactor, VisitMut,
    VisitorMut,
};

use super::build::{exact, raw_name};
use super::refuse::unsupported;
use super::sources::{Source, placed};
use crate::catalog::names::{self, NameScope, ObjectPath};
use crate::contract::SqlError;

/// Resolves the names of tables in all FROM clauses; gives the objects found.
pub(super) fn apply(
    statement: &mut Statement,
    scope: &NameScope<'_>,
    sources: &BTreeMap<String, Source>,
) -> Result<BTreeSet<ObjectPath>, SqlError> {
    let mut relations = Relations {
        scope,
        sources,
        operation: operation(statement),
        common: Vec::new(),
        found: BTreeSet::new(),
    };
    match statement.visit(&mut relations) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(relations.found),
    }
}

/// Resolves the target of a statement.
pub(super) fn target(
    name: &ObjectName,
    scope: &NameScope<'_>,
    operation: &str,
) -> Result<(ObjectPath, String), SqlError> {
    let path = scope.object(name, operation)?;
    let physical = scope.physical_of(&path);
    Ok((path, physical))
}

/// The verb in Snowflake's message about a missing database.
fn operation(statement: &Statement) -> &'static str {
    match statement {
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Merge(_) => "MERGE",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::CreateView(_) => "CREATE VIEW",
        _ => "SELECT",
    }
}

struct Relations<'a> {
    scope: &'a NameScope<'a>,
    sources: &'a BTreeMap<String, Source>,
    operation: &'static str,
    /// Names that the `WITH` of each enclosing query defines, outermost first.
    common: Vec<BTreeSet<String>>,
    found: BTreeSet<ObjectPath>,
}

impl VisitorMut for Relations<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.common.push(BTreeSet::new());
        let Some(with) = &mut query.with else {
            return ControlFlow::Continue(());
        };
        let mut recursive = with.recursive;
        for table in &mut with.cte_tables {
            let name = table.alias.name.value.clone();
            let refers_to_itself = is_recursive(&table.query, &name);
            recursive |= refers_to_itself;
            if refers_to_itself {
                self.define(name.clone());
            }
            // Before its name exists, so that `WITH t AS (SELECT .. FROM t)` reads the table.
            table.query.visit(self)?;
            self.define(name);
        }
        with.recursive = recursive;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.common.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            version,
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        if version.is_some() {
            return ControlFlow::Break(unsupported("time travel"));
        }
        match self.resolve(name, alias) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Relations<'_> {
    fn define(&mut self, name: String) {
        if let Some(names) = self.common.last_mut() {
            names.insert(name);
        }
    }

    fn resolve(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>) -> Result<(), SqlError> {
        let Some(ObjectNamePart::Identifier(last)) = name.0.last() else {
            return Ok(());
        };
        if let Some(source) = placed(&last.value, self.sources) {
            *name = raw_name(&source.sql);
            return Ok(());
        }
        let is_final = last.quote_style.is_none();
        let is_common = name.0.len() == 1 && self.common.iter().any(|names| names.contains(&last.value));
        if is_final || is_common {
            return Ok(());
        }
        let last = last.value.clone();
        let parts: Vec<names::Name> = names::parts(name)?;
        let path = self.scope.object_of_parts(&parts, self.operation)?;
        *name = raw_name(self.scope.physical_of(&path));
        alias.get_or_insert_with(|| table_alias(exact(last)));
        self.found.insert(path);
        Ok(())
    }
}

/// An alias without columns.
pub(super) fn table_alias(name: Ident) -> TableAlias {
    TableAlias {
        explicit: true,
        name,
        columns: Vec::new(),
        at: None,
    }
}

/// A common table is recursive when the right side of its set operation reads it; Snowflake does not insist
/// on the word RECURSIVE.
fn is_recursive(query: &Query, name: &str) -> bool {
    match &*query.body {
        SetExpr::SetOperation { right, .. } => {
            let mut reads = Reads { name, found: false };
            let _: ControlFlow<SqlError> = right.clone().visit(&mut reads);
            reads.found
        }
        _ => false,
    }
}

struct Reads<'a> {
    name: &'a str,
    found: bool,
}

impl VisitorMut for Reads<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.found |= super::identifiers::simple(name) == Some(self.name);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn tables_are_resolved() {
        check(
            lowered,
            &[
                ("select a from t", r#"SELECT "A" FROM "D.S"."T" AS "T""#),
                (
                    "select x.a from e.s.t as x",
                    r#"SELECT "X"."A" FROM "E.S"."T" AS "X""#,
                ),
                (
                    "select a from e..\"t\"",
                    r#"SELECT "A" FROM "E.PUBLIC"."~t~" AS "~t~""#,
                ),
                (
                    "with t as (select a from t) select a from t",
                    r#"WITH "T" AS (SELECT "A" FROM "D.S"."T" AS "T") SELECT "A" FROM "T""#,
                ),
                (
                    "with r as (select a from t union all select a from r) select a from r, q where a in (select b from r)",
                    r#"WITH RECURSIVE "R" AS (SELECT "A" FROM "D.S"."T" AS "T" UNION ALL SELECT "A" FROM "R") SELECT "A" FROM "R", "D.S"."Q" AS "Q" WHERE "A" IN (SELECT "B" FROM "R")"#,
                ),
            ],
        );
    }
}

//! EXPLAIN: a statement is lowered and planned, and not run.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{Statement, TableFactor, Visit as _, Visitor};

use super::query::{count_placeholders, result_columns, with_unset};
use super::worker::{Work, Worker};
use super::{DmlStats, SqlError, array_binds, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{Name, NameScope, ObjectPath, literal};
use crate::catalog::records::ObjectKind;
use crate::front::{Explain, Parsed};
use crate::lower::Lowered;
use crate::plan::explain::{Explained, Meaning};
use crate::plan::kind::{Manner, manner};
use crate::plan::shape::{self, Shaped};

impl Worker {
    /// The plan of a statement in the form that was asked for.
    pub(super) fn explain(&mut self, explain: &Explain, work: &Work<'_>) -> Result<Shaped, SqlError> {
        let Parsed::Sql(statement) = explain.statement.as_ref() else {
            return Err(SqlError::internal("a command has no plan"));
        };
        if !matches!(manner(&explain.statement), Manner::Query | Manner::Dml) {
            let text = statement.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            return Err(SqlError::unsupported(format!("EXPLAIN {}", words.join(" "))));
        }
        let piece = work.piece.from_token(explain.first_token);
        let piece = piece.ok_or_else(|| SqlError::internal("EXPLAIN of nothing"))?;
        let bindings = match array_binds::rows(work.bindings)? {
            Some(_) => array_binds::row(work.bindings, 0),
            None => work.bindings.clone(),
        };
        let bindings = with_unset(bindings, count_placeholders(&piece));
        let inner = Work {
            piece: &piece,
            parsed: &explain.statement,
            bindings: &bindings,
            moment: work.moment.clone(),
            ..*work
        };
        let target = self.changed_columns(statement)?;
        let lowered = self.lower_into(statement, &inner, target.as_deref().unwrap_or_default())?;
        self.prepare(&lowered)?;
        let plan = self.connection.plan(&lowered.sql);
        let plan = plan.map_err(|error| self.explain_missing(from_engine(&error), &lowered.tables))?;
        let plan = plan.ok_or_else(|| SqlError::unsupported("EXPLAIN of a plan this deep"))?;
        let meaning = self.meaning(statement, &inner, &lowered)?;
        let mut explained = Explained::new(&plan, &meaning);
        let rows = self.rows_of(&explained.tables())?;
        explained.count(&rows);
        Ok(explained.shaped(explain.form))
    }

    fn meaning(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
        lowered: &Lowered,
    ) -> Result<Meaning, SqlError> {
        let names = self.state.names();
        let target = super::dml::target_of(statement).and_then(|name| names.object(name, "EXPLAIN").ok());
        let mut aliases = Aliases {
            names,
            found: BTreeMap::new(),
        };
        let _: ControlFlow<()> = statement.visit(&mut aliases);
        let aliases = aliases.found;
        let changes = manner(work.parsed) == Manner::Dml;
        let columns = if changes {
            shape::counts(super::dml::counts_of(statement), DmlStats::default()).columns
        } else {
            let found = self.connection.describe(&lowered.sql);
            result_columns(&found.map_err(|error| from_engine(&error))?)
        };
        let mut tables = Vec::new();
        for path in &lowered.tables {
            let is_only_written = matches!(statement, Statement::Insert(_)) && Some(path) == target.as_ref();
            if !is_only_written && self.is_table(path)? {
                tables.push(path.clone());
            }
        }
        Ok(Meaning {
            columns: columns.into_iter().map(|column| column.name).collect(),
            changes,
            target,
            tables,
            aliases,
        })
    }

    fn is_table(&mut self, path: &ObjectPath) -> Result<bool, SqlError> {
        if let Some(temporary) = self.state.temporary.get(path) {
            return Ok(temporary.object.kind == ObjectKind::Table);
        }
        let found = Catalog::new(self.connection.as_mut()).object(path);
        let found = found.map_err(|error| from_engine(&error))?;
        Ok(found.is_some_and(|object| object.kind == ObjectKind::Table))
    }

    /// How many rows tables have, as the engine knows without counting.
    fn rows_of(&mut self, tables: &[ObjectPath]) -> Result<BTreeMap<ObjectPath, u64>, SqlError> {
        let mut rows = BTreeMap::new();
        for path in tables {
            let (schema, table) = self.engine_table(path);
            let condition = if schema == "temp" {
                "temporary".to_owned()
            } else {
                format!("schema_name = {}", literal(&schema))
            };
            let query = format!(
                "SELECT estimated_size FROM duckdb_tables() WHERE table_name = {} AND {condition}",
                literal(&table)
            );
            let found = Catalog::new(self.connection.as_mut()).rows(&query);
            let found = found.map_err(|error| from_engine(&error))?;
            let count = found.first().and_then(|row| row.integer(0)).unwrap_or(0);
            rows.insert(path.clone(), u64::try_from(count).unwrap_or(0));
        }
        Ok(rows)
    }
}

/// The aliases that a statement gives to tables.
struct Aliases<'a> {
    names: NameScope<'a>,
    found: BTreeMap<ObjectPath, Vec<Option<String>>>,
}

impl Visitor for Aliases<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor
            && let Ok(path) = self.names.object(name, "EXPLAIN")
        {
            let alias = alias.as_ref().map(|alias| Name::of(&alias.name).to_string());
            self.found.entry(path).or_default().push(alias);
        }
        ControlFlow::Continue(())
    }
}

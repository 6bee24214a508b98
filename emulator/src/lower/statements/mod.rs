//! Statements that change something: what is around their queries.
//!
//! When these run, names have their spelling and queries and expressions are lowered; what is left is the
//! target and the clauses.

mod alter_table;
mod assign;
mod checks;
mod create_table;
mod create_view;
mod delete;
mod drop;
mod insert;
mod merge;
mod sequence;
mod update;

pub use alter_table::converted;
pub use checks::is_checked;
pub use create_table::plain_column;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, ColumnOption, Expr, Statement, TableFactor, TableWithJoins,
    visit_expressions_mut,
};

use super::build::{literal_text, raw};
use super::expressions::Work;
use super::refuse::{syntax, unsupported};
use super::{Answer, Lowered};
use crate::catalog::names::snowflake_literal;
use crate::contract::SqlError;

/// Writes the engine's text of a statement whose parts are lowered.
pub(super) fn finish(statement: Statement, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    match statement {
        mut query @ Statement::Query(_) => {
            super::physical::apply(&mut query);
            Ok(Lowered {
                sql: query.to_string(),
                answer: Answer::Rows,
                ..Lowered::default()
            })
        }
        Statement::Insert(insert) => insert::finish(insert, work),
        Statement::Update(update) => update::finish(update, work),
        Statement::Delete(delete) => delete::finish(delete),
        Statement::Merge(merge) => merge::finish(merge),
        Statement::CreateTable(table) => create_table::finish(table, work),
        Statement::CreateView(view) => create_view::finish(view, work),
        Statement::AlterTable(table) => alter_table::finish(table, work),
        Statement::CreateSequence { .. } => sequence::finish(statement, work),
        Statement::Drop { .. } | Statement::Truncate(_) => drop::finish(statement, work),
        other => Err(unsupported(&kind_of(&other))),
    }
}

/// The defaults of the columns that a statement declares, as they were written, by the columns' names.
pub(super) fn written_defaults(statement: &Statement) -> BTreeMap<String, String> {
    let columns: Vec<&ColumnDef> = match statement {
        Statement::CreateTable(table) => table.columns.iter().collect(),
        Statement::AlterTable(table) => table
            .operations
            .iter()
            .filter_map(|operation| match operation {
                AlterTableOperation::AddColumn { column_def, .. } => Some(column_def),
                _ => None,
            })
            .collect(),
        _ => return BTreeMap::new(),
    };
    let default = |column: &ColumnDef| {
        let name = match column.name.quote_style {
            Some(_) => column.name.value.clone(),
            None => column.name.value.to_uppercase(),
        };
        column.options.iter().find_map(|option| match &option.option {
            ColumnOption::Default(value) => Some((name.clone(), as_written(value.clone()))),
            _ => None,
        })
    };
    columns.into_iter().filter_map(default).collect()
}

/// An expression as Snowflake's SQL writes it: its texts with their backslashes.
fn as_written(mut expr: Expr) -> String {
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |expr| {
        if let Some(text) = literal_text(expr) {
            *expr = raw(snowflake_literal(text));
        }
        ControlFlow::Continue(())
    });
    expr.to_string()
}

/// The first words of a statement, for the message that it is not supported.
fn kind_of(statement: &Statement) -> String {
    let text = statement.to_string();
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    words.join(" ")
}

/// The one table without joins that a statement changes.
fn single_table(table: &TableWithJoins) -> Result<&TableFactor, SqlError> {
    match (&table.relation, table.joins.as_slice()) {
        (relation @ TableFactor::Table { .. }, []) => Ok(relation),
        _ => Err(syntax("JOIN")),
    }
}

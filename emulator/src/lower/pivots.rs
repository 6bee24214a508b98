//! `PIVOT` and `UNPIVOT`: how their columns are called, and what stands for NULL in them.

use sqlparser::ast::{
    Expr, ExprWithAlias, Ident, PivotValueSource, Query, SetExpr, TableAlias, TableFactor, TableWithJoins,
};

use super::build::{exact, text};
use super::refuse::{syntax, unsupported};
use super::relations::table_alias;
use super::table_functions::template;
use crate::catalog::names::{mangle, quote};
use crate::contract::SqlError;

/// Rewrites a pivot or its opposite whose source is lowered.
pub(super) fn lower(factor: &mut TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Pivot {
            value_source,
            default_on_null,
            alias,
            ..
        } => {
            let columns = name_columns(value_source)?;
            let Some(default) = default_on_null.take() else {
                return Ok(());
            };
            let columns: Vec<String> = columns
                .iter()
                .map(|name| format!("coalesce({name}, placeholder_1) AS {name}"))
                .collect();
            let alias = alias.take();
            around(factor, &columns, vec![default], alias)
        }
        TableFactor::Unpivot {
            columns, name, alias, ..
        } => {
            // The engine tells its own names.
            let told: Vec<String> = columns
                .iter()
                .map(told_name)
                .collect::<Option<_>>()
                .ok_or_else(|| unsupported("UNPIVOT of what is no column"))?;
            let other: Vec<&String> = told.iter().filter(|name| mangle(name) != **name).collect();
            if other.is_empty() {
                return Ok(());
            }
            let name = name.to_string();
            let branches: Vec<String> = (0..other.len())
                .map(|at| format!("WHEN placeholder_{} THEN placeholder_{}", 2 * at + 1, 2 * at + 2))
                .collect();
            let values = other
                .into_iter()
                .flat_map(|told| [text(mangle(told)), text(told.clone())])
                .collect();
            let replaced = format!("CASE {name} {} ELSE {name} END AS {name}", branches.join(" "));
            let alias = alias.take();
            around(factor, &[replaced], values, alias)
        }
        _ => Ok(()),
    }
}

/// A query over the table that gives some of its columns anew, in the table's place and under its alias.
fn around(
    factor: &mut TableFactor,
    columns: &[String],
    values: Vec<Expr>,
    alias: Option<TableAlias>,
) -> Result<(), SqlError> {
    let sql = format!("SELECT * REPLACE ({}) FROM relation", columns.join(", "));
    let mut query = template(&sql, values)?;
    let SetExpr::Select(select) = &mut *query.body else {
        return Err(syntax("PIVOT"));
    };
    let inner = std::mem::replace(
        factor,
        TableFactor::NestedJoin {
            table_with_joins: Box::new(TableWithJoins {
                relation: TableFactor::UNNEST {
                    alias: None,
                    array_exprs: Vec::new(),
                    with_offset: false,
                    with_offset_alias: None,
                    with_ordinality: false,
                },
                joins: Vec::new(),
            }),
            alias: None,
        },
    );
    select.from = vec![TableWithJoins {
        relation: inner,
        joins: Vec::new(),
    }];
    *factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(alias.unwrap_or_else(|| table_alias(exact("PIVOT")))),
        sample: None,
    };
    Ok(())
}

/// A pivoted column is named after its literal, quotes included; gives the names as SQL writes them.
fn name_columns(source: &mut PivotValueSource) -> Result<Vec<String>, SqlError> {
    let PivotValueSource::List(values) = source else {
        return Err(unsupported("PIVOT with ANY or a subquery here"));
    };
    let mut names = Vec::with_capacity(values.len());
    for ExprWithAlias { expr, alias } in values {
        let alias = alias.get_or_insert_with(|| exact(expr.to_string()));
        names.push(quote(&alias.value));
    }
    Ok(names)
}

/// What UNPIVOT tells of a column: its alias or its name.
fn told_name(column: &ExprWithAlias) -> Option<String> {
    match (&column.alias, &column.expr) {
        (Some(alias), _) => Some(alias.value.clone()),
        (None, Expr::Identifier(name)) => Some(name.value.clone()),
        (None, Expr::CompoundIdentifier(parts)) => parts.last().map(|name: &Ident| name.value.clone()),
        _ => None,
    }
}

/// The query that gives the values of a pivot that does not list them, over its source.
pub fn values_query(factor: &TableFactor) -> Option<Query> {
    let TableFactor::Pivot {
        table,
        value_column,
        value_source,
        ..
    } = factor
    else {
        return None;
    };
    match value_source {
        PivotValueSource::List(_) => None,
        PivotValueSource::Subquery(query) => Some((**query).clone()),
        PivotValueSource::Any(order) => {
            let column = match value_column.as_slice() {
                [only] => only.clone(),
                _ => return None,
            };
            let order: Vec<String> = order.iter().map(ToString::to_string).collect();
            let order = if order.is_empty() {
                "1".to_owned()
            } else {
                order.join(", ")
            };
            let sql = format!(
                "SELECT DISTINCT placeholder_1 AS {column} FROM relation WHERE placeholder_1 IS NOT NULL ORDER BY {order}"
            );
            let mut query = template(&sql, vec![column]).ok()?;
            if let SetExpr::Select(select) = &mut *query.body {
                select.from = vec![TableWithJoins {
                    relation: (**table).clone(),
                    joins: Vec::new(),
                }];
            }
            Some(query)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn names_and_defaults() {
        check(
            lowered,
            &[
                (
                    "select * from t pivot(sum(a) for k in ('x', 1 as one) default on null (0)) as p (b, c)",
                    "SELECT * FROM (SELECT * REPLACE (coalesce(\"{27}~x{27}~\", 0) AS \"{27}~x{27}~\", coalesce(\"ONE\", 0) AS \"ONE\") \
                     FROM \"D.S\".\"T\" AS \"T\" PIVOT(sum(\"A\") FOR \"K\" IN ('x' AS \"{27}~x{27}~\", 1 AS \"ONE\"))) AS \"P\" (\"B\", \"C\")",
                ),
                (
                    "select * from t unpivot(v for k in (a, b))",
                    "SELECT * FROM \"D.S\".\"T\" AS \"T\" UNPIVOT(\"V\" FOR \"K\" IN (\"A\", \"B\"))",
                ),
            ],
        );
    }
}

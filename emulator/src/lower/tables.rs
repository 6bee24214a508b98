//! Tables that are not tables: `VALUES`, table functions, samples, pivots, ASOF joins.
//!
//! Table functions become lateral queries over a scalar function that gives a list. Runs before the
//! expressions are lowered: arguments are moved as they are and lowered in their new place.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArguments, Join, JoinConstraint, JoinOperator, ObjectNamePart, Query, SelectItem, SetExpr,
    Statement, TableAlias, TableAliasColumnDef, TableFactor, TableSample, TableSampleKind, TableSampleMethod,
    TableSampleModifier, TableSampleUnit, TableWithJoins, Values, VisitMut, VisitorMut,
    visit_expressions_mut,
};

use super::build::{boolean, exact};
use super::expressions::widen_literal;
use super::pivots;
use super::refuse::{unknown_function, unsupported};
use super::relations::table_alias;
use super::table_functions;
use crate::contract::SqlError;

/// Rewrites the special tables of a statement.
pub(super) fn apply(statement: &mut Statement) -> Result<(), SqlError> {
    match statement.visit(&mut Tables) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Tables;

impl VisitorMut for Tables {
    type Break = SqlError;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        flow(lower_factor(factor))
    }

    fn post_visit_select(&mut self, select: &mut sqlparser::ast::Select) -> ControlFlow<SqlError> {
        for table in &mut select.from {
            for join in &mut table.joins {
                if let Err(error) = asof(join) {
                    return ControlFlow::Break(error);
                }
            }
        }
        number_generated_rows(select);
        ControlFlow::Continue(())
    }
}

/// Gives `SEQ4()` and its like the number of the row that the select's one generator makes.
fn number_generated_rows(select: &mut sqlparser::ast::Select) {
    let mut generators = select.from.iter().filter_map(|table| match &table.relation {
        TableFactor::Derived {
            subquery,
            alias: Some(alias),
            ..
        } if is_generator(subquery) => Some(alias.name.clone()),
        _ => None,
    });
    let (Some(generator), None) = (generators.next(), generators.next()) else {
        return;
    };
    let _: ControlFlow<()> = visit_expressions_mut(select, |expr| {
        if let Expr::Function(function) = expr
            && matches!(
                super::identifiers::simple(&function.name),
                Some("SEQ1" | "SEQ2" | "SEQ4" | "SEQ8")
            )
        {
            *expr = Expr::CompoundIdentifier(vec![generator.clone(), exact(GENERATED)]);
        }
        ControlFlow::Continue(())
    });
}

/// Column of a generator's rows.
pub(super) const GENERATED: &str = "GENERATED";

fn is_generator(query: &Query) -> bool {
    match &*query.body {
        SetExpr::Select(select) => matches!(
            select.projection.as_slice(),
            [SelectItem::ExprWithAlias { alias, .. }] if alias.value == GENERATED
        ),
        _ => false,
    }
}

fn flow(result: Result<(), SqlError>) -> ControlFlow<SqlError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

fn widen(values: &mut Values) {
    for row in values.rows.iter_mut().take(1) {
        row.iter_mut().for_each(widen_literal);
    }
}

fn lower_factor(factor: &mut TableFactor) -> Result<(), SqlError> {
    match factor {
        TableFactor::Derived {
            subquery,
            alias,
            sample,
            ..
        } => {
            if let SetExpr::Values(values) = &mut *subquery.body {
                widen(values);
                name_columns(alias, values.rows.first().map_or(0, |row| row.len()));
            }
            lower_sample(sample)
        }
        TableFactor::Table {
            name,
            alias,
            args: Some(args),
            ..
        } => {
            let replacement =
                table_functions::lower(&name.clone(), std::mem::take(&mut args.args), alias.take())?;
            *factor = replacement;
            Ok(())
        }
        TableFactor::Table {
            sample,
            json_path: None,
            with_ordinality: false,
            ..
        } => lower_sample(sample),
        TableFactor::Function {
            name, args, alias, ..
        } => {
            let replacement = table_functions::lower(&name.clone(), std::mem::take(args), alias.take())?;
            *factor = replacement;
            Ok(())
        }
        TableFactor::TableFunction {
            expr: Expr::Function(function),
            alias,
        } => {
            let FunctionArguments::List(list) = &mut function.args else {
                return Err(unknown_function(&function.name.to_string()));
            };
            let args = std::mem::take(&mut list.args);
            let replacement = table_functions::lower(&function.name.clone(), args, alias.take())?;
            *factor = replacement;
            Ok(())
        }
        TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => pivots::lower(factor),
        TableFactor::NestedJoin { .. } => Ok(()),
        TableFactor::MatchRecognize { .. } => Err(unsupported("MATCH_RECOGNIZE")),
        other => Err(unsupported(&format!("table {other}"))),
    }
}

/// Snowflake names the columns of VALUES `COLUMN1` and on.
fn name_columns(alias: &mut Option<TableAlias>, count: usize) {
    let alias = alias.get_or_insert_with(|| table_alias(exact("VALUES")));
    if alias.columns.is_empty() {
        alias.columns = (1..=count)
            .map(|number| TableAliasColumnDef {
                name: exact(format!("COLUMN{number}")),
                data_type: None,
            })
            .collect();
    }
}

/// The engine samples blocks unless told otherwise; Snowflake rows.
fn lower_sample(sample: &mut Option<TableSampleKind>) -> Result<(), SqlError> {
    let Some(TableSampleKind::BeforeTableAlias(found) | TableSampleKind::AfterTableAlias(found)) =
        sample.take()
    else {
        return Ok(());
    };
    let TableSample {
        name, quantity, seed, ..
    } = *found;
    let Some(mut quantity) = quantity else {
        return Err(super::refuse::syntax("SAMPLE"));
    };
    let by_rows = quantity.unit == Some(TableSampleUnit::Rows);
    quantity.parenthesized = true;
    quantity.unit = Some(if by_rows {
        TableSampleUnit::Rows
    } else {
        TableSampleUnit::Percent
    });
    let name = match name {
        _ if by_rows => None,
        Some(TableSampleMethod::System | TableSampleMethod::Block) => Some(TableSampleMethod::System),
        _ => Some(TableSampleMethod::Bernoulli),
    };
    let seed = seed.map(|mut seed| {
        seed.modifier = sqlparser::ast::TableSampleSeedModifier::Repeatable;
        seed
    });
    *sample = Some(TableSampleKind::AfterTableAlias(Box::new(TableSample {
        modifier: TableSampleModifier::TableSample,
        name,
        quantity: Some(quantity),
        seed,
        bucket: None,
        offset: None,
    })));
    Ok(())
}

/// `ASOF JOIN r MATCH_CONDITION (l.t >= r.t) [ON ..]`: for each row on the left the nearest on the right.
fn asof(join: &mut Join) -> Result<(), SqlError> {
    let JoinOperator::AsOf {
        match_condition,
        constraint,
    } = &join.join_operator
    else {
        return Ok(());
    };
    let condition = match match_condition {
        Expr::Nested(inner) => (**inner).clone(),
        other => other.clone(),
    };
    let Expr::BinaryOp { right, op, .. } = &condition else {
        return Err(super::refuse::syntax("MATCH_CONDITION"));
    };
    let descending = match op {
        sqlparser::ast::BinaryOperator::GtEq | sqlparser::ast::BinaryOperator::Gt => "DESC",
        sqlparser::ast::BinaryOperator::LtEq | sqlparser::ast::BinaryOperator::Lt => "ASC",
        other => return Err(unsupported(&format!("MATCH_CONDITION with {other}"))),
    };
    let filter = match constraint {
        JoinConstraint::On(on) => {
            super::build::binary(on.clone(), sqlparser::ast::BinaryOperator::And, condition.clone())
        }
        JoinConstraint::None => condition.clone(),
        _ => return Err(unsupported("ASOF JOIN with USING")),
    };
    let mut query = table_functions::template(
        &format!("SELECT * FROM relation WHERE placeholder_1 ORDER BY placeholder_2 {descending} LIMIT 1"),
        vec![filter, (**right).clone()],
    )?;
    let alias = match &join.relation {
        TableFactor::Table {
            alias: None, name, ..
        } => match name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => Some(table_alias(ident.clone())),
            _ => None,
        },
        TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => alias.clone(),
        _ => None,
    };
    let Some(alias) = alias else {
        return Err(unsupported("ASOF JOIN with a table without a name"));
    };
    if let SetExpr::Select(select) = &mut *query.body {
        let relation = join.relation.clone();
        select.from = vec![TableWithJoins {
            relation,
            joins: Vec::new(),
        }];
    }
    join.relation = TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: Some(table_alias(alias.name)),
        sample: None,
    };
    join.join_operator = JoinOperator::Left(JoinConstraint::On(boolean(true)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn values_and_table_functions() {
        check(
            lowered,
            &[
                (
                    "select column1 a from values (1, 'x'), (2, 'y')",
                    r#"SELECT "COLUMN1" AS "A" FROM (VALUES (CAST(1 AS BIGINT), 'x'), (2, 'y')) AS "VALUES" ("COLUMN1", "COLUMN2")"#,
                ),
                (
                    "select $1 a from (values (1)) v",
                    r#"SELECT "COLUMN1" AS "A" FROM (VALUES (CAST(1 AS BIGINT))) "V" ("COLUMN1")"#,
                ),
                (
                    "select seq4() a from table(generator(rowcount => 3))",
                    r#"SELECT "GENERATOR"."GENERATED" AS "A" FROM LATERAL (SELECT range AS "GENERATED" FROM range(3)) AS "GENERATOR""#,
                ),
                (
                    "select a from t sample (10)",
                    r#"SELECT "A" FROM "D.S"."T" AS "T" TABLESAMPLE BERNOULLI (10 PERCENT)"#,
                ),
                (
                    "select * from t pivot(sum(a) for k in ('x', 'y')) as p",
                    r#"SELECT * FROM "D.S"."T" AS "T" PIVOT(sum("A") FOR "K" IN ('x' AS "{27}~x{27}~", 'y' AS "{27}~y{27}~")) AS "P""#,
                ),
            ],
        );
    }
}

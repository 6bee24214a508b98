//! The shape of queries: clauses that the engine spells differently.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Distinct, Expr, Fetch, GroupByExpr, JoinConstraint, JoinOperator, LimitClause, Query, Select, SelectItem,
    SetExpr, SetOperator, Statement, TopQuantity, Value, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::build::{boolean, integer};
use super::refuse::unsupported;
use crate::contract::SqlError;

/// Respells the clauses of all queries of a statement.
pub(super) fn apply(statement: &mut Statement) -> Result<(), SqlError> {
    match statement.visit(&mut Shape) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Shape;

impl VisitorMut for Shape {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        match shape_query(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        match shape_select(select) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn shape_query(query: &mut Query) -> Result<(), SqlError> {
    if !query.locks.is_empty() || query.for_clause.is_some() {
        return Err(unsupported("FOR UPDATE"));
    }
    if !query.pipe_operators.is_empty() {
        return Err(unsupported("flow operator"));
    }
    if query.settings.is_some() || query.format_clause.is_some() {
        return Err(super::refuse::syntax("SETTINGS"));
    }
    if let SetExpr::Select(select) = &mut *query.body
        && let Some(top) = select.top.take()
    {
        if top.percent || top.with_ties || query.limit_clause.is_some() {
            return Err(unsupported("TOP with PERCENT, WITH TIES or LIMIT"));
        }
        let limit = match top.quantity {
            Some(TopQuantity::Constant(count)) => integer(count as i64),
            Some(TopQuantity::Expr(expr)) => expr,
            None => return Err(super::refuse::syntax("TOP")),
        };
        query.limit_clause = Some(LimitClause::LimitOffset {
            limit: Some(limit),
            offset: None,
            limit_by: Vec::new(),
        });
    }
    if let Some(Fetch {
        with_ties,
        percent,
        quantity,
    }) = query.fetch.take()
    {
        if with_ties || percent {
            return Err(unsupported("FETCH with PERCENT or WITH TIES"));
        }
        let count = quantity.unwrap_or_else(|| integer(1));
        match &mut query.limit_clause {
            None => {
                query.limit_clause = Some(LimitClause::LimitOffset {
                    limit: Some(count),
                    offset: None,
                    limit_by: Vec::new(),
                });
            }
            Some(LimitClause::LimitOffset {
                limit: limit @ None, ..
            }) => *limit = Some(count),
            Some(_) => return Err(super::refuse::syntax("FETCH")),
        }
    }
    if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
        // LIMIT NULL and LIMIT '' mean no limit.
        if limit.as_ref().is_some_and(is_no_limit) {
            *limit = None;
        }
        if offset.as_ref().is_some_and(|offset| is_no_limit(&offset.value)) {
            *offset = None;
        }
    }
    shape_set(&mut query.body)
}

fn is_no_limit(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Null => true,
            Value::SingleQuotedString(text) => text.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

fn shape_set(body: &mut SetExpr) -> Result<(), SqlError> {
    match body {
        SetExpr::SetOperation { left, op, right, .. } => {
            if *op == SetOperator::Minus {
                *op = SetOperator::Except;
            }
            shape_set(left)?;
            shape_set(right)
        }
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
        _ => Err(super::refuse::syntax("TABLE")),
    }
}

fn shape_select(select: &mut Select) -> Result<(), SqlError> {
    if !select.connect_by.is_empty() {
        return Err(unsupported("CONNECT BY"));
    }
    if select.into.is_some() || !select.lateral_views.is_empty() || select.prewhere.is_some() {
        return Err(unsupported("SELECT INTO, LATERAL VIEW or PREWHERE"));
    }
    if matches!(select.distinct, Some(Distinct::On(_))) {
        return Err(super::refuse::syntax("ON"));
    }
    // DISTINCT ALL is no distinct at all.
    if matches!(select.distinct, Some(Distinct::All)) {
        select.distinct = None;
    }
    if let GroupByExpr::Expressions(_, modifiers) | GroupByExpr::All(modifiers) = &select.group_by
        && !modifiers.is_empty()
    {
        return Err(super::refuse::syntax("WITH"));
    }
    for item in &mut select.projection {
        match item {
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => star(options)?,
            SelectItem::ExprWithAliases { .. } => return Err(super::refuse::syntax("(")),
            _ => {}
        }
    }
    for table in &mut select.from {
        for join in &mut table.joins {
            shape_join(&mut join.join_operator)?;
        }
    }
    Ok(())
}

/// `* ILIKE 'pattern' EXCLUDE (..) REPLACE (..) RENAME (..)`: names in EXCLUDE may be qualified.
fn star(options: &mut WildcardAdditionalOptions) -> Result<(), SqlError> {
    if options.opt_except.is_some() || options.opt_alias.is_some() {
        return Err(super::refuse::syntax("EXCEPT"));
    }
    if let Some(sqlparser::ast::ExcludeSelectItem::Single(column)) = options
        .opt_exclude
        .take_if(|exclude| matches!(exclude, sqlparser::ast::ExcludeSelectItem::Single(_)))
    {
        options.opt_exclude = Some(sqlparser::ast::ExcludeSelectItem::Multiple(vec![column]));
    }
    Ok(())
}

fn shape_join(operator: &mut JoinOperator) -> Result<(), SqlError> {
    match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint)
            if matches!(constraint, JoinConstraint::None) =>
        {
            // A join without a condition is a product.
            *operator = JoinOperator::CrossJoin(JoinConstraint::None);
        }
        // An outer join without a condition keeps what meets no row.
        JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
            if matches!(constraint, JoinConstraint::None) =>
        {
            *constraint = JoinConstraint::On(boolean(true));
        }
        JoinOperator::Left(_)
        | JoinOperator::LeftOuter(_)
        | JoinOperator::Right(_)
        | JoinOperator::RightOuter(_)
        | JoinOperator::FullOuter(_)
        | JoinOperator::Join(_)
        | JoinOperator::Inner(_)
        | JoinOperator::CrossJoin(_) => {}
        JoinOperator::AsOf { .. } => {}
        other => return Err(unsupported(&format!("{other:?} join"))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn clauses_are_respelt() {
        check(
            lowered,
            &[
                (
                    "select top 3 a from t",
                    r#"SELECT "A" FROM "D.S"."T" AS "T" LIMIT 3"#,
                ),
                (
                    "select a from t order by a desc fetch first 2 rows only",
                    r#"SELECT "A" FROM "D.S"."T" AS "T" ORDER BY "A" DESC NULLS FIRST LIMIT 2"#,
                ),
                (
                    "select a from t minus select b from u",
                    r#"SELECT "A" FROM "D.S"."T" AS "T" EXCEPT SELECT "B" FROM "D.S"."U" AS "U""#,
                ),
                (
                    "select * exclude a from t",
                    r#"SELECT * EXCLUDE ("A") FROM "D.S"."T" AS "T""#,
                ),
                (
                    "select * from t join u",
                    r#"SELECT * FROM "D.S"."T" AS "T" CROSS JOIN "D.S"."U" AS "U""#,
                ),
                (
                    "select a from t limit null offset 2",
                    r#"SELECT "A" FROM "D.S"."T" AS "T" OFFSET 2"#,
                ),
                (
                    "select a from t connect by a = 1",
                    "000002 0A000: Unsupported feature 'CONNECT BY'.",
                ),
            ],
        );
    }
}

//! Expressions, from the leaves up: each node is handed to the step that knows its form.
//!
//! One walk over the whole statement. When a node is reached its children are lowered already, and what a
//! step puts in its place is not visited again. A form that no step knows is refused here.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, OrderByExpr, OrderByOptions, OrderBySort, Query, Select, SelectItem, Statement, Value, VisitMut,
    VisitorMut,
};

use super::kinds::{ColumnKinds, Kind};
use super::outline::NUMBER_PRECISION_MAX;
use super::refuse::{compilation, unsupported};
use super::{Scope, build, casts, functions, intervals, lambdas, operators, paths};
use crate::catalog::names;
use crate::contract::SqlError;

/// What the expressions of a statement may depend on, and what lowering them found out.
pub(super) struct Work<'a> {
    /// The session.
    pub(super) scope: &'a Scope<'a>,
    /// The expressions are stored (defaults, views): the clock is read when they run, not now.
    pub(super) stored: bool,
    /// They run for other statements than this one: the session is asked when they do.
    pub(super) deferred: bool,
    /// Some expression depends on the session or the clock.
    pub(super) uses_session_state: bool,
    /// Sequences named.
    pub(super) sequences: Vec<crate::catalog::names::ObjectPath>,
    /// Defaults of the columns that the statement declares, as they were written.
    pub(super) defaults: BTreeMap<String, String>,
    /// The columns of the scope, and those that the statement's subqueries make.
    columns: ColumnKinds,
    /// Calls that take a lambda inside which the walk is.
    lambdas: usize,
    /// An interval constant was met that waits for a date beside it.
    has_intervals: bool,
}

impl<'a> Work<'a> {
    /// Work on a statement that runs now.
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self {
            scope,
            stored: false,
            deferred: false,
            uses_session_state: false,
            sequences: Vec::new(),
            defaults: BTreeMap::new(),
            columns: scope.columns.clone(),
            lambdas: 0,
            has_intervals: false,
        }
    }

    /// The rough type of a lowered expression.
    pub(super) fn kind(&self, expr: &Expr) -> Kind {
        self.columns.of(expr)
    }

    /// Goes into a SELECT, where columns are those of what it reads.
    pub(super) fn enter(&mut self, select: &Select) {
        self.columns.enter(select);
    }

    /// Leaves the SELECT that was entered last.
    pub(super) fn leave(&mut self) {
        self.columns.leave();
    }
}

/// Lowers all expressions of a statement.
pub(super) fn apply(statement: &mut Statement, work: &mut Work<'_>) -> Result<(), SqlError> {
    work.columns.learn(statement);
    finish(statement.visit(&mut Walk { work }))?;
    if work.has_intervals {
        finish(statement.visit(&mut Intervals))?;
    }
    Ok(())
}

fn finish(flow: ControlFlow<SqlError>) -> Result<(), SqlError> {
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Walk<'a, 'b> {
    work: &'a mut Work<'b>,
}

impl VisitorMut for Walk<'_, '_> {
    type Break = SqlError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match lambdas::prepare(expr) {
            Ok(takes_lambda) => self.work.lambdas += usize::from(takes_lambda),
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        self.work.lambdas -= usize::from(lambdas::takes_lambda(expr));
        match lower(expr, self.work) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_order_by_expr(&mut self, order: &mut OrderByExpr) -> ControlFlow<SqlError> {
        order_nulls(&mut order.options);
        // `ORDER BY ALL`, which the parser takes for a column of that name.
        if matches!(&order.expr, Expr::Identifier(ident) if ident.value == "ALL") {
            order.expr = build::raw("ALL");
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        operators::set_operation(&mut query.body, self.work);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.work.enter(select);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.work.leave();
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) => {
                    widen_literal(expr);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// The interval constants that no date took.
struct Intervals;

impl VisitorMut for Intervals {
    type Break = SqlError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        if !matches!(expr, Expr::Interval(_)) {
            return ControlFlow::Continue(());
        }
        match intervals::to_value(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// A column that is an integer literal must hold what a recursive query or a union puts beside it.
pub(super) fn widen_literal(expr: &mut Expr) {
    if build::literal_integer(expr).is_some() {
        *expr = build::engine_cast(expr.clone(), "BIGINT");
    }
}

/// NULL is larger than every value, whatever the engine's setting.
fn order_nulls(options: &mut OrderByOptions) {
    if options.nulls_first.is_none() {
        options.nulls_first = Some(matches!(options.sort, Some(OrderBySort::Desc)));
    }
}

fn lower(expr: &mut Expr, work: &mut Work<'_>) -> Result<(), SqlError> {
    match expr {
        Expr::Identifier(_)
        | Expr::Nested(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::InSubquery { .. }
        | Expr::Exists { .. }
        | Expr::Subquery(_)
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)
        | Expr::Tuple(_)
        | Expr::Wildcard(_) => Ok(()),
        Expr::Lambda(_) if work.lambdas > 0 => Ok(()),
        Expr::Lambda(_) => Err(unsupported(
            "lambda functions outside of FILTER, TRANSFORM and REDUCE",
        )),
        Expr::Case { .. } => {
            operators::branches(expr, work);
            Ok(())
        }
        // One with several fields is a value; others wait for a date beside them.
        Expr::Interval(interval) if interval.last_field.is_some() => intervals::to_value(expr),
        Expr::Interval(_) => {
            work.has_intervals = true;
            Ok(())
        }
        Expr::AnyOp { is_some: _, .. } | Expr::AllOp { .. } => Ok(()),
        Expr::CompoundIdentifier(_) => functions::sequence_value(expr, work),
        Expr::Value(value) => literal(&value.value).map(|replacement| {
            if let Some(replacement) = replacement {
                *expr = replacement;
            }
        }),
        Expr::BinaryOp { .. }
        | Expr::UnaryOp { .. }
        | Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..) => operators::apply(expr, work),
        Expr::Like { .. } | Expr::ILike { .. } | Expr::RLike { .. } | Expr::SimilarTo { .. } => {
            operators::pattern(expr, work)
        }
        Expr::Cast { .. } | Expr::TypedString(_) | Expr::Convert { .. } => casts::apply(expr),
        Expr::JsonAccess { .. } | Expr::CompoundFieldAccess { .. } | Expr::Dictionary(_) | Expr::Array(_) => {
            paths::apply(expr)
        }
        Expr::Function(_)
        | Expr::Extract { .. }
        | Expr::Ceil { .. }
        | Expr::Floor { .. }
        | Expr::Position { .. }
        | Expr::Substring { .. }
        | Expr::Trim { .. }
        | Expr::Overlay { .. } => functions::apply(expr, work),
        Expr::Collate { .. } => Err(unsupported("COLLATE")),
        Expr::Prior(_) => Err(unsupported("CONNECT BY")),
        Expr::OuterJoin(_) => Err(unsupported("outer join operator (+)")),
        other => Err(unsupported(&other.to_string())),
    }
}

/// Whether a whole number has more digits than a NUMBER has room for.
fn is_beyond_number(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.trim_start_matches('0').len() > NUMBER_PRECISION_MAX
}

/// Literals that the engine writes differently.
fn literal(value: &Value) -> Result<Option<Expr>, SqlError> {
    Ok(match value {
        Value::SingleQuotedString(text) if text.contains('\0') => Some(build::raw(names::literal(text))),
        // Beyond what a NUMBER holds a number is a FLOAT, as it is with a point.
        Value::Number(digits, _) if is_beyond_number(digits) => {
            Some(Expr::Value(Value::Number(format!("{digits}e0"), false).into()))
        }
        Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => None,
        Value::HexStringLiteral(digits) => {
            let valid = digits.len() % 2 == 0 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if !valid {
                return Err(compilation(
                    "001003",
                    "42000",
                    &format!("syntax error unexpected 'X'{digits}''."),
                ));
            }
            Some(build::raw(format!("from_hex('{digits}')")))
        }
        other => return Err(unsupported(&other.to_string())),
    })
}

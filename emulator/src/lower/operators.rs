//! Operators whose meaning differs between Snowflake and the engine.
//!
//! Division is exact decimal division; text that stands next to a number is converted; dates take
//! intervals without becoming timestamps; a value out of a VARIANT is compared and computed with as what its
//! partner is.

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SelectItem, SetExpr, UnaryOperator,
};

use super::build::{call, integer, negate_if, nested, null};
use super::expressions::Work;
use super::kinds::{Kind, kind};
use super::refuse::unsupported;
use super::{chains, intervals};
use crate::contract::SqlError;

/// Name under which the words after `LIKE ALL` wait until the operator takes them.
pub(super) const ALL_PATTERNS: &str = "sf_all_patterns";

/// Lowers an operator whose operands are lowered already.
pub(super) fn apply(expr: &mut Expr, work: &Work<'_>) -> Result<(), SqlError> {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (take(left), take(right));
            *expr = binary_operation(left, op.clone(), right, work)?;
        }
        Expr::UnaryOp { op, expr: operand } => match op {
            UnaryOperator::Not => {}
            UnaryOperator::Plus => {}
            UnaryOperator::Minus if kind(operand) == Kind::Number => {}
            UnaryOperator::Minus => *expr = call("sf_sub", vec![integer(0), take(operand)]),
            other => return Err(unsupported(&format!("operator {other}"))),
        },
        Expr::Between {
            expr: value,
            low,
            high,
            ..
        } => {
            let (value, low, high) = (&mut **value, &mut **low, &mut **high);
            together(work, &mut [value, low, high]);
        }
        Expr::InList {
            expr: value, list, ..
        } => {
            let mut all = vec![&mut **value];
            all.extend(list.iter_mut());
            together(work, &mut all);
        }
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            let (new_left, new_right) = comparable(take(left), take(right), work);
            (**left, **right) = (new_left, new_right);
        }
        _ => {}
    }
    Ok(())
}

fn take(expr: &mut Box<Expr>) -> Expr {
    std::mem::replace(&mut **expr, null())
}

/// Brings all values to DECFLOAT when one is: the engine by itself meets only whole numbers and floats with it.
pub(super) fn all_decfloat<'e>(work: &Work<'_>, values: impl IntoIterator<Item = &'e mut Expr>) -> bool {
    let mut values: Vec<&mut Expr> = values.into_iter().collect();
    let any = values.iter().any(|value| work.kind(value) == Kind::DecFloat);
    if any {
        for value in &mut values {
            convert_in_place(value, |value| as_decfloat(value, work));
        }
    }
    any
}

/// Brings the results of CASE to one type, and what it compares.
pub(super) fn branches(expr: &mut Expr, work: &Work<'_>) {
    let Expr::Case {
        operand,
        conditions,
        else_result,
        ..
    } = expr
    else {
        return;
    };
    let results = conditions.iter_mut().map(|branch| &mut branch.result);
    all_decfloat(work, results.chain(else_result.as_deref_mut()));
    if let Some(operand) = operand.as_deref_mut() {
        let compared = conditions.iter_mut().map(|branch| &mut branch.condition);
        all_decfloat(work, std::iter::once(operand).chain(compared));
    }
}

/// Brings the columns of a UNION's queries to DECFLOAT where one of them has one.
pub(super) fn set_operation(body: &mut SetExpr, work: &mut Work<'_>) {
    if !matches!(body, SetExpr::SetOperation { .. }) {
        return;
    }
    let mut found = Vec::new();
    columns(body, work, &mut |at, expr, work| {
        if work.kind(expr) == Kind::DecFloat && !found.contains(&at) {
            found.push(at);
        }
    });
    if !found.is_empty() {
        columns(body, work, &mut |at, expr, work| {
            if found.contains(&at) {
                convert_in_place(expr, |value| as_decfloat(value, work));
            }
        });
    }
}

/// Visits each selected expression of a set operation with its place; none of a query whose places `*` moves.
fn columns(body: &mut SetExpr, work: &mut Work<'_>, visit: &mut impl FnMut(usize, &mut Expr, &Work<'_>)) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            columns(left, work, visit);
            columns(right, work, visit);
        }
        SetExpr::Query(query) => columns(&mut query.body, work, visit),
        SetExpr::Select(select) => {
            let is_plain = |item: &SelectItem| {
                matches!(
                    item,
                    SelectItem::ExprWithAlias { .. } | SelectItem::UnnamedExpr(_)
                )
            };
            if !select.projection.iter().all(is_plain) {
                return;
            }
            work.enter(select);
            for (at, item) in select.projection.iter_mut().enumerate() {
                if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
                    visit(at, expr, work);
                }
            }
            work.leave();
        }
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                row.iter_mut()
                    .enumerate()
                    .for_each(|(at, expr)| visit(at, expr, work));
            }
        }
        _ => {}
    }
}

/// Brings values that are compared with the first one to what they have in common.
fn together(work: &Work<'_>, values: &mut [&mut Expr]) {
    if all_decfloat(work, values.iter_mut().map(|value| &mut **value)) {
        return;
    }
    let kinds: Vec<Kind> = values.iter().map(|value| work.kind(value)).collect();
    let Some(first) = kinds.first() else { return };
    let other = kinds[1..].iter().find(|kind| **kind != Kind::Variant);
    let (of_first, of_others) = (other.copied().unwrap_or(Kind::Unknown), *first);
    for (at, (value, kind)) in values.iter_mut().zip(&kinds).enumerate() {
        if *kind == Kind::Variant {
            let partner = if at == 0 { of_first } else { of_others };
            convert_in_place(value, |value| as_partner(value, partner));
        }
    }
}

fn convert_in_place(value: &mut Expr, convert: impl FnOnce(Expr) -> Expr) {
    let old = std::mem::replace(value, null());
    *value = convert(old);
}

fn binary_operation(left: Expr, op: BinaryOperator, right: Expr, work: &Work<'_>) -> Result<Expr, SqlError> {
    let rebuilt = |left, op, right| Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    };
    Ok(match op {
        BinaryOperator::Plus | BinaryOperator::Minus
            if kind(&left) == Kind::Interval || kind(&right) == Kind::Interval =>
        {
            intervals::add(left, &op, right)?
        }
        BinaryOperator::Plus => chains::calculation("sf_add", left, right),
        BinaryOperator::Minus => chains::calculation("sf_sub", left, right),
        BinaryOperator::Multiply => chains::calculation("sf_mul", left, right),
        BinaryOperator::Divide => chains::calculation("sf_div", left, right),
        BinaryOperator::Modulo => chains::calculation("sf_mod", left, right),
        BinaryOperator::StringConcat => concatenation(left, right),
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq => compare(left, op, right, work),
        BinaryOperator::And | BinaryOperator::Or => rebuilt(left, op, right),
        other => return Err(unsupported(&format!("operator {other}"))),
    })
}

/// The engine's `||` serves where both sides are surely text.
fn concatenation(mut left: Expr, mut right: Expr) -> Expr {
    if let Some(chain) = chains::concatenation(&mut left, &mut right) {
        return chain;
    }
    if kind(&left) == Kind::Text && kind(&right) == Kind::Text {
        return Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::StringConcat,
            right: Box::new(right),
        };
    }
    call("sf_concat", vec![left, right])
}

fn compare(left: Expr, op: BinaryOperator, right: Expr, work: &Work<'_>) -> Expr {
    let (left, right) = comparable(apart(left), apart(right), work);
    match (work.kind(&left), work.kind(&right)) {
        (Kind::Variant, _) | (_, Kind::Variant) => {
            let order = call("sf_variant_compare", vec![left, right]);
            Expr::BinaryOp {
                left: Box::new(order),
                op,
                right: Box::new(integer(0)),
            }
        }
        _ => Expr::BinaryOp {
            left: Box::new(left),
            op,
            right: Box::new(right),
        },
    }
}

/// A comparison that is compared, which the engine takes in parentheses only.
fn apart(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryOp {
            op:
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq,
            ..
        } => Expr::Nested(Box::new(expr)),
        other => other,
    }
}

/// Brings a VARIANT to the kind of its partner, or the partner to VARIANT where its kind is not known; and what is
/// compared with a DECFLOAT to one.
pub(super) fn comparable(left: Expr, right: Expr, work: &Work<'_>) -> (Expr, Expr) {
    match (work.kind(&left), work.kind(&right)) {
        (Kind::DecFloat, _) | (_, Kind::DecFloat) => (as_decfloat(left, work), as_decfloat(right, work)),
        (Kind::Variant, Kind::Variant) => (left, right),
        (Kind::Variant, Kind::Unknown) => (left, call("sf_to_variant", vec![right])),
        (Kind::Unknown, Kind::Variant) => (call("sf_to_variant", vec![left]), right),
        (Kind::Variant, partner) => (as_partner(left, partner), right),
        (partner, Kind::Variant) => (left, as_partner(right, partner)),
        _ => (left, right),
    }
}

fn as_decfloat(value: Expr, work: &Work<'_>) -> Expr {
    match work.kind(&value) {
        Kind::DecFloat | Kind::Null => value,
        _ => super::casts::convert(value, &SqlType::DecFloat, false),
    }
}

fn as_partner(variant: Expr, partner: Kind) -> Expr {
    match partner {
        Kind::Number => call("sf_to_double", vec![variant]),
        Kind::Boolean => call("sf_to_boolean", vec![variant]),
        Kind::Date => call("sf_to_date", vec![variant]),
        _ => call("sf_to_varchar", vec![variant]),
    }
}

/// `LIKE`, `ILIKE`, `RLIKE` and their `ANY` and `ALL` forms.
pub(super) fn pattern(expr: &mut Expr, work: &Work<'_>) -> Result<(), SqlError> {
    let lowered = match expr {
        Expr::Like {
            negated,
            any,
            expr: value,
            pattern,
            escape_char,
        } => like(
            "LIKE",
            (*negated, *any),
            take(value),
            take(pattern),
            escape_char.take(),
            work,
        )?,
        Expr::ILike {
            negated,
            any,
            expr: value,
            pattern,
            escape_char,
        } => like(
            "ILIKE",
            (*negated, *any),
            take(value),
            take(pattern),
            escape_char.take(),
            work,
        )?,
        Expr::RLike {
            negated,
            expr: value,
            pattern,
            ..
        } => negate_if(*negated, call("sf_regexp_like", vec![take(value), take(pattern)])),
        Expr::SimilarTo { .. } => return Err(unsupported("SIMILAR TO")),
        _ => return Ok(()),
    };
    *expr = lowered;
    Ok(())
}

fn like(
    word: &str,
    (negated, any): (bool, bool),
    value: Expr,
    pattern: Expr,
    escape_char: Option<Box<Expr>>,
    work: &Work<'_>,
) -> Result<Expr, SqlError> {
    let value = match work.kind(&value) {
        Kind::Number | Kind::DecFloat | Kind::Variant => call("sf_to_varchar", vec![value]),
        _ => value,
    };
    let one = |value: Expr, pattern: Expr, escape_char: Option<Box<Expr>>| match word {
        "LIKE" => Expr::Like {
            negated: false,
            any: false,
            expr: Box::new(nested(value)),
            pattern: Box::new(nested(pattern)),
            escape_char,
        },
        _ => Expr::ILike {
            negated: false,
            any: false,
            expr: Box::new(nested(value)),
            pattern: Box::new(nested(pattern)),
            escape_char,
        },
    };
    let all = all_patterns(&pattern);
    if !any && all.is_none() {
        let mut lowered = one(value, pattern, escape_char);
        if let Expr::Like { negated: flag, .. } | Expr::ILike { negated: flag, .. } = &mut lowered {
            *flag = negated;
        }
        return Ok(lowered);
    }
    let (patterns, connective) = match pattern {
        _ if all.is_some() => (all.unwrap_or_default(), BinaryOperator::And),
        Expr::Tuple(patterns) => (patterns, BinaryOperator::Or),
        Expr::Nested(pattern) => (vec![*pattern], BinaryOperator::Or),
        other => return Err(unsupported(&format!("LIKE ANY {other}"))),
    };
    let alternatives = patterns
        .into_iter()
        .map(|pattern| one(value.clone(), pattern, escape_char.clone()))
        .reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: connective.clone(),
            right: Box::new(right),
        })
        .ok_or_else(|| super::refuse::syntax(")"))?;
    Ok(negate_if(negated, Expr::Nested(Box::new(alternatives))))
}

/// The patterns of `LIKE ALL (..)`, which the parser takes for a call.
fn all_patterns(pattern: &Expr) -> Option<Vec<Expr>> {
    match pattern {
        Expr::Function(function) if super::build::called(pattern) == Some(ALL_PATTERNS) => {
            match &function.args {
                FunctionArguments::List(list) => list
                    .args
                    .iter()
                    .map(|argument| match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn operators() {
        check(
            lowered,
            &[
                ("select a / b x", r#"SELECT sf_div("A", "B") AS "X""#),
                (
                    "select a % 2 x, -a y, -1 z",
                    r#"SELECT sf_mod("A", 2) AS "X", sf_sub(0, "A") AS "Y", CAST(-1 AS BIGINT) AS "Z""#,
                ),
                (
                    "select a - b * (1 - c) x",
                    r#"SELECT sf_sub("A", sf_mul("B", (sf_sub(1, "C")))) AS "X""#,
                ),
                (
                    "select a || 'x' x, 'a' || 'b' y",
                    r#"SELECT sf_concat("A", 'x') AS "X", 'a' || 'b' AS "Y""#,
                ),
                (
                    "select v:a = 1 x, v:b > c y",
                    r#"SELECT sf_to_double(sf_get_path("V", 'a')) = 1 AS "X", sf_variant_compare(sf_get_path("V", 'b'), sf_to_variant("C")) > 0 AS "Y""#,
                ),
                (
                    "select not a and b or c x",
                    r#"SELECT NOT "A" AND "B" OR "C" AS "X""#,
                ),
            ],
        );
    }

    #[test]
    fn patterns() {
        check(
            lowered,
            &[
                (
                    "select a not like 'x%' escape '!' b",
                    r#"SELECT "A" NOT LIKE 'x%' ESCAPE '!' AS "B""#,
                ),
                (
                    "select a like any ('x%', 'y') b",
                    r#"SELECT ("A" LIKE 'x%' OR "A" LIKE 'y') AS "B""#,
                ),
                (
                    "select a like all ('x%', 'y') b",
                    r#"SELECT ("A" LIKE 'x%' AND "A" LIKE 'y') AS "B""#,
                ),
                (
                    "select a not rlike 'x+' b",
                    r#"SELECT (NOT (sf_regexp_like("A", 'x+'))) AS "B""#,
                ),
            ],
        );
    }
}

//! `WHERE a % n = r`, by which rows are sampled and spread: one function for both operators.
//!
//! The engine would keep the remainder of each row before it compares them; the function tells what is true of a row at
//! once, in a fraction of the time. Elsewhere the operators stay, as a query may group by one of them.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Select, Statement, Value, VisitMut, VisitorMut};

use super::build::{call, called};
use super::kinds::arguments;

/// Rewrites the conditions of all queries in a statement whose expressions are lowered.
pub(super) fn apply(statement: &mut Statement) {
    let _: ControlFlow<()> = statement.visit(&mut Conditions);
}

struct Conditions;

impl VisitorMut for Conditions {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        if let Some(condition) = &mut select.selection {
            rewrite(condition);
        }
        ControlFlow::Continue(())
    }
}

/// Rewrites a condition, or those that it is made of.
fn rewrite(condition: &mut Expr) {
    match condition {
        Expr::Nested(inner) => rewrite(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } => {
            rewrite(left);
            rewrite(right);
        }
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } => {
            if let Some(test) = test(left, right) {
                *condition = test;
            }
        }
        _ => {}
    }
}

/// What stands for a comparison of a remainder with a whole number, where both `n` and `r` are written as digits.
fn test(left: &Expr, right: &Expr) -> Option<Expr> {
    let (remainder, wanted) = if digits(right).is_some() {
        (left, right)
    } else {
        (right, left)
    };
    let remainder = match remainder {
        Expr::Nested(inner) => inner,
        other => other,
    };
    let Expr::Function(function) = remainder else {
        return None;
    };
    if called(remainder) != Some("sf_mod") {
        return None;
    }
    let parts: Vec<&Expr> = arguments(&function.args).collect();
    let [dividend, divisor] = parts.as_slice() else {
        return None;
    };
    // Whoever divides by zero is told so by the operator.
    let is_known = digits(divisor).is_some_and(|divisor| divisor != 0) && digits(wanted).is_some();
    is_known.then(|| {
        let parts = [*dividend, *divisor, wanted];
        call("sf_mod_is", parts.into_iter().cloned().collect())
    })
}

/// A whole number that is written as such, of no more digits than a machine word has.
fn digits(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn conditions_on_remainders() {
        check(
            lowered,
            &[
                (
                    "select a x where a % 50 = 7 and (mod(b, 3) = 1 or 2 = (c % 4))",
                    r#"SELECT "A" AS "X" WHERE sf_mod_is("A", 50, 7) AND (sf_mod_is("B", 3, 1) OR sf_mod_is("C", 4, 2))"#,
                ),
                // Division by zero, a group's expression, and what is no number or not known.
                (
                    "select a % 2 = 1 x where a % 0 = 1 and a % b = 1 and a % 2 = c and a % 2 <> 1",
                    r#"SELECT sf_mod("A", 2) = 1 AS "X" WHERE sf_mod("A", 0) = 1 AND sf_mod("A", "B") = 1 AND sf_mod("A", 2) = "C" AND sf_mod("A", 2) <> 1"#,
                ),
            ],
        );
    }
}

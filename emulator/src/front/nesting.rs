//! Long chains of operators, which the parser makes as deep as they are long: `a OR b OR c …`, `SELECT … UNION ALL SELECT …`.
//!
//! All that reads a statement descends into it, so that its depth is what its thread's stack has to bear. Chains of AND
//! and OR and of one set operation become trees whose depth is the logarithm of their length; written out they are what
//! they were. Other chains are refused beyond what the engine takes.

use std::mem;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Query, SetExpr, SetOperator, SetQuantifier, Statement, Table, Value, VisitMut as _,
    VisitorMut,
};

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::contract::SqlError;

/// Links of a chain of operators that is not made a tree; the engine's own limit.
const LINKS_MAX: usize = 1000;
/// Casts in a row: the engine asks each what all below it are, and a few hundred would take it minutes.
const CASTS_MAX: usize = 100;
/// Set operations in a row that cannot be made one tree: EXCEPT, and different ones by turns.
const SETS_MAX: usize = 200;
/// A shorter chain stays as it is.
const CHAIN_MIN: usize = 32;

/// Joins in a row that have no condition yet: the parser descends with each.
const OPEN_JOINS_MAX: usize = 50;

/// Refuses what the parser itself would descend into too deeply, or could not drop when it fails.
pub(super) fn refuse_runs(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut outer = Vec::new();
    let mut run = Run::default();
    let mut before = Keyword::NoKeyword;
    for token in tokens {
        let mut keyword = Keyword::NoKeyword;
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen => outer.push(mem::take(&mut run)),
            Token::RParen => run = outer.pop().unwrap_or_default(),
            Token::Comma => run.operators = 0,
            Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::DoubleColon
            | Token::Colon => run.operators += 1,
            Token::Word(word) if word.quote_style.is_none() => {
                keyword = word.keyword;
                run.take(keyword, before);
            }
            _ => {}
        }
        before = keyword;
        if run.operators > LINKS_MAX || run.open_joins > OPEN_JOINS_MAX {
            return Err(too_deep());
        }
    }
    Ok(())
}

/// What has been met between the same parentheses.
#[derive(Default)]
struct Run {
    /// Operators since the last comma, AND, OR or clause.
    operators: usize,
    open_joins: usize,
}

impl Run {
    fn take(&mut self, keyword: Keyword, before: Keyword) {
        match keyword {
            Keyword::JOIN if !matches!(before, Keyword::CROSS | Keyword::NATURAL) => self.open_joins += 1,
            Keyword::ON | Keyword::USING => self.open_joins = self.open_joins.saturating_sub(1),
            Keyword::SELECT => *self = Self::default(),
            Keyword::AND
            | Keyword::OR
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE => self.operators = 0,
            _ => {}
        }
    }
}

/// Makes a statement as shallow as it can be, or refuses it.
pub(super) fn level(statement: &mut Statement) -> Result<(), SqlError> {
    match statement.visit(&mut Chains) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(too_deep()),
    }
}

/// The refusal of a statement that is nested too deeply.
pub(super) fn too_deep() -> SqlError {
    SqlError::compilation("001003", "54001", "Statement is nested too deeply.")
}

struct Chains;

/// Chains are met from above, and are made trees before anything descends into them.
impl VisitorMut for Chains {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        level_sets(&mut query.body)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        level_logic(expr);
        if links(expr) > LINKS_MAX || casts(expr) > CASTS_MAX {
            take_apart(expr);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn level_logic(expr: &mut Expr) {
    let Expr::BinaryOp {
        op: op @ (BinaryOperator::And | BinaryOperator::Or),
        ..
    } = &*expr
    else {
        return;
    };
    let op = op.clone();
    let mut length = 0;
    let mut at = &*expr;
    while let Expr::BinaryOp { left, op: other, .. } = at
        && *other == op
    {
        length += 1;
        at = left;
    }
    if length < CHAIN_MIN {
        return;
    }
    let mut operands = Vec::with_capacity(length + 1);
    let mut rest = mem::replace(expr, nothing());
    loop {
        match rest {
            Expr::BinaryOp {
                left,
                op: other,
                right,
            } if other == op => {
                operands.push(*right);
                rest = *left;
            }
            first => {
                operands.push(first);
                break;
            }
        }
    }
    operands.reverse();
    let tree = tree(operands, |left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: op.clone(),
        right: Box::new(right),
    });
    if let Some(tree) = tree {
        *expr = tree;
    }
}

fn level_sets(body: &mut SetExpr) -> ControlFlow<()> {
    let mut chain = Vec::new();
    let mut first = mem::replace(body, no_rows());
    while let SetExpr::SetOperation {
        op,
        set_quantifier,
        left,
        right,
    } = first
    {
        chain.push((op, set_quantifier, *right));
        first = *left;
    }
    let mut sofar = vec![first];
    let mut runs = 0;
    let mut last = None;
    for (op, quantifier, mut operand) in chain.into_iter().rev() {
        // What binds more tightly is a chain of its own.
        level_sets(&mut operand)?;
        let kind = (op, quantifier);
        if last != Some(kind) || !is_associative(kind) {
            sofar = last
                .and_then(|last| tree_of_sets(mem::take(&mut sofar), last))
                .map_or(sofar, |all| vec![all]);
            runs += 1;
        }
        sofar.push(operand);
        last = Some(kind);
    }
    let whole = match last {
        Some(last) => tree_of_sets(sofar, last),
        None => sofar.pop(),
    };
    if let Some(whole) = whole {
        *body = whole;
    }
    if runs > SETS_MAX {
        take_sets_apart(body);
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}

/// True for operations whose chains are the same however they are grouped.
fn is_associative((op, quantifier): (SetOperator, SetQuantifier)) -> bool {
    matches!(op, SetOperator::Union | SetOperator::Intersect)
        && matches!(
            quantifier,
            SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None
        )
}

fn tree_of_sets(
    operands: Vec<SetExpr>,
    (op, set_quantifier): (SetOperator, SetQuantifier),
) -> Option<SetExpr> {
    tree(operands, |left, right| SetExpr::SetOperation {
        op,
        set_quantifier,
        left: Box::new(left),
        right: Box::new(right),
    })
}

/// Joins operands two by two until one is left, in their order.
fn tree<T>(mut operands: Vec<T>, join: impl Fn(T, T) -> T) -> Option<T> {
    while operands.len() > 1 {
        let mut joined = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        operands = joined;
    }
    operands.pop()
}

/// Operators on the way down to the leftmost operand: how deep an expression is that was written without parentheses.
fn links(expr: &mut Expr) -> usize {
    let mut links = 0;
    let mut at = expr;
    while let Some(left) = left(at) {
        links += 1;
        at = left;
    }
    links
}

/// Casts of casts.
fn casts(expr: &Expr) -> usize {
    let mut casts = 0;
    let mut at = expr;
    while let Expr::Cast { expr, .. } = at {
        casts += 1;
        at = expr;
    }
    casts
}

fn left(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::BinaryOp { left: inner, .. }
        | Expr::IsDistinctFrom(inner, _)
        | Expr::IsNotDistinctFrom(inner, _)
        | Expr::AnyOp { left: inner, .. }
        | Expr::AllOp { left: inner, .. }
        | Expr::CompoundFieldAccess { root: inner, .. }
        | Expr::JsonAccess { value: inner, .. }
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotUnknown(inner)
        | Expr::InList { expr: inner, .. }
        | Expr::InSubquery { expr: inner, .. }
        | Expr::InUnnest { expr: inner, .. }
        | Expr::Between { expr: inner, .. }
        | Expr::Like { expr: inner, .. }
        | Expr::ILike { expr: inner, .. }
        | Expr::RLike { expr: inner, .. }
        | Expr::SimilarTo { expr: inner, .. }
        | Expr::Cast { expr: inner, .. }
        | Expr::Collate { expr: inner, .. }
        | Expr::AtTimeZone { timestamp: inner, .. } => Some(inner),
        _ => None,
    }
}

/// Drops a chain link by link: dropped as a whole, it would be descended into.
fn take_apart(expr: &mut Expr) {
    let mut rest = mem::replace(expr, nothing());
    while let Some(inner) = left(&mut rest) {
        rest = mem::replace(inner, nothing());
    }
}

fn take_sets_apart(body: &mut SetExpr) {
    let mut rest = mem::replace(body, no_rows());
    while let SetExpr::SetOperation { left, .. } = rest {
        rest = *left;
    }
}

fn nothing() -> Expr {
    Expr::value(Value::Null)
}

fn no_rows() -> SetExpr {
    SetExpr::Table(Box::new(Table {
        table_name: None,
        schema_name: None,
    }))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::sql::parse;
    use super::*;

    /// As much as a session's thread has at the least.
    const STACK_BYTES: usize = 4 * 1024 * 1024;

    fn check(text: String, written: &'static str) {
        let work = move || match parse(&text, (1, 0)) {
            Ok(statement) => {
                let again = statement.to_string();
                assert!(again == text, "{again:.200}");
                assert_eq!(written, "", "{text:.200}");
            }
            Err(error) => assert!(!written.is_empty() && error.message.contains(written), "{error}"),
        };
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
        thread.unwrap().join().unwrap();
    }

    fn chain(count: usize, link: &str, operand: impl Fn(usize) -> String) -> String {
        (0..count).map(operand).collect::<Vec<_>>().join(link)
    }

    #[test]
    fn long_chains_are_shallow_and_read_as_before() {
        let many = 10_000;
        check(
            format!("SELECT 1 WHERE {}", chain(many, " OR ", |n| format!("a = {n}"))),
            "",
        );
        check(
            format!(
                "SELECT 1 WHERE {}",
                chain(many, " AND ", |n| format!("a <> {n} OR b"))
            ),
            "",
        );
        check(chain(many, " UNION ALL ", |n| format!("SELECT {n}")), "");
        check(
            chain(many, " UNION ", |n| format!("SELECT {n} INTERSECT SELECT 2")),
            "",
        );
        check(
            format!(
                "WITH c AS ({}) SELECT * FROM c",
                chain(many, " UNION ALL ", |_| "SELECT 1".to_owned())
            ),
            "",
        );
        check(chain(SETS_MAX, " EXCEPT ", |_| "SELECT 1".to_owned()), "");
        check(format!("SELECT {}", chain(500, " + ", |n| n.to_string())), "");
        check(format!("SELECT a{}", "::INT".repeat(CASTS_MAX)), "");
        check(
            format!("SELECT {}", chain(500, " + ", |n| format!("a{n}::INT"))),
            "",
        );
        check(
            format!("SELECT {}", chain(5000, ", ", |n| format!("a + {n}"))),
            "",
        );
        check(
            format!("SELECT * FROM t{}", " JOIN t ON t.a = t.a".repeat(1000)),
            "",
        );
    }

    #[test]
    fn other_chains_are_refused_beyond_a_limit() {
        let deep = "nested too deeply";
        check(format!("SELECT {}", chain(5000, " + ", |n| n.to_string())), deep);
        check(format!("SELECT a{}", "::INT".repeat(5000)), deep);
        check(format!("SELECT a{}", "::INT".repeat(CASTS_MAX + 1)), deep);
        check(format!("SELECT a:b{}", ":c".repeat(5000)), deep);
        // As many as a text may have, or nearly, whatever the operator.
        for link in [" IS TRUE", " RLIKE 'a'", " IN (1)", " IS DISTINCT FROM 1"] {
            check(format!("SELECT 1{}", link.repeat(50_000)), deep);
        }
        check(chain(SETS_MAX + 2, " EXCEPT ", |_| "SELECT 1".to_owned()), deep);
        check(
            chain(1000, " UNION ", |_| "SELECT 1 UNION ALL SELECT 2".to_owned()),
            deep,
        );
        check(format!("SELECT 1{} +", " + 1".repeat(200_000)), deep);
        check(format!("SELECT * FROM t{}", " JOIN t".repeat(1000)), deep);
        check(
            format!("SELECT 1 WHERE {} )", chain(5000, " OR ", |n| format!("a = {n}"))),
            "syntax error",
        );
    }
}

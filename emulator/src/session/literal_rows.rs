//! `INSERT … VALUES` of many rows of literals.
//!
//! The engine's parser and binder take some 200 ms for a thousand rows of six values, most of it for telling that a
//! literal is one. Rows that are nothing but literals are what array binds are, so they go the same way.

use std::collections::BTreeMap;

use sqlparser::ast::{Expr, Insert, SetExpr, Statement, UnaryOperator, Value, Values};

use super::worker::{Work, Worker};
use super::{Binding, DmlStats, SqlError};
use crate::catalog::records::Column;

/// Fewer rows than this are the engine's own business: a temporary table costs more than they do.
const ROWS_MIN: usize = 64;
/// Digits of a NUMBER.
const DIGITS_MAX: usize = 38;

impl Worker {
    /// Inserts rows of literals; none when the statement is not of that form.
    pub(super) fn insert_literals(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
    ) -> Result<Option<DmlStats>, SqlError> {
        if !work.bindings.is_empty() || work.describe_only {
            return Ok(None);
        }
        let Statement::Insert(insert) = statement else {
            return Ok(None);
        };
        let Some(values) = rows_of(insert) else {
            return Ok(None);
        };
        let targets = self.target_columns(insert)?;
        let Some(bindings) = bindings(values, &targets) else {
            return Ok(None);
        };
        let rows = values.rows.len();
        let statement = Statement::Insert(of_questions(insert, targets.len()));
        let work = Work {
            bindings: &bindings,
            moment: work.moment.clone(),
            ..*work
        };
        self.insert_bound(&statement, rows, &work)
    }
}

/// The rows, when there are enough of them and nothing else is in the statement.
fn rows_of(insert: &Insert) -> Option<&Values> {
    let query = insert.source.as_ref()?;
    let SetExpr::Values(values) = query.body.as_ref() else {
        return None;
    };
    let is_plain = query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none();
    (is_plain && values.rows.len() >= ROWS_MIN && insert.multi_table_insert_type.is_none()).then_some(values)
}

/// What a literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Boolean,
}

impl Kind {
    /// The type of a binding of such literals.
    fn binding(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Number => "FIXED",
            Self::Boolean => "BOOLEAN",
        }
    }

    /// Whether a column's values do not depend on what stands in the other rows.
    ///
    /// Numbers that go into text are first brought to one scale, and text is read as JSON by nothing but functions:
    /// such columns are the engine's business too.
    fn suits(self, target: &Column) -> bool {
        let tag = target.stored_type.tag.as_str();
        match self {
            Self::Text => matches!(
                tag,
                "TEXT" | "FIXED" | "REAL" | "BOOLEAN" | "DATE" | "TIME" | "TIMESTAMP_NTZ"
            ),
            Self::Number => matches!(tag, "FIXED" | "REAL"),
            Self::Boolean => tag == "BOOLEAN",
        }
    }
}

/// A literal of a row.
enum Literal {
    Null,
    Value(Kind, String),
}

/// Reads a literal; none for anything else.
fn literal(expr: &Expr) -> Option<Literal> {
    let (negative, expr) = match expr {
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => (true, expr.as_ref()),
        other => (false, other),
    };
    let Expr::Value(value) = expr else { return None };
    match &value.value {
        Value::Null if !negative => Some(Literal::Null),
        Value::SingleQuotedString(text) if !negative => Some(Literal::Value(Kind::Text, text.clone())),
        Value::Boolean(value) if !negative => Some(Literal::Value(Kind::Boolean, value.to_string())),
        // One with an exponent is a FLOAT.
        Value::Number(digits, _)
            if digits.len() <= DIGITS_MAX
                && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') =>
        {
            let sign = if negative { "-" } else { "" };
            Some(Literal::Value(Kind::Number, format!("{sign}{digits}")))
        }
        _ => None,
    }
}

/// The columns of literals as array binds; none when one of them is not of one kind that suits its target.
fn bindings(values: &Values, targets: &[Column]) -> Option<BTreeMap<String, Binding>> {
    let mut columns: Vec<(Option<Kind>, Vec<Option<String>>)> = targets
        .iter()
        .map(|_| (None, Vec::with_capacity(values.rows.len())))
        .collect();
    for row in &values.rows {
        if row.len() != targets.len() {
            return None;
        }
        for ((expr, (kind, texts)), target) in row.iter().zip(&mut columns).zip(targets) {
            let Literal::Value(found, text) = literal(expr)? else {
                texts.push(None);
                continue;
            };
            if *kind.get_or_insert(found) != found || !found.suits(target) {
                return None;
            }
            texts.push(Some(text));
        }
    }
    let bound = columns.into_iter().enumerate().map(|(at, (kind, values))| {
        let binding = Binding {
            type_name: kind.unwrap_or(Kind::Text).binding().to_owned(),
            values,
            is_array: true,
        };
        ((at + 1).to_string(), binding)
    });
    Some(bound.collect())
}

/// The same INSERT with one row of `?`.
fn of_questions(insert: &Insert, width: usize) -> Insert {
    let question = || Expr::Value(Value::Placeholder("?".to_owned()).into());
    let mut insert = insert.clone();
    if let Some(query) = &mut insert.source
        && let SetExpr::Values(values) = query.body.as_mut()
    {
        values.rows.truncate(1);
        for row in &mut values.rows {
            row.clear();
            row.extend(std::iter::repeat_with(question).take(width));
        }
    }
    insert
}

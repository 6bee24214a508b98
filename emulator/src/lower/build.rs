//! Small constructors for syntax trees, and the few questions that several steps ask of one.
//!
//! After [`super::identifiers`] an identifier with quotes is a Snowflake name with its exact spelling;
//! one without quotes is text for the engine, already final. [`raw`] and [`call`] make the second kind.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, ObjectNamePart, UnaryOperator, Value,
};

/// Engine SQL that no later step looks into.
pub(super) fn raw(sql: impl Into<String>) -> Expr {
    Expr::Identifier(raw_ident(sql))
}

/// An identifier that is written as it is.
pub(super) fn raw_ident(sql: impl Into<String>) -> Ident {
    Ident::new(sql)
}

/// A one-part name that is written as it is.
pub(super) fn raw_name(sql: impl Into<String>) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(raw_ident(sql))])
}

/// A Snowflake name with its exact spelling.
pub(super) fn exact(name: impl Into<String>) -> Ident {
    Ident::with_quote('"', name)
}

/// A call of an engine function.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: raw_name(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

/// A text literal.
pub(super) fn text(value: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.into()).into())
}

/// An integer literal.
pub(super) fn integer(value: i64) -> Expr {
    Expr::Value(Value::Number(value.to_string(), false).into())
}

/// A truth literal.
pub(super) fn boolean(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).into())
}

/// NULL.
pub(super) fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

/// The engine's own conversion to one of its types.
pub(super) fn engine_cast(expr: Expr, engine_type: &str) -> Expr {
    raw(format!(
        "CAST({} AS {engine_type})",
        super::physical::text_of(expr)
    ))
}

/// `left op right` in parentheses.
pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }))
}

/// `expr IS NULL`.
pub(super) fn is_null(expr: Expr) -> Expr {
    Expr::IsNull(Box::new(expr))
}

/// `CASE WHEN condition THEN yes ELSE no END`.
pub(super) fn either(condition: Expr, yes: Expr, no: Expr) -> Expr {
    case(vec![(condition, yes)], Some(no))
}

/// `CASE WHEN .. THEN .. [ELSE ..] END`.
pub(super) fn case(branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: branches
            .into_iter()
            .map(|(condition, result)| sqlparser::ast::CaseWhen { condition, result })
            .collect(),
        else_result: otherwise.map(Box::new),
    }
}

/// `NOT (expr)` when `negated`.
pub(super) fn negate_if(negated: bool, expr: Expr) -> Expr {
    if negated {
        Expr::Nested(Box::new(Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(Expr::Nested(Box::new(expr))),
        }))
    } else {
        expr
    }
}

/// Wraps in parentheses what could be torn apart by an operator around it.
pub(super) fn nested(expr: Expr) -> Expr {
    match expr {
        Expr::BinaryOp { .. } | Expr::UnaryOp { .. } | Expr::Like { .. } | Expr::ILike { .. } => {
            Expr::Nested(Box::new(expr))
        }
        other => other,
    }
}

/// The text of a text literal.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => literal_text(inner),
        _ => None,
    }
}

/// The value of an integer literal, with its sign.
pub(super) fn literal_integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => literal_integer(expr).map(|n| -n),
        Expr::Nested(inner) => literal_integer(inner),
        _ => None,
    }
}

/// The word of a bare identifier or text literal, upper-cased: date parts and modes are given either way.
pub(super) fn word(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.to_uppercase()),
        other => literal_text(other).map(str::to_uppercase),
    }
}

/// The engine name of a call that an earlier rewrite made.
pub(super) fn called(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Function(function) => match function.name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => Some(&ident.value),
            _ => None,
        },
        _ => None,
    }
}

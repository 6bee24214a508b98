//! What the form of an expression tells of its values.

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::super::identifiers::simple;
use super::super::types::sql_type;

/// Digits of what `COUNT` answers.
const COUNT_PRECISION: u8 = 18;
/// Digits of a NUMBER.
pub(in super::super) const NUMBER_PRECISION_MAX: usize = 38;

/// What is told of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is a plain column.
    Column {
        /// Name of the source, when it is said.
        source: Option<String>,
        /// Name in the source.
        name: String,
    },
    /// It has a type.
    Typed {
        /// The type.
        sql_type: SqlType,
        /// May be NULL.
        nullable: bool,
    },
    /// It is NULL.
    Null,
    /// It is the value of one of these, or NULL.
    OneOf(Vec<Told>),
    /// Its type is not told.
    Nothing {
        /// May be NULL.
        nullable: bool,
    },
}

impl Told {
    /// What an expression's form tells.
    pub(super) fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Identifier(name) => Self::Column {
                source: None,
                name: name.value.clone(),
            },
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [source, name] => Self::Column {
                    source: Some(source.value.clone()),
                    name: name.value.clone(),
                },
                _ => Self::Nothing { nullable: true },
            },
            Expr::Nested(inner) => Self::of(inner),
            Expr::Value(value) => literal(&value.value),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                ..
            } => {
                let nullable = match Self::of(expr) {
                    Self::Typed { nullable, .. } | Self::Nothing { nullable } => nullable,
                    _ => true,
                };
                typed(sql_type(data_type).ok(), nullable)
            }
            Expr::TypedString(typed_text) => typed(sql_type(&typed_text.data_type).ok(), false),
            Expr::Case {
                conditions,
                else_result,
                ..
            } => {
                let results = conditions.iter().map(|branch| Self::of(&branch.result));
                let otherwise = else_result.iter().map(|result| Self::of(result));
                Self::OneOf(results.chain(otherwise).collect())
            }
            Expr::Function(function) => called(function),
            _ => Self::Nothing { nullable: true },
        }
    }
}

fn called(function: &Function) -> Told {
    let nothing = Told::Nothing { nullable: true };
    let (Some(name), FunctionArguments::List(list)) = (simple(&function.name), &function.args) else {
        return nothing;
    };
    let arguments: Vec<Option<&Expr>> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    if name == "COUNT" && function.over.is_none() && list.clauses.is_empty() {
        let is_counted = |argument: &FunctionArg| {
            matches!(
                argument,
                FunctionArg::Unnamed(FunctionArgExpr::Expr(_) | FunctionArgExpr::Wildcard)
            )
        };
        let sql_type = SqlType::Number {
            precision: COUNT_PRECISION,
            scale: 0,
        };
        let counts = list.args.iter().all(is_counted);
        return typed(counts.then_some(sql_type), !counts);
    }
    // The arguments of which the function gives one.
    let given = match name {
        "MAX" | "MIN" | "ANY_VALUE" | "FIRST_VALUE" | "LAST_VALUE" | "NTH_VALUE" | "NULLIF" => 0..1,
        "COALESCE" | "NVL" | "IFNULL" => 0..arguments.len(),
        "IFF" => 1..3,
        _ => return nothing,
    };
    let given = arguments.get(given).unwrap_or_default();
    let values: Option<Vec<Told>> = given.iter().map(|expr| expr.map(Told::of)).collect();
    values
        .filter(|values| !values.is_empty())
        .map_or(nothing, Told::OneOf)
}

fn typed(sql_type: Option<SqlType>, nullable: bool) -> Told {
    match sql_type {
        Some(sql_type) => Told::Typed { sql_type, nullable },
        None => Told::Nothing { nullable },
    }
}

fn literal(value: &Value) -> Told {
    match value {
        Value::Number(digits, _) => typed(number(digits), false),
        Value::SingleQuotedString(text)
        | Value::DollarQuotedString(sqlparser::ast::DollarQuotedString { value: text, .. }) => {
            let length = u32::try_from(text.chars().count()).ok();
            typed(length.map(|length| SqlType::Text { length: Some(length) }), false)
        }
        Value::Null => Told::Null,
        Value::Placeholder(_) => Told::Nothing { nullable: true },
        // Snowflake says of constants that they are not NULL, but not of these.
        Value::Boolean(_) => Told::Nothing { nullable: true },
        _ => Told::Nothing { nullable: false },
    }
}

/// The type of a number that is written with its digits and perhaps a point.
fn number(written: &str) -> Option<SqlType> {
    let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = whole.trim_start_matches('0').len().max(1) + fraction.len();
    if !is_digits(whole) || !is_digits(fraction) || digits > NUMBER_PRECISION_MAX {
        return None;
    }
    Some(SqlType::Number {
        precision: digits as u8,
        scale: fraction.len() as u8,
    })
}

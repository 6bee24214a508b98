//! What a lowered expression surely is, judged by its form.
//!
//! The engine's binder knows the types; the lowering only needs to tell the few forms where Snowflake and
//! the engine part ways before binding: literals, and values that come out of a VARIANT.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::build::called;

/// A rough type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Number.
    Number,
    /// Truth.
    Boolean,
    /// Date.
    Date,
    /// VARIANT, OBJECT or ARRAY.
    Variant,
    /// Interval.
    Interval,
    /// NULL literal.
    Null,
    /// Anything.
    Unknown,
}

/// The rough type of a lowered expression.
pub(super) fn kind(expr: &Expr) -> Kind {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(..) => Kind::Number,
            Value::SingleQuotedString(_) => Kind::Text,
            Value::Boolean(_) => Kind::Boolean,
            Value::Null => Kind::Null,
            _ => Kind::Unknown,
        },
        Expr::Nested(inner) => kind(inner),
        Expr::Interval(_) => Kind::Interval,
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => kind(expr),
        Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with("DATE '") => {
            Kind::Date
        }
        Expr::BinaryOp {
            op: BinaryOperator::StringConcat,
            ..
        } => Kind::Text,
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply,
            right,
        } if kind(left) == Kind::Number && kind(right) == Kind::Number => Kind::Number,
        Expr::Function(_) => called(expr).map_or(Kind::Unknown, of_call),
        _ => Kind::Unknown,
    }
}

fn of_call(name: &str) -> Kind {
    match name {
        "sf_get"
        | "sf_get_path"
        | "sf_get_ignore_case"
        | "sf_parse_json"
        | "sf_try_parse_json"
        | "sf_to_variant"
        | "sf_to_object"
        | "sf_to_array"
        | "sf_object_construct"
        | "sf_object_construct_keep_null"
        | "sf_array_construct"
        | "sf_array_construct_compact"
        | "sf_strip_null_value"
        | "sf_object_insert"
        | "sf_object_delete"
        | "sf_object_pick"
        | "sf_array_append"
        | "sf_array_prepend"
        | "sf_array_cat"
        | "sf_array_slice"
        | "sf_array_compact"
        | "sf_array_distinct"
        | "sf_array_insert"
        | "sf_object_keys"
        | "sf_split"
        | "sf_array_agg"
        | "sf_object_agg" => Kind::Variant,
        "sf_to_varchar" | "sf_fitted_text" | "sf_left" | "sf_right" | "sf_upper" | "sf_lower" | "left"
        | "right" | "upper" | "lower" | "sf_to_json" | "sf_split_part" | "sf_concat" | "sf_substr"
        | "replace" | "sf_regexp_replace" | "sf_regexp_substr" => Kind::Text,
        "sf_to_date" => Kind::Date,
        "sf_to_number" | "sf_to_double" | "count" | "length" => Kind::Number,
        "sf_to_boolean" => Kind::Boolean,
        _ => Kind::Unknown,
    }
}

//! What a lowered expression surely is, judged by its form.
//!
//! The engine's binder knows the types; the lowering only needs to tell the few forms where Snowflake and
//! the engine part ways before binding: literals, values that come out of a VARIANT, and DECFLOATs. Columns of these
//! types it knows by their names, from the session or from the subqueries that it has lowered: [`ColumnKinds`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Select, SelectItem, Statement,
    TypedString, UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::build::called;
use super::types::sql_type;

/// Columns whose type matters before the engine binds them, by name.
///
/// A name says nothing of the table: where two have a column of one name and different types, both are taken for
/// the one that is listed. Conversions see the real type when they are bound, so that this changes no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnKinds(BTreeMap<String, Kind>);

/// No such columns.
pub static NO_COLUMNS: ColumnKinds = ColumnKinds(BTreeMap::new());

impl ColumnKinds {
    /// Lists a column, if its type is one that matters.
    pub fn add(&mut self, name: &str, sql_type: &SqlType) {
        let kind = match sql_type {
            SqlType::Variant | SqlType::Object | SqlType::Array => Kind::Variant,
            SqlType::DecFloat => Kind::DecFloat,
            _ => return,
        };
        self.0.insert(name.to_owned(), kind);
    }

    /// Lists the columns that a statement's subqueries make, as far as their text tells; nothing is lowered yet.
    pub(super) fn learn(&mut self, statement: &mut Statement) {
        let _: ControlFlow<()> = statement.visit(&mut Learn(self));
    }

    /// The rough type of an expression as it was written, where it is one that matters.
    fn written(&self, expr: &Expr) -> Kind {
        match expr {
            Expr::Nested(inner) => self.written(inner),
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => {
                match sql_type(data_type) {
                    Ok(SqlType::Variant | SqlType::Object | SqlType::Array) => Kind::Variant,
                    Ok(SqlType::DecFloat) => Kind::DecFloat,
                    _ => Kind::Unknown,
                }
            }
            Expr::JsonAccess { .. } | Expr::Dictionary(_) | Expr::Array(_) => Kind::Variant,
            Expr::BinaryOp {
                left,
                op:
                    BinaryOperator::Plus
                    | BinaryOperator::Minus
                    | BinaryOperator::Multiply
                    | BinaryOperator::Divide
                    | BinaryOperator::Modulo,
                right,
            } if self.written(left) == Kind::DecFloat || self.written(right) == Kind::DecFloat => {
                Kind::DecFloat
            }
            Expr::Function(function) => {
                let name = function.name.to_string().replace('"', "").to_lowercase();
                let of_decfloat = matches!(name.as_str(), "sum" | "avg" | "min" | "max" | "any_value")
                    || keeps_decfloat(&format!("sf_{name}"));
                let any = arguments(&function.args).any(|argument| self.written(argument) == Kind::DecFloat);
                let ours = if name.starts_with("sf_") {
                    name
                } else {
                    format!("sf_{name}")
                };
                match of_call(&ours) {
                    _ if of_decfloat && any => Kind::DecFloat,
                    kind @ (Kind::Variant | Kind::DecFloat) => kind,
                    _ => Kind::Unknown,
                }
            }
            other => self.of(other),
        }
    }

    /// The rough type of a lowered expression.
    pub(super) fn of(&self, expr: &Expr) -> Kind {
        let column = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(parts) => parts.last(),
            Expr::Nested(inner) => return self.of(inner),
            Expr::UnaryOp {
                op: UnaryOperator::Minus | UnaryOperator::Plus,
                expr,
            } => return self.of(expr),
            Expr::Function(function) if called(expr).is_some_and(keeps_decfloat) => {
                let any = arguments(&function.args).any(|argument| self.of(argument) == Kind::DecFloat);
                return if any { Kind::DecFloat } else { kind(expr) };
            }
            _ => None,
        };
        column
            .filter(|ident| ident.quote_style.is_some())
            .and_then(|ident| self.0.get(&ident.value))
            .copied()
            .unwrap_or_else(|| kind(expr))
    }
}

struct Learn<'a>(&'a mut ColumnKinds);

impl VisitorMut for Learn<'_> {
    type Break = ();

    // After what is inside: a query sees the columns of its subqueries.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { expr, alias } = item {
                let kind = self.0.written(expr);
                if matches!(kind, Kind::Variant | Kind::DecFloat) {
                    self.0.0.insert(alias.value.clone(), kind);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Functions that give a DECFLOAT when an argument is one.
fn keeps_decfloat(name: &str) -> bool {
    matches!(
        name,
        "sf_add"
            | "sf_sub"
            | "sf_mul"
            | "sf_div"
            | "sf_mod"
            | "sf_div0"
            | "sf_div0null"
            | "sf_abs"
            | "sf_round"
            | "sf_trunc"
            | "sf_ceil"
            | "sf_floor"
            | "min"
            | "max"
            | "any_value"
            | "coalesce"
    )
}

fn arguments(arguments: &FunctionArguments) -> impl Iterator<Item = &Expr> {
    let list = match arguments {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

/// A rough type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Number.
    Number,
    /// DECFLOAT.
    DecFloat,
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
        | "sf_flatten_value"
        | "sf_flatten_this"
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
        | "sf_st_asgeojson"
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
        "sf_to_decfloat" | "sf_try_to_decfloat" | "sf_decfloat_sum" | "sf_decfloat_avg" => Kind::DecFloat,
        "sf_to_date" => Kind::Date,
        "sf_to_number" | "sf_to_double" | "count" | "length" => Kind::Number,
        "sf_to_boolean" => Kind::Boolean,
        _ => Kind::Unknown,
    }
}

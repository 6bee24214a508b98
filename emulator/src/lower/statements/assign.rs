//! Values on their way into a column: converted as Snowflake does by itself.
//!
//! The engine converts too, but not alike: it reads no offset into a TIMESTAMP_TZ, takes the letters of a text for the
//! bytes of a BINARY, and knows other words for true. So where the target's columns are known, values for these types
//! pass the same conversions as a cast.

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{Expr, SelectItem, SetExpr, Value};

use super::super::build::called;
use super::super::casts;
use super::super::expressions::Work;
use super::super::kinds::Kind;
use crate::contract::ResultColumn;

/// Converts the values of an INSERT's source, whose columns go to these, in order.
pub(super) fn source(body: &mut SetExpr, targets: &[&ResultColumn], work: &Work<'_>) {
    match body {
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for (value, target) in row.iter_mut().zip(targets) {
                    assign(value, &target.sql_type, work);
                }
            }
        }
        SetExpr::Select(select) if select.distinct.is_none() => {
            let is_plain = |item: &SelectItem| {
                matches!(
                    item,
                    SelectItem::ExprWithAlias { .. } | SelectItem::UnnamedExpr(_)
                )
            };
            if select.projection.len() != targets.len() || !select.projection.iter().all(is_plain) {
                return;
            }
            for (item, target) in select.projection.iter_mut().zip(targets) {
                if let SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) = item {
                    assign(expr, &target.sql_type, work);
                }
            }
        }
        SetExpr::Query(query) => source(&mut query.body, targets, work),
        _ => {}
    }
}

/// Converts one lowered value for its column.
pub(super) fn assign(value: &mut Expr, target: &SqlType, work: &Work<'_>) {
    let is_there = match (target, work.kind(value)) {
        (_, Kind::Null) | (SqlType::Boolean, Kind::Boolean) | (SqlType::Date, Kind::Date) => true,
        (
            SqlType::Boolean
            | SqlType::Date
            | SqlType::Time { .. }
            | SqlType::TimestampNtz { .. }
            | SqlType::TimestampLtz { .. }
            | SqlType::TimestampTz { .. }
            | SqlType::DecFloat
            | SqlType::Geography { .. }
            | SqlType::Geometry { .. }
            | SqlType::IntervalYearMonth { .. }
            | SqlType::IntervalDayTime { .. }
            | SqlType::Binary { .. },
            _,
        ) => is_default(value) || converts_to(value, target),
        // The engine casts none into another type.
        (_, Kind::DecFloat) => false,
        _ => true,
    };
    if !is_there {
        let plain = std::mem::replace(value, Expr::Value(Value::Null.into()));
        *value = casts::convert(plain, target, false);
    }
}

/// The word DEFAULT in a row of values.
fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value == "DEFAULT")
}

/// True for a value that already is a conversion to the type.
fn converts_to(value: &Expr, target: &SqlType) -> bool {
    called(value).and_then(|name| name.strip_prefix("sf_to_")) == Some(casts::function_suffix(target))
}

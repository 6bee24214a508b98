//! Conversions: `CAST`, `::`, `TRY_CAST`, typed literals, and the values of bindings.
//!
//! A conversion is a call of the `sf_to_*` function of its target, which sees the source's type when it is
//! bound. Literals whose value is certain are written as the engine's own, so that its optimiser sees
//! constants.

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{CastKind, Expr, TypedString, UnaryOperator, Value};

use super::build::{call, engine_cast, integer, literal_text, raw, text};
use super::kinds::{Kind, kind};
use super::refuse::{compilation, unsupported};
use super::{Constant, types};
use crate::catalog::names::literal as quoted;
use crate::contract::SqlError;

/// Lowers a cast or typed literal whose operand is lowered already.
pub(super) fn apply(expr: &mut Expr) -> Result<(), SqlError> {
    let lowered = match expr {
        Expr::Cast {
            kind,
            expr: operand,
            data_type,
            format: None,
        } => {
            let target = types::sql_type(data_type)?;
            let operand =
                super::intervals::as_value(std::mem::replace(&mut **operand, super::build::null()))?;
            convert(
                operand,
                &target,
                matches!(kind, CastKind::TryCast | CastKind::SafeCast),
            )
        }
        Expr::Cast { .. } => return Err(unsupported("CAST with FORMAT")),
        Expr::TypedString(TypedString { data_type, value, .. }) => {
            let Value::SingleQuotedString(value) = &value.value else {
                return Ok(());
            };
            convert(text(value.clone()), &types::sql_type(data_type)?, false)
        }
        Expr::Convert { .. } => return Err(super::refuse::unknown_function("CONVERT")),
        _ => return Ok(()),
    };
    *expr = lowered;
    Ok(())
}

/// A lowered expression converted to a type; a conversion that fails gives NULL when `attempt`.
pub(super) fn convert(operand: Expr, target: &SqlType, attempt: bool) -> Expr {
    if let Some(constant) = constant(&operand, target) {
        return constant;
    }
    let name = format!(
        "{}{}",
        if attempt { "sf_try_to_" } else { "sf_to_" },
        function_suffix(target)
    );
    match target {
        // The text of an ARRAY is the engine's text of its own arrays.
        SqlType::Vector { .. } => {
            let text = engine_cast(operand, "VARCHAR");
            let engine_type = target.engine_type();
            if attempt {
                raw(format!(
                    "TRY_CAST({} AS {engine_type})",
                    super::physical::text_of(text)
                ))
            } else {
                engine_cast(text, &engine_type)
            }
        }
        // As text: the engine would take more digits than a NUMBER has, or an exponent, for a binary float.
        SqlType::DecFloat => match literal_number(&operand) {
            Some(digits) => call(&name, vec![text(digits)]),
            None => call(&name, vec![operand]),
        },
        SqlType::Number { precision, scale } => call(
            &name,
            vec![
                operand,
                integer(i64::from(*precision)),
                integer(i64::from(*scale)),
            ],
        ),
        SqlType::IntervalYearMonth { .. } | SqlType::IntervalDayTime { .. } => {
            call(&name, vec![operand, text(types::interval_fields(target))])
        }
        SqlType::Text { length: Some(length) } => {
            let name = if attempt {
                "sf_try_fitted_text"
            } else {
                "sf_fitted_text"
            };
            call(
                name,
                vec![call("sf_to_varchar", vec![operand]), integer(i64::from(*length))],
            )
        }
        SqlType::Text { length: None } => call("sf_to_varchar", vec![operand]),
        SqlType::Binary { length: Some(length) } => {
            let fitted = if attempt {
                "sf_try_fitted_binary"
            } else {
                "sf_fitted_binary"
            };
            call(
                fitted,
                vec![call(&name, vec![operand]), integer(i64::from(*length))],
            )
        }
        SqlType::Time { scale }
        | SqlType::TimestampNtz { scale }
        | SqlType::TimestampLtz { scale }
        | SqlType::TimestampTz { scale }
            if *scale < 9 =>
        {
            call(
                "sf_truncate_fraction",
                vec![call(&name, vec![operand]), integer(i64::from(*scale))],
            )
        }
        _ => call(&name, vec![operand]),
    }
}

/// The digits of a number literal, with its sign.
fn literal_number(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => literal_number(expr).map(|digits| format!("-{digits}")),
        Expr::Nested(inner) => literal_number(inner),
        _ => None,
    }
}

/// What follows `sf_to_` in the name of the conversion to a type.
pub(super) fn function_suffix(target: &SqlType) -> &'static str {
    match target {
        SqlType::Number { .. } => "number",
        SqlType::Float => "double",
        SqlType::DecFloat => "decfloat",
        SqlType::Text { .. } => "varchar",
        SqlType::Boolean => "boolean",
        SqlType::Date => "date",
        SqlType::Time { .. } => "time",
        SqlType::TimestampNtz { .. } => "timestamp_ntz",
        SqlType::TimestampLtz { .. } => "timestamp_ltz",
        SqlType::TimestampTz { .. } => "timestamp_tz",
        SqlType::Variant => "variant",
        SqlType::Object => "object",
        SqlType::Array => "array",
        SqlType::Binary { .. } => "binary",
        SqlType::Geography { .. } => "geography",
        SqlType::Geometry { .. } => "geometry",
        SqlType::IntervalYearMonth { .. } => "interval_ym",
        SqlType::IntervalDayTime { .. } => "interval_dt",
        SqlType::Vector { .. } => "vector",
    }
}

/// Conversions of literals that cannot fail and that the engine does alike.
fn constant(operand: &Expr, target: &SqlType) -> Option<Expr> {
    match target {
        SqlType::Date => {
            let text = literal_text(operand)?;
            is_iso_date(text).then(|| raw(format!("DATE {}", quoted(text))))
        }
        SqlType::Float if kind(operand) == Kind::Number => {
            matches!(operand, Expr::Value(_)).then(|| engine_cast(operand.clone(), &target.engine_type()))
        }
        SqlType::Number { precision, scale } => match operand {
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) if surely_fits(digits, *precision, *scale) => {
                    Some(engine_cast(operand.clone(), &target.engine_type()))
                }
                Value::Null => Some(engine_cast(operand.clone(), &target.engine_type())),
                _ => None,
            },
            _ => None,
        },
        SqlType::Text { length: None } => literal_text(operand).map(text),
        _ => match operand {
            // A call tells that it is a DECFLOAT, where the engine's cast would not.
            Expr::Value(value) if value.value == Value::Null && *target != SqlType::DecFloat => {
                Some(engine_cast(operand.clone(), &target.engine_type()))
            }
            _ => None,
        },
    }
}

/// Whether a number literal without an exponent has no more digits before the point than the type, even after rounding.
fn surely_fits(digits: &str, precision: u8, scale: u8) -> bool {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|byte| byte.is_ascii_digit())
    {
        return false;
    }
    let whole = whole.trim_start_matches('0').len();
    let room = usize::from(precision.saturating_sub(scale));
    let is_rounded = fraction.len() > usize::from(scale);
    whole < room || (whole == room && !is_rounded)
}

/// `YYYY-MM-DD` with a day that every month has; others are left to the exact conversion.
fn is_iso_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| {
            if matches!(i, 4 | 7) {
                *b == b'-'
            } else {
                b.is_ascii_digit()
            }
        })
        && number(0..4).is_some_and(|year| year >= 1600)
        && number(5..7).is_some_and(|month| (1..=12).contains(&month))
        && number(8..10).is_some_and(|day| (1..=31).contains(&day))
        && jiff::civil::Date::new(
            number(0..4).unwrap_or(0) as i16,
            number(5..7).unwrap_or(0) as i8,
            number(8..10).unwrap_or(0) as i8,
        )
        .is_ok()
}

/// A bound value as a constant: the drivers' words for types, and their number forms of dates and times.
pub(super) fn bound_constant(type_name: &str, value: Option<String>) -> Result<Constant, SqlError> {
    let sql_type = match type_name.to_uppercase().as_str() {
        "FIXED" => SqlType::Number {
            precision: 38,
            scale: 0,
        },
        "REAL" => SqlType::Float,
        "DECFLOAT" => SqlType::DecFloat,
        "TEXT" | "ANY" | "" => SqlType::Text { length: None },
        "BOOLEAN" => SqlType::Boolean,
        "DATE" => SqlType::Date,
        "TIME" => SqlType::Time { scale: 9 },
        "TIMESTAMP_NTZ" | "TIMESTAMP" => SqlType::TimestampNtz { scale: 9 },
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz { scale: 9 },
        "TIMESTAMP_TZ" => SqlType::TimestampTz { scale: 9 },
        "BINARY" => SqlType::Binary { length: None },
        "VARIANT" | "OBJECT" | "ARRAY" => SqlType::Variant,
        other => return Err(unsupported(&format!("binding type {other}"))),
    };
    let text = value.map(|value| bound_text(&sql_type, value)).transpose()?;
    Ok(Constant { sql_type, text })
}

fn bound_text(sql_type: &SqlType, value: String) -> Result<String, SqlError> {
    let invalid = || {
        compilation(
            "002010",
            "22023",
            &format!("invalid value for a bind variable: {value}"),
        )
    };
    let instant = |nanoseconds: i128| jiff::Timestamp::from_nanosecond(nanoseconds).map_err(|_| invalid());
    let utc = |nanoseconds: i128| instant(nanoseconds).map(|t| jiff::tz::TimeZone::UTC.to_datetime(t));
    Ok(match sql_type {
        // Milliseconds since 1970; drivers that send text send a date.
        SqlType::Date => match value.parse::<i128>() {
            Ok(milliseconds) => utc(milliseconds * 1_000_000)?.date().to_string(),
            Err(_) => value,
        },
        SqlType::Time { .. } => match value.parse::<i128>() {
            Ok(nanoseconds) => format!("{:.9}", utc(nanoseconds)?.time()),
            Err(_) => value,
        },
        SqlType::TimestampNtz { .. } => match value.parse::<i128>() {
            Ok(nanoseconds) => timestamp_text(utc(nanoseconds)?),
            Err(_) => value,
        },
        SqlType::TimestampLtz { .. } => match value.parse::<i128>() {
            Ok(nanoseconds) => format!("{} +0000", timestamp_text(utc(nanoseconds)?)),
            Err(_) => value,
        },
        // Nanoseconds, a space, and the offset in minutes plus 1440.
        SqlType::TimestampTz { .. } => match value.split_once(' ') {
            Some((nanoseconds, offset)) => match (nanoseconds.parse::<i128>(), offset.parse::<i128>()) {
                (Ok(nanoseconds), Ok(offset)) => {
                    let minutes = offset - 1440;
                    let local = utc(nanoseconds + minutes * 60_000_000_000)?;
                    let sign = if minutes < 0 { '-' } else { '+' };
                    let minutes = minutes.abs();
                    format!(
                        "{} {sign}{:02}{:02}",
                        timestamp_text(local),
                        minutes / 60,
                        minutes % 60
                    )
                }
                _ => value,
            },
            None => value,
        },
        _ => value,
    })
}

/// `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`.
pub(super) fn timestamp_text(time: jiff::civil::DateTime) -> String {
    format!("{} {:.9}", time.date(), time.time())
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};
    use super::*;

    #[test]
    fn casts_call_the_conversion_of_their_target() {
        check(
            lowered,
            &[
                (
                    "select a::number(10,2) b",
                    r#"SELECT sf_to_number("A", 10, 2) AS "B""#,
                ),
                (
                    "select try_cast(a as date) b",
                    r#"SELECT sf_try_to_date("A") AS "B""#,
                ),
                (
                    "select date '1998-12-01' b, '1998-02-30'::date c",
                    r#"SELECT DATE '1998-12-01' AS "B", sf_to_date('1998-02-30') AS "C""#,
                ),
                (
                    "select a::varchar(3) b, a::string c",
                    r#"SELECT sf_fitted_text(sf_to_varchar("A"), 3) AS "B", sf_to_varchar("A") AS "C""#,
                ),
                (
                    "select 1::float b, null::int c",
                    r#"SELECT CAST(1 AS DOUBLE) AS "B", CAST(NULL AS DECIMAL(38,0)) AS "C""#,
                ),
                (
                    "select a::timestamp_ntz(3) b",
                    r#"SELECT sf_truncate_fraction(sf_to_timestamp_ntz("A"), 3) AS "B""#,
                ),
            ],
        );
    }

    #[test]
    fn bound_times_become_text() {
        let text = |type_name: &str, value: &str| {
            bound_constant(type_name, Some(value.to_owned()))
                .unwrap()
                .text
                .unwrap()
        };
        assert_eq!(text("DATE", "-86400000"), "1969-12-31");
        assert_eq!(text("TIME", "3723000000004"), "01:02:03.000000004");
        assert_eq!(
            text("TIMESTAMP_NTZ", "1000000001"),
            "1970-01-01 00:00:01.000000001"
        );
        assert_eq!(text("TIMESTAMP_LTZ", "0"), "1970-01-01 00:00:00.000000000 +0000");
        assert_eq!(
            text("TIMESTAMP_TZ", "0 960"),
            "1969-12-31 16:00:00.000000000 -0800"
        );
        assert_eq!(bound_constant("MAP", None).unwrap_err().code, "000002");
    }
}

//! Conversions to VARCHAR.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{content, number_format::NumberFormat};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Settings, Value, hex_text, rows,
};
use crate::functions::temporal::{DAY, Format, Moment, SECOND, offset_minutes, split, wall_of_instant};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] =
    &[ScalarFunction::of_session("sf_to_varchar", 1..=2, to_varchar)];

/// `(value[, format])`; without a format the session's output formats.
fn to_varchar(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let given = match arguments.get(1) {
        None => None,
        Some(Argument {
            constant: Some(Value::Null),
            ..
        }) => None,
        Some(format) => Some(match &format.constant {
            Some(Value::Text(text)) => Some(text.clone().into_owned()),
            _ => None,
        }),
    };
    match &arguments[0].sql_type {
        FunctionType::Sql(SqlType::Date) => {
            times(
                given,
                &settings.text("sf_date_output_format")?,
                |value| match value {
                    Value::Date(days) => Some(Moment {
                        days: *days,
                        of_day: 0,
                        offset_minutes: None,
                    }),
                    _ => None,
                },
            )
        }
        FunctionType::Sql(SqlType::Time { .. }) => times(
            given,
            &settings.text("sf_time_output_format")?,
            |value| match value {
                Value::Time(of_day) => Some(Moment {
                    days: 0,
                    of_day: *of_day,
                    offset_minutes: None,
                }),
                _ => None,
            },
        ),
        FunctionType::Sql(SqlType::TimestampNtz { .. }) => {
            let default = timestamp_format(settings, "sf_timestamp_ntz_output_format")?;
            times(given, &default, |value| match value {
                Value::Timestamp(wall) => Some(moment(*wall, None)),
                _ => None,
            })
        }
        FunctionType::Sql(SqlType::TimestampLtz { .. }) => {
            let default = timestamp_format(settings, "sf_timestamp_ltz_output_format")?;
            let zone = settings.time_zone()?;
            times(given, &default, move |value| match value {
                Value::Timestamp(instant) => Some(moment(
                    wall_of_instant(&zone, *instant),
                    Some(offset_minutes(&zone, *instant)),
                )),
                _ => None,
            })
        }
        FunctionType::Sql(SqlType::TimestampTz { .. }) => {
            let default = timestamp_format(settings, "sf_timestamp_tz_output_format")?;
            times(given, &default, |value| match value {
                Value::ZonedTimestamp {
                    instant,
                    offset_minutes,
                } => {
                    let wall = instant + i64::from(*offset_minutes) * 60 * SECOND;
                    Some(moment(wall, Some(*offset_minutes)))
                }
                _ => None,
            })
        }
        FunctionType::Sql(SqlType::Number { .. } | SqlType::Float) => numbers(given),
        FunctionType::Sql(SqlType::DecFloat) if given.is_some() => numbers(given),
        FunctionType::Sql(SqlType::Geography { .. } | SqlType::Geometry { .. }) => {
            crate::functions::geospatial::text(arguments, settings)
        }
        FunctionType::Sql(SqlType::Binary { .. }) => {
            binary(given, &settings.text("sf_binary_output_format")?)
        }
        kind if kind.is_semi_structured() => rows(FunctionType::text(), |row| {
            let Value::Text(json) = &row[0] else {
                return Ok(Value::Null);
            };
            Ok(match content(json) {
                Value::Null => Value::Null,
                Value::Text(text) => Value::Text(text),
                _ => Value::text(json),
            })
        }),
        _ => rows(FunctionType::text(), |row| row[0].to_text().map(Value::Text)),
    }
}

fn timestamp_format(settings: Settings<'_>, name: &str) -> Result<String> {
    let own = settings.text(name)?;
    if own.is_empty() {
        settings.text("sf_timestamp_output_format")
    } else {
        Ok(own)
    }
}

fn moment(wall: i64, offset_minutes: Option<i32>) -> Moment {
    let (days, of_day) = split(wall);
    Moment {
        days,
        of_day: of_day.rem_euclid(DAY),
        offset_minutes,
    }
}

/// The format: none given, a constant one, or (inner none) one of every row.
type Given = Option<Option<String>>;

fn times(
    given: Given,
    default: &str,
    moment: impl Fn(&Value<'_>) -> Option<Moment> + Send + Sync + 'static,
) -> Result<Bound> {
    let constant = match given {
        None => Some(default.to_owned()),
        Some(format) => format,
    };
    let constant = constant.map(|format| {
        Format::new(if format.eq_ignore_ascii_case("AUTO") {
            default
        } else {
            &format
        })
    });
    rows(FunctionType::text(), move |row| {
        let Some(moment) = moment(&row[0]) else {
            return Ok(Value::Null);
        };
        Ok(Value::from(match (&constant, row.get(1)) {
            (Some(format), _) => format.write(moment),
            (None, Some(format)) => Format::new(&format.to_text()?).write(moment),
            (None, None) => return Ok(Value::Null),
        }))
    })
}

fn numbers(given: Given) -> Result<Bound> {
    let Some(format) = given else {
        return rows(FunctionType::text(), |row| row[0].to_text().map(Value::Text));
    };
    let constant = format.map(|format| NumberFormat::new(&format));
    rows(FunctionType::text(), move |row| {
        let number = row[0].to_number()?;
        Ok(Value::from(match (&constant, row.get(1)) {
            (Some(format), _) => format.write(number),
            (None, Some(format)) => NumberFormat::new(&format.to_text()?).write(number),
            (None, None) => return Ok(Value::Null),
        }))
    })
}

fn binary(given: Given, default: &str) -> Result<Bound> {
    let default = default.to_owned();
    rows(FunctionType::text(), move |row| {
        let bytes = row[0].to_bytes()?;
        let format = match (&given, row.get(1)) {
            (Some(None), Some(format)) => format.to_text()?.into_owned(),
            (Some(Some(format)), _) => format.clone(),
            _ => default.clone(),
        };
        Ok(Value::from(match format.to_ascii_uppercase().as_str() {
            "HEX" => hex_text(&bytes),
            "BASE64" => BASE64_STANDARD.encode(&bytes),
            "UTF-8" | "UTF8" => String::from_utf8(bytes.into_owned())
                .map_err(|_| FunctionError::new(100_144, "Invalid UTF8 detected in string"))?,
            other => {
                return Err(FunctionError::new(
                    100_124,
                    format!("Unsupported binary format '{other}'"),
                ));
            }
        }))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn scalars() {
        check("sf_to_varchar(12.50)", "12.50");
        check("sf_to_varchar(1.5::DOUBLE)", "1.5");
        check("sf_to_varchar(true)", "true");
        check("sf_to_varchar('x')", "x");
        check("sf_to_varchar(NULL)", "NULL");
        check("sf_to_varchar(12454.8, '99,999.9S')", "12,454.8+");
        check("sf_to_varchar('ab'::BLOB)", "6162");
        check("sf_to_varchar('ab'::BLOB, 'UTF-8')", "ab");
        check("sf_to_varchar('ab'::BLOB, 'BASE64')", "YWI=");
        check_error(
            "sf_to_varchar('ab'::BLOB, 'X')",
            100_124,
            "Unsupported binary format 'X'",
        );
    }

    #[test]
    fn times() {
        check("sf_to_varchar(DATE '2013-04-05')", "2013-04-05");
        check("sf_to_varchar(DATE '2013-04-05', 'mon dd, yyyy')", "Apr 05, 2013");
        check(
            "sf_to_varchar('2013-04-05 01:02:03'::TIMESTAMP_NS)",
            "2013-04-05 01:02:03.000",
        );
        check(
            "sf_to_varchar('2013-04-05 01:02:03'::TIMESTAMP_NS, 'mm/dd/yyyy, hh24:mi hours')",
            "04/05/2013, 01:02 hours",
        );
        check("sf_to_varchar('03:04:05'::TIME_NS)", "03:04:05");
        check(
            "sf_to_varchar(CAST('2013-04-05 20:00:00'::TIMESTAMP_NS AS sf_timestamp_ltz))",
            "2013-04-05 13:00:00.000 -0700",
        );
        check(
            "sf_to_varchar(sf_to_timestamp_tz('2013-04-05 01:02:03 +0530'))",
            "2013-04-05 01:02:03.000 +0530",
        );
        check(
            "sf_to_varchar(d, f) FROM (SELECT DATE '2013-04-05' AS d, 'YYYY' AS f)",
            "2013",
        );
    }

    #[test]
    fn variants() {
        check("sf_to_varchar('\"a\\\"b\"'::sf_variant)", "a\"b");
        check("sf_to_varchar('[1,2]'::sf_array)", "[1,2]");
        check("sf_to_varchar('null'::sf_variant)", "NULL");
        check("sf_to_varchar('1.50'::sf_variant)", "1.50");
    }
}

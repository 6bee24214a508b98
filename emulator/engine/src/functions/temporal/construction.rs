//! Times made of numbers, and moved between zones.

use super::calendar::{DAY, SECOND, days_from_civil};
use super::clock::{Clock, Kind};
use super::zone::{instant_of_wall, offset_minutes, wall_of_instant};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Settings, Value, rows, time_zone,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_date_from_parts", 3..=3, date_from_parts),
    ScalarFunction::new("sf_time_from_parts", 3..=4, time_from_parts),
    ScalarFunction::of_session("sf_timestamp_ntz_from_parts", 2..=8, |arguments, settings| {
        if arguments.len() == 8 {
            return timestamp_from_parts(Kind::Tz, arguments, settings);
        }
        timestamp_from_parts(Kind::Ntz, arguments, settings)
    }),
    ScalarFunction::of_session("sf_timestamp_ltz_from_parts", 6..=7, |arguments, settings| {
        timestamp_from_parts(Kind::Ltz, arguments, settings)
    }),
    ScalarFunction::of_session("sf_timestamp_tz_from_parts", 6..=8, |arguments, settings| {
        timestamp_from_parts(Kind::Tz, arguments, settings)
    }),
    ScalarFunction::of_session("sf_convert_timezone", 2..=3, convert_timezone),
];

/// Month and day may lie outside their range: month 13 is the next January, day 0 the day before the first.
fn days_of_parts(year: &Value<'_>, month: &Value<'_>, day: &Value<'_>) -> Result<i32> {
    let (year, month, day) = (year.to_integer()?, month.to_integer()?, day.to_integer()?);
    days_from_civil(year, month, day)
        .ok_or_else(|| FunctionError::not_a_date(&format!("{year}-{month}-{day}")))
}

/// Minutes and seconds may lie outside their range too.
fn nanoseconds_of_parts(parts: &[Value<'_>]) -> Result<i64> {
    let mut total = 0_i64;
    for (value, unit) in parts.iter().zip([3_600 * SECOND, 60 * SECOND, SECOND, 1]) {
        let value = value.to_integer()?;
        total = value
            .checked_mul(unit)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| FunctionError::out_of_range(value))?;
    }
    Ok(total)
}

fn date_from_parts(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::date(), |row| {
        days_of_parts(&row[0], &row[1], &row[2]).map(Value::Date)
    })
}

fn time_from_parts(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::time(), |row| {
        Ok(Value::Time(nanoseconds_of_parts(row)?.rem_euclid(DAY)))
    })
}

/// From a date and a time, or from year, month, day, hour, minute, second and nanosecond, and a zone.
fn timestamp_from_parts(kind: Kind, arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let session_zone = settings.time_zone()?;
    let from_two = match arguments {
        [date, time] => {
            let times = |argument| Clock::new("sf_timestamp_ntz_from_parts", argument, settings);
            Some((times(date)?, times(time)?))
        }
        many if many.len() < 6 => {
            let types: Vec<&FunctionType> = many.iter().map(|argument| &argument.sql_type).collect();
            return Err(FunctionError::argument_types("sf_timestamp_from_parts", &types));
        }
        _ => None,
    };
    rows(kind.sql_type(), move |row| {
        let (days, of_day) = if let Some((date, time)) = &from_two {
            (date.wall(&row[0])?.days(), time.wall(&row[1])?.of_day())
        } else {
            (
                days_of_parts(&row[0], &row[1], &row[2])?,
                nanoseconds_of_parts(&row[3..row.len().min(7)])?,
            )
        };
        let wall = i64::from(days)
            .checked_mul(DAY)
            .and_then(|midnight| midnight.checked_add(of_day))
            .ok_or_else(|| FunctionError::new(100_199, "Date is out of the supported range"))?;
        let named_zone = match row.get(7) {
            Some(name) => Some(time_zone(&name.to_text()?)?),
            None => None,
        };
        let zone = named_zone.as_ref().unwrap_or(&session_zone);
        Ok(match kind {
            Kind::Ltz => Value::Timestamp(instant_of_wall(zone, wall)),
            Kind::Tz => {
                let instant = instant_of_wall(zone, wall);
                Value::ZonedTimestamp {
                    instant,
                    offset_minutes: offset_minutes(zone, instant),
                }
            }
            _ => Value::Timestamp(wall),
        })
    })
}

/// `(from, to, wall clock)` gives a TIMESTAMP_NTZ; `(to, time)` a TIMESTAMP_TZ of the same instant.
fn convert_timezone(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    if arguments.len() == 3 {
        let clock = Clock::new("sf_convert_timezone", &arguments[2], settings)?;
        return rows(FunctionType::timestamp_ntz(), move |row| {
            let (from, to) = (time_zone(&row[0].to_text()?)?, time_zone(&row[1].to_text()?)?);
            let Value::Timestamp(wall) = clock.value(Kind::Ntz, clock.wall(&row[2])?)? else {
                return Ok(Value::Null);
            };
            Ok(Value::Timestamp(wall_of_instant(
                &to,
                instant_of_wall(&from, wall),
            )))
        });
    }
    let clock = Clock::new("sf_convert_timezone", &arguments[1], settings)?;
    let session_zone = settings.time_zone()?;
    let is_text = matches!(arguments[1].sql_type, FunctionType::Sql(SqlType::Text { .. }));
    rows(FunctionType::timestamp_tz(), move |row| {
        let zone = time_zone(&row[0].to_text()?)?;
        let wall = clock.wall(&row[1])?;
        let instant = match (&row[1], clock.value(Kind::Ntz, wall)?) {
            (Value::ZonedTimestamp { instant, .. }, _) => *instant,
            (Value::Timestamp(instant), _) if clock.kind == Kind::Ltz => *instant,
            (_, Value::Timestamp(shown)) if is_text && wall.offset_minutes != 0 => {
                shown - i64::from(wall.offset_minutes) * 60 * SECOND
            }
            (_, Value::Timestamp(shown)) => instant_of_wall(&session_zone, shown),
            _ => return Ok(Value::Null),
        };
        Ok(Value::ZonedTimestamp {
            instant,
            offset_minutes: offset_minutes(&zone, instant),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn from_parts() {
        check("sf_date_from_parts(1977, 8, 7)", "1977-08-07");
        check("sf_date_from_parts(2004, 2, 31)", "2004-03-02");
        check("sf_date_from_parts(2004, 13, 0)", "2004-12-31");
        check("sf_time_from_parts(12, 34, 56, 987654321)", "12:34:56.987654321");
        check("sf_time_from_parts(0, 100, 0)", "01:40:00");
        check(
            "sf_timestamp_ntz_from_parts(2013, 4, 5, 12, 0, 0, 987654321)",
            "2013-04-05 12:00:00.987654321",
        );
        check(
            "sf_timestamp_ntz_from_parts(DATE '2013-04-05', '12:00:00'::TIME_NS)",
            "2013-04-05 12:00:00",
        );
        check(
            "sf_to_varchar(sf_timestamp_tz_from_parts(2013, 4, 5, 12, 0, 0, 0, 'America/New_York'))",
            "2013-04-05 12:00:00.000 -0400",
        );
    }

    #[test]
    fn zones() {
        check(
            "sf_convert_timezone('America/Los_Angeles', 'America/New_York', '2024-01-01 14:00:00'::TIMESTAMP_NS)",
            "2024-01-01 17:00:00",
        );
        check(
            "sf_convert_timezone('Europe/Warsaw', 'UTC', '2024-01-01 00:00:00')",
            "2023-12-31 23:00:00",
        );
        check(
            "sf_to_varchar(sf_convert_timezone('Asia/Tokyo', '2024-01-01 00:00:00 -0800'))",
            "2024-01-01 17:00:00.000 +0900",
        );
        check_error(
            "sf_convert_timezone('Mars/Olympus', 'UTC', '2024-01-01')",
            1_073,
            "Unknown time zone: 'Mars/Olympus'",
        );
    }
}

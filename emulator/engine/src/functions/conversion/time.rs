//! Conversions to DATE, TIME and the three TIMESTAMPs.

use jiff::tz::TimeZone;

use super::{attempt, of_content};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, POWERS_OF_TEN, Result, ScalarFunction, Settings,
    Value, rows,
};
use crate::functions::temporal::{
    DAY, Reading, SECOND, instant_of_wall, offset_minutes, split, wall_of_instant,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::of_session("sf_to_date", 1..=2, |arguments, settings| {
        convert(Target::Date, arguments, settings)
    }),
    ScalarFunction::of_session("sf_try_to_date", 1..=2, |arguments, settings| {
        attempt(convert(Target::Date, arguments, settings))
    }),
    ScalarFunction::of_session("sf_to_time", 1..=2, |arguments, settings| {
        convert(Target::Time, arguments, settings)
    }),
    ScalarFunction::of_session("sf_try_to_time", 1..=2, |arguments, settings| {
        attempt(convert(Target::Time, arguments, settings))
    }),
    ScalarFunction::of_session("sf_to_timestamp_ntz", 1..=2, |arguments, settings| {
        convert(Target::Ntz, arguments, settings)
    }),
    ScalarFunction::of_session("sf_try_to_timestamp_ntz", 1..=2, |arguments, settings| {
        attempt(convert(Target::Ntz, arguments, settings))
    }),
    ScalarFunction::of_session("sf_to_timestamp_ltz", 1..=2, |arguments, settings| {
        convert(Target::Ltz, arguments, settings)
    }),
    ScalarFunction::of_session("sf_try_to_timestamp_ltz", 1..=2, |arguments, settings| {
        attempt(convert(Target::Ltz, arguments, settings))
    }),
    ScalarFunction::of_session("sf_to_timestamp_tz", 1..=2, |arguments, settings| {
        convert(Target::Tz, arguments, settings)
    }),
    ScalarFunction::of_session("sf_try_to_timestamp_tz", 1..=2, |arguments, settings| {
        attempt(convert(Target::Tz, arguments, settings))
    }),
    ScalarFunction::new("sf_truncate_fraction", 2..=2, truncate_fraction),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Date,
    Time,
    Ntz,
    Ltz,
    Tz,
}

impl Target {
    fn sql_type(self) -> FunctionType {
        match self {
            Target::Date => FunctionType::date(),
            Target::Time => FunctionType::time(),
            Target::Ntz => FunctionType::timestamp_ntz(),
            Target::Ltz => FunctionType::timestamp_ltz(),
            Target::Tz => FunctionType::timestamp_tz(),
        }
    }

    fn function(self) -> &'static str {
        match self {
            Target::Date => "sf_to_date",
            Target::Time => "sf_to_time",
            Target::Ntz => "sf_to_timestamp_ntz",
            Target::Ltz => "sf_to_timestamp_ltz",
            Target::Tz => "sf_to_timestamp_tz",
        }
    }

    fn not_recognized(self, text: &str) -> FunctionError {
        match self {
            Target::Date => FunctionError::not_a_date(text),
            Target::Time => FunctionError::not_a_time(text),
            _ => FunctionError::not_a_timestamp(text),
        }
    }
}

/// What a source value is before it gets its target's kind.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// A day without a time.
    Day(i32),
    /// A clock on the wall, anywhere.
    Wall(i64),
    /// An instant, without a place.
    Instant(i64),
    /// A clock on the wall at an offset.
    Zoned { wall: i64, offset_minutes: i32 },
}

/// How the text and numbers of one call are read.
struct Converter {
    target: Target,
    zone: TimeZone,
    reading: Reading,
    format: Option<String>,
    is_instant: bool,
    century_start: i64,
}

/// `(value[, format or scale])`.
fn convert(target: Target, arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let setting = match target {
        Target::Date => "sf_date_input_format",
        Target::Time => "sf_time_input_format",
        _ => "sf_timestamp_input_format",
    };
    let given = match arguments.get(1) {
        Some(Argument {
            constant: Some(Value::Text(format)),
            ..
        }) => Some(format.clone().into_owned()),
        _ => None,
    };
    let century_start = settings.two_digit_century_start()?;
    let source = &arguments[0].sql_type;
    let takes = match source {
        FunctionType::Sql(SqlType::Boolean | SqlType::Binary { .. }) => false,
        FunctionType::Sql(SqlType::Time { .. }) => target == Target::Time,
        FunctionType::Sql(SqlType::Number { .. } | SqlType::Float) => {
            !matches!(target, Target::Date | Target::Time)
        }
        FunctionType::Sql(SqlType::Date) => target != Target::Time,
        _ => true,
    };
    if !takes {
        return Err(FunctionError::argument_types(target.function(), &[source]));
    }
    let converter = Converter {
        target,
        zone: settings.time_zone()?,
        reading: Reading::new(
            given.as_deref().unwrap_or(&settings.text(setting)?),
            century_start,
        ),
        format: given,
        is_instant: matches!(source, FunctionType::Sql(SqlType::TimestampLtz { .. })),
        century_start,
    };
    of_content(&arguments[0], target.sql_type(), move |value, more| {
        converter.convert(value, more.first())
    })
}

impl Converter {
    fn convert(&self, value: &Value<'_>, argument: Option<&Value<'_>>) -> Result<Value<'static>> {
        let source = match value {
            Value::Date(days) => Source::Day(*days),
            Value::Time(of_day) => return Ok(Value::Time(*of_day)),
            Value::Timestamp(instant) if self.is_instant => Source::Instant(*instant),
            Value::Timestamp(wall) => Source::Wall(*wall),
            Value::ZonedTimestamp {
                instant,
                offset_minutes,
            } => Source::Zoned {
                wall: instant + i64::from(*offset_minutes) * 60 * SECOND,
                offset_minutes: *offset_minutes,
            },
            Value::Number(number) => Source::Wall(self.epoch(*number, argument)?),
            Value::Float(float) => Source::Wall(self.epoch(Number::from_f64(*float, 9)?, argument)?),
            Value::Text(text) => return self.of_text(text, argument),
            other => return Err(self.target.not_recognized(&other.to_text()?)),
        };
        self.finish(source, value)
    }

    /// Seconds since 1970, or with a scale `10^-scale` seconds.
    fn epoch(&self, number: Number, scale: Option<&Value<'_>>) -> Result<i64> {
        let digits = match scale {
            Some(scale) => u8::try_from(scale.to_integer()?).unwrap_or(u8::MAX),
            None => 0,
        };
        let wrong = || self.target.not_recognized(&number.to_string());
        let exponent = i32::from(9_u8.checked_sub(digits).ok_or_else(wrong)?) - i32::from(number.scale);
        let nanoseconds = if exponent >= 0 {
            number.unscaled.checked_mul(POWERS_OF_TEN[exponent as usize])
        } else {
            Some(number.unscaled / POWERS_OF_TEN[exponent.unsigned_abs() as usize])
        };
        nanoseconds
            .and_then(|count| i64::try_from(count).ok())
            .ok_or_else(wrong)
    }

    fn of_text(&self, text: &str, format: Option<&Value<'_>>) -> Result<Value<'static>> {
        let own;
        let reading = match (format, &self.format) {
            (Some(format), None) => {
                own = Reading::new(&format.to_text()?, self.century_start);
                &own
            }
            _ => &self.reading,
        };
        let wrong = || match (&self.format, self.target) {
            (Some(format), Target::Date) => {
                FunctionError::cannot_parse(text, &format!("date with format '{format}'"))
            }
            (Some(format), Target::Time) => {
                FunctionError::cannot_parse(text, &format!("time with format '{format}'"))
            }
            (Some(format), _) => {
                FunctionError::cannot_parse(text, &format!("timestamp with format '{format}'"))
            }
            (None, target) => target.not_recognized(text),
        };
        if self.target == Target::Time {
            return reading.time(text).map(Value::Time).ok_or_else(wrong);
        }
        let moment = reading.timestamp(text).ok_or_else(wrong)?;
        if self.target == Target::Date {
            return Ok(Value::Date(moment.days));
        }
        let wall = moment.wall().ok_or_else(wrong)?;
        let source = match moment.offset_minutes {
            Some(offset_minutes) => Source::Zoned { wall, offset_minutes },
            None => Source::Wall(wall),
        };
        self.finish(source, &Value::text(text))
    }

    fn finish(&self, source: Source, value: &Value<'_>) -> Result<Value<'static>> {
        if let (Target::Date, Source::Day(days)) = (self.target, source) {
            return Ok(Value::Date(days));
        }
        let wall = match source {
            Source::Day(days) => match i64::from(days).checked_mul(DAY) {
                Some(midnight) => midnight,
                None => return Err(self.target.not_recognized(&value.to_text()?)),
            },
            Source::Wall(wall) | Source::Zoned { wall, .. } => wall,
            Source::Instant(instant) => wall_of_instant(&self.zone, instant),
        };
        let instant = || match source {
            Source::Instant(instant) => instant,
            Source::Zoned { wall, offset_minutes } => wall - i64::from(offset_minutes) * 60 * SECOND,
            // A number counts from 1970 in UTC; a day or a wall clock is the session's.
            Source::Wall(counted) if matches!(value, Value::Number(_) | Value::Float(_)) => counted,
            Source::Day(_) | Source::Wall(_) => instant_of_wall(&self.zone, wall),
        };
        Ok(match self.target {
            Target::Date => Value::Date(split(wall).0),
            Target::Time => Value::Time(split(wall).1),
            Target::Ntz => Value::Timestamp(wall),
            Target::Ltz => Value::Timestamp(instant()),
            Target::Tz => {
                let instant = instant();
                let offset_minutes = match source {
                    Source::Zoned { offset_minutes, .. } => offset_minutes,
                    _ => offset_minutes(&self.zone, instant),
                };
                Value::ZonedTimestamp {
                    instant,
                    offset_minutes,
                }
            }
        })
    }
}

/// Cuts a time to so many digits of a second; the type stays.
fn truncate_fraction(arguments: &[Argument]) -> Result<Bound> {
    let digits = arguments[1]
        .constant_integer("sf_truncate_fraction", 2)?
        .clamp(0, 9);
    let unit = 10_i64.pow(9 - digits as u32);
    let cut = move |nanoseconds: i64| nanoseconds - nanoseconds.rem_euclid(unit);
    rows(arguments[0].sql_type.clone(), move |row| {
        Ok(match &row[0] {
            Value::Time(of_day) => Value::Time(cut(*of_day)),
            Value::Timestamp(nanoseconds) => Value::Timestamp(cut(*nanoseconds)),
            Value::ZonedTimestamp {
                instant,
                offset_minutes,
            } => Value::ZonedTimestamp {
                instant: cut(*instant),
                offset_minutes: *offset_minutes,
            },
            other => other.clone().into_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn dates() {
        check("sf_to_date('2013-05-17')", "2013-05-17");
        check("sf_to_date('2012.07.23', 'YYYY.MM.DD')", "2012-07-23");
        check("sf_to_date('31536000000000')", "1971-01-01");
        check("sf_to_date('2024-02-29 23:59:59 +0300')", "2024-02-29");
        check("sf_to_date('2024-02-29 23:59:59'::TIMESTAMP_NS)", "2024-02-29");
        check(
            "sf_to_date(CAST('2024-02-29 03:00:00'::TIMESTAMP_NS AS sf_timestamp_ltz))",
            "2024-02-28",
        );
        check("sf_to_date('\"2024-02-29\"'::sf_variant)", "2024-02-29");
        check("sf_to_date('9999-12-31')", "9999-12-31");
        check("sf_to_date(NULL)", "NULL");
        check_error(
            "sf_to_date('2013-02-30')",
            100_040,
            "Date '2013-02-30' is not recognized",
        );
        check_error(
            "sf_to_date('x', 'YYYY')",
            100_096,
            "Can't parse 'x' as date with format 'YYYY'",
        );
        check_error(
            "sf_to_date(true)",
            1_044,
            "Invalid argument types for function 'TO_DATE': (BOOLEAN)",
        );
        check("sf_try_to_date('2013-02-30')", "NULL");
    }

    #[test]
    fn times() {
        check("sf_to_time('13:30:00')", "13:30:00");
        check("sf_to_time('13:30:00.123456789')", "13:30:00.123456789");
        check("sf_to_time('01:02 PM', 'HH12:MI AM')", "13:02:00");
        check("sf_to_time('2024-02-29 23:59:59'::TIMESTAMP_NS)", "23:59:59");
        check_error("sf_to_time('25:00')", 100_108, "Time '25:00' is not recognized");
        check("sf_try_to_time('25:00')", "NULL");
        check(
            "sf_truncate_fraction('13:30:00.123456789'::TIME_NS, 3)",
            "13:30:00.123",
        );
    }

    #[test]
    fn timestamps() {
        check(
            "sf_to_timestamp_ntz('2013-04-05 01:02:03')",
            "2013-04-05 01:02:03",
        );
        check(
            "sf_to_timestamp_ntz('2013-04-05 01:02:03 +0500')",
            "2013-04-05 01:02:03",
        );
        check("sf_to_timestamp_ntz(40 * 365 * 86400)", "2009-12-22 00:00:00");
        check(
            "sf_to_timestamp_ntz(1487654321123456789, 9)",
            "2017-02-21 05:18:41.123456789",
        );
        check("sf_to_timestamp_ntz(1487654321123, 3)", "2017-02-21 05:18:41.123");
        check("sf_to_timestamp_ntz(1487654321.5)", "2017-02-21 05:18:41.5");
        check("sf_to_timestamp_ntz('1487654321')", "2017-02-21 05:18:41");
        check(
            "sf_to_timestamp_ntz('04/05/2013 01:02:03', 'mm/dd/yyyy hh24:mi:ss')",
            "2013-04-05 01:02:03",
        );
        check("sf_to_timestamp_ntz(DATE '2013-04-05')", "2013-04-05 00:00:00");
        check(
            "sf_to_timestamp_ntz(sf_to_timestamp_tz('2013-04-05 01:02:03 +0530'))",
            "2013-04-05 01:02:03",
        );
        check_error(
            "sf_to_timestamp_ntz('x')",
            100_035,
            "Timestamp 'x' is not recognized",
        );
        check("sf_try_to_timestamp_ntz('x')", "NULL");
    }

    #[test]
    fn zones_of_the_session() {
        check(
            "sf_to_varchar(sf_to_timestamp_ltz('2013-04-05 01:02:03'))",
            "2013-04-05 01:02:03.000 -0700",
        );
        check(
            "sf_to_varchar(sf_to_timestamp_ltz('2013-04-05 01:02:03 +0000'))",
            "2013-04-04 18:02:03.000 -0700",
        );
        check(
            "sf_to_varchar(sf_to_timestamp_ltz(0))",
            "1969-12-31 16:00:00.000 -0800",
        );
        check(
            "sf_to_varchar(sf_to_timestamp_tz('2013-04-05 01:02:03'))",
            "2013-04-05 01:02:03.000 -0700",
        );
        check(
            "sf_to_varchar(sf_to_timestamp_tz('2013-04-05 01:02:03 +0900'))",
            "2013-04-05 01:02:03.000 +0900",
        );
        check(
            "sf_to_varchar(sf_to_timestamp_tz(sf_to_timestamp_ltz('2013-01-05 01:02:03')))",
            "2013-01-05 01:02:03.000 -0800",
        );
    }
}

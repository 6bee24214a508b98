//! One wall clock for every type of time.

use jiff::tz::TimeZone;

use super::calendar::{DAY, SECOND};
use super::detect::Reading;
use super::zone::{instant_of_wall, offset_minutes, wall_of_instant};
use crate::SqlType;
use crate::functions::framework::{Argument, FunctionError, FunctionType, Result, Settings, Value};

/// What kind of time a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    Time,
    Ntz,
    Ltz,
    Tz,
}

impl Kind {
    pub(super) fn sql_type(self) -> FunctionType {
        match self {
            Kind::Date => FunctionType::date(),
            Kind::Time => FunctionType::time(),
            Kind::Ntz => FunctionType::timestamp_ntz(),
            Kind::Ltz => FunctionType::timestamp_ltz(),
            Kind::Tz => FunctionType::timestamp_tz(),
        }
    }
}

/// What a clock on the wall shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wall {
    /// Nanoseconds since 1970, or since midnight for a TIME. Wide, for dates have more years than 64 bits.
    pub(super) nanoseconds: i128,
    /// Minutes east of UTC, for kinds that have an offset.
    pub(super) offset_minutes: i32,
}

impl Wall {
    pub(super) fn days(self) -> i32 {
        self.nanoseconds.div_euclid(i128::from(DAY)) as i32
    }

    pub(super) fn of_day(self) -> i64 {
        self.nanoseconds.rem_euclid(i128::from(DAY)) as i64
    }

    /// The same offset and another time.
    pub(super) fn at(self, nanoseconds: i128) -> Self {
        Self { nanoseconds, ..self }
    }
}

/// Reads and writes the values of one argument.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// Kind of the values; a text counts as a TIMESTAMP_NTZ.
    pub(super) kind: Kind,
    zone: TimeZone,
    reading: Reading,
}

impl Clock {
    /// A clock for an argument of `function`, which must be a time or a text that is one.
    pub(super) fn new(function: &str, argument: &Argument, settings: Settings<'_>) -> Result<Self> {
        let kind = match &argument.sql_type {
            FunctionType::Sql(SqlType::Date) => Kind::Date,
            FunctionType::Sql(SqlType::Time { .. }) => Kind::Time,
            FunctionType::Sql(SqlType::TimestampNtz { .. } | SqlType::Text { .. } | SqlType::Variant)
            | FunctionType::Null => Kind::Ntz,
            FunctionType::Sql(SqlType::TimestampLtz { .. }) => Kind::Ltz,
            FunctionType::Sql(SqlType::TimestampTz { .. }) => Kind::Tz,
            other => return Err(FunctionError::argument_types(function, &[other])),
        };
        let reading = Reading::new(
            &settings.text("sf_timestamp_input_format")?,
            settings.two_digit_century_start()?,
        );
        Ok(Self {
            kind,
            zone: settings.time_zone()?,
            reading,
        })
    }

    /// What the wall shows for a value.
    pub(super) fn wall(&self, value: &Value<'_>) -> Result<Wall> {
        let plain = |nanoseconds: i64| Wall {
            nanoseconds: nanoseconds.into(),
            offset_minutes: 0,
        };
        Ok(match value {
            Value::Date(days) => Wall {
                nanoseconds: i128::from(*days) * i128::from(DAY),
                offset_minutes: 0,
            },
            Value::Time(of_day) => plain(*of_day),
            Value::Timestamp(instant) if self.kind == Kind::Ltz => Wall {
                nanoseconds: wall_of_instant(&self.zone, *instant).into(),
                offset_minutes: offset_minutes(&self.zone, *instant),
            },
            Value::Timestamp(wall) => plain(*wall),
            Value::ZonedTimestamp {
                instant,
                offset_minutes,
            } => Wall {
                nanoseconds: i128::from(*instant) + i128::from(*offset_minutes) * 60 * i128::from(SECOND),
                offset_minutes: *offset_minutes,
            },
            Value::Text(text) => {
                let text = text.trim_matches('"');
                let moment = self
                    .reading
                    .timestamp(text)
                    .ok_or_else(|| FunctionError::not_a_timestamp(text))?;
                Wall {
                    nanoseconds: i128::from(moment.days) * i128::from(DAY) + i128::from(moment.of_day),
                    offset_minutes: moment.offset_minutes.unwrap_or(0),
                }
            }
            other => return Err(FunctionError::not_a_timestamp(&other.to_text()?)),
        })
    }

    /// The value of a kind for which the wall shows this.
    pub(super) fn value(&self, kind: Kind, wall: Wall) -> Result<Value<'static>> {
        let narrow = || {
            i64::try_from(wall.nanoseconds).map_err(|_| {
                FunctionError::not_a_timestamp(&format!(
                    "{} days from 1970-01-01",
                    wall.nanoseconds.div_euclid(i128::from(DAY))
                ))
            })
        };
        Ok(match kind {
            Kind::Date => Value::Date(wall.days()),
            Kind::Time => Value::Time(wall.of_day()),
            Kind::Ntz => Value::Timestamp(narrow()?),
            Kind::Ltz => Value::Timestamp(instant_of_wall(&self.zone, narrow()?)),
            Kind::Tz => Value::ZonedTimestamp {
                instant: narrow()? - i64::from(wall.offset_minutes) * 60 * SECOND,
                offset_minutes: wall.offset_minutes,
            },
        })
    }
}

/// A part of a date or time, under the names that the lowering normalises to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    DayOfWeek,
    DayOfWeekIso,
    DayOfYear,
    WeekIso,
    YearOfWeek,
    YearOfWeekIso,
    EpochSecond,
    EpochMillisecond,
    EpochMicrosecond,
    EpochNanosecond,
    TimezoneHour,
    TimezoneMinute,
}

impl Part {
    /// The constant part that `function` requires at `position` (counted from 1).
    pub(super) fn of(function: &str, argument: &Argument, position: usize) -> Result<Self> {
        let name = argument.constant_text(function, position)?;
        Ok(match name.to_ascii_lowercase().as_str() {
            "year" => Part::Year,
            "quarter" => Part::Quarter,
            "month" => Part::Month,
            "week" => Part::Week,
            "day" => Part::Day,
            "hour" => Part::Hour,
            "minute" => Part::Minute,
            "second" => Part::Second,
            "millisecond" => Part::Millisecond,
            "microsecond" => Part::Microsecond,
            "nanosecond" => Part::Nanosecond,
            "dayofweek" => Part::DayOfWeek,
            "dayofweekiso" => Part::DayOfWeekIso,
            "dayofyear" => Part::DayOfYear,
            "weekiso" => Part::WeekIso,
            "yearofweek" => Part::YearOfWeek,
            "yearofweekiso" => Part::YearOfWeekIso,
            "epoch_second" => Part::EpochSecond,
            "epoch_millisecond" => Part::EpochMillisecond,
            "epoch_microsecond" => Part::EpochMicrosecond,
            "epoch_nanosecond" => Part::EpochNanosecond,
            "timezone_hour" => Part::TimezoneHour,
            "timezone_minute" => Part::TimezoneMinute,
            other => return Err(Self::invalid(function, other)),
        })
    }

    /// 001035: no part, or none that a function takes.
    pub(super) fn invalid(function: &str, part: &str) -> FunctionError {
        let function = function.trim_start_matches("sf_").to_uppercase();
        FunctionError::new(
            1_035,
            format!(
                "\"{}\" is not a valid date/time component for function {function}.",
                part.to_uppercase()
            ),
        )
    }

    /// Nanoseconds of the parts that always have the same length.
    pub(super) fn length(self) -> Option<i64> {
        Some(match self {
            Part::Week => 7 * DAY,
            Part::Day => DAY,
            Part::Hour => 3_600 * SECOND,
            Part::Minute => 60 * SECOND,
            Part::Second => SECOND,
            Part::Millisecond => 1_000_000,
            Part::Microsecond => 1_000,
            Part::Nanosecond => 1,
            _ => return None,
        })
    }

    /// Months of the parts that are made of months.
    pub(super) fn months(self) -> Option<i64> {
        Some(match self {
            Part::Year => 12,
            Part::Quarter => 3,
            Part::Month => 1,
            _ => return None,
        })
    }

    /// Whether it is shorter than a day.
    pub(super) fn is_of_day(self) -> bool {
        self.length().is_some_and(|length| length < DAY)
    }
}

/// How the session counts weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weeks {
    /// `WEEK_START`: 0 for ISO weeks with days counted from Sunday as 0; 1 Monday to 7 Sunday.
    pub(super) start: u32,
    /// `WEEK_OF_YEAR_POLICY` 1.
    pub(super) first_has_january_1: bool,
}

impl Weeks {
    pub(super) const ISO: Self = Self {
        start: 1,
        first_has_january_1: false,
    };

    pub(super) fn of_session(settings: Settings<'_>) -> Result<Self> {
        Ok(Self {
            start: settings.week_start()?.min(7),
            first_has_january_1: settings.first_week_has_january_1()?,
        })
    }

    /// The first day of the week of a day.
    pub(super) fn begin(self, days: i32) -> i32 {
        days - self.place(days)
    }

    /// Days since the week began.
    fn place(self, days: i32) -> i32 {
        let monday_based = (super::weekday(days) as i32 + 6) % 7;
        let start = self.start.max(1) as i32 - 1;
        (monday_based - start).rem_euclid(7)
    }

    /// The day of the week as DAYOFWEEK numbers it.
    pub(super) fn day_of_week(self, days: i32) -> i32 {
        if self.start == 0 {
            super::weekday(days) as i32
        } else {
            self.place(days) + 1
        }
    }

    /// The year that a day's week belongs to, and the week's number in it.
    pub(super) fn year_and_week(self, days: i32) -> (i32, i32) {
        if self.first_has_january_1 {
            let (year, ..) = super::civil(days);
            let january_1 = super::days_from_civil(year.into(), 1, 1).unwrap_or(days);
            return (year, (self.begin(days) - self.begin(january_1)) / 7 + 1);
        }
        // A week belongs to the year in which most of its days are: the fourth tells.
        let fourth = self.begin(days) + 3;
        let (year, ..) = super::civil(fourth);
        let january_1 = super::days_from_civil(year.into(), 1, 1).unwrap_or(fourth);
        (year, (fourth - january_1) / 7 + 1)
    }
}

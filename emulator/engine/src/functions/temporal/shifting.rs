//! Times moved and rounded: DATEADD, ADD_MONTHS, DATE_TRUNC, TIME_SLICE.

use super::calendar::{DAY, civil, days_from_civil, days_in_month};
use super::clock::{Clock, Kind, Part, Wall, Weeks};
use crate::functions::framework::{
    Argument, Bound, FunctionError, Result, ScalarFunction, Settings, Value, rows,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::of_session("sf_dateadd", 3..=3, dateadd),
    ScalarFunction::of_session("sf_add_months", 2..=2, add_months),
    ScalarFunction::of_session("sf_date_trunc", 2..=2, date_trunc),
    ScalarFunction::of_session("sf_time_slice", 3..=4, time_slice),
];

fn dateadd(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let part = Part::of("sf_dateadd", &arguments[0], 1)?;
    if let Some(bound) = super::intervals::added(&arguments[2], part.months(), part.length()) {
        return bound;
    }
    let clock = Clock::new("sf_dateadd", &arguments[2], settings)?;
    if part.length().is_none() && part.months().is_none() || (clock.kind == Kind::Time && !part.is_of_day()) {
        return Err(Part::invalid("sf_dateadd", &format!("{part:?}")));
    }
    let kind = if clock.kind == Kind::Date && part.is_of_day() {
        Kind::Ntz
    } else {
        clock.kind
    };
    rows(kind.sql_type(), move |row| {
        let amount = row[1].to_integer()?;
        if let (Kind::Ltz, true, Some(length), Value::Timestamp(instant)) =
            (kind, part.is_of_day(), part.length(), &row[2])
        {
            // Hours pass on the instant's line, not on the wall: a day of 23 hours has 23.
            let moved = length.checked_mul(amount).and_then(|by| instant.checked_add(by));
            return moved
                .map(Value::Timestamp)
                .ok_or_else(|| FunctionError::out_of_range(amount));
        }
        let wall = clock.wall(&row[2])?;
        let moved = match (part.months(), part.length()) {
            (Some(months), _) => shifted_months(wall, months.saturating_mul(amount), false)?,
            (None, Some(length)) => wall.at(wall.nanoseconds + i128::from(length) * i128::from(amount)),
            (None, None) => wall,
        };
        checked(moved).and_then(|moved| clock.value(kind, moved))
    })
}

/// Whole months later; a day that the month lacks becomes its last one.
pub(super) fn shifted_months(wall: Wall, months: i64, keep_month_end: bool) -> Result<Wall> {
    let (year, month, day) = civil(wall.days());
    let target = i64::from(year) * 12 + i64::from(month) - 1 + months;
    let (target_year, target_month) = (target.div_euclid(12), target.rem_euclid(12) as u32 + 1);
    let last = days_in_month(target_year as i32, target_month);
    let day = if keep_month_end && day == days_in_month(year, month) {
        last
    } else {
        day.min(last)
    };
    let days = days_from_civil(target_year, target_month.into(), day.into())
        .ok_or_else(|| FunctionError::out_of_range(months))?;
    Ok(wall.at(i128::from(days) * i128::from(DAY) + i128::from(wall.of_day())))
}

/// Years 1 to 9999 only, as everywhere in Snowflake.
pub(super) fn checked(wall: Wall) -> Result<Wall> {
    let year = civil(wall.days()).0;
    if (-99_999..=99_999).contains(&year) && wall.nanoseconds.unsigned_abs() < (DAY as u128) * 40_000_000 {
        Ok(wall)
    } else {
        Err(FunctionError::new(100_199, "Date is out of the supported range"))
    }
}

fn add_months(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let clock = Clock::new("sf_add_months", &arguments[0], settings)?;
    rows(clock.kind.sql_type(), move |row| {
        let moved = shifted_months(clock.wall(&row[0])?, row[1].to_integer()?, true)?;
        clock.value(clock.kind, moved)
    })
}

fn date_trunc(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let part = Part::of("sf_date_trunc", &arguments[0], 1)?;
    let clock = Clock::new("sf_date_trunc", &arguments[1], settings)?;
    let weeks = Weeks::of_session(settings)?;
    if part.length().is_none() && part.months().is_none() || (clock.kind == Kind::Time && !part.is_of_day()) {
        return Err(Part::invalid("sf_date_trunc", &format!("{part:?}")));
    }
    rows(clock.kind.sql_type(), move |row| {
        let wall = clock.wall(&row[1])?;
        clock.value(clock.kind, truncated(wall, part, weeks))
    })
}

fn truncated(wall: Wall, part: Part, weeks: Weeks) -> Wall {
    let midnight = |days: i32| wall.at(i128::from(days) * i128::from(DAY));
    if let Some(months) = part.months() {
        let (year, month, _) = civil(wall.days());
        let month = i64::from(month) - 1;
        let first = month - month % months + 1;
        return midnight(days_from_civil(year.into(), first, 1).unwrap_or(wall.days()));
    }
    match part.length() {
        Some(_) if part == Part::Week => midnight(weeks.begin(wall.days())),
        Some(length) => wall.at(wall.nanoseconds - wall.nanoseconds.rem_euclid(i128::from(length))),
        None => wall,
    }
}

/// `TIME_SLICE(time, length, part[, 'START' | 'END'])`: slices are counted from 1970-01-01.
fn time_slice(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let clock = Clock::new("sf_time_slice", &arguments[0], settings)?;
    let length = arguments[1].constant_integer("sf_time_slice", 2)?;
    let part = Part::of("sf_time_slice", &arguments[2], 3)?;
    let end = match arguments.get(3) {
        Some(edge) => edge
            .constant_text("sf_time_slice", 4)?
            .eq_ignore_ascii_case("END"),
        None => false,
    };
    if length < 1 {
        return Err(FunctionError::new(
            100_047,
            format!("Invalid slice length {length} for function TIME_SLICE"),
        ));
    }
    let weeks = Weeks::of_session(settings)?;
    let origin_week = weeks.begin(0);
    rows(clock.kind.sql_type(), move |row| {
        let wall = clock.wall(&row[0])?;
        let later = i64::from(end);
        let slice = match (part.months(), part.length()) {
            (Some(months), _) => {
                let (year, month, _) = civil(wall.days());
                let size = months * length;
                let since = (i64::from(year) - 1970) * 12 + i64::from(month) - 1;
                let first = (since.div_euclid(size) + later) * size;
                let days = days_from_civil(1970, first + 1, 1).unwrap_or(wall.days());
                wall.at(i128::from(days) * i128::from(DAY))
            }
            (None, Some(unit)) => {
                let origin = if part == Part::Week {
                    i128::from(origin_week) * i128::from(DAY)
                } else {
                    0
                };
                let size = i128::from(unit) * i128::from(length);
                let number = (wall.nanoseconds - origin).div_euclid(size) + i128::from(later);
                wall.at(origin + number * size)
            }
            (None, None) => return Err(Part::invalid("sf_time_slice", &format!("{part:?}"))),
        };
        clock.value(clock.kind, slice)
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn adds() {
        check("sf_dateadd('year', 2, DATE '2013-05-08')", "2015-05-08");
        check("sf_dateadd('month', 1, DATE '2024-01-31')", "2024-02-29");
        check("sf_dateadd('quarter', -1, DATE '2024-05-31')", "2024-02-29");
        check("sf_dateadd('week', 1, DATE '2024-01-31')", "2024-02-07");
        check("sf_dateadd('day', -90, DATE '1998-12-01')", "1998-09-02");
        check("sf_dateadd('hour', 2, DATE '2013-05-08')", "2013-05-08 02:00:00");
        check(
            "sf_dateadd('day', '1', '2024-01-01 10:00:00')",
            "2024-01-02 10:00:00",
        );
        check("sf_dateadd('hour', 23, '03:00:00'::TIME_NS)", "02:00:00");
        check("sf_dateadd('year', 8000, DATE '1999-12-31')", "9999-12-31");
        check_error(
            "sf_dateadd('day', 1, '03:00:00'::TIME_NS)",
            1_035,
            "\"DAY\" is not a valid date/time component for function DATEADD.",
        );
        check(
            "sf_add_months('2016-05-15'::TIMESTAMP_NS, 2)",
            "2016-07-15 00:00:00",
        );
        check("sf_add_months(DATE '2016-02-29', 1)", "2016-03-31");
        check("sf_add_months(DATE '2016-05-31', -1)", "2016-04-30");
    }

    #[test]
    fn truncates() {
        let timestamp = "'2015-05-08 23:39:20.123'::TIMESTAMP_NS";
        for (part, expected) in [
            ("year", "2015-01-01 00:00:00"),
            ("quarter", "2015-04-01 00:00:00"),
            ("month", "2015-05-01 00:00:00"),
            ("week", "2015-05-04 00:00:00"),
            ("day", "2015-05-08 00:00:00"),
            ("hour", "2015-05-08 23:00:00"),
            ("minute", "2015-05-08 23:39:00"),
            ("second", "2015-05-08 23:39:20"),
        ] {
            check(&format!("sf_date_trunc('{part}', {timestamp})"), expected);
        }
        check("sf_date_trunc('month', DATE '2015-05-08')", "2015-05-01");
        check("sf_date_trunc('minute', '23:39:20'::TIME_NS)", "23:39:00");
    }

    #[test]
    fn slices() {
        check(
            "sf_time_slice(DATE '2019-02-28', 4, 'month', 'START')",
            "2019-01-01",
        );
        check(
            "sf_time_slice(DATE '2019-02-28', 4, 'month', 'END')",
            "2019-05-01",
        );
        check(
            "sf_time_slice('2024-03-05 10:23:00'::TIMESTAMP_NS, 15, 'minute')",
            "2024-03-05 10:15:00",
        );
        check("sf_time_slice(DATE '2024-03-07', 1, 'week')", "2024-03-04");
    }
}

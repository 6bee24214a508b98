//! Parts of dates and times: DATE_PART, LAST_DAY, DAYNAME, MONTHNAME.

use super::calendar::{DAY, SECOND, civil, days_from_civil, days_in_month, weekday};
use super::clock::{Clock, Part, Wall, Weeks};
use super::format::{MONTHS, WEEKDAYS};
use crate::functions::framework::{
    Argument, Bound, FunctionType, Result, ScalarFunction, Settings, Value, rows,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::of_session("sf_date_part", 2..=2, date_part),
    ScalarFunction::of_session("sf_last_day", 1..=2, last_day),
    ScalarFunction::of_session("sf_dayname", 1..=1, |arguments, settings| {
        name(arguments, settings, |days| WEEKDAYS[weekday(days) as usize])
    }),
    ScalarFunction::of_session("sf_monthname", 1..=1, |arguments, settings| {
        name(arguments, settings, |days| MONTHS[civil(days).1 as usize - 1])
    }),
    ScalarFunction::of_session("sf_next_day", 2..=2, |arguments, settings| {
        neighbour(arguments, settings, true)
    }),
    ScalarFunction::of_session("sf_previous_day", 2..=2, |arguments, settings| {
        neighbour(arguments, settings, false)
    }),
];

fn date_part(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let part = Part::of("sf_date_part", &arguments[0], 1)?;
    let clock = Clock::new("sf_date_part", &arguments[1], settings)?;
    let weeks = Weeks::of_session(settings)?;
    // Nanoseconds since 1970 have 19 digits.
    let digits = if part == Part::EpochNanosecond { 38 } else { 18 };
    rows(FunctionType::number(digits, 0), move |row| {
        let wall = clock.wall(&row[1])?;
        Ok(Value::integer(part_of(part, wall, weeks)))
    })
}

fn part_of(part: Part, wall: Wall, weeks: Weeks) -> i128 {
    let days = wall.days();
    let (year, month, day) = civil(days);
    let seconds = wall.of_day() / SECOND;
    let instant = wall.nanoseconds - i128::from(wall.offset_minutes) * 60 * i128::from(SECOND);
    let epoch = |unit: i64| instant.div_euclid(i128::from(unit));
    match part {
        Part::Year => year.into(),
        Part::Quarter => ((month - 1) / 3 + 1).into(),
        Part::Month => month.into(),
        Part::Week => weeks.year_and_week(days).1.into(),
        Part::Day => day.into(),
        Part::Hour => (seconds / 3600).into(),
        Part::Minute => (seconds / 60 % 60).into(),
        Part::Second => (seconds % 60).into(),
        Part::Millisecond => (wall.of_day() % SECOND / 1_000_000).into(),
        Part::Microsecond => (wall.of_day() % SECOND / 1_000).into(),
        Part::Nanosecond => (wall.of_day() % SECOND).into(),
        Part::DayOfWeek => weeks.day_of_week(days).into(),
        Part::DayOfWeekIso => Weeks::ISO.day_of_week(days).into(),
        Part::DayOfYear => {
            let january_1 = days_from_civil(year.into(), 1, 1).unwrap_or(days);
            (days - january_1 + 1).into()
        }
        Part::WeekIso => Weeks::ISO.year_and_week(days).1.into(),
        Part::YearOfWeek => weeks.year_and_week(days).0.into(),
        Part::YearOfWeekIso => Weeks::ISO.year_and_week(days).0.into(),
        Part::EpochSecond => epoch(SECOND),
        Part::EpochMillisecond => epoch(1_000_000),
        Part::EpochMicrosecond => epoch(1_000),
        Part::EpochNanosecond => epoch(1),
        Part::TimezoneHour => (wall.offset_minutes / 60).into(),
        Part::TimezoneMinute => (wall.offset_minutes % 60).into(),
    }
}

fn last_day(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let part = match arguments.get(1) {
        Some(part) => Part::of("sf_last_day", part, 2)?,
        None => Part::Month,
    };
    if !matches!(part, Part::Year | Part::Quarter | Part::Month | Part::Week) {
        return Err(Part::invalid("sf_last_day", &format!("{part:?}")));
    }
    let clock = Clock::new("sf_last_day", &arguments[0], settings)?;
    let weeks = Weeks::of_session(settings)?;
    rows(FunctionType::date(), move |row| {
        let days = clock.wall(&row[0])?.days();
        let (year, month, _) = civil(days);
        let month_end = |month: u32| {
            days_from_civil(year.into(), month.into(), days_in_month(year, month).into()).unwrap_or(days)
        };
        Ok(Value::Date(match part {
            Part::Year => month_end(12),
            Part::Quarter => month_end((month - 1) / 3 * 3 + 3),
            Part::Week => weeks.begin(days) + 6,
            _ => month_end(month),
        }))
    })
}

/// The first three letters of a name.
fn name(arguments: &[Argument], settings: Settings<'_>, find: fn(i32) -> &'static str) -> Result<Bound> {
    let clock = Clock::new("sf_dayname", &arguments[0], settings)?;
    rows(FunctionType::text(), move |row| {
        Ok(Value::text(&find(clock.wall(&row[0])?.days())[..3]))
    })
}

/// The nearest day after or before with a given weekday, never the day itself.
fn neighbour(arguments: &[Argument], settings: Settings<'_>, after: bool) -> Result<Bound> {
    let function = if after { "sf_next_day" } else { "sf_previous_day" };
    let clock = Clock::new(function, &arguments[0], settings)?;
    rows(FunctionType::date(), move |row| {
        let days = (clock.wall(&row[0])?.nanoseconds.div_euclid(i128::from(DAY))) as i32;
        let named = row[1].to_text()?;
        let prefix: String = named.trim().chars().take(2).collect();
        let wanted = WEEKDAYS
            .iter()
            .position(|weekday| weekday[..2].eq_ignore_ascii_case(&prefix))
            .ok_or_else(|| Part::invalid(function, &named))? as i32;
        let today = weekday(days) as i32;
        let distance = if after {
            (wanted - today - 1).rem_euclid(7) + 1
        } else {
            (today - wanted - 1).rem_euclid(7) + 1
        };
        Ok(Value::Date(if after { days + distance } else { days - distance }))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn parts() {
        let timestamp = "'2013-05-08T23:39:20.123456789'";
        for (part, expected) in [
            ("year", "2013"),
            ("quarter", "2"),
            ("month", "5"),
            ("week", "19"),
            ("day", "8"),
            ("hour", "23"),
            ("minute", "39"),
            ("second", "20"),
            ("nanosecond", "123456789"),
            ("dayofweek", "3"),
            ("dayofweekiso", "3"),
            ("dayofyear", "128"),
            ("epoch_second", "1368056360"),
            ("epoch_millisecond", "1368056360123"),
            ("epoch_nanosecond", "1368056360123456789"),
        ] {
            check(&format!("sf_date_part('{part}', {timestamp})"), expected);
        }
        check("sf_date_part('year', DATE '1998-12-01')", "1998");
        check("sf_date_part('hour', '03:04:05'::TIME_NS)", "3");
        check("sf_date_part('year', NULL)", "NULL");
        check_error(
            "sf_date_part('eon', DATE '1998-12-01')",
            1_035,
            "\"EON\" is not a valid date/time component for function DATE_PART.",
        );
        check_error(
            "sf_date_part('year', 'x')",
            100_035,
            "Timestamp 'x' is not recognized",
        );
    }

    #[test]
    fn weeks() {
        for (date, week, week_iso, year_of_week_iso) in [
            ("2016-12-30", "52", "52", "2016"),
            ("2017-01-01", "52", "52", "2016"),
            ("2017-01-02", "1", "1", "2017"),
            ("2017-12-30", "52", "52", "2017"),
            ("2019-12-30", "1", "1", "2020"),
        ] {
            check(&format!("sf_date_part('week', DATE '{date}')"), week);
            check(&format!("sf_date_part('weekiso', DATE '{date}')"), week_iso);
            check(
                &format!("sf_date_part('yearofweekiso', DATE '{date}')"),
                year_of_week_iso,
            );
        }
        check("sf_date_part('dayofweek', DATE '2017-01-01')", "0");
        check("sf_date_part('dayofweekiso', DATE '2017-01-01')", "7");
    }

    #[test]
    fn days() {
        check("sf_last_day(DATE '2015-05-08')", "2015-05-31");
        check("sf_last_day(DATE '2015-05-08', 'year')", "2015-12-31");
        check("sf_last_day(DATE '2015-05-08', 'quarter')", "2015-06-30");
        check("sf_last_day('2024-02-03 10:00:00', 'month')", "2024-02-29");
        check("sf_dayname(DATE '2015-05-01')", "Fri");
        check("sf_monthname(DATE '2015-05-01')", "May");
        check("sf_next_day(DATE '2024-01-05', 'Friday')", "2024-01-12");
        check("sf_next_day(DATE '2024-01-05', 'mo')", "2024-01-08");
        check("sf_previous_day(DATE '2024-01-05', 'fri')", "2023-12-29");
    }
}

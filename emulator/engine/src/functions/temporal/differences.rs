//! Distances between times: DATEDIFF, MONTHS_BETWEEN.

use super::calendar::{DAY, civil, days_in_month};
use super::clock::{Clock, Part, Wall, Weeks};
use crate::functions::framework::{
    Argument, Bound, FunctionType, Number, Result, ScalarFunction, Settings, Value, rows,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::of_session("sf_datediff", 3..=3, datediff),
    ScalarFunction::of_session("sf_months_between", 2..=2, months_between),
];

/// Counts the borders between parts that lie between two times.
fn datediff(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let part = Part::of("sf_datediff", &arguments[0], 1)?;
    if part.length().is_none() && part.months().is_none() {
        return Err(Part::invalid("sf_datediff", &format!("{part:?}")));
    }
    let from = Clock::new("sf_datediff", &arguments[1], settings)?;
    let to = Clock::new("sf_datediff", &arguments[2], settings)?;
    let weeks = Weeks::of_session(settings)?;
    rows(FunctionType::number(18, 0), move |row| {
        let (from, to) = (from.wall(&row[1])?, to.wall(&row[2])?);
        Ok(Value::integer(place(to, part, weeks) - place(from, part, weeks)))
    })
}

/// The number of the part in which a time lies.
fn place(wall: Wall, part: Part, weeks: Weeks) -> i128 {
    if let Some(months) = part.months() {
        let (year, month, _) = civil(wall.days());
        return (i128::from(year) * 12 + i128::from(month) - 1).div_euclid(i128::from(months));
    }
    match part.length() {
        Some(_) if part == Part::Week => i128::from(weeks.begin(wall.days())).div_euclid(7),
        Some(length) => wall.nanoseconds.div_euclid(i128::from(length)),
        None => 0,
    }
}

/// Whole months where both are the same day of the month or both a month's last, else in 31sts of a month.
fn months_between(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let later = Clock::new("sf_months_between", &arguments[0], settings)?;
    let earlier = Clock::new("sf_months_between", &arguments[1], settings)?;
    rows(FunctionType::number(38, 6), move |row| {
        let (later, earlier) = (later.wall(&row[0])?, earlier.wall(&row[1])?);
        let ((year1, month1, day1), (year2, month2, day2)) = (civil(later.days()), civil(earlier.days()));
        let months = i128::from(year1 - year2) * 12 + i128::from(month1) - i128::from(month2);
        let both_last = day1 == days_in_month(year1, month1) && day2 == days_in_month(year2, month2);
        if day1 == day2 || both_last {
            return Ok(Value::Number(Number::new(months * 1_000_000, 6)));
        }
        let days = i128::from(day1) - i128::from(day2);
        let nanoseconds = days * i128::from(DAY) + i128::from(later.of_day()) - i128::from(earlier.of_day());
        let month = 31 * i128::from(DAY);
        let scaled = nanoseconds * 10_000_000 / month;
        Number::new(months * 10_000_000 + scaled, 7)
            .rescaled(6)
            .map(Value::Number)
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn counts_borders() {
        check(
            "sf_datediff('year', '2010-04-09 14:39:20', '2013-05-08 23:39:20')",
            "3",
        );
        check(
            "sf_datediff('hour', '2013-05-08T23:39:20.123-07:00', '2013-05-08 23:40:20')",
            "0",
        );
        check("sf_datediff('year', DATE '2023-12-31', DATE '2024-01-01')", "1");
        check("sf_datediff('month', DATE '2024-03-31', DATE '2024-01-01')", "-2");
        check(
            "sf_datediff('quarter', DATE '2024-03-31', DATE '2024-04-01')",
            "1",
        );
        check("sf_datediff('week', DATE '2024-01-07', DATE '2024-01-08')", "1");
        check(
            "sf_datediff('day', '2024-01-01 23:59:59', '2024-01-02 00:00:00')",
            "1",
        );
        check(
            "sf_datediff('minute', '10:00:59'::TIME_NS, '10:01:00'::TIME_NS)",
            "1",
        );
        check(
            "sf_datediff('nanosecond', '2024-01-01', '2024-01-01 00:00:00.000000007')",
            "7",
        );
    }

    #[test]
    fn months() {
        check(
            "sf_months_between(DATE '2019-02-15', DATE '2019-02-01')",
            "0.451613",
        );
        check(
            "sf_months_between(DATE '2019-03-28', DATE '2019-02-15')",
            "1.419355",
        );
        check(
            "sf_months_between(DATE '2019-03-31', DATE '2019-02-28')",
            "1.000000",
        );
        check(
            "sf_months_between(DATE '2019-03-01', DATE '2019-03-28')",
            "-0.870968",
        );
    }
}

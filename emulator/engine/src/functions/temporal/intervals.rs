//! Intervals as values: conversions, and calculating with them and with times.

use super::clock::{Clock, Kind};
use super::interval_text::{read_duration, read_months};
use super::shifting::{checked, shifted_months};
use crate::functions::arithmetic::Operator;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, Result, ScalarFunction, Settings, Value, rows,
};
use crate::{DayTime, SqlType, YearMonth};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_to_interval_ym", 2..=2, to_months),
    ScalarFunction::new("sf_try_to_interval_ym", 2..=2, |arguments| {
        super::super::conversion::attempt(to_months(arguments))
    }),
    ScalarFunction::new("sf_to_interval_dt", 2..=2, to_duration),
    ScalarFunction::new("sf_try_to_interval_dt", 2..=2, |arguments| {
        super::super::conversion::attempt(to_duration(arguments))
    }),
];

const MONTHS_PER_YEAR: i64 = 12;
/// Most of a first field, plus one.
const YEARS_MAX: i64 = 1_000_000_000;
const DURATION_MAX: i128 = 86_400_000_000_000 * YEARS_MAX as i128;

/// Which family an argument is of.
fn family(argument: &Argument) -> Option<bool> {
    match argument.sql_type {
        FunctionType::Sql(SqlType::IntervalYearMonth { .. }) => Some(true),
        FunctionType::Sql(SqlType::IntervalDayTime { .. }) => Some(false),
        _ => None,
    }
}

/// `(value, 'YEAR TO MONTH')`.
fn to_months(arguments: &[Argument]) -> Result<Bound> {
    let Some(SqlType::IntervalYearMonth { fields, precision }) = target(arguments)? else {
        return Err(wrong_target(arguments));
    };
    let returns = FunctionType::Sql(SqlType::YEAR_TO_MONTH);
    let of_first = match fields {
        YearMonth::Month => 1,
        YearMonth::Year | YearMonth::YearToMonth => MONTHS_PER_YEAR,
    };
    rows(returns, move |row| {
        let months = match &row[0] {
            Value::Months(months) if fields == YearMonth::Year => months / MONTHS_PER_YEAR * MONTHS_PER_YEAR,
            Value::Months(months) => *months,
            Value::Text(text) => read_months(text, fields, precision).ok_or_else(|| not_an_interval(text))?,
            other => return Err(not_an_interval(&other.to_text()?)),
        };
        let first = i128::from(months / of_first);
        refuse_more_digits(first, precision).map(|()| Value::Months(months))
    })
}

/// `(value, 'DAY TO SECOND')`; digits of a second beyond the type's are cut.
fn to_duration(arguments: &[Argument]) -> Result<Bound> {
    let Some(SqlType::IntervalDayTime {
        first,
        last,
        precision,
        scale,
    }) = target(arguments)?
    else {
        return Err(wrong_target(arguments));
    };
    let unit = match last {
        DayTime::Second => 10_i128.pow(9 - u32::from(scale.min(9))),
        last => nanoseconds_of(last),
    };
    let of_first = nanoseconds_of(first);
    let returns = FunctionType::Sql(SqlType::DAY_TO_SECOND);
    rows(returns, move |row| {
        let nanoseconds = match &row[0] {
            Value::Duration(nanoseconds) => *nanoseconds,
            Value::Text(text) => {
                read_duration(text, first, last, precision).ok_or_else(|| not_an_interval(text))?
            }
            other => return Err(not_an_interval(&other.to_text()?)),
        };
        let nanoseconds = nanoseconds / unit * unit;
        refuse_more_digits(nanoseconds / of_first, precision).map(|()| Value::Duration(nanoseconds))
    })
}

fn nanoseconds_of(field: DayTime) -> i128 {
    match field {
        DayTime::Day => 86_400_000_000_000,
        DayTime::Hour => 3_600_000_000_000,
        DayTime::Minute => 60_000_000_000,
        DayTime::Second => 1_000_000_000,
    }
}

/// The first field of a type holds so many digits, whatever the value came from.
fn refuse_more_digits(first: i128, precision: u8) -> Result<()> {
    if first.abs() < power(precision) {
        Ok(())
    } else {
        Err(out_of_range(first))
    }
}

/// The type that the second argument names; the first must be a text or an interval of that family.
fn target(arguments: &[Argument]) -> Result<Option<SqlType>> {
    let fields = arguments[1].constant_text("sf_to_interval", 2)?;
    let target = SqlType::interval(&fields);
    let is_of_months = matches!(target, Some(SqlType::IntervalYearMonth { .. }));
    let fits = match &arguments[0].sql_type {
        FunctionType::Sql(SqlType::Text { .. }) | FunctionType::Null => true,
        _ => family(&arguments[0]) == Some(is_of_months),
    };
    if fits {
        Ok(target)
    } else {
        Err(wrong_target(arguments))
    }
}

fn wrong_target(arguments: &[Argument]) -> FunctionError {
    FunctionError::argument_types("sf_to_interval", &[&arguments[0].sql_type])
}

fn not_an_interval(text: &str) -> FunctionError {
    FunctionError::cannot_parse(text, "interval")
}

fn out_of_range(what: impl std::fmt::Display) -> FunctionError {
    FunctionError::new(100_046, format!("Interval out of representable range: {what}"))
}

fn months(months: i128) -> Result<Value<'static>> {
    match i64::try_from(months) {
        Ok(months) if months.abs() < MONTHS_PER_YEAR * YEARS_MAX => Ok(Value::Months(months)),
        _ => Err(out_of_range(months)),
    }
}

fn duration(nanoseconds: i128) -> Result<Value<'static>> {
    if nanoseconds.abs() < DURATION_MAX {
        Ok(Value::Duration(nanoseconds))
    } else {
        Err(out_of_range(nanoseconds))
    }
}

/// An operator with an interval among its operands; none when there is none.
pub(in crate::functions) fn arithmetic(
    operator: Operator,
    arguments: &[Argument],
    settings: Settings<'_>,
) -> Option<Result<Bound>> {
    let refused = || {
        let types: Vec<&FunctionType> = arguments.iter().map(|argument| &argument.sql_type).collect();
        Err(FunctionError::argument_types(operator.symbol(), &types))
    };
    let [left, right] = arguments else { return None };
    let minus = operator == Operator::Subtract;
    Some(match (family(left), family(right), operator) {
        (None, None, _) => return None,
        (Some(left), Some(right), Operator::Add | Operator::Subtract) if left == right => {
            together(left, minus)
        }
        // `-interval`.
        (None, Some(of_months), Operator::Subtract) if is_zero(left) => scaled(of_months, 1, Factor::Minus),
        (None, Some(of_months), Operator::Multiply) if is_number(left) => {
            scaled(of_months, 1, Factor::Times(0))
        }
        (Some(of_months), None, Operator::Multiply) if is_number(right) => {
            scaled(of_months, 0, Factor::Times(1))
        }
        (Some(of_months), None, Operator::Divide) if is_number(right) => {
            scaled(of_months, 0, Factor::Divided(1))
        }
        (None, Some(of_months), Operator::Add) if is_time(left) => {
            shifted(left, 0, of_months, false, settings)
        }
        (None, Some(of_months), Operator::Subtract) if is_time(left) => {
            shifted(left, 0, of_months, true, settings)
        }
        (Some(of_months), None, Operator::Add) if is_time(right) => {
            shifted(right, 1, of_months, false, settings)
        }
        _ => refused(),
    })
}

fn is_zero(argument: &Argument) -> bool {
    matches!(&argument.constant, Some(Value::Number(number)) if number.unscaled == 0)
}

fn is_number(argument: &Argument) -> bool {
    matches!(
        argument.sql_type,
        FunctionType::Sql(SqlType::Number { .. } | SqlType::Float)
    )
}

fn is_time(argument: &Argument) -> bool {
    matches!(
        argument.sql_type,
        FunctionType::Sql(
            SqlType::Date
                | SqlType::Time { .. }
                | SqlType::TimestampNtz { .. }
                | SqlType::TimestampLtz { .. }
                | SqlType::TimestampTz { .. }
        )
    )
}

fn returned(of_months: bool) -> FunctionType {
    FunctionType::Sql(if of_months {
        SqlType::YEAR_TO_MONTH
    } else {
        SqlType::DAY_TO_SECOND
    })
}

/// Months or nanoseconds of an interval, and an interval of them.
fn units(value: &Value<'_>) -> i128 {
    match value {
        Value::Months(months) => i128::from(*months),
        Value::Duration(nanoseconds) => *nanoseconds,
        _ => 0,
    }
}

fn interval(of_months: bool, units: i128) -> Result<Value<'static>> {
    if of_months { months(units) } else { duration(units) }
}

fn together(of_months: bool, minus: bool) -> Result<Bound> {
    rows(returned(of_months), move |row| {
        let (left, right) = (units(&row[0]), units(&row[1]));
        interval(of_months, if minus { left - right } else { left + right })
    })
}

/// What an interval is multiplied with.
#[derive(Clone, Copy)]
enum Factor {
    Minus,
    /// The argument at this place.
    Times(usize),
    Divided(usize),
}

fn scaled(of_months: bool, at: usize, factor: Factor) -> Result<Bound> {
    rows(returned(of_months), move |row| {
        let units = units(&row[at]);
        let result = match factor {
            Factor::Minus => -units,
            Factor::Times(by) => {
                let Number { unscaled, scale } = row[by].to_number()?;
                crate::functions::framework::multiply_divide(units, unscaled, power(scale))
                    .ok_or_else(|| out_of_range(units))?
            }
            Factor::Divided(by) => {
                let Number { unscaled, scale } = row[by].to_number()?;
                if unscaled == 0 {
                    return Err(FunctionError::division_by_zero());
                }
                crate::functions::framework::multiply_divide(units, power(scale), unscaled)
                    .ok_or_else(|| out_of_range(units))?
            }
        };
        interval(of_months, result)
    })
}

fn power(scale: u8) -> i128 {
    crate::functions::framework::POWERS_OF_TEN[usize::from(scale)]
}

/// A time later or earlier: a DATE and days and times give a TIMESTAMP_NTZ, as they may be within a day.
fn shifted(
    time: &Argument,
    at: usize,
    of_months: bool,
    minus: bool,
    settings: Settings<'_>,
) -> Result<Bound> {
    let clock = Clock::new("sf_dateadd", time, settings)?;
    if of_months && clock.kind == Kind::Time {
        return Err(FunctionError::argument_types("sf_add", &[&time.sql_type]));
    }
    let kind = if !of_months && clock.kind == Kind::Date {
        Kind::Ntz
    } else {
        clock.kind
    };
    rows(kind.sql_type(), move |row| {
        let amount = units(&row[1 - at]);
        let amount = if minus { -amount } else { amount };
        moved(&clock, kind, &row[at], amount, of_months)
    })
}

fn moved<'a>(
    clock: &Clock,
    kind: Kind,
    time: &Value<'a>,
    amount: i128,
    of_months: bool,
) -> Result<Value<'a>> {
    let small = || i64::try_from(amount).map_err(|_| out_of_range(amount));
    if let (Kind::Ltz, false, Value::Timestamp(instant)) = (kind, of_months, time) {
        // Time passes on the instant's line, not on the wall.
        return instant
            .checked_add(small()?)
            .map(Value::Timestamp)
            .ok_or_else(|| out_of_range(amount));
    }
    let wall = clock.wall(time)?;
    let wall = if of_months {
        shifted_months(wall, small()?, false)?
    } else {
        wall.at(wall.nanoseconds + amount)
    };
    checked(wall).and_then(|wall| clock.value(kind, wall))
}

/// `DATEADD` of an interval: a part of its own family more.
pub(super) fn added(
    argument: &Argument,
    part_months: Option<i64>,
    part_length: Option<i64>,
) -> Option<Result<Bound>> {
    let of_months = family(argument)?;
    let size = if of_months { part_months } else { part_length };
    let Some(size) = size.filter(|_| of_months || part_months.is_none()) else {
        return Some(Err(FunctionError::argument_types(
            "sf_dateadd",
            &[&argument.sql_type],
        )));
    };
    Some(rows(returned(of_months), move |row| {
        let amount = i128::from(row[1].to_integer()?) * i128::from(size);
        interval(of_months, units(&row[2]) + amount)
    }))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    const YEAR_MONTH: &str = "sf_to_interval_ym('1-2', 'YEAR TO MONTH')";
    const DAY_TIME: &str = "sf_to_interval_dt('1 2:00:00.5', 'DAY TO SECOND')";

    fn text(call: &str) -> String {
        format!("sf_to_varchar({call})")
    }

    #[test]
    fn intervals_are_calculated_with() {
        check(&text(YEAR_MONTH), "+1-02");
        check(&text(&format!("sf_add({YEAR_MONTH}, {YEAR_MONTH})")), "+2-04");
        check(&text(&format!("sf_sub(0, {YEAR_MONTH})")), "-1-02");
        check(&text(&format!("sf_mul({YEAR_MONTH}, 1.5)")), "+1-09");
        check(&text(&format!("sf_div({DAY_TIME}, 2)")), "+0 13:00:00.25");
        check(&text(&format!("sf_mul(2, {DAY_TIME})")), "+2 04:00:01");
        check(&text(&format!("sf_sub({DAY_TIME}, {DAY_TIME})")), "+0 00:00:00");
        check(
            &text(&format!("sf_to_interval_dt({DAY_TIME}, 'DAY TO HOUR')")),
            "+1 02:00:00",
        );
        check(
            &text(&format!("sf_dateadd('hour', 3, {DAY_TIME})")),
            "+1 05:00:00.5",
        );
        check(
            &format!("{YEAR_MONTH} > sf_to_interval_ym('13', 'MONTH')"),
            "true",
        );
        check("sf_try_to_interval_ym('x', 'YEAR')", "NULL");
        let days = "sf_to_interval_dt('100000', 'DAY')";
        check(
            &text(&format!("sf_to_interval_dt({days}, 'DAY(6)')")),
            "+100000 00:00:00",
        );
        check_error(
            &format!("sf_to_interval_dt({days}, 'DAY(2)')"),
            100_046,
            "Interval out of representable range: 100000",
        );
        check(&format!("sf_try_to_interval_dt({days}, 'HOUR(6)')"), "NULL");
        check_error(
            &format!("sf_to_interval_ym({YEAR_MONTH}, 'MONTH(1)')"),
            100_046,
            "Interval out of representable range: 14",
        );
        check_error(
            "sf_to_interval_ym('1-13', 'YEAR TO MONTH')",
            100_096,
            "Can't parse '1-13' as interval",
        );
        check_error(
            &format!("sf_add({YEAR_MONTH}, {DAY_TIME})"),
            1_044,
            "Invalid argument types for function '+': (INTERVAL YEAR(9) TO MONTH, INTERVAL DAY(9) TO SECOND(9))",
        );
        check_error(&format!("sf_div({DAY_TIME}, 0)"), 100_051, "Division by zero");
    }

    #[test]
    fn times_are_moved() {
        check(
            "sf_add(DATE '2024-01-31', sf_to_interval_ym('1', 'MONTH'))",
            "2024-02-29",
        );
        check(&format!("sf_sub(DATE '2024-01-31', {YEAR_MONTH})"), "2022-11-30");
        check(
            &format!("sf_add({DAY_TIME}, DATE '2024-01-31')"),
            "2024-02-01 02:00:00.5",
        );
        check(
            &text(&format!(
                "sf_add(sf_to_timestamp_tz('2024-01-01 00:00:00 +0530'), {DAY_TIME})"
            )),
            "2024-01-02 02:00:00.500 +0530",
        );
        check(
            "sf_sub('01:00:00'::TIME_NS, sf_to_interval_dt('2', 'HOUR'))",
            "23:00:00",
        );
        check_error(
            &format!("sf_add('01:00:00'::TIME_NS, {YEAR_MONTH})"),
            1_044,
            "Invalid argument types for function 'ADD': (TIME(9))",
        );
    }
}

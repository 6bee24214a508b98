//! Whether a remainder is a certain one: `a % n = r` in one pass, as rows are picked and spread by it.

use std::cmp::Ordering;

use super::arithmetic;
use super::divisor::Divisor;
use super::framework::{
    Argument, Bound, Call, FunctionError, FunctionType, Number, POWERS_OF_TEN, Result, ScalarFunction,
    Settings, Value, rows, truths,
};
use crate::{DecFloat, SqlType};

pub(super) const FUNCTIONS: &[ScalarFunction] =
    &[ScalarFunction::of_session("sf_mod_is", 3..=3, remainder_is)];

/// `sf_mod_is(a, n, r)`: what `sf_mod(a, n) = r` is for a constant whole number `r`, errors included.
fn remainder_is(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let Some(Value::Number(Number {
        unscaled: wanted,
        scale: 0,
    })) = arguments[2].constant
    else {
        return Err(FunctionError::needs_constant("sf_mod_is", 3));
    };
    let remainder = arithmetic::remainder(&arguments[..2], settings)?;
    if let Call::Rows(remainder) = remainder.call {
        return rows(FunctionType::Sql(SqlType::Boolean), move |row| {
            Ok(Value::Boolean(match remainder(&row[..2])? {
                Value::Number(found) => Some(found.unscaled) == at_scale(wanted, found.scale),
                Value::Float(found) => found.partial_cmp(&(wanted as f64)) == Some(Ordering::Equal),
                Value::DecFloat(found) => found == DecFloat::from_unscaled(wanted, 0),
                _ => return Ok(Value::Null),
            }))
        });
    }
    Ok(match Known::new(arguments, wanted) {
        Some(Known {
            divisor: Divisor::Short(divisor),
            wanted,
        }) => {
            let half = u32::try_from(wanted).ok();
            truths(
                half.and_then(|half| divisor.leaves(half)),
                move |number| match i64::try_from(number) {
                    Ok(word) => i128::from(divisor.remainder(word)) == wanted,
                    Err(_) => number % divisor.number() == wanted,
                },
            )
        }
        Some(Known {
            divisor: Divisor::Long(divisor),
            wanted,
        }) => truths(None::<fn(u32) -> bool>, move |number| {
            match i64::try_from(number) {
                Ok(word) => i128::from(divisor.remainder(word)) == wanted,
                Err(_) => number % divisor.number() == wanted,
            }
        }),
        None => return of_rows(wanted),
    })
}

/// What is known of a remainder of numbers before there are any, at the scale of the numbers.
struct Known {
    divisor: Divisor,
    wanted: i128,
}

impl Known {
    /// None where the divisor is not known, is zero or large, or has more digits after the point than the numbers.
    fn new(arguments: &[Argument], wanted: i128) -> Option<Self> {
        let FunctionType::Sql(SqlType::Number { scale, .. }) = arguments[0].sql_type else {
            return None;
        };
        let Some(Value::Number(divisor)) = &arguments[1].constant else {
            return None;
        };
        let divisor = at_scale(divisor.unscaled, scale.checked_sub(divisor.scale)?)?;
        Some(Self {
            divisor: Divisor::new(u64::try_from(divisor.unsigned_abs()).ok()?)?,
            wanted: at_scale(wanted, scale)?,
        })
    }
}

/// A whole number with that many digits after the point; none where it has too many in all.
fn at_scale(number: i128, scale: u8) -> Option<i128> {
    number.checked_mul(*POWERS_OF_TEN.get(usize::from(scale))?)
}

/// The same for any two numbers.
fn of_rows(wanted: i128) -> Result<Bound> {
    rows(FunctionType::Sql(SqlType::Boolean), move |row| {
        let (left, right) = (row[0].to_number()?, row[1].to_number()?);
        let scale = left.scale.max(right.scale);
        let (left, right) = (left.rescaled(scale)?.unscaled, right.rescaled(scale)?.unscaled);
        if right == 0 {
            return Err(FunctionError::division_by_zero());
        }
        Ok(Value::Boolean(Some(left % right) == at_scale(wanted, scale)))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn it_is_what_a_comparison_of_the_remainder_is() {
        let columns = [
            "(i - 2500)::DECIMAL(38,0)",
            "i::BIGINT",
            "(i - 2500)::INTEGER",
            "(i * 0.25 - 300)::DECIMAL(20,2)",
            "(i % 9)::DECIMAL(38,27)",
            "(CASE WHEN i % 3 = 0 THEN i END)::DECIMAL(38,0)",
            "(CASE WHEN i = 3000 THEN 5000000050 ELSE i END)::DECIMAL(38,0)",
            "(CASE WHEN i = 3000 THEN 18446744073709551616050 ELSE i END)::DECIMAL(38,0)",
            "(i - 2500)::DOUBLE",
            "i::VARCHAR",
            "NULL::DECIMAL(38,0)",
            "7",
            "NULL",
        ];
        for column in columns {
            let column = if column.contains("38,37") {
                "(i % 9)::DECIMAL(38,27)"
            } else {
                column
            };
            for (by, remainder) in [
                (50, 0),
                (50, 7),
                (50, 50),
                (1, 0),
                (1, 1),
                (-7, 3),
                (5_000_000_000_i64, 2000),
            ] {
                let (at_once, compared) = (
                    format!("sf_mod_is(x, {by}, {remainder})"),
                    format!("(sf_mod(x, {by}) = {remainder})"),
                );
                let same = format!(
                    "bool_and(coalesce({at_once} = {compared}, {at_once} IS NULL AND {compared} IS NULL)) \
                     FROM (SELECT {column} AS x FROM range(5000) AS r(i))"
                );
                check(&same, "true");
            }
        }
        check(
            "count(*) FROM range(5000) AS r(i) WHERE sf_mod_is(i, 50, 7)",
            "100",
        );
        check("sf_mod_is(i, n, 1) FROM (SELECT 7 AS i, 3 AS n)", "true");
        check("sf_mod_is(7, 2.5, 2)", "true");
        check_error("sf_mod_is(5, 0, 0)", 100_051, "Division by zero");
        check_error(
            "sf_mod_is(i, 0, 0) FROM range(3) AS r(i)",
            100_051,
            "Division by zero",
        );
    }
}

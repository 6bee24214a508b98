//! The operators, with Snowflake's precision and scale.
//!
//! With `l` digits before and `s` after the point: a sum has `max(l1, l2) + 1` and `max(s1, s2)`; a product
//! `l1 + l2` and `min(s1 + s2, max(s1, s2, 12))`; a quotient `l1 + s2` and `max(s1, min(s1 + 6, 12))`; 38 in all
//! at most. What is cut is rounded half away from zero. A text operand is a NUMBER(18,5); where one operand is a
//! FLOAT or a VARIANT, both are.

use super::decimal_floats;
use super::divisor::Divisor;
use super::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, POWERS_OF_TEN, Result, ScalarFunction, Settings,
    Value, multiply_divide, numbers, rows,
};
use super::temporal::interval_arithmetic;
use crate::SqlType;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::of_session("sf_add", 2..=2, |arguments, settings| {
        binary(Operator::Add, arguments, settings)
    }),
    ScalarFunction::of_session("sf_sub", 2..=2, |arguments, settings| {
        binary(Operator::Subtract, arguments, settings)
    }),
    ScalarFunction::of_session("sf_mul", 2..=2, |arguments, settings| {
        binary(Operator::Multiply, arguments, settings)
    }),
    ScalarFunction::of_session("sf_div", 2..=2, |arguments, settings| {
        binary(Operator::Divide, arguments, settings)
    }),
    ScalarFunction::of_session("sf_mod", 2..=2, remainder),
    ScalarFunction::new("sf_avg_div", 2..=2, |arguments| {
        operator("sf_avg_div", Operator::Divide, arguments)
    }),
    ScalarFunction::new("sf_div0", 2..=2, |arguments| div0(arguments, false)),
    ScalarFunction::new("sf_div0null", 2..=2, |arguments| div0(arguments, true)).sees_nulls(),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// The name of its function.
    fn function(self) -> &'static str {
        match self {
            Self::Add => "sf_add",
            Self::Subtract => "sf_sub",
            Self::Multiply => "sf_mul",
            Self::Divide => "sf_div",
            Self::Remainder => "sf_mod",
        }
    }

    /// How Snowflake names it in its messages.
    pub(super) fn symbol(self) -> &'static str {
        symbol(self.function())
    }
}

/// An operator as it is written; intervals need the session's zone.
pub(super) fn binary(applied: Operator, arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    match interval_arithmetic(applied, arguments, settings) {
        Some(bound) => bound,
        None => operator(applied.function(), applied, arguments),
    }
}

/// The remainder of two operands.
pub(super) fn remainder(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    binary(Operator::Remainder, arguments, settings)
}

/// What an operand counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Number { precision: u8, scale: u8, exact: bool },
    Float,
    DecFloat,
    Date,
}

fn operand(function: &str, argument: &FunctionType, all: &[Argument]) -> Result<Operand> {
    let whole = |precision| Operand::Number {
        precision,
        scale: 0,
        exact: false,
    };
    Ok(match argument {
        FunctionType::Sql(SqlType::Number { precision, scale }) => Operand::Number {
            precision: *precision,
            scale: *scale,
            exact: true,
        },
        FunctionType::Sql(SqlType::Text { .. }) => Operand::Number {
            precision: 18,
            scale: 5,
            exact: false,
        },
        FunctionType::Sql(SqlType::Boolean) | FunctionType::Null => whole(1),
        FunctionType::Sql(SqlType::Float | SqlType::Variant) => Operand::Float,
        FunctionType::Sql(SqlType::DecFloat) => Operand::DecFloat,
        FunctionType::Sql(SqlType::Date) => Operand::Date,
        _ => {
            let types: Vec<&FunctionType> = all.iter().map(|argument| &argument.sql_type).collect();
            return Err(FunctionError::argument_types(symbol(function), &types));
        }
    })
}

/// How Snowflake names an operator in its messages.
fn symbol(function: &str) -> &str {
    match function {
        "sf_add" => "+",
        "sf_sub" => "-",
        "sf_mul" => "*",
        "sf_div" => "/",
        other => other,
    }
}

fn operator(name: &str, operator: Operator, arguments: &[Argument]) -> Result<Bound> {
    let left = operand(name, &arguments[0].sql_type, arguments)?;
    let right = operand(name, &arguments[1].sql_type, arguments)?;
    match (left, right) {
        (
            Operand::Number {
                precision: p1,
                scale: s1,
                exact: e1,
            },
            Operand::Number {
                precision: p2,
                scale: s2,
                exact: e2,
            },
        ) => {
            let shape = Shape::of(operator, (p1, s1), (p2, s2));
            let returns = FunctionType::number(shape.precision, shape.scale);
            if e1 && e2 {
                return shape.bound(returns, &arguments[1]);
            }
            rows(returns, move |row| {
                let left = row[0].to_number()?.rescaled(s1)?.unscaled;
                let right = row[1].to_number()?.rescaled(s2)?.unscaled;
                Ok(Value::Number(Number::new(shape.apply(left, right)?, shape.scale)))
            })
        }
        (Operand::DecFloat, Operand::Number { .. } | Operand::Float | Operand::DecFloat)
        | (Operand::Number { .. } | Operand::Float, Operand::DecFloat) => {
            decimal_floats::calculated(operator)
        }
        (Operand::Date, _) | (_, Operand::Date) => dates(name, operator, left, right, arguments),
        _ => rows(FunctionType::float(), move |row| {
            let (left, right) = (row[0].to_float()?, row[1].to_float()?);
            Ok(Value::Float(match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                Operator::Divide if right == 0.0 => return Err(FunctionError::division_by_zero()),
                Operator::Divide => left / right,
                Operator::Remainder if right == 0.0 => return Err(FunctionError::division_by_zero()),
                Operator::Remainder => left % right,
            }))
        }),
    }
}

/// A day more or less, or the days between two dates.
fn dates(
    name: &str,
    operator: Operator,
    left: Operand,
    right: Operand,
    arguments: &[Argument],
) -> Result<Bound> {
    let moved = |days: i32, by: i64| {
        i32::try_from(i64::from(days) + by)
            .map(Value::Date)
            .map_err(|_| FunctionError::out_of_range(by))
    };
    match (operator, left, right) {
        (Operator::Subtract, Operand::Date, Operand::Date) => {
            rows(FunctionType::number(9, 0), |row| match (&row[0], &row[1]) {
                (Value::Date(left), Value::Date(right)) => {
                    Ok(Value::integer(i64::from(*left) - i64::from(*right)))
                }
                _ => Ok(Value::Null),
            })
        }
        (Operator::Add | Operator::Subtract, Operand::Date, Operand::Number { .. }) => {
            rows(FunctionType::date(), move |row| {
                let Value::Date(days) = row[0] else {
                    return Ok(Value::Null);
                };
                let by = row[1].to_integer()?;
                moved(days, if operator == Operator::Add { by } else { -by })
            })
        }
        (Operator::Add, Operand::Number { .. }, Operand::Date) => rows(FunctionType::date(), move |row| {
            let Value::Date(days) = row[1] else {
                return Ok(Value::Null);
            };
            moved(days, row[0].to_integer()?)
        }),
        _ => {
            let types: Vec<&FunctionType> = arguments.iter().map(|argument| &argument.sql_type).collect();
            Err(FunctionError::argument_types(symbol(name), &types))
        }
    }
}

/// The arithmetic of one operator on unscaled values of known scales.
#[derive(Clone, Copy, Debug)]
struct Shape {
    operator: Operator,
    precision: u8,
    scale: u8,
    /// For sums and remainders what brings an operand to the result's scale; for a product the divisor, for a
    /// quotient the factor, that does so with the result.
    left_factor: i128,
    right_factor: i128,
}

impl Shape {
    fn of(operator: Operator, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> Self {
        let (l1, l2) = (p1 - s1, p2 - s2);
        let power = |exponent: u8| POWERS_OF_TEN[usize::from(exponent)];
        let (leading, scale, left_factor, right_factor) = match operator {
            Operator::Add | Operator::Subtract | Operator::Remainder => {
                let scale = s1.max(s2);
                let carry = u8::from(operator != Operator::Remainder);
                (l1.max(l2) + carry, scale, power(scale - s1), power(scale - s2))
            }
            Operator::Multiply => {
                let scale = (s1 + s2).min(s1.max(s2).max(12)).min(37);
                (l1 + l2, scale, power((s1 + s2 - scale).min(38)), 1)
            }
            Operator::Divide => {
                let scale = s1.max((s1 + 6).min(12));
                (l1 + s2, scale, power((scale - s1 + s2).min(38)), 1)
            }
        };
        Self {
            operator,
            precision: leading.saturating_add(scale).clamp(1, 38),
            scale,
            left_factor,
            right_factor,
        }
    }

    /// What a remainder divides by, when it is known from the beginning and the dividends need not be aligned.
    fn constant_divisor(&self, right: &Argument) -> Option<Divisor> {
        let Some(Value::Number(number)) = &right.constant else {
            return None;
        };
        if self.operator != Operator::Remainder || self.left_factor != 1 {
            return None;
        }
        let aligned = number.unscaled.checked_mul(self.right_factor)?;
        Divisor::new(u64::try_from(aligned.unsigned_abs()).ok()?)
    }

    /// The call for two columns of numbers.
    fn bound(self, returns: FunctionType, right: &Argument) -> Result<Bound> {
        let of_any = move |left, right| self.apply(left, right);
        let is_aligned = self.left_factor == 1 && self.right_factor == 1;
        // None of these leaves 128 bits, or the digits of its type.
        match self.operator {
            Operator::Add if is_aligned => numbers(
                returns,
                Some(|left, right| i128::from(left) + i128::from(right)),
                of_any,
            ),
            Operator::Subtract if is_aligned => numbers(
                returns,
                Some(|left, right| i128::from(left) - i128::from(right)),
                of_any,
            ),
            Operator::Multiply if is_aligned => numbers(
                returns,
                Some(|left, right| i128::from(left) * i128::from(right)),
                of_any,
            ),
            Operator::Remainder => match self.constant_divisor(right) {
                Some(Divisor::Short(divisor)) => {
                    let of_words = move |left, _| i128::from(divisor.remainder(left));
                    numbers(returns, Some(of_words), of_any)
                }
                Some(Divisor::Long(divisor)) => {
                    let of_words = move |left, _| i128::from(divisor.remainder(left));
                    numbers(returns, Some(of_words), of_any)
                }
                None => numbers(returns, None::<fn(i64, i64) -> i128>, of_any),
            },
            _ => numbers(returns, None::<fn(i64, i64) -> i128>, of_any),
        }
    }

    fn apply(&self, left: i128, right: i128) -> Result<i128> {
        let overflow = || {
            let operator = self.operator;
            FunctionError::overflow(self.scale, format_args!("of {operator:?} of {left} and {right}"))
        };
        let aligned = || {
            let left = left.checked_mul(self.left_factor)?;
            Some((left, right.checked_mul(self.right_factor)?))
        };
        match self.operator {
            Operator::Add => aligned()
                .and_then(|(left, right)| left.checked_add(right))
                .ok_or_else(overflow),
            Operator::Subtract => aligned()
                .and_then(|(left, right)| left.checked_sub(right))
                .ok_or_else(overflow),
            Operator::Multiply if self.left_factor == 1 => left.checked_mul(right).ok_or_else(overflow),
            Operator::Multiply => multiply_divide(left, right, self.left_factor).ok_or_else(overflow),
            Operator::Divide | Operator::Remainder if right == 0 => Err(FunctionError::division_by_zero()),
            Operator::Divide => multiply_divide(left, self.left_factor, right).ok_or_else(overflow),
            Operator::Remainder => aligned().map(|(left, right)| left % right).ok_or_else(overflow),
        }
    }
}

/// A quotient that is 0 where the divisor is 0 (or, for DIV0NULL, NULL).
fn div0(arguments: &[Argument], null_divisor_counts: bool) -> Result<Bound> {
    let Bound { returns, .. } = operator("sf_div", Operator::Divide, arguments)?;
    if returns == FunctionType::decfloat() {
        return decimal_floats::div0(null_divisor_counts);
    }
    let is_float = returns == FunctionType::float();
    let scales = arguments.iter().map(|argument| match argument.sql_type {
        FunctionType::Sql(SqlType::Number { precision, scale }) => (precision, scale),
        FunctionType::Sql(SqlType::Text { .. }) => (18, 5),
        _ => (1, 0),
    });
    let scales: Vec<(u8, u8)> = scales.collect();
    let shape = Shape::of(Operator::Divide, scales[0], scales[1]);
    rows(returns, move |row| {
        if row[0].is_null() || (row[1].is_null() && !null_divisor_counts) {
            return Ok(Value::Null);
        }
        let zero_divisor = row[1].is_null() || row[1].to_float()? == 0.0;
        if is_float {
            let quotient = if zero_divisor {
                0.0
            } else {
                row[0].to_float()? / row[1].to_float()?
            };
            return Ok(Value::Float(quotient));
        }
        if zero_divisor {
            return Ok(Value::Number(Number::new(0, shape.scale)));
        }
        let left = row[0].to_number()?.rescaled(scales[0].1)?.unscaled;
        let right = row[1].to_number()?.rescaled(scales[1].1)?.unscaled;
        Ok(Value::Number(Number::new(shape.apply(left, right)?, shape.scale)))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn remainders_by_a_constant() {
        let column = "FROM (SELECT i::DECIMAL(38,0) AS x FROM range(-3, 3) AS r(i))";
        check(
            &format!("string_agg(sf_mod(x, -2), ' ') {column}"),
            "-1 0 -1 0 1 0",
        );
        check(
            &format!("string_agg(sf_mod(x * 1.5, 2), ' ') {column}"),
            "-0.5 -1.0 -1.5 0.0 1.5 1.0",
        );
        check(
            &format!("string_agg(sf_mod(x, 1.5), ' ') {column}"),
            "0.0 -0.5 -1.0 0.0 1.0 0.5",
        );
    }

    #[test]
    fn quotients_have_six_digits_more() {
        check("sf_div(1, 3)", "0.333333");
        check("sf_div(2, 3)", "0.666667");
        check("sf_div(-2, 3)", "-0.666667");
        check("sf_div(1::DECIMAL(10,2), 3)", "0.33333333");
        check("sf_div(1::DECIMAL(38,12), 3)", "0.333333333333");
        check(
            "sf_div(99999999999999999999999999999999::DECIMAL(38,0), 7)",
            "14285714285714285714285714285714.142857",
        );
        check("sf_avg_div(7::HUGEINT, 2)", "3.500000");
        check("sf_div(1.0::DOUBLE, 4)", "0.25");
        check("sf_div(NULL, 4)", "NULL");
        check_error("sf_div(1, 0)", 100_051, "Division by zero");
        check_error("sf_div(1::DOUBLE, 0)", 100_051, "Division by zero");
    }

    #[test]
    fn sums_and_products() {
        check("sf_add(1, 2)", "3");
        check("sf_add(1.25, 2)", "3.25");
        check("sf_sub(1, 2.5)", "-1.5");
        check("sf_add('5', 1)", "6.00000");
        check("sf_mul(1.5, 1.5)", "2.25");
        check(
            "sf_mul(0.1234567::DECIMAL(10,7), 0.1234567::DECIMAL(10,7))",
            "0.015241556775",
        );
        check(
            "sf_mul(12345678901234567890::DECIMAL(38,0), 1000)",
            "12345678901234567890000",
        );
        check("sf_add(9223372036854775807::BIGINT, 1)", "9223372036854775808");
        check("sf_mod(7, 3)", "1");
        check("sf_mod(-7, 3)", "-1");
        check("sf_mod(5.5, 2)", "1.5");
        check("sf_mod((-9223372036854775808)::BIGINT, -1)", "0");
        check(
            "sf_sub((-9223372036854775808)::BIGINT, 1)",
            "-9223372036854775809",
        );
        check(
            "sf_mul(9223372036854775807::BIGINT, 9223372036854775807::BIGINT)",
            "85070591730234615847396907784232501249",
        );
        check("sf_mod(12345678901234567890123::DECIMAL(38,0), 1000)", "123");
        check_error("sf_mod(5, 0)", 100_051, "Division by zero");
        check_error("sf_add('x', 1)", 100_038, "Numeric value 'x' is not recognized");
        let largest = "99999999999999999999999999999999999999::DECIMAL(38,0)";
        assert!(crate::functions::testing::evaluate(&format!("sf_add({largest}, {largest})")).is_err());
    }

    #[test]
    fn dates_move_by_days() {
        check("sf_add(DATE '2024-02-28', 2)", "2024-03-01");
        check("sf_sub(DATE '2024-03-01', 1)", "2024-02-29");
        check("sf_sub(DATE '2024-03-01', DATE '2024-01-01')", "60");
        check_error(
            "sf_mul(DATE '2024-03-01', 2)",
            1_044,
            "Invalid argument types for function '*': (DATE, NUMBER(10,0))",
        );
    }

    #[test]
    fn div0_is_zero() {
        check("sf_div0(1, 0)", "0.000000");
        check("sf_div0(1, 2)", "0.500000");
        check("sf_div0(1, NULL)", "NULL");
        check("sf_div0null(1, NULL)", "0.000000");
    }
}

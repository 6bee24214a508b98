//! Rounding and mathematics.

use super::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, POWERS_OF_TEN, Result, ScalarFunction, Value, rows,
};
use crate::{DecFloat, SqlType};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_abs", 1..=1, abs),
    ScalarFunction::new("sf_ceil", 1..=2, |arguments| rounding(arguments, Rounding::Up)),
    ScalarFunction::new("sf_floor", 1..=2, |arguments| rounding(arguments, Rounding::Down)),
    ScalarFunction::new("sf_trunc", 1..=2, |arguments| {
        rounding(arguments, Rounding::TowardZero)
    }),
    ScalarFunction::new("sf_round", 1..=3, round),
    ScalarFunction::new("sf_factorial", 1..=1, factorial),
    ScalarFunction::new("sf_haversine", 4..=4, haversine),
    ScalarFunction::new("sf_square", 1..=1, |_| float(|x, _| Ok(x * x))),
    ScalarFunction::new("sf_sqrt", 1..=1, |_| {
        float(|x, _| {
            if x < 0.0 {
                Err(invalid("sqrt", x))
            } else {
                Ok(x.sqrt())
            }
        })
    }),
    ScalarFunction::new("sf_ln", 1..=1, |_| {
        float(|x, _| {
            if x <= 0.0 {
                Err(invalid("ln", x))
            } else {
                Ok(x.ln())
            }
        })
    }),
    ScalarFunction::new("sf_log", 2..=2, |_| float(logarithm)),
    ScalarFunction::new("sf_power", 2..=2, |_| float(|x, y| Ok(x.powf(y)))),
    ScalarFunction::new("sf_width_bucket", 4..=4, width_bucket),
];

fn number_type(argument: &Argument) -> Option<(u8, u8)> {
    match &argument.sql_type {
        FunctionType::Sql(SqlType::Number { precision, scale }) => Some((*precision, *scale)),
        _ => None,
    }
}

/// A FLOAT of one or two FLOATs; a missing second is 0.
fn float(compute: impl Fn(f64, f64) -> Result<f64> + Send + Sync + 'static) -> Result<Bound> {
    rows(FunctionType::float(), move |row| {
        let second = row.get(1).map_or(Ok(0.0), Value::to_float)?;
        compute(row[0].to_float()?, second).map(Value::Float)
    })
}

/// 100047: outside of a function's domain.
fn invalid(function: &str, argument: f64) -> FunctionError {
    FunctionError::new(
        100_047,
        format!("Invalid floating point operation: {function}({argument})"),
    )
}

fn logarithm(base: f64, x: f64) -> Result<f64> {
    // A base of 1 has a logarithm of 0, by which nothing can be divided.
    if base <= 0.0 || base.ln() == 0.0 || x <= 0.0 {
        return Err(FunctionError::new(
            100_047,
            format!("Invalid floating point operation: log({base},{x})"),
        ));
    }
    Ok(x.ln() / base.ln())
}

fn is_decfloat(argument: &Argument) -> bool {
    argument.sql_type == FunctionType::decfloat()
}

fn abs(arguments: &[Argument]) -> Result<Bound> {
    if is_decfloat(&arguments[0]) {
        return rows(FunctionType::decfloat(), |row| {
            Ok(Value::DecFloat(row[0].to_decfloat()?.abs()))
        });
    }
    match number_type(&arguments[0]) {
        Some((precision, scale)) => rows(FunctionType::number(precision, scale), |row| {
            let number = row[0].to_number()?;
            Ok(Value::Number(Number::new(number.unscaled.abs(), number.scale)))
        }),
        None => float(|x, _| Ok(x.abs())),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    Up,
    Down,
    TowardZero,
    HalfAwayFromZero,
    HalfToEven,
}

fn round(arguments: &[Argument]) -> Result<Bound> {
    let mode = match arguments.get(2) {
        None => Rounding::HalfAwayFromZero,
        Some(mode) => match mode.constant_text("sf_round", 3)?.to_uppercase().as_str() {
            "HALF_AWAY_FROM_ZERO" => Rounding::HalfAwayFromZero,
            "HALF_TO_EVEN" => Rounding::HalfToEven,
            other => {
                let message = format!("Invalid rounding mode '{other}' for function ROUND");
                return Err(FunctionError::new(1_045, message));
            }
        },
    };
    rounding(&arguments[..arguments.len().min(2)], mode)
}

/// `f(value[, scale])`: the result keeps as many decimals as are asked for, or its own where that is no constant.
fn rounding(arguments: &[Argument], mode: Rounding) -> Result<Bound> {
    if is_decfloat(&arguments[0]) {
        return rows(FunctionType::decfloat(), move |row| {
            let digits = row.get(1).map_or(Ok(0), Value::to_integer)?;
            rounded_decfloat(row[0].to_decfloat()?, digits, mode).map(Value::DecFloat)
        });
    }
    let Some((precision, scale)) = number_type(&arguments[0]) else {
        return rows(FunctionType::float(), move |row| {
            let digits = row.get(1).map_or(Ok(0), Value::to_integer)?;
            Ok(Value::Float(rounded_float(row[0].to_float()?, digits, mode)))
        });
    };
    let constant = match arguments.get(1) {
        None => Some(0),
        Some(Argument {
            constant: Some(Value::Null),
            ..
        }) => None,
        Some(argument) if argument.constant.is_some() => Some(argument.constant_integer("sf_round", 2)?),
        Some(_) => None,
    };
    let kept = constant.map_or(scale, |digits| digits.clamp(0, i64::from(scale)) as u8);
    // Rounding 9.9 gives a digit more before the point.
    let returns = FunctionType::number((precision - scale + kept + 1).min(38), kept);
    rows(returns, move |row| {
        let digits = row.get(1).map_or(Ok(0), Value::to_integer)?;
        rounded(row[0].to_number()?, digits, mode)?
            .rescaled(kept)
            .map(Value::Number)
    })
}

fn rounded(number: Number, digits: i64, mode: Rounding) -> Result<Number> {
    let dropped = i64::from(number.scale) - digits;
    if dropped <= 0 {
        return Ok(number);
    }
    let Some(unit) = usize::try_from(dropped)
        .ok()
        .and_then(|dropped| POWERS_OF_TEN.get(dropped))
        .copied()
    else {
        return Ok(Number::new(0, number.scale));
    };
    let (quotient, remainder) = (number.unscaled.div_euclid(unit), number.unscaled.rem_euclid(unit));
    let up = match mode {
        Rounding::Up => remainder > 0,
        Rounding::Down => false,
        Rounding::TowardZero => remainder > 0 && number.unscaled < 0,
        Rounding::HalfAwayFromZero => {
            remainder > unit - remainder || (remainder == unit - remainder && number.unscaled > 0)
        }
        Rounding::HalfToEven => {
            remainder > unit - remainder || (remainder == unit - remainder && quotient % 2 != 0)
        }
    };
    (quotient + i128::from(up))
        .checked_mul(unit)
        .map(|unscaled| Number::new(unscaled, number.scale))
        .ok_or_else(|| FunctionError::out_of_range(number))
}

fn rounded_decfloat(value: DecFloat, digits: i64, mode: Rounding) -> Result<DecFloat> {
    let places = digits.clamp(-20_000, 20_000) as i32;
    let rounded = match mode {
        Rounding::Up => value.ceil(places),
        Rounding::Down => value.floor(places),
        Rounding::TowardZero => Ok(value.truncated(places)),
        Rounding::HalfAwayFromZero => value.round(places),
        Rounding::HalfToEven => value.round_ties_even(places),
    };
    rounded.map_err(FunctionError::decfloat)
}

fn rounded_float(value: f64, digits: i64, mode: Rounding) -> f64 {
    let factor = 10_f64.powi(digits.clamp(-300, 300) as i32);
    let scaled = value * factor;
    let whole = match mode {
        Rounding::Up => scaled.ceil(),
        Rounding::Down => scaled.floor(),
        Rounding::TowardZero => scaled.trunc(),
        Rounding::HalfAwayFromZero => scaled.round(),
        Rounding::HalfToEven => scaled.round_ties_even(),
    };
    if whole.is_finite() { whole / factor } else { value }
}

fn factorial(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::number(38, 0), |row| {
        let n = row[0].to_integer()?;
        if !(0..=33).contains(&n) {
            let message = format!("Invalid argument for function FACTORIAL: {n}; it must be from 0 to 33");
            return Err(FunctionError::new(100_047, message));
        }
        Ok(Value::integer((1..=i128::from(n)).product::<i128>()))
    })
}

/// Kilometres between two points given by latitude and longitude in degrees, on a sphere of 6371 km.
fn haversine(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::float(), |row| {
        let degrees = row.iter().map(Value::to_float).collect::<Result<Vec<f64>>>()?;
        let [lat1, lon1, lat2, lon2] = [degrees[0], degrees[1], degrees[2], degrees[3]].map(f64::to_radians);
        let square = |angle: f64| (angle / 2.0).sin().powi(2);
        let chord = square(lat2 - lat1) + lat1.cos() * lat2.cos() * square(lon2 - lon1);
        Ok(Value::Float(2.0 * 6_371.0 * chord.sqrt().asin()))
    })
}

/// The number of the bucket, of `count` equal ones from `low` to `high`; 0 and `count + 1` are outside.
fn width_bucket(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::number(38, 0), |row| {
        let (value, low, high) = (row[0].to_float()?, row[1].to_float()?, row[2].to_float()?);
        let count = row[3].to_integer()?;
        if count <= 0 || low >= high {
            let message = "Invalid range or number of buckets for function WIDTH_BUCKET";
            return Err(FunctionError::new(100_047, message));
        }
        let bucket = if value < low {
            0
        } else if value >= high {
            count + 1
        } else {
            ((value - low) / (high - low) * count as f64).floor() as i64 + 1
        };
        Ok(Value::integer(bucket))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn rounds() {
        check("sf_round(135.135)", "135");
        check("sf_round(135.135, 1)", "135.1");
        check("sf_round(135.135, 2)", "135.14");
        check("sf_round(135.135, -2)", "100");
        check("sf_round(-2.5)", "-3");
        check("sf_round(2.5, 0, 'HALF_TO_EVEN')", "2");
        check("sf_round(-0.5, 0, 'half_to_even')", "0");
        check("sf_round(2.5::DOUBLE)", "3.0");
        check("sf_round('2.345', 2)", "2.35");
        check("sf_round(99.9)", "100");
        check("sf_round(x, n) FROM (SELECT 1.2345 AS x, 2 AS n)", "1.2300");
    }

    #[test]
    fn decimal_floats_are_rounded_exactly() {
        let text = |call: &str| format!("sf_to_varchar({call})");
        check(&text("sf_round(sf_to_decfloat('2.5'))"), "3");
        check(&text("sf_round(sf_to_decfloat('2.5'), 0, 'HALF_TO_EVEN')"), "2");
        check(&text("sf_round(sf_to_decfloat('1234.565'), 2)"), "1234.57");
        check(&text("sf_ceil(sf_to_decfloat('-1e-100'))"), "0");
        check(&text("sf_floor(sf_to_decfloat('-1e-100'))"), "-1");
        check(&text("sf_abs(sf_to_decfloat('-1e100'))"), "1E100");
    }

    #[test]
    fn ceilings_and_floors() {
        check("sf_ceil(135.135)", "136");
        check("sf_ceil(-975.975)", "-975");
        check("sf_ceil(135.135, 1)", "135.2");
        check("sf_ceil(135.135, -2)", "200");
        check("sf_floor(-975.975)", "-976");
        check("sf_floor(135.135, 2)", "135.13");
        check("sf_trunc(-975.975)", "-975");
        check("sf_trunc(135.135, -1)", "130");
        check("sf_trunc(135.135, 5)", "135.135");
        check("sf_floor(2.7::DOUBLE)", "2.0");
    }

    #[test]
    fn mathematics() {
        check("sf_factorial(0)", "1");
        check("sf_factorial(10)", "3628800");
        check("sf_factorial(33)", "8683317618811886495518194401280000000");
        check("sf_power(2, 10)", "1024.0");
        check("sf_square(-2.0)", "4.0");
        check(
            "round(sf_haversine(40.7127, -74.0059, 34.0500, -118.2500), 6)",
            "3936.385096",
        );
        check("sf_log(10, 1000) BETWEEN 2.999999 AND 3.000001", "true");
        check("sf_width_bucket(290000.00, 200000, 600000, 4)", "1");
        check("sf_width_bucket(600000, 200000, 600000, 4)", "5");
        check("sf_width_bucket(1, 200000, 600000, 4)", "0");
        check("sf_abs(-5.25)", "5.25");
        check("sf_abs('-5')", "5.0");
        check_error(
            "sf_sqrt(-1)",
            100_047,
            "Invalid floating point operation: sqrt(-1)",
        );
    }
}

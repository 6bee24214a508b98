//! Calculating with DECFLOAT: the operators, and what the lowering puts around the engine's `list` for SUM and AVG.

use super::arithmetic::Operator;
use super::framework::{Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows};
use crate::{DecFloat, DecFloatError};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_decfloat_sum", 1..=1, sum),
    ScalarFunction::new("sf_decfloat_avg", 1..=1, average),
];

/// Where one operand is a DECFLOAT, both are.
pub(super) fn calculated(operator: Operator) -> Result<Bound> {
    rows(FunctionType::decfloat(), move |row| {
        let (left, right) = (row[0].to_decfloat()?, row[1].to_decfloat()?);
        match operator {
            Operator::Add => left.plus(right),
            Operator::Subtract => left.subtract(right),
            Operator::Multiply => left.multiply(right),
            Operator::Divide => left.divide(right),
            Operator::Remainder => left.remainder(right),
        }
        .map(Value::DecFloat)
        .map_err(FunctionError::decfloat)
    })
}

/// A quotient that is 0 where the divisor is 0, or NULL when that counts.
pub(super) fn div0(null_divisor_counts: bool) -> Result<Bound> {
    rows(FunctionType::decfloat(), move |row| {
        if row[0].is_null() || (row[1].is_null() && !null_divisor_counts) {
            return Ok(Value::Null);
        }
        let dividend = row[0].to_decfloat()?;
        let divisor = if row[1].is_null() {
            DecFloat::default()
        } else {
            row[1].to_decfloat()?
        };
        match dividend.divide(divisor) {
            Err(DecFloatError::DivisionByZero) => Ok(Value::DecFloat(DecFloat::default())),
            quotient => quotient.map(Value::DecFloat).map_err(FunctionError::decfloat),
        }
    })
}

/// The sum of a list of texts; NULL of none.
fn sum(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::decfloat(), |row| {
        Ok(total(&row[0])?.map_or(Value::Null, |(total, _)| Value::DecFloat(total)))
    })
}

/// Their mean.
fn average(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::decfloat(), |row| {
        let Some((total, count)) = total(&row[0])? else {
            return Ok(Value::Null);
        };
        let mean = total.divide(DecFloat::from_unscaled(count, 0));
        mean.map(Value::DecFloat).map_err(FunctionError::decfloat)
    })
}

fn total(list: &Value<'_>) -> Result<Option<(DecFloat, i128)>> {
    let Value::TextList(texts) = list else {
        return Ok(None);
    };
    let mut sum: Option<(DecFloat, i128)> = None;
    for text in texts.iter().flatten() {
        let value = Value::text(text).to_decfloat()?;
        let (total, count) = sum.unwrap_or_default();
        sum = Some((total.plus(value).map_err(FunctionError::decfloat)?, count + 1));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn sums_are_exact() {
        check(
            "sf_to_varchar(sf_decfloat_sum(['0.1', NULL, '0.2', '1e20']))",
            "100000000000000000000.3",
        );
        check("sf_to_varchar(sf_decfloat_avg(['1', '2', NULL]))", "1.5");
        check("sf_decfloat_sum([NULL::VARCHAR])", "NULL");
    }

    #[test]
    fn decimal_floats_win() {
        let text = |call: &str| format!("sf_to_varchar({call})");
        check(
            &text("sf_add(sf_to_decfloat('1e30'), 1)"),
            "1000000000000000000000000000001",
        );
        check(
            &text("sf_div(1, sf_to_decfloat('3'))"),
            "0.33333333333333333333333333333333333333",
        );
        check(&text("sf_mul(sf_to_decfloat('1e300'), 2.5::DOUBLE)"), "2.5E300");
        check(&text("sf_sub('5', sf_to_decfloat('0.5'))"), "4.5");
        check(&text("sf_mod(sf_to_decfloat('7.5'), 2)"), "1.5");
        check(&text("sf_div0(sf_to_decfloat('1'), 0)"), "0");
        check_error("sf_div(sf_to_decfloat('1'), 0)", 100_051, "Division by zero");
        check_error(
            "sf_mul(sf_to_decfloat('1e16000'), sf_to_decfloat('1e16000'))",
            100_046,
            "Number out of representable range: type DECFLOAT{nullable}",
        );
    }

    #[test]
    fn decimal_floats_sort_and_compare_as_numbers() {
        let numbers = "(VALUES ('10'), ('9'), ('-1e50'), ('1e-50'), ('10.0')) AS t(x)";
        check(
            &format!(
                "string_agg(sf_to_varchar(d), ' ' ORDER BY d) FROM (SELECT sf_to_decfloat(x) AS d FROM {numbers})"
            ),
            "-1E50 1E-50 9 10 10",
        );
        check(
            &format!("count(DISTINCT d) FROM (SELECT sf_to_decfloat(x) AS d FROM {numbers})"),
            "4",
        );
        check("sf_to_decfloat('1.0') = sf_to_decfloat(1)", "true");
        check(
            &format!("sf_to_varchar(max(d)) FROM (SELECT sf_to_decfloat(x) AS d FROM {numbers})"),
            "10",
        );
    }

    #[test]
    fn decimal_floats_meet_other_values() {
        for value in ["'1.50'", "1", "1::BIGINT", "1.5::DOUBLE"] {
            let call =
                format!("sf_to_varchar(coalesce(CAST(NULL AS sf_decfloat), CAST({value} AS sf_decfloat)))");
            check(&call, if value.contains(".5") { "1.5" } else { "1" });
        }
        check("TRY_CAST('x' AS sf_decfloat) IS NULL", "true");
        check("CAST(sf_to_decfloat('1e60') AS VARCHAR)", "1E60");
        check_error(
            "CAST('x' AS sf_decfloat)",
            100_038,
            "Numeric value 'x' is not recognized",
        );
    }
}

//! What the lowering puts around the engine's `list` for SUM and AVG of DECFLOAT.

use super::framework::{Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows};
use crate::DecFloat;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_decfloat_sum", 1..=1, sum),
    ScalarFunction::new("sf_decfloat_avg", 1..=1, average),
];

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
        sum = Some((total.add(value).map_err(FunctionError::decfloat)?, count + 1));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn sums_are_exact() {
        check(
            "sf_to_varchar(sf_decfloat_sum(['0.1', NULL, '0.2', '1e20']))",
            "100000000000000000000.3",
        );
        check("sf_to_varchar(sf_decfloat_avg(['1', '2', NULL]))", "1.5");
        check("sf_decfloat_sum([NULL::VARCHAR])", "NULL");
    }
}

//! Bits of 64-bit integers.

use super::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value, rows};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_bitand", 2..=2, |_| integers(|left, right| left & right)),
    ScalarFunction::new("sf_bitor", 2..=2, |_| integers(|left, right| left | right)),
    ScalarFunction::new("sf_bitxor", 2..=2, |_| integers(|left, right| left ^ right)),
    ScalarFunction::new("sf_bitshiftleft", 2..=2, |_| {
        integers(|value, by| shifted(value, by, i64::checked_shl))
    }),
    ScalarFunction::new("sf_bitshiftright", 2..=2, |_| {
        integers(|value, by| shifted(value, by, i64::checked_shr))
    }),
    ScalarFunction::new("sf_getbit", 2..=2, |_| {
        integers(|value, position| {
            u32::try_from(position).ok().map_or(0, |position| {
                value.checked_shr(position).unwrap_or(value >> 63) & 1
            })
        })
    }),
    ScalarFunction::new("sf_bitnot", 1..=1, not),
];

fn integers(compute: impl Fn(i64, i64) -> i64 + Send + Sync + 'static) -> Result<Bound> {
    rows(FunctionType::number(38, 0), move |row| {
        Ok(Value::integer(compute(
            row[0].to_integer()?,
            row[1].to_integer()?,
        )))
    })
}

fn shifted(value: i64, by: i64, shift: fn(i64, u32) -> Option<i64>) -> i64 {
    u32::try_from(by)
        .ok()
        .and_then(|by| shift(value, by))
        .unwrap_or(0)
}

fn not(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::number(38, 0), |row| {
        Ok(Value::integer(!row[0].to_integer()?))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn bits() {
        check("sf_bitand(12, 10)", "8");
        check("sf_bitor(12, '10')", "14");
        check("sf_bitxor(12, 10)", "6");
        check("sf_bitnot(5)", "-6");
        check("sf_bitshiftleft(1, 10)", "1024");
        check("sf_bitshiftright(-16, 2)", "-4");
        check("sf_bitshiftleft(1, 64)", "0");
        check("sf_getbit(11, 3)", "1");
        check("sf_getbit(11, 2)", "0");
        check("sf_bitand(NULL, 1)", "NULL");
    }
}

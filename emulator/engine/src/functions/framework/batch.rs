//! Arithmetic on two columns of numbers at a time.
//!
//! Where a chunk has neither NULLs nor narrow numbers, the loop reads the engine's own vectors and writes into them.

use std::borrow::Cow;
use std::convert::Infallible;

use super::definition::NumberFunction;
use super::{Bound, Call, FunctionError, FunctionType, Number, POWERS_OF_TEN, Result};
use crate::SqlType;
use crate::duckdb::{Filled, Slots, Words, of_words, to_words};

/// The unscaled numbers of an argument in a chunk of rows.
pub(super) enum Numbers<'chunk> {
    /// All rows have the same.
    Same(i128),
    /// Each has its own; a row that is NULL has zero.
    Each(Cow<'chunk, [Words]>),
}

/// Two columns of unscaled numbers and the one made of them.
pub(crate) struct NumberColumns<'chunk> {
    pub(super) left: Numbers<'chunk>,
    pub(super) right: Numbers<'chunk>,
    /// Rows in which neither is NULL; the others have no result. None where no row is NULL.
    pub(super) valid: Option<&'chunk [bool]>,
    pub(super) result: Slots<'chunk>,
}

impl Numbers<'_> {
    /// Whether the first is not negative and fits half a machine word. So do most others then, in most columns.
    pub(super) fn begins_with_half(&self) -> bool {
        match self {
            Self::Same(number) => u32::try_from(*number).is_ok(),
            Self::Each(numbers) => numbers
                .first()
                .is_none_or(|[low, high]| low >> 32 == 0 && *high == 0),
        }
    }
}

/// A call over two number columns, computed on unscaled values, none of which is NULL.
///
/// `of_words` computes what `of_any` does for operands that fit machine words, where that cannot fail and fits the type
/// `returns`. A result of `of_any` with more digits than that type fails the call.
pub(crate) fn numbers(
    returns: FunctionType,
    of_words: Option<impl Fn(i64, i64) -> i128 + Send + Sync + 'static>,
    of_any: impl Fn(i128, i128) -> Result<i128> + Send + Sync + 'static,
) -> Result<Bound> {
    let FunctionType::Sql(SqlType::Number { precision, scale }) = returns else {
        return Err(FunctionError::defect("arithmetic gives a number"));
    };
    let limit = POWERS_OF_TEN[usize::from(precision)];
    let within = move |left: i128, right: i128| {
        let number = of_any(left, right)?;
        if -limit < number && number < limit {
            return Ok(number);
        }
        Err(FunctionError::overflow(scale, Number::new(number, scale)))
    };
    // The loops are here and not with the caller, so that its closures are inlined into them.
    let columns = move |columns: NumberColumns<'_>| match &of_words {
        Some(of_words) => fill_by_width(columns, of_words, &within),
        None => fill(columns, &within),
    };
    Ok(Bound {
        returns,
        call: Call::Numbers(Box::new(columns)),
    })
}

/// What a call over number columns gives for one pair of numbers, at the scale of its result.
pub(crate) fn number_of_pair(
    call: &NumberFunction,
    left: Number,
    right: Number,
    scale: u8,
) -> Result<Number> {
    let mut result = [Words::default()];
    call(NumberColumns {
        left: Numbers::Same(left.unscaled),
        right: Numbers::Same(right.unscaled),
        valid: None,
        result: Slots::of(&mut result),
    })?;
    Ok(Number::new(of_words(result[0]), scale))
}

/// Computes numbers for what they are while they are looked at, and again for more where one of them is more.
fn fill_by_width(
    mut columns: NumberColumns<'_>,
    of_words: impl Fn(i64, i64) -> i128,
    of_any: &impl Fn(i128, i128) -> Result<i128>,
) -> Result<Filled> {
    if columns.left.begins_with_half() && columns.right.begins_with_half() {
        let mut all = Words::default();
        // What is known of their size takes the other cases out of the inlined computation.
        let half = |[low, high]: Words| {
            all = [all[0] | low, all[1] | high];
            i64::from(low as u32)
        };
        let filled = fill_of_words(&mut columns, half, &of_words);
        if all[0] >> 32 == 0 && all[1] == 0 {
            return Ok(filled);
        }
    }
    let mut beyond = 0;
    let word = |[low, high]: Words| {
        let sign = ((low as i64) >> 63) as u64;
        beyond |= high ^ sign;
        low as i64
    };
    let filled = fill_of_words(&mut columns, word, &of_words);
    if beyond == 0 {
        return Ok(filled);
    }
    fill(columns, of_any)
}

/// Computes all rows; one that is NULL has some number, too. `narrow` looks at each number and gives what it has for it.
#[inline]
fn fill_of_words(
    columns: &mut NumberColumns<'_>,
    mut narrow: impl FnMut(Words) -> i64,
    compute: impl Fn(i64, i64) -> i128,
) -> Filled {
    let result = columns.result.again();
    let computed = |left: i64, right: i64| to_words(compute(left, right));
    match (&columns.left, &columns.right) {
        (Numbers::Same(left), Numbers::Same(right)) => {
            let (left, right) = (narrow(to_words(*left)), narrow(to_words(*right)));
            result.repeat(computed(left, right))
        }
        (Numbers::Each(left), Numbers::Same(right)) => {
            let right = narrow(to_words(*right));
            result.map(left, |left| computed(narrow(*left), right))
        }
        (Numbers::Same(left), Numbers::Each(right)) => {
            let left = narrow(to_words(*left));
            result.map(right, |right| computed(left, narrow(*right)))
        }
        (Numbers::Each(left), Numbers::Each(right)) => {
            let both = left.iter().zip(right.iter());
            let Ok(filled) = result
                .fill(both.map(|(left, right)| Ok::<_, Infallible>(computed(narrow(*left), narrow(*right)))));
            filled
        }
    }
}

/// Computes the rows that are not NULL; the others have zero.
fn fill(columns: NumberColumns<'_>, compute: &impl Fn(i128, i128) -> Result<i128>) -> Result<Filled> {
    let NumberColumns {
        left,
        right,
        valid,
        result,
    } = columns;
    let at = |numbers: &Numbers<'_>, row: usize| match numbers {
        Numbers::Same(number) => *number,
        Numbers::Each(numbers) => of_words(numbers[row]),
    };
    result.fill((0..).map(|row| {
        if valid.is_none_or(|valid| valid[row]) {
            compute(at(&left, row), at(&right, row)).map(to_words)
        } else {
            Ok(Words::default())
        }
    }))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn nulls_in_columns() {
        check("sum(sf_add(x, 1)) FROM (VALUES (1), (NULL), (3)) AS t(x)", "6");
        // A vector without NULLs, one with a constant beside it, one that is NULL throughout.
        let wide = "FROM (SELECT i::DECIMAL(38,0) AS x FROM range(5000) AS r(i))";
        check(&format!("sum(sf_add(x, x)) {wide}"), "24995000");
        check(&format!("count(*) {wide} WHERE sf_mod(x, 50) = 3"), "100");
        check(&format!("count(sf_add(x, NULL::DECIMAL(38,0))) {wide}"), "0");
        check(
            "count(sf_mul(x, x)) FROM (SELECT CASE WHEN i % 3 = 0 THEN i END AS x FROM range(5000) AS r(i))",
            "1667",
        );
    }

    #[test]
    fn columns_of_all_widths() {
        let half = 3_i128;
        for odd in [
            1_i128 << 31,
            1 << 32,
            -1,
            -7,
            i128::from(i64::MIN),
            1 << 63,
            1 << 64,
            -(1 << 70),
        ] {
            for (usual, rare) in [(half, odd), (odd, half)] {
                let rows = format!(
                    "FROM (SELECT (CASE i % 2048 WHEN 1500 THEN {rare} ELSE {usual} + i % 2 END)::DECIMAL(38,0) x, \
                     x::HUGEINT h FROM range(4096) AS r(i))"
                );
                let same = [
                    "sf_add(x, 11)::HUGEINT = h + 11",
                    "sf_sub(11, x)::HUGEINT = 11 - h",
                    "sf_add(x, x)::HUGEINT = h + h",
                    "sf_mul(x, -3)::HUGEINT = h * -3",
                    "sf_mod(x, 50)::HUGEINT = h % 50",
                    "sf_mod(x, 5000000000)::HUGEINT = h % 5000000000",
                ];
                for same in same {
                    check(&format!("bool_and({same}) {rows}"), "true");
                }
            }
        }
    }
}

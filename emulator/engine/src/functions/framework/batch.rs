//! Arithmetic on two columns of numbers at a time.
//!
//! Where a chunk has neither NULLs nor narrow numbers, the loop reads the engine's own vectors and writes into them.

use std::borrow::Cow;

use super::{Bound, Call, FunctionError, FunctionType, Number, POWERS_OF_TEN, Result};
use crate::SqlType;
use crate::duckdb::{Words, of_words, to_words};

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
    pub(super) result: &'chunk mut [Words],
}

impl Numbers<'_> {
    /// Whether all fit a machine word, as nearly all do.
    fn are_words(&self) -> bool {
        match self {
            Self::Same(number) => i64::try_from(*number).is_ok(),
            // Without a way out of the loop, so that many are looked at together.
            Self::Each(numbers) => {
                let differences = numbers
                    .iter()
                    .map(|[low, high]| high ^ ((*low as i64) >> 63) as u64);
                differences.fold(0, |all, difference| all | difference) == 0
            }
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
    let columns = move |columns: NumberColumns<'_>| {
        if let Some(of_words) = &of_words
            && columns.left.are_words()
            && columns.right.are_words()
        {
            fill_of_words(columns, of_words);
            return Ok(());
        }
        fill(columns, &within)
    };
    Ok(Bound {
        returns,
        call: Call::Numbers(Box::new(columns)),
    })
}

/// Computes all rows; one that is NULL has some number, too.
#[inline]
fn fill_of_words(columns: NumberColumns<'_>, compute: impl Fn(i64, i64) -> i128) {
    let result = columns.result;
    match (columns.left, columns.right) {
        (Numbers::Same(left), Numbers::Same(right)) => {
            result.fill(to_words(compute(left as i64, right as i64)));
        }
        (Numbers::Each(left), Numbers::Same(right)) => {
            for (result, left) in result.iter_mut().zip(left.iter()) {
                *result = to_words(compute(left[0] as i64, right as i64));
            }
        }
        (Numbers::Same(left), Numbers::Each(right)) => {
            for (result, right) in result.iter_mut().zip(right.iter()) {
                *result = to_words(compute(left as i64, right[0] as i64));
            }
        }
        (Numbers::Each(left), Numbers::Each(right)) => {
            for ((result, left), right) in result.iter_mut().zip(left.iter()).zip(right.iter()) {
                *result = to_words(compute(left[0] as i64, right[0] as i64));
            }
        }
    }
}

/// Computes the rows that are not NULL.
fn fill(columns: NumberColumns<'_>, compute: &impl Fn(i128, i128) -> Result<i128>) -> Result<()> {
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
    for (row, result) in result.iter_mut().enumerate() {
        if valid.is_none_or(|valid| valid[row]) {
            *result = to_words(compute(at(&left, row), at(&right, row))?);
        }
    }
    Ok(())
}

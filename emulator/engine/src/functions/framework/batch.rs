//! Arithmetic on two columns of numbers at a time.
//!
//! Where a chunk has neither NULLs nor narrow numbers, the loop reads the engine's own vectors and writes into them.

use std::borrow::Cow;
use std::convert::Infallible;
use std::iter;

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

/// How large numbers are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    /// None is negative, and all fit half a machine word, as most do.
    Half,
    /// All fit a machine word, as nearly all do.
    Word,
    Any,
}

impl Numbers<'_> {
    fn width(&self) -> Width {
        match self {
            Self::Same(number) if u32::try_from(*number).is_ok() => Width::Half,
            Self::Same(number) if i64::try_from(*number).is_ok() => Width::Word,
            Self::Same(_) => Width::Any,
            // Without a way out of the loops, so that many are looked at together.
            Self::Each(numbers) => {
                let all =
                    |[low, high]: Words, [also_low, also_high]: &Words| [low | also_low, high | also_high];
                let [low, high] = numbers.iter().fold([0, 0], all);
                if low >> 32 == 0 && high == 0 {
                    return Width::Half;
                }
                let of_sign = |[low, high]: &Words| high ^ ((*low as i64) >> 63) as u64;
                let beyond = numbers
                    .iter()
                    .map(of_sign)
                    .fold(0, |all, difference| all | difference);
                if beyond == 0 { Width::Word } else { Width::Any }
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
        let width = columns.left.width().max(columns.right.width());
        Ok(match (&of_words, width) {
            // What is known of their size here takes the other cases out of the inlined computation.
            (Some(of_words), Width::Half) => fill_of_words(columns, |word| i64::from(word as u32), of_words),
            (Some(of_words), Width::Word) => fill_of_words(columns, |word| word as i64, of_words),
            _ => fill(columns, &within)?,
        })
    };
    Ok(Bound {
        returns,
        call: Call::Numbers(Box::new(columns)),
    })
}

/// Computes all rows; one that is NULL has some number, too. `narrow` reads a number's low half.
#[inline]
fn fill_of_words(
    columns: NumberColumns<'_>,
    narrow: impl Fn(u64) -> i64,
    compute: impl Fn(i64, i64) -> i128,
) -> Filled {
    let result = columns.result;
    let computed = |left: i64, right: i64| Ok::<_, Infallible>(to_words(compute(left, right)));
    let filled = match (columns.left, columns.right) {
        (Numbers::Same(left), Numbers::Same(right)) => {
            result.fill(iter::repeat_with(|| computed(left as i64, right as i64)))
        }
        (Numbers::Each(left), Numbers::Same(right)) => {
            let right = narrow(right as u64);
            result.fill(left.iter().map(|[left, _]| computed(narrow(*left), right)))
        }
        (Numbers::Same(left), Numbers::Each(right)) => {
            let left = narrow(left as u64);
            result.fill(right.iter().map(|[right, _]| computed(left, narrow(*right))))
        }
        (Numbers::Each(left), Numbers::Each(right)) => {
            let both = left.iter().zip(right.iter());
            result.fill(both.map(|([left, _], [right, _])| computed(narrow(*left), narrow(*right))))
        }
    };
    let Ok(filled) = filled;
    filled
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

//! Conditions on a column of numbers at a time.
//!
//! A condition that is a function of its own gives a byte for a row. Made of a number and a comparison, each row would take
//! the 16 bytes of the number first, which cost more than computing it.

use super::{Bound, Call, FunctionType, batch::Numbers};
use crate::SqlType;
use crate::duckdb::{Slots, Words, of_words};

/// A column of unscaled numbers and where the truth about each goes.
pub(crate) struct JudgedColumn<'chunk> {
    pub(super) numbers: Numbers<'chunk>,
    pub(super) result: Slots<'chunk, bool>,
}

/// A call that says of each unscaled number whether something is true; of a NULL it is NULL.
///
/// `of_halves` says the same as `of_any` of numbers that fit half a machine word.
pub(crate) fn truths(
    of_halves: Option<impl Fn(u32) -> bool + Send + Sync + 'static>,
    of_any: impl Fn(i128) -> bool + Send + Sync + 'static,
) -> Bound {
    // The loops are here and not with the caller, so that its closures are inlined into them.
    let judge = move |JudgedColumn { numbers, mut result }: JudgedColumn<'_>| {
        let words = match &numbers {
            Numbers::Same(number) => return result.repeat(of_any(*number)),
            Numbers::Each(words) => words,
        };
        if let Some(of_halves) = of_halves.as_ref().filter(|_| numbers.begins_with_half()) {
            let mut all = Words::default();
            let filled = result.again().map(words, |[low, high]| {
                all = [all[0] | low, all[1] | high];
                of_halves(*low as u32)
            });
            if all[0] >> 32 == 0 && all[1] == 0 {
                return filled;
            }
        }
        result.map(words, |words| of_any(of_words(*words)))
    };
    Bound {
        returns: FunctionType::Sql(SqlType::Boolean),
        call: Call::Truths(Box::new(judge)),
    }
}

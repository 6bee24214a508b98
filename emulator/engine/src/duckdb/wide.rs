//! 128-bit decimals in vectors.
//!
//! DuckDB keeps them on 8-byte boundaries where rows were materialised (window functions, sorts), and the
//! binding reads them as Rust's `i128`, which wants 16 bytes: undefined behaviour, and an abort where
//! debug assertions are on. Here they are two words, wherever they lie.

#![allow(unsafe_code, reason = "an element type of the binding is an unsafe trait")]

use std::mem::MaybeUninit;

use duckdb_neo::{
    Result,
    data_chunk::VectorCollection,
    logical_type::{LogicalType, LogicalTypeID},
    vector::{StorageKind, Unknown, Vector, VectorElement, VectorReader},
};

/// A number as it is stored: its low and its high half.
pub(crate) type Words = [u64; 2];

/// The number that is stored so.
#[inline]
pub(crate) const fn of_words([low, high]: Words) -> i128 {
    ((high as i128) << 64) | (low as i128)
}

/// How a number is stored.
#[inline]
pub(crate) const fn to_words(number: i128) -> Words {
    [number as u64, (number >> 64) as u64]
}

/// An element of a `DECIMAL` vector with width 19 to 38; its unscaled number.
pub(crate) struct WideDecimal;

// SAFETY: `validate` accepts only the widths that DuckDB stores in two little-endian words.
unsafe impl VectorElement for WideDecimal {
    const TYPE_ID: LogicalTypeID = LogicalTypeID::Decimal;

    type Internal<'a> = Words;

    type Ref<'a> = i128;

    fn validate(other: &LogicalType, _children: Option<&VectorCollection>) -> Result<bool> {
        // Not its whole signature, which costs twice as much and is asked for with each vector.
        Ok(other.id()? == Self::TYPE_ID && matches!(other.get_param(0)?.1.get::<u8>()?, Some(19..=38)))
    }

    unsafe fn get<'a, U: VectorElement>(
        reader: &VectorReader<'a, U>,
        physical: usize,
        _logical: usize,
    ) -> Self::Ref<'a>
    where
        Self: 'a,
    {
        let words = reader.as_ptr().cast::<Words>();
        // SAFETY: the caller guarantees that the row exists; no alignment is assumed.
        of_words(unsafe { words.add(physical).read_unaligned() })
    }
}

impl WideDecimal {
    /// The numbers of a vector that lies flat and has no NULLs; none of another.
    ///
    /// The row by row way asks of each where it lies and whether it is NULL, which costs more than the number.
    pub(crate) fn flat<'a>(reader: &VectorReader<'a, Self>) -> Option<&'a [Words]> {
        if reader.storage_kind() != StorageKind::Flat {
            return None;
        }
        // What a function gave has a mask that leaves nobody out.
        if reader.validity().is_some_and(|mask| !has_all(mask, reader.len())) {
            return None;
        }
        let data = reader.as_ptr();
        if data.is_null() {
            return None;
        }
        // SAFETY: the vector is flat and none is NULL, so that each row is there, two words long.
        Some(unsafe { std::slice::from_raw_parts(data, reader.len()) })
    }
}

/// An element whose vectors lie flat as `Stored` values.
///
/// # Safety
///
/// A row of a flat vector of this type is one `Stored`, and each of its values is one of the element's.
pub(crate) unsafe trait FlatElement: VectorElement {
    /// A row as it lies in the vector.
    type Stored: Copy;
}

// SAFETY: decimals of these widths are two words each, which `validate` makes sure of.
unsafe impl FlatElement for WideDecimal {
    type Stored = Words;
}

// SAFETY: DuckDB keeps a truth value in a byte that is 0 or 1, as Rust does.
unsafe impl FlatElement for bool {
    type Stored = bool;
}

/// Gives a result vector its values, none of which is NULL.
pub(crate) fn write_flat<T: FlatElement>(
    output: Vector<'_, Unknown>,
    rows: usize,
    fill: impl FnOnce(Slots<'_, T::Stored>) -> Result<Filled>,
) -> Result<()> {
    let mut vector = output.cast::<T>()?;
    vector.set_size(rows)?;
    let mut writer = vector.writer()?;
    let data = writer.as_mut_ptr().cast::<T::Stored>();
    if data.is_null() || rows == 0 {
        return Ok(());
    }
    // SAFETY: the writer has `rows` slots of this kind, and nobody else holds them.
    let slots = unsafe { std::slice::from_raw_parts_mut(data.cast(), rows) };
    let slots = Slots(slots);
    let all = slots.filled();
    assert!(fill(slots)? == all, "these slots were filled, not others");
    // SAFETY: each of these slots has a value, which only `Slots` can say.
    unsafe { writer.fill_validity(true) }
}

/// Where the results for a chunk of rows go; what was there before is not read.
pub(crate) struct Slots<'chunk, T = Words>(&'chunk mut [MaybeUninit<T>]);

/// Says that each slot has a value.
#[derive(PartialEq, Eq)]
pub(crate) struct Filled {
    /// Where the slots lie, and how many they are.
    address: usize,
    slots: usize,
}

impl<'chunk, T: Copy> Slots<'chunk, T> {
    /// Slots that have values already, which are replaced.
    pub(crate) fn of(values: &'chunk mut [T]) -> Self {
        // SAFETY: nothing but values is written to them.
        Self(unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len()) })
    }

    /// What is said once all have a value.
    fn filled(&self) -> Filled {
        Filled {
            address: self.0.as_ptr().addr(),
            slots: self.0.len(),
        }
    }

    /// The same slots, to be filled more than once.
    pub(crate) fn again(&mut self) -> Slots<'_, T> {
        Slots(self.0)
    }

    /// Sets all to one value.
    pub(crate) fn repeat(self, value: T) -> Filled {
        self.0.fill(MaybeUninit::new(value));
        self.filled()
    }

    /// Sets each to what is made of the value in its place.
    ///
    /// # Panics
    ///
    /// When there are more or fewer values than slots.
    #[inline]
    pub(crate) fn map<S>(self, values: &[S], mut make: impl FnMut(&S) -> T) -> Filled {
        assert_eq!(values.len(), self.0.len(), "each row has a value");
        for (slot, value) in self.0.iter_mut().zip(values) {
            slot.write(make(value));
        }
        self.filled()
    }

    /// Sets all, each to the next of the values, until one fails.
    ///
    /// # Panics
    ///
    /// When there are fewer values than slots.
    #[inline]
    pub(crate) fn fill<E>(
        self,
        values: impl IntoIterator<Item = std::result::Result<T, E>>,
    ) -> std::result::Result<Filled, E> {
        let slots = self.0.len();
        let mut filled = 0;
        // In step, so that one look at both lengths serves all rows.
        for (slot, value) in self.0.iter_mut().zip(values) {
            slot.write(value?);
            filled += 1;
        }
        assert_eq!(filled, slots, "each row has a value");
        Ok(self.filled())
    }
}

/// Whether a mask marks that many rows from the first one on.
fn has_all(mask: &[u64], rows: usize) -> bool {
    let (words, rest) = (rows / 64, rows % 64);
    let last = (1 << rest) - 1;
    mask.len() >= rows.div_ceil(64)
        && mask[..words].iter().all(|word| *word == u64::MAX)
        && (rest == 0 || mask[words] & last == last)
}

#[cfg(test)]
mod tests {
    use super::{Slots, has_all};
    use crate::functions::testing::check;

    #[test]
    fn a_mask_that_leaves_nobody_out_is_none() {
        assert!(has_all(&[], 0));
        assert!(has_all(&[u64::MAX, 0b111], 67));
        assert!(!has_all(&[u64::MAX, 0b111], 68));
        assert!(!has_all(&[u64::MAX - 1, 0b111], 67));
        assert!(has_all(&[u64::MAX], 64));
        assert!(!has_all(&[u64::MAX], 65));
    }

    #[test]
    fn slots_are_filled_until_a_number_fails() {
        let mut numbers = [[7, 7]; 3];
        let more = (0..9).map(|low| Ok::<_, ()>([low, 0]));
        assert!(Slots::of(&mut numbers).fill(more).is_ok());
        assert_eq!(numbers, [[0, 0], [1, 0], [2, 0]]);
        let failing = [Ok([5, 0]), Err("no"), Ok([6, 0])];
        assert_eq!(Slots::of(&mut numbers).fill(failing).err(), Some("no"));
        assert_eq!(numbers, [[5, 0], [1, 0], [2, 0]]);
    }

    #[test]
    fn slots_without_numbers_are_a_defect() {
        let too_many = || Slots::of(&mut [false; 2]).map(&[1, 2, 3], |number| *number > 1);
        assert!(std::panic::catch_unwind(too_many).is_err());
        let too_few = || Slots::of(&mut [[0, 0]; 2]).fill([Ok::<_, ()>([1, 0])]).is_ok();
        assert!(std::panic::catch_unwind(too_few).is_err());
    }

    #[test]
    fn numbers_of_a_window_are_read() {
        let window = "sum(n) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS total FROM range(3) AS numbers(n)";
        check(
            &format!("sum(sf_div(total, 2)) FROM (SELECT n, {window})"),
            "2.000000",
        );
    }
}

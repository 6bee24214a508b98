//! Reading 128-bit decimals out of vectors.
//!
//! DuckDB keeps them on 8-byte boundaries where rows were materialised (window functions, sorts), and the
//! binding reads them as Rust's `i128`, which wants 16 bytes: undefined behaviour, and an abort where
//! debug assertions are on. This element reads them wherever they are.

#![allow(unsafe_code, reason = "an element type of the binding is an unsafe trait")]

use duckdb_neo::{
    Result,
    data_chunk::VectorCollection,
    logical_type::{LogicalType, LogicalTypeID},
    types::DecimalSignature,
    vector::{StorageKind, VectorElement, VectorReader},
};

/// An element of a `DECIMAL` vector with width 19 to 38; its unscaled number.
pub(crate) struct WideDecimal;

// SAFETY: `validate` accepts only the widths that DuckDB stores in two little-endian words.
unsafe impl VectorElement for WideDecimal {
    const TYPE_ID: LogicalTypeID = LogicalTypeID::Decimal;

    type Internal<'a> = [u64; 2];

    type Ref<'a> = i128;

    fn validate(other: &LogicalType, _children: Option<&VectorCollection>) -> Result<bool> {
        Ok(other.id()? == Self::TYPE_ID
            && matches!(DecimalSignature::from_logical_type(other)?.width, 19..=38))
    }

    unsafe fn get<'a, U: VectorElement>(
        reader: &VectorReader<'a, U>,
        physical: usize,
        _logical: usize,
    ) -> Self::Ref<'a>
    where
        Self: 'a,
    {
        let words = reader.as_ptr().cast::<[u64; 2]>();
        // SAFETY: the caller guarantees that the row exists; no alignment is assumed.
        let [low, high] = unsafe { words.add(physical).read_unaligned() };
        (i128::from(high as i64) << 64) | i128::from(low)
    }
}

impl WideDecimal {
    /// Appends all numbers of a vector that lies flat and has no NULLs, and tells whether it is one.
    ///
    /// The row by row way asks of each where it lies and whether it is NULL, which costs more than the number.
    pub(crate) fn append_flat(reader: &VectorReader<'_, Self>, numbers: &mut Vec<i128>) -> bool {
        if reader.storage_kind() != StorageKind::Flat || reader.validity().is_some() {
            return false;
        }
        numbers.extend((0..reader.len()).map(|row| {
            // SAFETY: the vector is flat, so its rows are the physical ones, and none is NULL.
            unsafe { Self::get(reader, row, row) }
        }));
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn numbers_of_a_window_are_read() {
        let window = "sum(n) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS total FROM range(3) AS numbers(n)";
        check(
            &format!("sum(sf_div(total, 2)) FROM (SELECT n, {window})"),
            "2.000000",
        );
    }
}

//! Bitmaps that count distinct whole numbers: each number has a bucket and a bit in the bitmap of its bucket.
//!
//! A bitmap of few bits is written as their number and their positions, as in Snowflake; one of more bits as the bits.
//! How it is written is nobody's business: the functions here are what reads it.

use std::collections::BTreeSet;

use super::conversion::hex_bytes;
use super::framework::{Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_bitmap_bucket_number", 1..=1, |_| {
        of_number(|number| {
            if number > 0 {
                (number - 1) / BITS + 1
            } else {
                number / BITS
            }
        })
    }),
    ScalarFunction::new("sf_bitmap_bit_position", 1..=1, |_| {
        of_number(|number| {
            if number > 0 {
                (number - 1) % BITS
            } else {
                -(number % BITS)
            }
        })
    }),
    ScalarFunction::new("sf_bitmap_count", 1..=1, count),
    ScalarFunction::new("sf_bitmap_of_positions", 1..=1, of_positions),
    ScalarFunction::new("sf_bitmap_of_bitmaps", 1..=1, of_bitmaps),
];

/// Bits of a bitmap.
const BITS: i64 = 32_768;
/// Most bits whose positions are listed.
const LISTED_MAX: usize = 4;
/// Bytes of a bitmap whose positions are listed: their number, and room for each.
const LISTED_BYTES: usize = 2 + 2 * LISTED_MAX;

fn of_number(compute: fn(i64) -> i64) -> Result<Bound> {
    rows(FunctionType::number(38, 0), move |row| {
        Ok(Value::integer(compute(row[0].to_integer()?)))
    })
}

fn count(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::number(38, 0), |row| {
        let positions = read(&row[0].to_bytes()?)?;
        Ok(Value::integer(positions.len() as i64))
    })
}

/// A list of positions as a bitmap; NULL when there is none.
fn of_positions(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::binary(), |row| {
        let Value::TextList(texts) = &row[0] else {
            return Ok(Value::Null);
        };
        let mut positions = BTreeSet::new();
        for text in texts.iter().flatten() {
            let position = Value::text(text).to_integer()?;
            let fits = u16::try_from(position).ok().filter(|_| position < BITS);
            positions.insert(fits.ok_or_else(|| invalid(&format!("bit position {position}")))?);
        }
        Ok(written(&positions))
    })
}

/// A list of bitmaps in hexadecimal as the one with the bits of all; NULL when there is none.
fn of_bitmaps(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::binary(), |row| {
        let Value::TextList(texts) = &row[0] else {
            return Ok(Value::Null);
        };
        let mut positions = BTreeSet::new();
        for text in texts.iter().flatten() {
            let bytes = hex_bytes(text).ok_or_else(|| invalid("bitmap"))?;
            positions.extend(read(&bytes)?);
        }
        Ok(written(&positions))
    })
}

fn written(positions: &BTreeSet<u16>) -> Value<'static> {
    if positions.is_empty() {
        return Value::Null;
    }
    if positions.len() <= LISTED_MAX {
        let mut bytes = (positions.len() as u16).to_be_bytes().to_vec();
        bytes.extend(positions.iter().flat_map(|position| position.to_be_bytes()));
        bytes.resize(LISTED_BYTES, 0);
        return Value::from(bytes);
    }
    let mut bytes = vec![0_u8; BITS as usize / 8];
    for position in positions {
        bytes[usize::from(position / 8)] |= 1 << (position % 8);
    }
    Value::from(bytes)
}

fn read(bytes: &[u8]) -> Result<BTreeSet<u16>> {
    if bytes.len() == LISTED_BYTES {
        let numbers: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        let listed = usize::from(numbers[0]);
        if listed <= LISTED_MAX {
            return Ok(numbers[1..=listed].iter().copied().collect());
        }
    } else if bytes.len() == BITS as usize / 8 {
        let bits =
            (0..BITS as u16).filter(|position| bytes[usize::from(position / 8)] & (1 << (position % 8)) != 0);
        return Ok(bits.collect());
    }
    Err(invalid("bitmap"))
}

fn invalid(what: &str) -> FunctionError {
    FunctionError::new(100_154, format!("Invalid {what}"))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn bitmaps() {
        for (number, bucket, position) in [
            (1, 1, 0),
            (32_768, 1, 32_767),
            (32_769, 2, 0),
            (0, 0, 0),
            (-5, 0, 5),
            (-32_768, -1, 0),
        ] {
            check(&format!("sf_bitmap_bucket_number({number})"), &bucket.to_string());
            check(
                &format!("sf_bitmap_bit_position({number})"),
                &position.to_string(),
            );
        }
        check(
            "sf_bitmap_count(sf_bitmap_of_positions(['5', '7', '5', NULL]))",
            "2",
        );
        check("hex(sf_bitmap_of_positions(['1']))", "00010001000000000000");
        check(
            "sf_bitmap_count(sf_bitmap_of_positions(list(CAST(i * 3 AS VARCHAR)))) FROM range(1000) AS r(i)",
            "1000",
        );
        check(
            "sf_bitmap_count(sf_bitmap_of_bitmaps(['00010001000000000000', '00020001000500000000']))",
            "2",
        );
        check("sf_bitmap_of_positions([NULL::VARCHAR])", "NULL");
        check_error("sf_bitmap_count('\\x01'::BLOB)", 100_154, "Invalid bitmap");
        check_error(
            "sf_bitmap_of_positions(['40000'])",
            100_154,
            "Invalid bit position 40000",
        );
    }
}

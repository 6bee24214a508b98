//! DECFLOAT on the wire: an exponent and a significand in big-endian two's complement, as short as it can be.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Int16Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int16Array, StructArray};
use arrow_schema::{DataType, Field, Fields};
use snowflake_emulator_engine::{DECFLOAT_KEY_BYTES, DecFloat};

/// The parts of a value.
pub(super) fn fields() -> Fields {
    Fields::from(vec![
        Field::new("exponent", DataType::Int16, true),
        Field::new("significand", DataType::Binary, true),
    ])
}

/// The engine's keys as values of the wire.
pub(super) fn parts(keys: &BinaryArray) -> StructArray {
    let mut exponents = Vec::with_capacity(keys.len());
    let mut significands = BinaryBuilder::with_capacity(keys.len(), keys.len() * 4);
    for key in keys {
        let number = key.and_then(DecFloat::from_key).unwrap_or_default();
        let (significand, exponent) = number.parts();
        exponents.push(exponent);
        significands.append_value(shortest(&significand.to_be_bytes()));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int16Array::from(exponents)),
        Arc::new(significands.finish()),
    ];
    StructArray::new(fields(), columns, keys.nulls().cloned())
}

/// The values of the wire as the engine's keys; none when they are of another form.
pub(super) fn keys(array: &ArrayRef) -> Option<BinaryArray> {
    let values = array.as_struct_opt()?;
    let mut keys = BinaryBuilder::with_capacity(values.len(), values.len() * DECFLOAT_KEY_BYTES);
    for row in 0..values.len() {
        match value(values, row) {
            Some(number) => keys.append_value(number.key()),
            None => keys.append_null(),
        }
    }
    Some(keys.finish())
}

/// The value in a row; none for NULL.
pub(super) fn value(values: &StructArray, row: usize) -> Option<DecFloat> {
    if values.is_null(row) {
        return None;
    }
    let exponent = values.column(0).as_primitive_opt::<Int16Type>()?.value(row);
    let significand = whole(values.column(1).as_binary_opt::<i32>()?.value(row))?;
    DecFloat::from_parts(significand, exponent)
}

/// Without the bytes at the front that only repeat the sign.
fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let repeats = |pair: &&[u8]| (pair[0] == 0 && pair[1] < 0x80) || (pair[0] == 0xff && pair[1] >= 0x80);
    let superfluous = bytes.windows(2).take_while(repeats).count();
    &bytes[superfluous..]
}

fn whole(bytes: &[u8]) -> Option<i128> {
    let fill = if *bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut wide = [fill; 16];
    wide[16_usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significands_are_as_short_as_they_can_be() {
        for (number, expected) in [
            (0_i128, &[0_u8][..]),
            (127, &[0x7f]),
            (128, &[0, 0x80]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
        ] {
            let bytes = number.to_be_bytes();
            assert_eq!(shortest(&bytes), expected, "{number}");
            assert_eq!(whole(shortest(&bytes)), Some(number));
        }
    }

    #[test]
    fn values_come_back() {
        let number = |text: &str| DecFloat::parse(text).unwrap().unwrap();
        let numbers = [
            "0",
            "-1234e4000",
            "12345678901234567890123456789012345678",
            "1e-16383",
        ]
        .map(number);
        let keys_before: BinaryArray = numbers
            .iter()
            .map(|number| Some(number.key()))
            .chain([None])
            .collect();
        let wire: ArrayRef = Arc::new(parts(&keys_before));
        assert_eq!(keys(&wire), Some(keys_before));
        assert_eq!(value(wire.as_struct(), 1), Some(numbers[1]));
        assert_eq!(value(wire.as_struct(), 4), None);
    }
}

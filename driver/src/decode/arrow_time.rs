//! Times and timestamps in Arrow results: integers in units of 10^-scale seconds, or structs of seconds and nanoseconds.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int32Type, Int64Type, Time64NanosecondType, TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::DecodeError;
use super::arrow::Physical;
use super::cells::too_fine;
use super::plan::{UTC, Unit};
use super::text::{
    MICROS_PER_SECOND, NANOS_PER_SECOND, OFFSET_BIAS_MINUTES, ZonedMoment, power_of_ten, write_zoned,
};

/// TIME in units of 10^-`scale` seconds, to nanoseconds since midnight.
pub(crate) fn times(physical: &Physical<'_>, scale: u8) -> Result<ArrayRef, DecodeError> {
    let factor = power_of_ten(9_u8.saturating_sub(scale)) as i64;
    let times = match physical.array.data_type() {
        DataType::Int64 => physical
            .array
            .as_primitive::<Int64Type>()
            .unary::<_, Time64NanosecondType>(|count| count.wrapping_mul(factor)),
        DataType::Int32 => physical
            .array
            .as_primitive::<Int32Type>()
            .unary::<_, Time64NanosecondType>(|count| i64::from(count).wrapping_mul(factor)),
        DataType::Time64(arrow_schema::TimeUnit::Nanosecond) => return Ok(Arc::clone(physical.array)),
        _ => return Err(physical.misfit()),
    };
    Ok(Arc::new(times))
}

/// TIMESTAMP_NTZ and TIMESTAMP_LTZ, to counts of `unit` since the epoch.
pub(crate) fn timestamps(
    physical: &Physical<'_>,
    scale: u8,
    unit: Unit,
    utc: bool,
) -> Result<ArrayRef, DecodeError> {
    let counts = match physical.array.data_type() {
        DataType::Int64 => counted(physical, scale, unit)?,
        DataType::Struct(_) => split(physical, unit)?,
        _ => return Err(physical.misfit()),
    };
    let zone = utc.then_some(UTC);
    let (_, values, nulls) = counts.into_parts();
    Ok(match unit {
        Unit::Micros => {
            Arc::new(PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls).with_timezone_opt(zone))
        }
        Unit::Nanos => {
            Arc::new(PrimitiveArray::<TimestampNanosecondType>::new(values, nulls).with_timezone_opt(zone))
        }
    })
}

/// One integer in units of 10^-`scale` seconds.
fn counted(physical: &Physical<'_>, scale: u8, unit: Unit) -> Result<PrimitiveArray<Int64Type>, DecodeError> {
    let column = physical.column;
    let counts = physical.array.as_primitive::<Int64Type>();
    let digits = unit_digits(unit);
    let factor = power_of_ten(scale.abs_diff(digits)) as i64;
    match scale.cmp(&digits) {
        std::cmp::Ordering::Equal => Ok(counts.clone()),
        std::cmp::Ordering::Less => {
            counts.try_unary(|count| count.checked_mul(factor).ok_or(DecodeError::Range { column }))
        }
        std::cmp::Ordering::Greater => counts.try_unary(|count| {
            if count % factor == 0 {
                Ok(count / factor)
            } else {
                Err(too_fine(column))
            }
        }),
    }
}

fn unit_digits(unit: Unit) -> u8 {
    match unit {
        Unit::Micros => 6,
        Unit::Nanos => 9,
    }
}

/// A struct of whole seconds and nanoseconds.
fn split(physical: &Physical<'_>, unit: Unit) -> Result<PrimitiveArray<Int64Type>, DecodeError> {
    let column = physical.column;
    let parts = Parts::of(physical)?;
    let fractions = parts.fractions.ok_or_else(|| physical.misfit())?;
    let mut values = Vec::with_capacity(parts.epochs.len());
    for row in 0..parts.epochs.len() {
        if parts.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            values.push(0);
            continue;
        }
        let (epoch, fraction) = (parts.epochs.value(row), i64::from(fractions.value(row)));
        let count = match unit {
            Unit::Nanos => epoch
                .checked_mul(NANOS_PER_SECOND)
                .and_then(|count| count.checked_add(fraction)),
            Unit::Micros if fraction % 1000 != 0 => return Err(too_fine(column)),
            Unit::Micros => epoch
                .checked_mul(MICROS_PER_SECOND)
                .and_then(|count| count.checked_add(fraction / 1000)),
        };
        // The first second that nanoseconds cannot count lies before the last instant that they can; at the lower end
        // the product overflows although the sum would fit, which the wider unit then takes care of.
        values.push(count.ok_or(DecodeError::Range { column })?);
    }
    Ok(PrimitiveArray::new(values.into(), parts.nulls))
}

/// TIMESTAMP_TZ as text. `sent_scale` is the unit of integer epochs, `scale` the number of fraction digits to write.
pub(crate) fn zoned(physical: &Physical<'_>, sent_scale: u8, scale: u8) -> Result<ArrayRef, DecodeError> {
    let parts = Parts::of(physical)?;
    let offsets = parts.offsets.ok_or_else(|| physical.misfit())?;
    let mut builder = StringBuilder::with_capacity(offsets.len(), offsets.len() * 32);
    let mut written = String::new();
    for row in 0..offsets.len() {
        if parts.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            builder.append_null();
            continue;
        }
        let epoch = i128::from(parts.epochs.value(row));
        let nanos = match parts.fractions {
            Some(fractions) => epoch * i128::from(NANOS_PER_SECOND) + i128::from(fractions.value(row)),
            None => epoch * power_of_ten(9_u8.saturating_sub(sent_scale)),
        };
        let offset_minutes = offsets.value(row).saturating_sub(OFFSET_BIAS_MINUTES);
        write_zoned(
            ZonedMoment {
                nanos,
                offset_minutes,
            },
            scale,
            &mut written,
        );
        builder.append_value(&written);
    }
    Ok(Arc::new(builder.finish()))
}

/// The children of a timestamp struct.
struct Parts<'a> {
    epochs: &'a PrimitiveArray<Int64Type>,
    fractions: Option<&'a PrimitiveArray<Int32Type>>,
    offsets: Option<&'a PrimitiveArray<Int32Type>>,
    /// NULL where the struct is, and where the seconds are: fakesnow marks only the children.
    nulls: Option<NullBuffer>,
}

impl<'a> Parts<'a> {
    fn of(physical: &Physical<'a>) -> Result<Self, DecodeError> {
        let parts: &StructArray = physical.array.as_struct_opt().ok_or_else(|| physical.misfit())?;
        let child = |name: &str| parts.column_by_name(name);
        let small = |name: &str| match child(name) {
            None => Ok(None),
            Some(array) => array
                .as_primitive_opt::<Int32Type>()
                .map(Some)
                .ok_or_else(|| physical.misfit()),
        };
        let epochs = child("epoch").and_then(|array| array.as_primitive_opt::<Int64Type>());
        let epochs = epochs.ok_or_else(|| physical.misfit())?;
        Ok(Self {
            epochs,
            fractions: small("fraction")?,
            offsets: small("timezone")?,
            nulls: NullBuffer::union(parts.nulls(), epochs.nulls()),
        })
    }
}

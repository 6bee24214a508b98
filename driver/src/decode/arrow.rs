//! Results in Arrow IPC streams.
//!
//! Snowflake writes each column as narrow as its values allow and keeps the logical type beside it, so the physical type
//! may differ between parts of one result. Where it already is what the plan wants, buffers are kept as they are.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, PrimitiveArray, RecordBatch, StringArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field};
use bytes::Bytes;

use super::DecodeError;
use super::arrow_time;
use super::cells::too_many_digits;
use super::plan::{Kind, Plan};
use super::stream::IpcStream;
use super::text::{power_of_ten, write_day_time, write_decfloat, write_year_month};

/// What is said of a stream that made Arrow's reader panic.
pub(crate) const UNEXPECTED: &str = "an Arrow stream is broken: its reader did not expect what is in it";

/// Decodes one IPC stream.
///
/// What a stream tells of itself is checked before Arrow's reader believes it ([`IpcStream`]), and no damage is known that
/// gets past it. Should that reader panic all the same, it is a stream that is broken, and no more.
pub(crate) fn decode(plan: &Plan, stream: Bytes) -> Result<Vec<RecordBatch>, DecodeError> {
    catch_unwind(AssertUnwindSafe(|| decode_batches(plan, stream)))
        .unwrap_or_else(|_| Err(DecodeError::broken(UNEXPECTED)))
}

fn decode_batches(plan: &Plan, stream: Bytes) -> Result<Vec<RecordBatch>, DecodeError> {
    let mut stream = IpcStream::new(Buffer::from(stream));
    let mut batches = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        if batch.num_rows() > 0 {
            batches.push(convert_batch(plan, &batch)?);
        }
    }
    Ok(batches)
}

fn convert_batch(plan: &Plan, batch: &RecordBatch) -> Result<RecordBatch, DecodeError> {
    if batch.num_columns() != plan.column_count() {
        return Err(DecodeError::broken(
            "an Arrow batch does not have the columns that were announced",
        ));
    }
    let schema = batch.schema();
    let columns = batch
        .columns()
        .iter()
        .enumerate()
        .map(|(index, array)| {
            Physical {
                array,
                field: schema.field(index),
                column: index,
            }
            .convert(plan.kind(index))
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(plan.schema(), columns).map_err(|error| DecodeError::broken(error.to_string()))
}

/// A column as it arrived.
pub(crate) struct Physical<'a> {
    pub(crate) array: &'a ArrayRef,
    field: &'a Field,
    pub(crate) column: usize,
}

impl Physical<'_> {
    fn convert(&self, kind: Kind) -> Result<ArrayRef, DecodeError> {
        match kind {
            Kind::Integer => self.integers(),
            Kind::Decimal { precision, scale } => self.decimals(precision, scale),
            Kind::Float => self.floats(),
            Kind::Text | Kind::Vector if *self.array.data_type() == DataType::Utf8 => {
                Ok(Arc::clone(self.array))
            }
            Kind::Boolean if *self.array.data_type() == DataType::Boolean => Ok(Arc::clone(self.array)),
            Kind::Binary if *self.array.data_type() == DataType::Binary => Ok(Arc::clone(self.array)),
            Kind::Text => self.texts(),
            Kind::Date => self.dates(),
            Kind::Time { scale } => arrow_time::times(self, self.scale_or(scale)),
            Kind::Timestamp { scale, unit, utc } => {
                arrow_time::timestamps(self, self.scale_or(scale), unit, utc)
            }
            Kind::TimestampTz { scale } => arrow_time::zoned(self, self.scale_or(scale), scale),
            Kind::Vector => self.vectors(),
            Kind::DecFloat => self.decimal_floats(),
            Kind::IntervalYearMonth => self.intervals(|months, into| write_year_month(months as i64, into)),
            Kind::IntervalDayTime { scale } => {
                self.intervals(|nanos, into| write_day_time(nanos, scale, into))
            }
            Kind::Boolean | Kind::Binary => Err(self.misfit()),
        }
    }

    /// The scale that the stream itself names, which wins over the description of the result.
    fn scale_or(&self, described: u8) -> u8 {
        let named = self
            .field
            .metadata()
            .get("scale")
            .and_then(|scale| scale.parse().ok());
        named.filter(|scale| *scale <= 38).unwrap_or(described)
    }

    pub(crate) fn misfit(&self) -> DecodeError {
        DecodeError::broken(format!(
            "column {} arrives as {}, which its type cannot be read from",
            self.field.name(),
            self.array.data_type()
        ))
    }

    fn integers(&self) -> Result<ArrayRef, DecodeError> {
        if self.scale_or(0) != 0 {
            // Described as whole but sent with a fraction: read exactly or refuse.
            let whole = self.decimals(38, 0)?;
            return self.narrowed(whole.as_primitive::<Decimal128Type>());
        }
        match self.array.data_type() {
            DataType::Int64 => Ok(Arc::clone(self.array)),
            DataType::Int8 => Ok(widened::<Int8Type, Int64Type>(self.array, i64::from)),
            DataType::Int16 => Ok(widened::<Int16Type, Int64Type>(self.array, i64::from)),
            DataType::Int32 => Ok(widened::<Int32Type, Int64Type>(self.array, i64::from)),
            DataType::Decimal128(_, _) => self.narrowed(self.array.as_primitive::<Decimal128Type>()),
            _ => Err(self.misfit()),
        }
    }

    fn narrowed(&self, numbers: &PrimitiveArray<Decimal128Type>) -> Result<ArrayRef, DecodeError> {
        let narrow = numbers.try_unary::<_, Int64Type, _>(|value| {
            i64::try_from(value).map_err(|_| too_many_digits(self.column))
        })?;
        Ok(Arc::new(narrow))
    }

    /// Numbers as counts of 10^-`scale`. The physical values count 10^-s for the scale s that the stream names.
    fn decimals(&self, precision: u8, scale: u8) -> Result<ArrayRef, DecodeError> {
        let array = self.array;
        let sent_scale = self.scale_or(match array.data_type() {
            DataType::Decimal128(_, arrow_scale) if *arrow_scale > 0 => *arrow_scale as u8,
            _ => scale,
        });
        let numbers = match array.data_type() {
            DataType::Int8 => widened_numbers::<Int8Type>(array),
            DataType::Int16 => widened_numbers::<Int16Type>(array),
            DataType::Int32 => widened_numbers::<Int32Type>(array),
            DataType::Int64 => widened_numbers::<Int64Type>(array),
            DataType::Decimal128(_, _) => array.as_primitive::<Decimal128Type>().clone(),
            _ => return Err(self.misfit()),
        };
        let numbers = if sent_scale == scale {
            numbers
        } else {
            self.rescaled(&numbers, sent_scale, scale)?
        };
        // The type first: the check also compares the precision with the array's own scale, which is 10 for widened integers.
        let numbers = numbers
            .with_precision_and_scale(precision, scale as i8)
            .map_err(|error| DecodeError::broken(error.to_string()))?;
        if numbers.validate_decimal_precision(precision).is_err() {
            return Err(too_many_digits(self.column));
        }
        Ok(Arc::new(numbers))
    }

    fn rescaled(
        &self,
        numbers: &PrimitiveArray<Decimal128Type>,
        from: u8,
        to: u8,
    ) -> Result<PrimitiveArray<Decimal128Type>, DecodeError> {
        let factor = power_of_ten(from.abs_diff(to));
        numbers.try_unary(|value| {
            let exact = if to > from {
                value.checked_mul(factor)
            } else {
                (value % factor == 0).then(|| value / factor)
            };
            exact.ok_or_else(|| too_many_digits(self.column))
        })
    }

    fn floats(&self) -> Result<ArrayRef, DecodeError> {
        match self.array.data_type() {
            DataType::Float64 => Ok(Arc::clone(self.array)),
            DataType::Float32 => Ok(widened::<Float32Type, Float64Type>(self.array, f64::from)),
            _ => Err(self.misfit()),
        }
    }

    fn dates(&self) -> Result<ArrayRef, DecodeError> {
        match self.array.data_type() {
            DataType::Date32 => Ok(Arc::clone(self.array)),
            DataType::Int32 => Ok(widened::<Int32Type, Date32Type>(self.array, |days| days)),
            _ => Err(self.misfit()),
        }
    }

    /// Texts in other physical forms, and values of types we do not know.
    fn texts(&self) -> Result<ArrayRef, DecodeError> {
        match self.array.data_type() {
            DataType::LargeUtf8 => Ok(Arc::new(
                self.array.as_string::<i64>().iter().collect::<StringArray>(),
            )),
            DataType::Boolean => {
                let text = |value: Option<bool>| value.map(|value| value.to_string());
                Ok(Arc::new(
                    self.array.as_boolean().iter().map(text).collect::<StringArray>(),
                ))
            }
            DataType::Float64 => {
                let text = |value: Option<f64>| value.map(|value| value.to_string());
                Ok(Arc::new(
                    self.array
                        .as_primitive::<Float64Type>()
                        .iter()
                        .map(text)
                        .collect::<StringArray>(),
                ))
            }
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 if self.scale_or(0) == 0 => {
                let whole = self.decimals(38, 0)?;
                let text = |value: Option<i128>| value.map(|value| value.to_string());
                Ok(Arc::new(
                    whole
                        .as_primitive::<Decimal128Type>()
                        .iter()
                        .map(text)
                        .collect::<StringArray>(),
                ))
            }
            _ => Err(self.misfit()),
        }
    }

    /// Vectors as JSON arrays.
    fn vectors(&self) -> Result<ArrayRef, DecodeError> {
        let DataType::FixedSizeList(_, _) = self.array.data_type() else {
            return Err(self.misfit());
        };
        let lists = self.array.as_fixed_size_list();
        let mut builder = StringBuilder::with_capacity(lists.len(), lists.len() * 16);
        for row in 0..lists.len() {
            if lists.is_null(row) {
                builder.append_null();
                continue;
            }
            let list = lists.value(row);
            let items: Vec<String> = match list.data_type() {
                DataType::Int32 => list
                    .as_primitive::<Int32Type>()
                    .values()
                    .iter()
                    .map(i32::to_string)
                    .collect(),
                DataType::Float32 => list
                    .as_primitive::<Float32Type>()
                    .values()
                    .iter()
                    .map(f32::to_string)
                    .collect(),
                _ => return Err(self.misfit()),
            };
            builder.append_value(format!("[{}]", items.join(",")));
        }
        Ok(Arc::new(builder.finish()))
    }

    /// DECFLOAT: an exponent and a big-endian significand in two's complement.
    fn decimal_floats(&self) -> Result<ArrayRef, DecodeError> {
        if *self.array.data_type() == DataType::Utf8 {
            return Ok(Arc::clone(self.array));
        }
        let parts = self.array.as_struct_opt().ok_or_else(|| self.misfit())?;
        let part = |name| parts.column_by_name(name).ok_or_else(|| self.misfit());
        let exponents = part("exponent")?
            .as_primitive_opt::<Int16Type>()
            .ok_or_else(|| self.misfit())?;
        let significands = part("significand")?
            .as_binary_opt::<i32>()
            .ok_or_else(|| self.misfit())?;
        let mut builder = StringBuilder::with_capacity(parts.len(), parts.len() * 16);
        let mut written = String::new();
        for row in 0..parts.len() {
            if parts.is_null(row) || exponents.is_null(row) || significands.is_null(row) {
                builder.append_null();
                continue;
            }
            let significand =
                from_big_endian(significands.value(row)).ok_or_else(|| too_many_digits(self.column))?;
            write_decfloat(significand, exponents.value(row), &mut written);
            builder.append_value(&written);
        }
        Ok(Arc::new(builder.finish()))
    }

    fn intervals(&self, write: impl Fn(i128, &mut String)) -> Result<ArrayRef, DecodeError> {
        if *self.array.data_type() == DataType::Utf8 {
            return Ok(Arc::clone(self.array));
        }
        let counts = match self.array.data_type() {
            DataType::Int64 => widened_numbers::<Int64Type>(self.array),
            DataType::Int32 => widened_numbers::<Int32Type>(self.array),
            DataType::Decimal128(_, _) => self.array.as_primitive::<Decimal128Type>().clone(),
            _ => return Err(self.misfit()),
        };
        let mut builder = StringBuilder::with_capacity(counts.len(), counts.len() * 16);
        let mut written = String::new();
        for count in &counts {
            match count {
                None => builder.append_null(),
                Some(count) => {
                    write(count, &mut written);
                    builder.append_value(&written);
                }
            }
        }
        Ok(Arc::new(builder.finish()))
    }
}

/// A number in big-endian two's complement of any length up to 16 bytes.
fn from_big_endian(bytes: &[u8]) -> Option<i128> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = [if negative { 0xFF } else { 0 }; 16];
    let start = 16_usize.checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

fn widened<F, T>(array: &ArrayRef, widen: impl Fn(F::Native) -> T::Native) -> ArrayRef
where
    F: ArrowPrimitiveType,
    T: ArrowPrimitiveType,
    T::Native: ArrowNativeTypeOp,
{
    Arc::new(array.as_primitive::<F>().unary::<_, T>(widen))
}

fn widened_numbers<F>(array: &ArrayRef) -> PrimitiveArray<Decimal128Type>
where
    F: ArrowPrimitiveType,
    i128: From<F::Native>,
{
    array.as_primitive::<F>().unary(i128::from)
}

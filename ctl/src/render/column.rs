//! Columns of one batch, bound once to their Arrow type and then read by row.
//!
//! Every format reads values through [`Column`], so a value has the same text everywhere. Binding clones
//! reference-counted buffers; reading a row allocates nothing.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, BinaryArray, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, TimeUnit};

use super::RenderError;
use super::json;
use super::nested::Nested;
use super::number::{write_decimal, write_float, write_hex, write_integer, write_single};
use super::temporal::{Offset, write_date, write_time, write_timestamp};

/// Metadata key of a field whose text is a document in a format of its own.
pub(super) const FORMAT_KEY: &str = "snowflake.format";

/// One column of a batch.
#[derive(Debug)]
pub(super) struct Column {
    nulls: Option<NullBuffer>,
    cells: Cells,
}

/// Values of a column by how they are written.
#[derive(Debug)]
enum Cells {
    Null,
    Boolean(BooleanBuffer),
    Integer(ScalarBuffer<i64>),
    Decimal {
        values: ScalarBuffer<i128>,
        scale: i8,
    },
    Float(ScalarBuffer<f64>),
    Single(ScalarBuffer<f32>),
    Text(StringArray),
    /// Text that is a JSON document.
    Document(StringArray),
    Binary(BinaryArray),
    Date(ScalarBuffer<i64>),
    /// Times of day, so many nanoseconds a unit.
    Time {
        values: ScalarBuffer<i64>,
        nanos: i64,
    },
    Timestamp {
        values: ScalarBuffer<i64>,
        per_second: i64,
        offset: Offset,
    },
    /// Repeated values, found by position.
    Dictionary {
        keys: Vec<usize>,
        values: Box<Column>,
    },
    /// Lists, structures and maps.
    Nested(Nested),
}

impl Column {
    /// Binds a column. Fails for an Arrow type that has no text of ours.
    pub(super) fn bind(field: &Field, array: &dyn Array) -> Result<Self, RenderError> {
        let document = field
            .metadata()
            .get(FORMAT_KEY)
            .is_some_and(|format| format == "json");
        let cells = Cells::bind(array, document)
            .ok_or_else(|| RenderError::UnknownType(field.name().clone(), array.data_type().to_string()))?;
        // A dictionary's own nulls and those of its values are one thing to a reader.
        Ok(Self {
            nulls: array.logical_nulls(),
            cells,
        })
    }

    /// Binds values inside of a list, structure or map.
    pub(super) fn bind_inner(array: &dyn Array) -> Option<Self> {
        Some(Self {
            nulls: array.logical_nulls(),
            cells: Cells::bind(array, false)?,
        })
    }

    /// Whether the value is NULL.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The text column's value buffer from its first to its last row, if this is one.
    pub(super) fn all_text(&self) -> Option<&[u8]> {
        match &self.cells {
            Cells::Text(texts) => {
                let offsets = texts.value_offsets();
                let (first, last) = (*offsets.first()?, *offsets.last()?);
                texts.value_data().get(first as usize..last as usize)
            }
            _ => None,
        }
    }

    /// The value's text where it is held as text.
    #[inline]
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match &self.cells {
            Cells::Text(texts) | Cells::Document(texts) => Some(texts.value(row)),
            Cells::Dictionary { keys, values } => values.text(keys[row]),
            _ => None,
        }
    }

    /// Whether the text of a value may hold any character, so that formats must quote or escape it.
    pub(super) fn is_free_text(&self) -> bool {
        match &self.cells {
            Cells::Text(_) | Cells::Document(_) | Cells::Nested(_) => true,
            Cells::Dictionary { values, .. } => values.is_free_text(),
            _ => false,
        }
    }

    /// Whether values may be of any length, so that a long one is cut where there is little room.
    pub(super) fn is_long(&self) -> bool {
        match &self.cells {
            Cells::Binary(_) => true,
            Cells::Dictionary { values, .. } => values.is_long(),
            _ => self.is_free_text(),
        }
    }

    /// Whether values are JSON documents.
    pub(super) fn is_document(&self) -> bool {
        match &self.cells {
            Cells::Document(_) | Cells::Nested(_) => true,
            Cells::Dictionary { values, .. } => values.is_document(),
            _ => false,
        }
    }

    /// Appends the text of a value that is not NULL.
    #[inline]
    pub(super) fn write_plain(&self, row: usize, out: &mut Vec<u8>) {
        match &self.cells {
            Cells::Null => {}
            Cells::Boolean(values) => out.extend_from_slice(boolean(values.value(row))),
            Cells::Integer(values) => write_integer(values[row], out),
            Cells::Decimal { values, scale } => write_decimal(values[row], *scale, out),
            Cells::Float(values) => write_float(values[row], out),
            Cells::Single(values) => write_single(values[row], out),
            Cells::Text(texts) | Cells::Document(texts) => {
                out.extend_from_slice(texts.value(row).as_bytes());
            }
            Cells::Binary(values) => write_hex(values.value(row), out),
            Cells::Date(days) => write_date(days[row], out),
            Cells::Time { values, nanos } => write_time(values[row].wrapping_mul(*nanos), out),
            Cells::Timestamp {
                values,
                per_second,
                offset,
            } => {
                write_timestamp(values[row], *per_second, *offset, out);
            }
            Cells::Dictionary { keys, values } => values.write_plain(keys[row], out),
            Cells::Nested(nested) => nested.write_json(row, out),
        }
    }

    /// Appends the value as JSON, NULL included.
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match &self.cells {
            Cells::Null => out.extend_from_slice(b"null"),
            Cells::Boolean(_) | Cells::Integer(_) | Cells::Decimal { .. } | Cells::Nested(_) => {
                self.write_plain(row, out);
            }
            Cells::Float(values) => json::write_number(values[row].is_finite(), out, |out| {
                write_float(values[row], out);
            }),
            Cells::Single(values) => json::write_number(values[row].is_finite(), out, |out| {
                write_single(values[row], out);
            }),
            Cells::Text(texts) => json::write_text(texts.value(row), out),
            Cells::Document(texts) => json::write_document(texts.value(row), out),
            Cells::Binary(_) | Cells::Date(_) | Cells::Time { .. } | Cells::Timestamp { .. } => {
                out.push(b'"');
                self.write_plain(row, out);
                out.push(b'"');
            }
            Cells::Dictionary { keys, values } => values.write_json(keys[row], out),
        }
    }
}

impl Cells {
    fn bind(array: &dyn Array, document: bool) -> Option<Self> {
        let text = |texts: StringArray| {
            if document {
                Cells::Document(texts)
            } else {
                Cells::Text(texts)
            }
        };
        Some(match array.data_type() {
            DataType::Null => Cells::Null,
            DataType::Boolean => Cells::Boolean(array.as_boolean().values().clone()),
            DataType::Int64 => Cells::Integer(values::<Int64Type>(array)),
            DataType::Int8 => Cells::Integer(widened::<Int8Type, i64>(array)),
            DataType::Int16 => Cells::Integer(widened::<Int16Type, i64>(array)),
            DataType::Int32 => Cells::Integer(widened::<Int32Type, i64>(array)),
            DataType::UInt8 => Cells::Integer(widened::<UInt8Type, i64>(array)),
            DataType::UInt16 => Cells::Integer(widened::<UInt16Type, i64>(array)),
            DataType::UInt32 => Cells::Integer(widened::<UInt32Type, i64>(array)),
            DataType::UInt64 => Cells::Decimal {
                values: widened::<UInt64Type, i128>(array),
                scale: 0,
            },
            DataType::Decimal32(_, scale) => Cells::Decimal {
                values: widened::<Decimal32Type, i128>(array),
                scale: *scale,
            },
            DataType::Decimal64(_, scale) => Cells::Decimal {
                values: widened::<Decimal64Type, i128>(array),
                scale: *scale,
            },
            DataType::Decimal128(_, scale) => Cells::Decimal {
                values: values::<Decimal128Type>(array),
                scale: *scale,
            },
            DataType::Float64 => Cells::Float(values::<Float64Type>(array)),
            DataType::Float32 => Cells::Single(values::<Float32Type>(array)),
            DataType::Utf8 => text(array.as_string::<i32>().clone()),
            DataType::LargeUtf8 => text(array.as_string::<i64>().iter().collect()),
            DataType::Utf8View => text(array.as_string_view().iter().collect()),
            DataType::Binary => Cells::Binary(array.as_binary::<i32>().clone()),
            DataType::LargeBinary => Cells::Binary(array.as_binary::<i64>().iter().collect()),
            DataType::BinaryView => Cells::Binary(array.as_binary_view().iter().collect()),
            DataType::FixedSizeBinary(_) => Cells::Binary(array.as_fixed_size_binary().iter().collect()),
            DataType::Date32 => Cells::Date(widened::<Date32Type, i64>(array)),
            DataType::Date64 => Cells::Date(
                values::<Date64Type>(array)
                    .iter()
                    .map(|millis| millis.div_euclid(86_400_000))
                    .collect(),
            ),
            DataType::Time32(_) | DataType::Time64(_) => Self::bind_time(array)?,
            DataType::Timestamp(unit, zone) => Self::bind_timestamp(array, *unit, zone.as_deref()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                Cells::Dictionary {
                    keys: dictionary.normalized_keys(),
                    values: Box::new(Column {
                        nulls: None,
                        cells: Self::bind(dictionary.values().as_ref(), document)?,
                    }),
                }
            }
            _ => Cells::Nested(Nested::bind(array)?),
        })
    }

    fn bind_time(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Time32(TimeUnit::Second) => Cells::Time {
                values: widened::<Time32SecondType, i64>(array),
                nanos: 1_000_000_000,
            },
            DataType::Time32(TimeUnit::Millisecond) => Cells::Time {
                values: widened::<Time32MillisecondType, i64>(array),
                nanos: 1_000_000,
            },
            DataType::Time64(TimeUnit::Microsecond) => Cells::Time {
                values: values::<Time64MicrosecondType>(array),
                nanos: 1_000,
            },
            DataType::Time64(TimeUnit::Nanosecond) => Cells::Time {
                values: values::<Time64NanosecondType>(array),
                nanos: 1,
            },
            _ => return None,
        })
    }

    fn bind_timestamp(array: &dyn Array, unit: TimeUnit, zone: Option<&str>) -> Self {
        let (values, per_second) = match unit {
            TimeUnit::Second => (values::<TimestampSecondType>(array), 1),
            TimeUnit::Millisecond => (values::<TimestampMillisecondType>(array), 1_000),
            TimeUnit::Microsecond => (values::<TimestampMicrosecondType>(array), 1_000_000),
            TimeUnit::Nanosecond => (values::<TimestampNanosecondType>(array), 1_000_000_000),
        };
        let offset = match zone {
            None => Offset::None,
            // A named zone needs rules that we do not carry; the instant is the same in UTC.
            Some(zone) => fixed_offset(zone).map_or(Offset::Utc, Offset::Minutes),
        };
        Cells::Timestamp {
            values,
            per_second,
            offset,
        }
    }
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> ScalarBuffer<T::Native> {
    array.as_primitive::<T>().values().clone()
}

fn widened<T: ArrowPrimitiveType, Wide: From<T::Native> + arrow_buffer::ArrowNativeType>(
    array: &dyn Array,
) -> ScalarBuffer<Wide> {
    array
        .as_primitive::<T>()
        .values()
        .iter()
        .map(|value| Wide::from(*value))
        .collect()
}

fn boolean(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

/// Minutes of an offset such as `+05:30`.
fn fixed_offset(zone: &str) -> Option<i32> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::fixed_offset;

    #[test]
    fn offsets() {
        assert_eq!(fixed_offset("+05:30"), Some(330));
        assert_eq!(fixed_offset("-08:00"), Some(-480));
        assert_eq!(fixed_offset("UTC"), None);
        assert_eq!(fixed_offset(""), None);
    }
}

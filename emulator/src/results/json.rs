//! Rows as JSON text: arrays of strings and nulls, made from the wire's Arrow batches.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{
    Array, BinaryArray, BooleanArray, FixedSizeListArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, StructArray,
};
use arrow_schema::DataType;
use snowflake_emulator_engine::SqlType;
use snowflake_emulator_engine::functions::OutputFormat;

use super::style::{JsonStyle, formatted};
use super::text::{write_binary, write_decimal, write_escaped, write_float};
use super::{ResultError, WireColumn, decfloat};

/// Rough size of one value, for reserving memory.
const VALUE_BYTES_GUESS: usize = 12;
const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;
const NANOSECOND_DIGITS: u32 = 9;
/// Minutes that the zone of a timestamp counts from 24 hours west of UTC.
const OFFSET_BIAS_MINUTES: i32 = 1440;

/// JSON text of rows, separated by commas, without the outer brackets.
#[derive(Debug, Default)]
pub struct JsonRows {
    text: Vec<u8>,
}

impl JsonRows {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the rows of a batch that [`super::Converter`] made.
    pub fn push(
        &mut self,
        columns: &[WireColumn],
        batch: &RecordBatch,
        style: &JsonStyle,
    ) -> Result<(), ResultError> {
        let cells = columns
            .iter()
            .zip(batch.columns())
            .map(|(column, array)| Cells::new(column, array.as_ref(), style))
            .collect::<Result<Vec<_>, _>>()?;
        self.text
            .reserve(batch.num_rows() * (columns.len() * VALUE_BYTES_GUESS + 3));
        for row in 0..batch.num_rows() {
            self.text
                .extend_from_slice(if self.text.is_empty() { b"[" } else { b",[" });
            for (index, cell) in cells.iter().enumerate() {
                if index > 0 {
                    self.text.push(b',');
                }
                cell.write(row, &mut self.text);
            }
            self.text.push(b']');
        }
        Ok(())
    }

    /// The text.
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }
}

/// One column's values, downcast once.
struct Cells<'a> {
    array: &'a dyn Array,
    kind: Kind<'a>,
    style: &'a JsonStyle,
    /// Zeros that fill a fraction of seconds up to nine digits.
    zeros: usize,
}

enum Kind<'a> {
    /// Any value that is an integer to be written with a decimal point `scale` digits from its end.
    Unscaled {
        value: Unscaled<'a>,
        scale: u32,
    },
    Float(&'a Float64Array),
    Text(&'a StringArray),
    Boolean(&'a BooleanArray),
    Binary(&'a BinaryArray),
    Vector(&'a FixedSizeListArray),
    DecFloat(&'a StructArray),
    /// A timestamp with offset; the zone follows the instant after a space.
    Zoned {
        value: Unscaled<'a>,
        scale: u32,
        zone: &'a Int32Array,
    },
    /// A date or time in a format of its own; a unit of the value is so many nanoseconds.
    Formatted {
        value: Unscaled<'a>,
        unit: i128,
        clock: Clock<'a>,
        format: &'a OutputFormat,
    },
}

/// What shows a moment.
enum Clock<'a> {
    /// A clock on the wall, nobody knows where.
    Wall,
    /// The session's.
    Session,
    /// One for each value, so many minutes after 24 hours west of UTC.
    Each(&'a Int32Array),
}

enum Unscaled<'a> {
    Int8(&'a arrow_array::Int8Array),
    Int16(&'a arrow_array::Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Date(&'a arrow_array::Date32Array),
    Decimal(&'a arrow_array::Decimal128Array),
    /// Seconds and nanoseconds, to be cut to `digits` digits.
    Parts {
        epoch: &'a Int64Array,
        fraction: &'a Int32Array,
        divisor: i128,
    },
}

impl Unscaled<'_> {
    fn get(&self, row: usize) -> i128 {
        match self {
            Self::Int8(array) => i128::from(array.value(row)),
            Self::Int16(array) => i128::from(array.value(row)),
            Self::Int32(array) => i128::from(array.value(row)),
            Self::Int64(array) => i128::from(array.value(row)),
            Self::Date(array) => i128::from(array.value(row)),
            Self::Decimal(array) => array.value(row),
            Self::Parts {
                epoch,
                fraction,
                divisor,
            } => {
                let nanos = i128::from(epoch.value(row)) * NANOS_PER_SECOND + i128::from(fraction.value(row));
                nanos.div_euclid(*divisor)
            }
        }
    }
}

impl<'a> Cells<'a> {
    fn new(column: &WireColumn, array: &'a dyn Array, style: &'a JsonStyle) -> Result<Self, ResultError> {
        let unexpected = || ResultError::Shape {
            column: column.name.clone(),
            found: array.data_type().to_string(),
            expected: column.tag,
        };
        // Of an interval it tells fields, not digits.
        let scale = match column.sql_type {
            SqlType::IntervalYearMonth { .. } | SqlType::IntervalDayTime { .. } => 0,
            _ => column.scale.unwrap_or(0),
        };
        let kind = match (&column.sql_type, array.data_type()) {
            (SqlType::TimestampTz { .. }, DataType::Struct(_)) => {
                let parts = array.as_struct();
                let zone = field::<Int32Array>(parts, "timezone").ok_or_else(unexpected)?;
                Kind::Zoned {
                    value: instant(parts, scale).ok_or_else(unexpected)?,
                    scale,
                    zone,
                }
            }
            (SqlType::DecFloat, DataType::Struct(_)) => Kind::DecFloat(array.as_struct()),
            (_, DataType::Struct(_)) => Kind::Unscaled {
                value: instant(array.as_struct(), scale).ok_or_else(unexpected)?,
                scale,
            },
            (_, DataType::Int8) => Kind::Unscaled {
                value: Unscaled::Int8(array.as_primitive::<Int8Type>()),
                scale,
            },
            (_, DataType::Int16) => Kind::Unscaled {
                value: Unscaled::Int16(array.as_primitive::<Int16Type>()),
                scale,
            },
            (_, DataType::Int32) => Kind::Unscaled {
                value: Unscaled::Int32(array.as_primitive::<Int32Type>()),
                scale,
            },
            (_, DataType::Int64) => Kind::Unscaled {
                value: Unscaled::Int64(array.as_primitive::<Int64Type>()),
                scale,
            },
            (_, DataType::Decimal128(..)) => Kind::Unscaled {
                value: Unscaled::Decimal(array.as_primitive::<Decimal128Type>()),
                scale,
            },
            (_, DataType::Date32) => Kind::Unscaled {
                value: Unscaled::Date(array.as_primitive::<Date32Type>()),
                scale: 0,
            },
            (_, DataType::Float64) => Kind::Float(array.as_primitive::<Float64Type>()),
            (_, DataType::Utf8) => Kind::Text(array.as_string::<i32>()),
            (_, DataType::Boolean) => Kind::Boolean(array.as_boolean()),
            (_, DataType::FixedSizeList(..)) => Kind::Vector(array.as_fixed_size_list()),
            (_, DataType::Binary) => Kind::Binary(array.as_binary::<i32>()),
            _ => return Err(unexpected()),
        };
        let kind = match style.formats.of(&column.sql_type) {
            Some(format) => kind.formatted(&column.sql_type, format),
            None => kind,
        };
        let zeros = if style.nine_digits && is_of_seconds(&column.sql_type) {
            NANOSECOND_DIGITS.saturating_sub(scale) as usize
        } else {
            0
        };
        Ok(Self {
            array,
            kind,
            style,
            zeros,
        })
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.array.is_null(row) {
            out.extend_from_slice(if self.style.null_as_text {
                b"\"null\""
            } else {
                b"null"
            });
            return;
        }
        out.push(b'"');
        match &self.kind {
            Kind::Unscaled { value, scale } => self.write_number(value.get(row), *scale, out),
            Kind::Float(array) => write_float(array.value(row), out),
            Kind::Text(array) => write_escaped(array.value(row), out),
            Kind::Boolean(array) => {
                let [yes, no]: [&[u8]; 2] = if self.style.booleans_as_words {
                    [b"true", b"false"]
                } else {
                    [b"1", b"0"]
                };
                out.extend_from_slice(if array.value(row) { yes } else { no });
            }
            Kind::Binary(array) => write_binary(array.value(row), self.style.binary, out),
            Kind::DecFloat(array) => {
                let number = decfloat::value(array, row).unwrap_or_default();
                out.extend_from_slice(number.to_string().as_bytes());
            }
            Kind::Vector(array) => write_vector(array.value(row).as_ref(), out),
            Kind::Zoned { value, scale, zone } => {
                self.write_number(value.get(row), *scale, out);
                out.push(b' ');
                write_decimal(i128::from(zone.value(row)), 0, out);
            }
            Kind::Formatted {
                value,
                unit,
                clock,
                format,
            } => {
                let nanoseconds = value.get(row) * unit;
                let offset_minutes = match clock {
                    Clock::Wall => None,
                    Clock::Session => Some(self.style.formats.offset_minutes(nanoseconds)),
                    Clock::Each(zones) => Some(zones.value(row) - OFFSET_BIAS_MINUTES),
                };
                write_escaped(&formatted(format, nanoseconds, offset_minutes), out);
            }
        }
        out.push(b'"');
    }

    fn write_number(&self, unscaled: i128, scale: u32, out: &mut Vec<u8>) {
        write_decimal(unscaled, scale, out);
        if self.zeros > 0 {
            if scale == 0 {
                out.push(b'.');
            }
            out.resize(out.len() + self.zeros, b'0');
        }
    }
}

impl<'a> Kind<'a> {
    /// The same values in a format; what is no date or time stays as it is.
    fn formatted(self, sql_type: &SqlType, format: &'a OutputFormat) -> Self {
        let (value, scale, clock) = match (self, sql_type) {
            (Self::Zoned { value, scale, zone }, _) => (value, scale, Clock::Each(zone)),
            (Self::Unscaled { value, scale }, SqlType::TimestampLtz { .. }) => (value, scale, Clock::Session),
            (Self::Unscaled { value, scale }, _) => (value, scale, Clock::Wall),
            (other, _) => return other,
        };
        let unit = match sql_type {
            SqlType::Date => NANOS_PER_DAY,
            _ => 10_i128.pow(NANOSECOND_DIGITS.saturating_sub(scale)),
        };
        Self::Formatted {
            value,
            unit,
            clock,
            format,
        }
    }
}

/// True for types whose JSON form is a number of seconds.
fn is_of_seconds(sql_type: &SqlType) -> bool {
    matches!(
        sql_type,
        SqlType::Time { .. }
            | SqlType::TimestampNtz { .. }
            | SqlType::TimestampLtz { .. }
            | SqlType::TimestampTz { .. }
    )
}

/// Writes the numbers of a vector as a JSON array.
fn write_vector(numbers: &dyn Array, out: &mut Vec<u8>) {
    out.push(b'[');
    for index in 0..numbers.len() {
        if index > 0 {
            out.push(b',');
        }
        if let Some(floats) = numbers.as_primitive_opt::<Float32Type>() {
            write_float(f64::from(floats.value(index)), out);
        } else if let Some(integers) = numbers.as_primitive_opt::<Int32Type>() {
            write_decimal(i128::from(integers.value(index)), 0, out);
        }
    }
    out.push(b']');
}

/// The instant in a struct of `epoch` and perhaps `fraction`.
fn instant(parts: &StructArray, scale: u32) -> Option<Unscaled<'_>> {
    let epoch = field::<Int64Array>(parts, "epoch")?;
    Some(match field::<Int32Array>(parts, "fraction") {
        Some(fraction) => {
            let divisor = 10_i128.pow(NANOSECOND_DIGITS.saturating_sub(scale));
            Unscaled::Parts {
                epoch,
                fraction,
                divisor,
            }
        }
        None => Unscaled::Int64(epoch),
    })
}

fn field<'a, A: Array + 'static>(parts: &'a StructArray, name: &str) -> Option<&'a A> {
    parts.column_by_name(name)?.as_any().downcast_ref::<A>()
}

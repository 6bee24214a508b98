//! Arrow builders that are fed with wire text, one per column.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringBuilder, Time64NanosecondBuilder, TimestampMicrosecondBuilder, TimestampNanosecondBuilder,
};

use super::DecodeError;
use super::plan::{Kind, UTC, Unit};
use super::text::{
    parse_boolean, parse_decimal, parse_hex, parse_integer, parse_zoned, power_of_ten, write_zoned,
};

/// A column under construction.
pub(crate) struct Cells {
    column: usize,
    builder: Builder,
}

enum Builder {
    Integer(Int64Builder),
    Decimal(Decimal128Builder, u8, u8),
    Float(Float64Builder),
    Text(StringBuilder),
    Boolean(BooleanBuilder),
    Date(Date32Builder),
    Time(Time64NanosecondBuilder),
    Micros(TimestampMicrosecondBuilder, bool),
    Nanos(TimestampNanosecondBuilder, bool),
    Zoned(StringBuilder, u8, String),
    Binary(BinaryBuilder, Vec<u8>),
}

impl Cells {
    /// Starts column number `column`, with room for `rows` rows.
    pub(crate) fn new(column: usize, kind: Kind, rows: usize) -> Self {
        let builder = match kind {
            Kind::Integer => Builder::Integer(Int64Builder::with_capacity(rows)),
            Kind::Decimal { precision, scale } => {
                Builder::Decimal(Decimal128Builder::with_capacity(rows), precision, scale)
            }
            Kind::Float => Builder::Float(Float64Builder::with_capacity(rows)),
            Kind::Boolean => Builder::Boolean(BooleanBuilder::with_capacity(rows)),
            Kind::Date => Builder::Date(Date32Builder::with_capacity(rows)),
            Kind::Time { .. } => Builder::Time(Time64NanosecondBuilder::with_capacity(rows)),
            Kind::Timestamp {
                unit: Unit::Micros,
                utc,
                ..
            } => Builder::Micros(TimestampMicrosecondBuilder::with_capacity(rows), utc),
            Kind::Timestamp {
                unit: Unit::Nanos,
                utc,
                ..
            } => Builder::Nanos(TimestampNanosecondBuilder::with_capacity(rows), utc),
            Kind::TimestampTz { scale } => Builder::Zoned(
                StringBuilder::with_capacity(rows, rows * 32),
                scale,
                String::new(),
            ),
            Kind::Binary => Builder::Binary(BinaryBuilder::with_capacity(rows, rows * 8), Vec::new()),
            Kind::Text
            | Kind::Vector
            | Kind::DecFloat
            | Kind::IntervalYearMonth
            | Kind::IntervalDayTime { .. } => Builder::Text(StringBuilder::with_capacity(rows, rows * 8)),
        };
        Self { column, builder }
    }

    /// Adds NULL.
    pub(crate) fn push_null(&mut self) {
        match &mut self.builder {
            Builder::Integer(builder) => builder.append_null(),
            Builder::Decimal(builder, ..) => builder.append_null(),
            Builder::Float(builder) => builder.append_null(),
            Builder::Text(builder) | Builder::Zoned(builder, ..) => builder.append_null(),
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
            Builder::Micros(builder, _) => builder.append_null(),
            Builder::Nanos(builder, _) => builder.append_null(),
            Builder::Binary(builder, _) => builder.append_null(),
        }
    }

    /// Adds the value that `text` stands for.
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), DecodeError> {
        let column = self.column;
        let unreadable = || DecodeError::Value {
            column,
            reason: "cannot be read as its type says".to_owned(),
        };
        match &mut self.builder {
            Builder::Integer(builder) => builder.append_value(parse_integer(text).ok_or_else(unreadable)?),
            Builder::Decimal(builder, precision, scale) => {
                let value = parse_decimal(text, *scale).ok_or_else(unreadable)?;
                if value.unsigned_abs() >= power_of_ten(*precision).unsigned_abs() {
                    return Err(too_many_digits(column));
                }
                builder.append_value(value);
            }
            Builder::Float(builder) => {
                let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                builder.append_value(value.ok_or_else(unreadable)?);
            }
            Builder::Text(builder) => builder.append_value(utf8(text, column)?),
            Builder::Boolean(builder) => builder.append_value(parse_boolean(text).ok_or_else(unreadable)?),
            Builder::Date(builder) => {
                let days = parse_integer(text).and_then(|days| i32::try_from(days).ok());
                builder.append_value(days.ok_or_else(unreadable)?);
            }
            Builder::Time(builder) => {
                let nanos = parse_decimal(text, 9).and_then(|nanos| i64::try_from(nanos).ok());
                builder.append_value(nanos.ok_or_else(unreadable)?);
            }
            Builder::Micros(builder, _) => {
                let nanos = parse_decimal(text, 9).ok_or_else(unreadable)?;
                if nanos % 1000 != 0 {
                    return Err(too_fine(column));
                }
                builder.append_value(i64::try_from(nanos / 1000).map_err(|_| unreadable())?);
            }
            Builder::Nanos(builder, _) => {
                let nanos = parse_decimal(text, 9).ok_or_else(unreadable)?;
                builder.append_value(i64::try_from(nanos).map_err(|_| DecodeError::Range { column })?);
            }
            Builder::Zoned(builder, scale, written) => {
                write_zoned(parse_zoned(text).ok_or_else(unreadable)?, *scale, written);
                builder.append_value(&*written);
            }
            Builder::Binary(builder, bytes) => {
                parse_hex(text, bytes).ok_or_else(unreadable)?;
                builder.append_value(&*bytes);
            }
        }
        Ok(())
    }

    /// Ends the batch and returns its column; the next value starts a new one.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, DecodeError> {
        let zone = |utc: bool| utc.then_some(UTC);
        Ok(match &mut self.builder {
            Builder::Integer(builder) => Arc::new(builder.finish()),
            Builder::Decimal(builder, precision, scale) => {
                let numbers = builder
                    .finish()
                    .with_precision_and_scale(*precision, *scale as i8);
                Arc::new(numbers.map_err(|error| DecodeError::broken(error.to_string()))?)
            }
            Builder::Float(builder) => Arc::new(builder.finish()),
            Builder::Text(builder) | Builder::Zoned(builder, ..) => Arc::new(builder.finish()),
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Date(builder) => Arc::new(builder.finish()),
            Builder::Time(builder) => Arc::new(builder.finish()),
            Builder::Micros(builder, utc) => Arc::new(builder.finish().with_timezone_opt(zone(*utc))),
            Builder::Nanos(builder, utc) => Arc::new(builder.finish().with_timezone_opt(zone(*utc))),
            Builder::Binary(builder, _) => Arc::new(builder.finish()),
        })
    }
}

fn utf8(text: &[u8], column: usize) -> Result<&str, DecodeError> {
    std::str::from_utf8(text).map_err(|_| DecodeError::Value {
        column,
        reason: "is text but not valid UTF-8".to_owned(),
    })
}

/// The error for a number with more digits than its column.
pub(crate) fn too_many_digits(column: usize) -> DecodeError {
    DecodeError::Value {
        column,
        reason: "has more digits than its type allows".to_owned(),
    }
}

/// The error for a timestamp whose column is in microseconds and cannot hold it.
pub(crate) fn too_fine(column: usize) -> DecodeError {
    let reason = "has more than 6 fraction digits in a column that is in microseconds because other values lie outside \
                  the years 1677 to 2262; cast it to a timestamp with 6 fraction digits";
    DecodeError::Value {
        column,
        reason: reason.to_owned(),
    }
}

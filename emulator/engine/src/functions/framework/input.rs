//! The engine's argument vectors as values.

#![expect(clippy::expl_impl_clone_on_copy, reason = "the binding's derive writes it")]

use std::borrow::Cow;

use duckdb_neo::{
    AsDuckDB, Error,
    data_chunk::VectorCollection,
    logical_type::{LogicalType, LogicalTypeID},
    types::{
        BlobValue, DateValue, DecimalSignature, DecimalValue, HugeInt, List, LongDecimal, ShortDecimal,
        TimeNsValue, TimeValue, TimestampMsValue, TimestampNsValue, TimestampSecValue, TimestampTzValue,
        TimestampValue, WordDecimal,
    },
    vector::{StorageKind, VectorReader},
};

use super::{Number, Value, batch::Numbers};
use crate::DecFloat;
use crate::duckdb::{DAY_TIME, DECFLOAT, WideDecimal, YEAR_MONTH, to_words};

/// One TIMESTAMP_TZ as the engine stores it.
#[derive(AsDuckDB)]
pub(crate) struct ZonedInstant {
    pub(crate) instant: TimestampNsValue,
    pub(crate) offset_minutes: i32,
}

/// One INTERVAL YEAR TO MONTH as the engine stores it.
#[derive(AsDuckDB)]
pub(crate) struct StoredMonths {
    pub(crate) months: i64,
}

/// One INTERVAL DAY TO SECOND as the engine stores it.
#[derive(AsDuckDB)]
pub(crate) struct StoredDuration {
    pub(crate) nanoseconds: HugeInt,
}

/// One argument's values for a chunk of rows.
pub(super) enum Column<'vector> {
    Null,
    /// A number that is known from the beginning.
    Known(Number),
    Boolean(VectorReader<'vector, bool>),
    I8(VectorReader<'vector, i8>),
    I16(VectorReader<'vector, i16>),
    I32(VectorReader<'vector, i32>),
    I64(VectorReader<'vector, i64>),
    I128(VectorReader<'vector, HugeInt>),
    U8(VectorReader<'vector, u8>),
    U16(VectorReader<'vector, u16>),
    U32(VectorReader<'vector, u32>),
    U64(VectorReader<'vector, u64>),
    Decimal16(VectorReader<'vector, ShortDecimal>, u8),
    Decimal32(VectorReader<'vector, WordDecimal>, u8),
    Decimal64(VectorReader<'vector, LongDecimal>, u8),
    Decimal128(VectorReader<'vector, WideDecimal>, u8),
    F32(VectorReader<'vector, f32>),
    F64(VectorReader<'vector, f64>),
    Text(VectorReader<'vector, String>),
    Binary(VectorReader<'vector, BlobValue>),
    DecFloat(VectorReader<'vector, BlobValue>),
    Date(VectorReader<'vector, DateValue>),
    Time(VectorReader<'vector, TimeValue>),
    TimeNs(VectorReader<'vector, TimeNsValue>),
    TimestampS(VectorReader<'vector, TimestampSecValue>),
    TimestampMs(VectorReader<'vector, TimestampMsValue>),
    TimestampUs(VectorReader<'vector, TimestampValue>),
    TimestampNs(VectorReader<'vector, TimestampNsValue>),
    Instant(VectorReader<'vector, TimestampTzValue>),
    Zoned(VectorReader<'vector, ZonedInstant>),
    Months(VectorReader<'vector, StoredMonths>),
    Duration(VectorReader<'vector, StoredDuration>),
    TextList(VectorReader<'vector, List<String>>),
}

/// Brings vectors into a layout that can be read.
pub(super) fn flatten(vectors: &mut VectorCollection) -> duckdb_neo::Result<()> {
    for index in 0..vectors.col_count() {
        if vectors.get_untyped_vector_at(index)?.storage_kind() == StorageKind::Other {
            vectors.get_untyped_vector_at_mut(index)?.flatten()?;
        }
    }
    Ok(())
}

/// What tells how an argument's vectors are read. Asked once for a call, as the engine makes values to answer.
pub(super) struct Shape {
    id: LogicalTypeID,
    /// Of a decimal.
    signature: Option<DecimalSignature>,
    /// What our types of blobs and structures are told apart by.
    name: String,
}

impl Shape {
    pub(super) fn of(logical_type: &LogicalType) -> duckdb_neo::Result<Self> {
        let id = logical_type.id()?;
        let signature = match id {
            LogicalTypeID::Decimal => Some(DecimalSignature::from_logical_type(logical_type)?),
            _ => None,
        };
        let name = match id {
            LogicalTypeID::Blob | LogicalTypeID::Struct => logical_type.name()?.to_owned(),
            _ => String::new(),
        };
        Ok(Self { id, signature, name })
    }
}

impl<'vector> Column<'vector> {
    pub(super) fn read(
        vectors: &'vector VectorCollection,
        index: usize,
        shape: &Shape,
    ) -> duckdb_neo::Result<Self> {
        macro_rules! reader {
            ($type:ty) => {
                vectors.get_vector_at::<$type>(index)?.reader()?
            };
        }
        Ok(match shape.id {
            LogicalTypeID::SqlNull => Self::Null,
            LogicalTypeID::Boolean => Self::Boolean(reader!(bool)),
            LogicalTypeID::TinyInt => Self::I8(reader!(i8)),
            LogicalTypeID::SmallInt => Self::I16(reader!(i16)),
            LogicalTypeID::Integer => Self::I32(reader!(i32)),
            LogicalTypeID::BigInt => Self::I64(reader!(i64)),
            LogicalTypeID::HugeInt => Self::I128(reader!(HugeInt)),
            LogicalTypeID::UTinyInt => Self::U8(reader!(u8)),
            LogicalTypeID::USmallInt => Self::U16(reader!(u16)),
            LogicalTypeID::UInteger => Self::U32(reader!(u32)),
            LogicalTypeID::UBigInt => Self::U64(reader!(u64)),
            LogicalTypeID::Decimal => match shape.signature {
                Some(DecimalSignature { width: 1..=4, scale }) => {
                    Self::Decimal16(reader!(ShortDecimal), scale)
                }
                Some(DecimalSignature { width: 5..=9, scale }) => {
                    Self::Decimal32(reader!(WordDecimal), scale)
                }
                Some(DecimalSignature {
                    width: 10..=18,
                    scale,
                }) => Self::Decimal64(reader!(LongDecimal), scale),
                Some(DecimalSignature { scale, .. }) => Self::Decimal128(reader!(WideDecimal), scale),
                None => return Err(Error::api_error("a decimal has a width")),
            },
            LogicalTypeID::Float => Self::F32(reader!(f32)),
            LogicalTypeID::Double => Self::F64(reader!(f64)),
            LogicalTypeID::Varchar => Self::Text(reader!(String)),
            LogicalTypeID::Blob if shape.name == DECFLOAT => Self::DecFloat(reader!(BlobValue)),
            LogicalTypeID::Blob => Self::Binary(reader!(BlobValue)),
            LogicalTypeID::Date => Self::Date(reader!(DateValue)),
            LogicalTypeID::Time => Self::Time(reader!(TimeValue)),
            LogicalTypeID::TimeNs => Self::TimeNs(reader!(TimeNsValue)),
            LogicalTypeID::TimestampSec => Self::TimestampS(reader!(TimestampSecValue)),
            LogicalTypeID::TimestampMs => Self::TimestampMs(reader!(TimestampMsValue)),
            LogicalTypeID::Timestamp => Self::TimestampUs(reader!(TimestampValue)),
            LogicalTypeID::TimestampNs => Self::TimestampNs(reader!(TimestampNsValue)),
            LogicalTypeID::TimestampTz => Self::Instant(reader!(TimestampTzValue)),
            LogicalTypeID::Struct => match shape.name.as_str() {
                YEAR_MONTH => Self::Months(reader!(StoredMonths)),
                DAY_TIME => Self::Duration(reader!(StoredDuration)),
                _ => Self::Zoned(reader!(ZonedInstant)),
            },
            LogicalTypeID::List => Self::TextList(reader!(List<String>)),
            other => {
                return Err(Error::invalid_input(format!(
                    "arguments of type {other:?} are not taken"
                )));
            }
        })
    }

    /// The value in a row.
    #[inline]
    pub(super) fn value(&self, row: usize) -> duckdb_neo::Result<Value<'vector>> {
        if let Some(number) = self.unscaled(row)? {
            return Ok(Value::Number(Number::new(number, self.scale())));
        }
        let found = match self {
            Self::Boolean(reader) => reader.get(row)?.map(|value| Value::Boolean(*value)),
            Self::F32(reader) => reader.get(row)?.map(|value| Value::Float(f64::from(*value))),
            Self::F64(reader) => reader.get(row)?.map(|value| Value::Float(*value)),
            Self::Text(reader) => reader.get(row)?.map(Value::text),
            Self::Binary(reader) => reader.get(row)?.map(|bytes| Value::Binary(Cow::Borrowed(bytes))),
            Self::DecFloat(reader) => reader
                .get(row)?
                .and_then(|key| DecFloat::from_key(key).map(Value::DecFloat)),
            Self::Date(reader) => reader.get(row)?.map(|value| Value::Date(value.0)),
            Self::Time(reader) => reader.get(row)?.map(|value| Value::Time(value.0 * 1_000)),
            Self::TimeNs(reader) => reader.get(row)?.map(|value| Value::Time(value.0)),
            Self::TimestampS(reader) => timestamp(reader.get(row)?.map(|value| value.0), 1_000_000_000)?,
            Self::TimestampMs(reader) => timestamp(reader.get(row)?.map(|value| value.0), 1_000_000)?,
            Self::TimestampUs(reader) => timestamp(reader.get(row)?.map(|value| value.0), 1_000)?,
            Self::TimestampNs(reader) => reader.get(row)?.map(|value| Value::Timestamp(value.0)),
            Self::Instant(reader) => timestamp(reader.get(row)?.map(|value| value.0), 1_000)?,
            Self::Zoned(reader) => reader.get(row)?.and_then(|value| {
                Some(Value::ZonedTimestamp {
                    instant: value.instant?.0,
                    offset_minutes: *value.offset_minutes?,
                })
            }),
            Self::Months(reader) => reader
                .get(row)?
                .and_then(|value| Some(Value::Months(*value.months?))),
            Self::Duration(reader) => reader
                .get(row)?
                .and_then(|value| Some(Value::Duration(of_halves(value.nanoseconds?)))),
            Self::TextList(reader) => match reader.get(row)? {
                None => None,
                Some(list) => {
                    let texts = list.iter().map(|text| text.map(Cow::Borrowed)).collect();
                    Some(Value::TextList(texts))
                }
            },
            _ => None,
        };
        Ok(found.unwrap_or(Value::Null))
    }

    /// The unscaled number in a row of a number column; none for NULL and for other columns.
    #[inline]
    pub(super) fn unscaled(&self, row: usize) -> duckdb_neo::Result<Option<i128>> {
        Ok(match self {
            Self::Known(number) => Some(number.unscaled),
            Self::I8(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::I16(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::I32(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::I64(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::I128(reader) => reader.get(row)?.map(of_halves),
            Self::U8(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::U16(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::U32(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::U64(reader) => reader.get(row)?.map(|value| i128::from(*value)),
            Self::Decimal16(reader, _) => reader.get(row)?.map(|value| i128::from(value.0)),
            Self::Decimal32(reader, _) => reader.get(row)?.map(|value| i128::from(value.0)),
            Self::Decimal64(reader, _) => reader.get(row)?.map(|value| i128::from(value.0)),
            Self::Decimal128(reader, _) => reader.get(row)?,
            _ => None,
        })
    }

    /// The unscaled numbers of all rows; a NULL clears its row in `valid`, which is made when there is one.
    pub(super) fn numbers(
        &self,
        rows: usize,
        valid: &mut Option<Vec<bool>>,
    ) -> duckdb_neo::Result<Numbers<'vector>> {
        macro_rules! each {
            ($reader:expr, $unscaled:expr) => {{
                if $reader.storage_kind() == StorageKind::Constant && rows > 0 {
                    // One look serves all rows.
                    let value = $reader.get(0)?.map($unscaled);
                    if value.is_none() {
                        *valid = Some(vec![false; rows]);
                    }
                    return Ok(Numbers::Same(value.unwrap_or(0)));
                }
                collected(
                    $reader.iter().map(|value| Ok(value.map($unscaled))),
                    rows,
                    valid,
                )
            }};
        }
        match self {
            Self::Known(number) => Ok(Numbers::Same(number.unscaled)),
            Self::I32(reader) => each!(reader, |value| i128::from(*value)),
            Self::I64(reader) => each!(reader, |value| i128::from(*value)),
            Self::Decimal16(reader, _) => each!(reader, |value| i128::from(value.0)),
            Self::Decimal32(reader, _) => each!(reader, |value| i128::from(value.0)),
            Self::Decimal64(reader, _) => each!(reader, |value| i128::from(value.0)),
            Self::Decimal128(reader, _) => {
                if let Some(numbers) = WideDecimal::flat(reader) {
                    return Ok(Numbers::Each(Cow::Borrowed(numbers)));
                }
                each!(reader, |value| value)
            }
            _ => collected((0..rows).map(|row| self.unscaled(row)), rows, valid),
        }
    }

    fn scale(&self) -> u8 {
        match self {
            Self::Known(number) => number.scale,
            Self::Decimal16(_, scale)
            | Self::Decimal32(_, scale)
            | Self::Decimal64(_, scale)
            | Self::Decimal128(_, scale) => *scale,
            _ => 0,
        }
    }
}

fn collected<'vector>(
    values: impl Iterator<Item = duckdb_neo::Result<Option<i128>>>,
    rows: usize,
    valid: &mut Option<Vec<bool>>,
) -> duckdb_neo::Result<Numbers<'vector>> {
    let mut numbers = Vec::with_capacity(rows);
    for (row, value) in values.enumerate() {
        let value = value?;
        if value.is_none() {
            valid.get_or_insert_with(|| vec![true; rows])[row] = false;
        }
        numbers.push(to_words(value.unwrap_or(0)));
    }
    Ok(Numbers::Each(Cow::Owned(numbers)))
}

fn of_halves(value: &HugeInt) -> i128 {
    (i128::from(value.upper) << 64) | i128::from(value.lower)
}

fn timestamp(units: Option<i64>, nanoseconds: i64) -> duckdb_neo::Result<Option<Value<'static>>> {
    let Some(units) = units else { return Ok(None) };
    match units.checked_mul(nanoseconds) {
        Some(value) => Ok(Some(Value::Timestamp(value))),
        None => Err(Error::invalid_input("Timestamp is out of the supported range")),
    }
}

/// A constant argument's value; none when its type is not one that a binding looks at.
pub(super) fn constant(value: &duckdb_neo::value::Value) -> duckdb_neo::Result<Option<Value<'static>>> {
    if value.is_null()? {
        return Ok(Some(Value::Null));
    }
    let logical_type = value.logical_type()?;
    Ok(match logical_type.id()? {
        LogicalTypeID::Varchar => value.get::<String>()?.map(Value::from),
        LogicalTypeID::Boolean => value.get::<bool>()?.map(Value::Boolean),
        LogicalTypeID::TinyInt => value.get::<i8>()?.map(Value::integer),
        LogicalTypeID::SmallInt => value.get::<i16>()?.map(Value::integer),
        LogicalTypeID::Integer => value.get::<i32>()?.map(Value::integer),
        LogicalTypeID::BigInt => value.get::<i64>()?.map(Value::integer),
        LogicalTypeID::HugeInt => value.get::<i128>()?.map(Value::integer),
        LogicalTypeID::Decimal => value
            .get::<DecimalValue>()?
            .map(|value| Value::Number(Number::new(value.value, value.scale))),
        LogicalTypeID::Double => value.get::<f64>()?.map(Value::Float),
        _ => None,
    })
}

//! From the engine's physical types to those of Snowflake's wire.
//!
//! Most columns pass as they are, sharing their buffers. Changed are decimals that fit 64 bits (sent as
//! the unscaled integer, half the bytes), times (integers in units of the column's scale) and
//! timestamps (an integer up to scale 7, else seconds and nanoseconds apart).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Int32Type, Int64Type, Time64NanosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, PrimitiveArray, RecordBatch, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use snowflake_emulator_engine::{GeoForm, SqlType, VectorElement};

use super::{ResultError, WireColumn, decfloat, shapes};

/// Digits that every 64-bit integer can hold.
const INT64_DIGITS: u8 = 18;
/// Digits of a second in the engine's times.
const NANOSECOND_DIGITS: u8 = 9;
/// The largest scale at which a timestamp travels as one integer.
const PLAIN_TIMESTAMP_SCALE_MAX: u8 = 7;
/// The largest scale at which a timestamp with offset travels without a field of its own for the fraction.
const PLAIN_TIMESTAMP_TZ_SCALE_MAX: u8 = 3;
/// The largest scale at which a time of day fits 32 bits.
const INT32_TIME_SCALE_MAX: u8 = 4;
/// Digits of days whose nanoseconds fit 64 bits.
const INT64_DAY_DIGITS: u8 = 5;
/// The engine's number of nanoseconds.
pub(super) const DURATION: DataType = DataType::Decimal128(38, 0);
/// The wire's time zone field counts minutes from 24 hours west of UTC.
pub(super) const OFFSET_BIAS_MINUTES: i32 = 1440;

/// What is done to one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Keep,
    /// `Decimal128` to its unscaled 64-bit integer.
    UnscaledInt64,
    /// Nanoseconds of the day to units of the scale, in 32 bits.
    TimeInt32 { divisor: i64 },
    /// Nanoseconds of the day to units of the scale, in 64 bits.
    TimeInt64 { divisor: i64 },
    /// Nanoseconds of the epoch to units of the scale.
    TimestampInt64 { divisor: i64 },
    /// Nanoseconds of the epoch to seconds and nanoseconds.
    TimestampParts,
    /// Instant and offset to units of the scale and biased offset.
    ZonedInt64 { divisor: i64 },
    /// Instant and offset to seconds, nanoseconds and biased offset.
    ZonedParts,
    /// Keys of decimal floating-point numbers to exponents and significands.
    DecFloatParts,
    /// Shapes to the form in which they are shown.
    Shown(GeoForm),
    /// The only number of a struct.
    Child,
    /// The same, in 64 bits.
    ChildInt64,
}

/// Turns batches of one result into the wire's physical types.
#[derive(Debug)]
pub struct Converter {
    schema: SchemaRef,
    steps: Vec<Step>,
}

impl Converter {
    /// Plans the conversion of a result.
    ///
    /// Integers keep the width in which the engine made them, so the first batch decides; a result
    /// without any batch has 64-bit integers.
    pub fn new(columns: &[WireColumn], first: Option<&RecordBatch>) -> Result<Self, ResultError> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut steps = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let found = first
                .and_then(|batch| batch.columns().get(index))
                .map(Array::data_type);
            let (step, physical) = plan(column, found)?;
            steps.push(step);
            fields.push(column.field(physical));
        }
        Ok(Self {
            schema: Arc::new(Schema::new(fields)),
            steps,
        })
    }

    /// The wire's schema, with the metadata that clients read.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Converts one batch.
    pub fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, ResultError> {
        let arrays = self
            .steps
            .iter()
            .zip(batch.columns())
            .map(|(step, array)| apply(*step, array))
            .collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            arrays,
            &options,
        )?)
    }
}

/// The step for a column and the physical type it ends in; `found` is what the engine sent, if anything yet.
fn plan(column: &WireColumn, found: Option<&DataType>) -> Result<(Step, DataType), ResultError> {
    let expect = |wanted: DataType, step: Step, physical: DataType| match found {
        Some(found) if *found != wanted => Err(shape(column, found)),
        _ => Ok((step, physical)),
    };
    let keep = |wanted: DataType| expect(wanted.clone(), Step::Keep, wanted);
    let instant = DataType::Timestamp(TimeUnit::Nanosecond, None);
    match column.sql_type {
        SqlType::Number { precision, .. } => match found {
            None if precision <= INT64_DIGITS || column.scale == Some(0) => Ok((Step::Keep, DataType::Int64)),
            None => Ok((
                Step::Keep,
                DataType::Decimal128(precision, column.scale.unwrap_or(0) as i8),
            )),
            Some(decimal @ DataType::Decimal128(digits, scale))
                if column.scale == u32::try_from(*scale).ok() =>
            {
                if *digits <= INT64_DIGITS {
                    Ok((Step::UnscaledInt64, DataType::Int64))
                } else {
                    Ok((Step::Keep, decimal.clone()))
                }
            }
            Some(integer) if integer.is_signed_integer() && column.scale == Some(0) => {
                Ok((Step::Keep, integer.clone()))
            }
            Some(other) => Err(shape(column, other)),
        },
        SqlType::Float => keep(DataType::Float64),
        SqlType::DecFloat => expect(
            DataType::Binary,
            Step::DecFloatParts,
            DataType::Struct(decfloat::fields()),
        ),
        SqlType::Text { .. } | SqlType::Variant | SqlType::Object | SqlType::Array => keep(DataType::Utf8),
        SqlType::Vector { element, dimension } => match found {
            Some(vector @ DataType::FixedSizeList(item, length))
                if *length == i32::from(dimension) && *item.data_type() == element_type(element) =>
            {
                Ok((Step::Keep, vector.clone()))
            }
            Some(other) => Err(shape(column, other)),
            None => {
                let item = Field::new("item", element_type(element), true);
                let vector = DataType::FixedSizeList(Arc::new(item), i32::from(dimension));
                Ok((Step::Keep, vector))
            }
        },
        SqlType::IntervalYearMonth { .. } => child(column, found, &DataType::Int64, DataType::Int64),
        SqlType::IntervalDayTime { precision, .. } => {
            let physical = if precision <= INT64_DAY_DIGITS {
                DataType::Int64
            } else {
                DURATION
            };
            child(column, found, &DURATION, physical)
        }
        SqlType::Geography { form } | SqlType::Geometry { form } => {
            let physical = if form.is_binary() {
                DataType::Binary
            } else {
                DataType::Utf8
            };
            expect(DataType::Binary, Step::Shown(form), physical)
        }
        SqlType::Boolean => keep(DataType::Boolean),
        SqlType::Date => keep(DataType::Date32),
        SqlType::Binary { .. } => keep(DataType::Binary),
        SqlType::Time { scale } => {
            let divisor = nanoseconds_per_unit(scale);
            let (step, physical) = if scale <= INT32_TIME_SCALE_MAX {
                (Step::TimeInt32 { divisor }, DataType::Int32)
            } else {
                (Step::TimeInt64 { divisor }, DataType::Int64)
            };
            expect(DataType::Time64(TimeUnit::Nanosecond), step, physical)
        }
        SqlType::TimestampNtz { scale } | SqlType::TimestampLtz { scale } => {
            if scale <= PLAIN_TIMESTAMP_SCALE_MAX {
                expect(
                    instant,
                    Step::TimestampInt64 {
                        divisor: nanoseconds_per_unit(scale),
                    },
                    DataType::Int64,
                )
            } else {
                expect(instant, Step::TimestampParts, DataType::Struct(parts_fields()))
            }
        }
        SqlType::TimestampTz { scale } => {
            match found {
                Some(DataType::Struct(fields))
                    if fields.len() == 2
                        && *fields[0].data_type() == instant
                        && *fields[1].data_type() == DataType::Int32 => {}
                None => {}
                Some(other) => return Err(shape(column, other)),
            }
            Ok(if scale <= PLAIN_TIMESTAMP_TZ_SCALE_MAX {
                let divisor = nanoseconds_per_unit(scale);
                (Step::ZonedInt64 { divisor }, DataType::Struct(zoned_fields()))
            } else {
                (Step::ZonedParts, DataType::Struct(zoned_parts_fields()))
            })
        }
    }
}

/// The step for a struct of one number.
fn child(
    column: &WireColumn,
    found: Option<&DataType>,
    of: &DataType,
    physical: DataType,
) -> Result<(Step, DataType), ResultError> {
    match found {
        Some(DataType::Struct(fields)) if fields.len() == 1 && fields[0].data_type() == of => {}
        None => {}
        Some(other) => return Err(shape(column, other)),
    }
    let step = if physical == *of {
        Step::Child
    } else {
        Step::ChildInt64
    };
    Ok((step, physical))
}

fn element_type(element: VectorElement) -> DataType {
    match element {
        VectorElement::Float => DataType::Float32,
        VectorElement::Int => DataType::Int32,
    }
}

fn shape(column: &WireColumn, found: &DataType) -> ResultError {
    ResultError::Shape {
        column: column.name.clone(),
        found: found.to_string(),
        expected: column.tag,
    }
}

pub(super) fn nanoseconds_per_unit(scale: u8) -> i64 {
    10_i64.pow(u32::from(NANOSECOND_DIGITS.saturating_sub(scale)))
}

fn apply(step: Step, array: &ArrayRef) -> ArrayRef {
    match step {
        Step::Keep => Arc::clone(array),
        Step::UnscaledInt64 => {
            let decimals = array.as_primitive::<Decimal128Type>();
            Arc::new(decimals.unary::<_, Int64Type>(|unscaled| unscaled as i64))
        }
        Step::TimeInt32 { divisor } => {
            let times = array.as_primitive::<Time64NanosecondType>();
            Arc::new(times.unary::<_, Int32Type>(|nanos| (nanos / divisor) as i32))
        }
        Step::TimeInt64 { divisor } => {
            let times = array.as_primitive::<Time64NanosecondType>();
            Arc::new(times.unary::<_, Int64Type>(|nanos| nanos / divisor))
        }
        Step::TimestampInt64 { divisor } => Arc::new(units(array.as_primitive(), divisor)),
        Step::TimestampParts => {
            let instants = array.as_primitive::<TimestampNanosecondType>();
            let (epoch, fraction) = seconds_and_nanos(instants);
            let nulls = instants.nulls().cloned();
            Arc::new(StructArray::new(
                parts_fields(),
                vec![Arc::new(epoch), Arc::new(fraction)],
                nulls,
            ))
        }
        Step::Child => only_child(array.as_struct()),
        Step::ChildInt64 => {
            let numbers = only_child(array.as_struct());
            // Within the digits that its column has.
            let numbers = numbers.as_primitive::<Decimal128Type>();
            Arc::new(numbers.unary::<_, Int64Type>(|nanos| nanos as i64))
        }
        Step::Shown(form) => shapes::shown(array.as_binary(), form),
        Step::DecFloatParts => Arc::new(decfloat::parts(array.as_binary())),
        Step::ZonedInt64 { divisor } => {
            let (instants, zones, nulls) = zoned(array.as_struct());
            let epoch = units(&instants, divisor);
            Arc::new(StructArray::new(
                zoned_fields(),
                vec![Arc::new(epoch), Arc::new(zones)],
                nulls,
            ))
        }
        Step::ZonedParts => {
            let (instants, zones, nulls) = zoned(array.as_struct());
            let (epoch, fraction) = seconds_and_nanos(&instants);
            let children: Vec<ArrayRef> = vec![Arc::new(epoch), Arc::new(fraction), Arc::new(zones)];
            Arc::new(StructArray::new(zoned_parts_fields(), children, nulls))
        }
    }
}

/// Instants in units of the scale; rounds towards the past, as a cast to a coarser scale does.
fn units(instants: &PrimitiveArray<TimestampNanosecondType>, divisor: i64) -> Int64Array {
    instants.unary::<_, Int64Type>(|nanos| nanos.div_euclid(divisor))
}

fn seconds_and_nanos(instants: &PrimitiveArray<TimestampNanosecondType>) -> (Int64Array, Int32Array) {
    const NANOS: i64 = 1_000_000_000;
    (
        instants.unary::<_, Int64Type>(|nanos| nanos.div_euclid(NANOS)),
        instants.unary::<_, Int32Type>(|nanos| nanos.rem_euclid(NANOS) as i32),
    )
}

/// Instant, biased offset and validity of a timestamp with offset; a NULL in either part makes the whole NULL.
fn zoned(
    array: &StructArray,
) -> (
    PrimitiveArray<TimestampNanosecondType>,
    Int32Array,
    Option<NullBuffer>,
) {
    let instants = array.column(0).as_primitive::<TimestampNanosecondType>();
    let offsets = array.column(1).as_primitive::<Int32Type>();
    let nulls = NullBuffer::union(
        array.nulls(),
        NullBuffer::union(instants.nulls(), offsets.nulls()).as_ref(),
    );
    let zones = offsets.unary::<_, Int32Type>(|minutes| minutes + OFFSET_BIAS_MINUTES);
    let instants = PrimitiveArray::new(instants.values().clone(), nulls.clone());
    let zones = PrimitiveArray::new(zones.values().clone(), nulls.clone());
    (instants, zones, nulls)
}

/// The numbers of a struct that has no others; NULL where either is.
fn only_child(array: &StructArray) -> ArrayRef {
    let numbers = array.column(0);
    let nulls = NullBuffer::union(array.nulls(), numbers.nulls());
    let data = numbers.to_data().into_builder().nulls(nulls);
    arrow_array::make_array(data.build().unwrap_or_else(|_| numbers.to_data()))
}

fn parts_fields() -> Fields {
    Fields::from(vec![
        Field::new("epoch", DataType::Int64, true),
        Field::new("fraction", DataType::Int32, true),
    ])
}

fn zoned_fields() -> Fields {
    Fields::from(vec![
        Field::new("epoch", DataType::Int64, true),
        Field::new("timezone", DataType::Int32, true),
    ])
}

fn zoned_parts_fields() -> Fields {
    Fields::from(vec![
        Field::new("epoch", DataType::Int64, true),
        Field::new("fraction", DataType::Int32, true),
        Field::new("timezone", DataType::Int32, true),
    ])
}

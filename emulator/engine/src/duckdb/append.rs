//! Arrow batches into tables.
//!
//! The rows go into a collection in the engine's own vectors, which one INSERT then reads like a table:
//! no SQL text is made of values, and constraints and the transaction work as in any INSERT.

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, cast::AsArray, types as arrow};
use arrow_schema::{DataType, TimeUnit};
use duckdb_neo::{
    Error, Parameters, Result,
    column_data_collection::ColumnDataCollection,
    connection::Connection,
    data_chunk::DataChunk,
    logical_type::{LogicalType, LogicalTypeID},
    types::{
        BlobValue, DateValue, DecimalSignature, HugeDecimal, HugeInt, LongDecimal, ShortDecimal, TimeNsValue,
        TimestampNsValue, WordDecimal,
    },
    vector::{Unknown, Vector, WritableVectorElement},
};

use super::failure::failure;
use super::type_map::{DAY_TIME, YEAR_MONTH};
use crate::EngineError;
use crate::functions::framework::{StoredDuration, StoredMonths, ZonedInstant};

/// Rows in one engine vector.
const CHUNK_ROWS: usize = 2048;

pub(super) fn append(
    connection: &Connection,
    schema: &str,
    table: &str,
    batch: &RecordBatch,
) -> std::result::Result<u64, EngineError> {
    let target = format!("{}.{}", quoted(schema), quoted(table));
    insert(connection, &target, batch).map_err(|error| failure(error, ""))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn insert(connection: &Connection, target: &str, batch: &RecordBatch) -> Result<u64> {
    let probe = connection
        .parse(format!("SELECT * FROM {target}"))?
        .next()
        .transpose()?;
    let probe = probe.ok_or_else(|| Error::api_error("the probe is one statement"))?;
    let types: Vec<LogicalType> = probe
        .bind(connection)?
        .schema
        .get_all()?
        .into_iter()
        .map(|(_, logical_type)| logical_type)
        .collect();
    if types.len() != batch.num_columns() {
        return Err(Error::invalid_input(format!(
            "the table has {} columns and the batch {}",
            types.len(),
            batch.num_columns()
        )));
    }
    let mut appender = ColumnDataCollection::new(connection, &types)?.to_append()?;
    let mut chunk = DataChunk::create(connection, &types, true)?;
    for start in (0..batch.num_rows()).step_by(CHUNK_ROWS) {
        let rows = CHUNK_ROWS.min(batch.num_rows() - start);
        chunk.clear()?;
        for (index, column) in batch.columns().iter().enumerate() {
            write_column(&mut chunk, index, &types[index], &column.slice(start, rows))?;
        }
        appender.append(&mut chunk)?;
    }
    let statement = connection
        .parse(format!("INSERT INTO {target} SELECT * FROM appended_rows"))?
        .next();
    let statement = statement
        .transpose()?
        .ok_or_else(|| Error::api_error("the insert is one statement"))?;
    let statement = statement.add_collection(appender.to_normal(), "appended_rows")?;
    Ok(connection.execute(statement, Parameters::None)? as u64)
}

fn write_column(chunk: &mut DataChunk<'_>, index: usize, to: &LogicalType, column: &ArrayRef) -> Result<()> {
    match to.id()? {
        LogicalTypeID::Boolean => {
            let values = column.as_boolean_opt().ok_or_else(|| mismatch(column, to))?;
            write(chunk.get_vector_at_mut::<bool>(index)?, values.iter())
        }
        LogicalTypeID::TinyInt | LogicalTypeID::SmallInt | LogicalTypeID::Integer | LogicalTypeID::BigInt => {
            write_integer(chunk, index, to, column)
        }
        LogicalTypeID::HugeInt => {
            let values = column
                .as_primitive_opt::<arrow::Decimal128Type>()
                .ok_or_else(|| mismatch(column, to))?;
            write(
                chunk.get_vector_at_mut::<HugeInt>(index)?,
                values.iter().map(|value| value.map(huge)),
            )
        }
        LogicalTypeID::Decimal => write_decimal(chunk, index, to, column),
        LogicalTypeID::Double => {
            let values = column
                .as_primitive_opt::<arrow::Float64Type>()
                .ok_or_else(|| mismatch(column, to))?;
            write(chunk.get_vector_at_mut::<f64>(index)?, values.iter())
        }
        LogicalTypeID::Varchar => write_text(chunk, index, to, column),
        LogicalTypeID::Blob => {
            let values = column
                .as_binary_opt::<i32>()
                .ok_or_else(|| mismatch(column, to))?;
            write(chunk.get_vector_at_mut::<BlobValue>(index)?, values.iter())
        }
        LogicalTypeID::Date => {
            let values = column
                .as_primitive_opt::<arrow::Date32Type>()
                .ok_or_else(|| mismatch(column, to))?;
            write(
                chunk.get_vector_at_mut::<DateValue>(index)?,
                values.iter().map(|value| value.map(DateValue)),
            )
        }
        LogicalTypeID::TimeNs => {
            let values = column
                .as_primitive_opt::<arrow::Time64NanosecondType>()
                .ok_or_else(|| mismatch(column, to))?;
            write(
                chunk.get_vector_at_mut::<TimeNsValue>(index)?,
                values.iter().map(|value| value.map(TimeNsValue)),
            )
        }
        LogicalTypeID::TimestampNs => {
            let values = nanoseconds(column).ok_or_else(|| mismatch(column, to))?;
            let values = values.iter().map(|value| value.map(TimestampNsValue));
            write(chunk.get_vector_at_mut::<TimestampNsValue>(index)?, values)
        }
        LogicalTypeID::Array => write_arrays(chunk, index, to, column),
        LogicalTypeID::Struct if to.name()? == YEAR_MONTH => {
            let values = only_child::<arrow::Int64Type>(column).ok_or_else(|| mismatch(column, to))?;
            let values = values
                .into_iter()
                .map(|value| value.map(|months| StoredMonths { months }));
            write(chunk.get_vector_at_mut::<StoredMonths>(index)?, values)
        }
        LogicalTypeID::Struct if to.name()? == DAY_TIME => {
            let values = only_child::<arrow::Decimal128Type>(column).ok_or_else(|| mismatch(column, to))?;
            let values = values.into_iter().map(|value| {
                value.map(|nanoseconds| StoredDuration {
                    nanoseconds: huge(nanoseconds),
                })
            });
            write(chunk.get_vector_at_mut::<StoredDuration>(index)?, values)
        }
        LogicalTypeID::Struct => {
            let values = column
                .as_struct_opt()
                .and_then(zoned)
                .ok_or_else(|| mismatch(column, to))?;
            write(
                chunk.get_vector_at_mut::<ZonedInstant>(index)?,
                values.into_iter(),
            )
        }
        _ => Err(mismatch(column, to)),
    }
}

fn mismatch(column: &ArrayRef, to: &LogicalType) -> Error {
    Error::invalid_input(format!(
        "a column of {} cannot be appended to one of {to}",
        column.data_type()
    ))
}

fn write<'value, T: WritableVectorElement>(
    mut vector: Vector<'_, T>,
    values: impl ExactSizeIterator<Item = Option<T::Write<'value>>>,
) -> Result<()> {
    vector.set_size(values.len())?;
    let mut writer = vector.writer()?;
    for (row, value) in values.enumerate() {
        writer.set(row, value)?;
    }
    Ok(())
}

/// Any signed integer or whole decimal into any integer column; a value that does not fit is an error.
fn write_integer(chunk: &mut DataChunk<'_>, index: usize, to: &LogicalType, column: &ArrayRef) -> Result<()> {
    if let (LogicalTypeID::BigInt, Some(values)) = (to.id()?, column.as_primitive_opt::<arrow::Int64Type>()) {
        return write(chunk.get_vector_at_mut::<i64>(index)?, values.iter());
    }
    let values = integers(column).ok_or_else(|| mismatch(column, to))?;
    match to.id()? {
        LogicalTypeID::TinyInt => write(
            chunk.get_vector_at_mut::<i8>(index)?,
            narrowed(values)?.into_iter(),
        ),
        LogicalTypeID::SmallInt => write(
            chunk.get_vector_at_mut::<i16>(index)?,
            narrowed(values)?.into_iter(),
        ),
        LogicalTypeID::Integer => write(
            chunk.get_vector_at_mut::<i32>(index)?,
            narrowed(values)?.into_iter(),
        ),
        _ => write(
            chunk.get_vector_at_mut::<i64>(index)?,
            narrowed(values)?.into_iter(),
        ),
    }
}

fn integers(column: &ArrayRef) -> Option<Vec<Option<i128>>> {
    macro_rules! each {
        ($type:ty) => {
            column
                .as_primitive::<$type>()
                .iter()
                .map(|value| value.map(i128::from))
                .collect()
        };
    }
    Some(match column.data_type() {
        DataType::Int8 => each!(arrow::Int8Type),
        DataType::Int16 => each!(arrow::Int16Type),
        DataType::Int32 => each!(arrow::Int32Type),
        DataType::Int64 => each!(arrow::Int64Type),
        DataType::Decimal128(_, 0) => column.as_primitive::<arrow::Decimal128Type>().iter().collect(),
        _ => return None,
    })
}

fn narrowed<T: TryFrom<i128>>(values: Vec<Option<i128>>) -> Result<Vec<Option<T>>> {
    let narrow = |value: i128| {
        T::try_from(value)
            .map_err(|_| Error::invalid_input(format!("number {value} is out of the column's range")))
    };
    values
        .into_iter()
        .map(|value| value.map(narrow).transpose())
        .collect()
}

/// A 128-bit number in the engine's two halves.
pub(crate) fn huge(value: i128) -> HugeInt {
    HugeInt {
        lower: value as u64,
        upper: (value >> 64) as i64,
    }
}

/// Decimals and integers into a decimal column of the same or a larger scale.
fn write_decimal(chunk: &mut DataChunk<'_>, index: usize, to: &LogicalType, column: &ArrayRef) -> Result<()> {
    let signature = DecimalSignature::from_logical_type(to)?;
    let (values, scale): (Vec<Option<i128>>, i8) = match column.data_type() {
        DataType::Decimal128(_, scale) => (
            column.as_primitive::<arrow::Decimal128Type>().iter().collect(),
            *scale,
        ),
        _ => (integers(column).ok_or_else(|| mismatch(column, to))?, 0),
    };
    let missing = i16::from(signature.scale) - i16::from(scale);
    let missing = u32::try_from(missing).map_err(|_| mismatch(column, to))?;
    let factor = 10_i128.checked_pow(missing).ok_or_else(|| mismatch(column, to))?;
    let limit = 10_i128.pow(u32::from(signature.width));
    let values = values
        .into_iter()
        .map(|value| value.map(|value| fitted(value, factor, limit)).transpose())
        .collect::<Result<Vec<_>>>()?;
    match signature.width {
        1..=4 => {
            let values = narrowed::<i16>(values)?
                .into_iter()
                .map(|value| value.map(ShortDecimal));
            write(chunk.get_vector_at_mut::<ShortDecimal>(index)?, values)
        }
        5..=9 => {
            let values = narrowed::<i32>(values)?
                .into_iter()
                .map(|value| value.map(WordDecimal));
            write(chunk.get_vector_at_mut::<WordDecimal>(index)?, values)
        }
        10..=18 => {
            let values = narrowed::<i64>(values)?
                .into_iter()
                .map(|value| value.map(LongDecimal));
            write(chunk.get_vector_at_mut::<LongDecimal>(index)?, values)
        }
        _ => {
            let values = values.into_iter().map(|value| value.map(HugeDecimal));
            write(chunk.get_vector_at_mut::<HugeDecimal>(index)?, values)
        }
    }
}

fn fitted(value: i128, factor: i128, limit: i128) -> Result<i128> {
    value
        .checked_mul(factor)
        .filter(|value| (-limit < *value) && (*value < limit))
        .ok_or_else(|| Error::invalid_input(format!("number {value} is out of the column's range")))
}

fn write_text(chunk: &mut DataChunk<'_>, index: usize, to: &LogicalType, column: &ArrayRef) -> Result<()> {
    let vector = chunk.get_vector_at_mut::<String>(index)?;
    match column.data_type() {
        DataType::Utf8 => write(vector, column.as_string::<i32>().iter()),
        DataType::Utf8View => write(vector, column.as_string_view().iter()),
        _ => Err(mismatch(column, to)),
    }
}

/// Lists of one length into arrays of that length: their numbers lie one after another in the engine, too.
fn write_arrays(chunk: &mut DataChunk<'_>, index: usize, to: &LogicalType, column: &ArrayRef) -> Result<()> {
    let lists = column
        .as_fixed_size_list_opt()
        .ok_or_else(|| mismatch(column, to))?;
    let mut vector = chunk.get_vector_at_mut::<Unknown>(index)?;
    vector.set_size(lists.len())?;
    for row in (0..lists.len()).filter(|row| lists.is_null(*row)) {
        vector.set_null_slow(row)?;
    }
    let mut elements = vector.children_mut().ok_or_else(|| mismatch(column, to))?;
    let values = lists.values();
    match values.data_type() {
        DataType::Float32 => {
            let values = values.as_primitive::<arrow::Float32Type>();
            write(elements.get_vector_at_mut::<f32>(0)?, values.iter())
        }
        DataType::Int32 => {
            let values = values.as_primitive::<arrow::Int32Type>();
            write(elements.get_vector_at_mut::<i32>(0)?, values.iter())
        }
        _ => Err(mismatch(column, to)),
    }
}

fn nanoseconds(column: &ArrayRef) -> Option<&arrow_array::TimestampNanosecondArray> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => column.as_primitive_opt(),
        _ => None,
    }
}

/// The numbers of a struct that has nothing else.
fn only_child<T: arrow::ArrowPrimitiveType>(column: &ArrayRef) -> Option<Vec<Option<T::Native>>> {
    let parts = column.as_struct_opt()?;
    let [numbers] = parts.columns() else { return None };
    let numbers = numbers.as_primitive_opt::<T>()?;
    let row = |row| (parts.is_valid(row) && numbers.is_valid(row)).then(|| numbers.value(row));
    Some((0..parts.len()).map(row).collect())
}

fn zoned(column: &StructArray) -> Option<Vec<Option<ZonedInstant>>> {
    let [instants, offsets] = column.columns() else {
        return None;
    };
    let (instants, offsets) = (
        nanoseconds(instants)?,
        offsets.as_primitive_opt::<arrow::Int32Type>()?,
    );
    let row = |row| {
        column.is_valid(row).then(|| ZonedInstant {
            instant: TimestampNsValue(instants.value(row)),
            offset_minutes: offsets.value(row),
        })
    };
    Some((0..column.len()).map(row).collect())
}

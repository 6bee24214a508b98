//! Results as Arrow batches, through Arrow's C data interface.
//!
//! The code is unsafe because DuckDB and arrow-rs each declare the interface's two structs, with the
//! same layout by its specification, and a struct of one is handed over as the other's.

#![allow(
    unsafe_code,
    reason = "Arrow's C data interface is made of raw structs; only this file crosses it"
)]

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, PrimitiveArray, RecordBatch, StructArray,
    cast::AsArray,
    ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi},
    new_null_array,
    types::{
        ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int64Type, Time64MicrosecondType,
        Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use duckdb_neo::query_result::ArrowQueryResult;

use super::failure::failure;
use crate::{BatchReader, EngineColumn, EngineError, EngineErrorKind, SqlType};

/// Rows of one running statement, in the types that [`SqlType`] promises.
pub(super) struct ArrowBatches<'connection> {
    result: ArrowQueryResult<'connection>,
    columns: Vec<EngineColumn>,
    /// The C schema of what DuckDB hands out, which importing each array needs.
    handed_out: FFI_ArrowSchema,
    schema: SchemaRef,
    sql: String,
}

impl<'connection> ArrowBatches<'connection> {
    pub(super) fn new(
        result: ArrowQueryResult<'connection>,
        columns: Vec<EngineColumn>,
        sql: &str,
    ) -> Result<Self, EngineError> {
        let raw = result.schema().map_err(|error| failure(error, sql))?.into_raw();
        // SAFETY: both structs are the C data interface's ArrowSchema; ownership moves with the value.
        let handed_out = unsafe { std::mem::transmute::<duckdb_neo::ffi::ArrowSchema, FFI_ArrowSchema>(raw) };
        let theirs = Schema::try_from(&handed_out).map_err(arrow_failure)?;
        let fields = columns.iter().zip(theirs.fields()).map(|(column, field)| {
            Field::new(
                &column.name,
                physical_type(&column.sql_type, field.data_type()),
                true,
            )
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            result,
            columns,
            handed_out,
            schema,
            sql: sql.to_owned(),
        })
    }
}

impl BatchReader for ArrowBatches<'_> {
    fn columns(&self) -> &[EngineColumn] {
        &self.columns
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, EngineError> {
        let next = self
            .result
            .next_array()
            .map_err(|error| failure(error, &self.sql))?;
        let Some(array) = next else { return Ok(None) };
        // SAFETY: both structs are the C data interface's ArrowArray; ownership moves with the value.
        let array =
            unsafe { std::mem::transmute::<duckdb_neo::ffi::ArrowArray, FFI_ArrowArray>(array.into_raw()) };
        let rows = array.len();
        // SAFETY: DuckDB made the array after the schema it gave for this result.
        let data = unsafe { from_ffi(array, &self.handed_out) }.map_err(arrow_failure)?;
        let columns = StructArray::from(data).into_parts().1;
        let columns = columns
            .into_iter()
            .zip(self.schema.fields())
            .map(|(column, field)| conform(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map(Some)
            .map_err(arrow_failure)
    }
}

fn arrow_failure(error: arrow_schema::ArrowError) -> EngineError {
    EngineError::new(EngineErrorKind::Internal, error.to_string())
}

/// The type that [`SqlType`] promises, where DuckDB hands out `theirs`.
fn physical_type(sql_type: &SqlType, theirs: &DataType) -> DataType {
    let timestamp = || DataType::Timestamp(TimeUnit::Nanosecond, None);
    match sql_type {
        SqlType::Number { .. } => match theirs {
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => DataType::Int64,
            DataType::UInt64 => DataType::Decimal128(38, 0),
            other => other.clone(),
        },
        SqlType::Float => DataType::Float64,
        SqlType::Text { .. } | SqlType::Variant | SqlType::Object | SqlType::Array => DataType::Utf8,
        SqlType::Boolean => DataType::Boolean,
        SqlType::Date => DataType::Date32,
        SqlType::Time { .. } => DataType::Time64(TimeUnit::Nanosecond),
        SqlType::TimestampNtz { .. } | SqlType::TimestampLtz { .. } => timestamp(),
        SqlType::TimestampTz { .. }
        | SqlType::IntervalYearMonth { .. }
        | SqlType::IntervalDayTime { .. }
        | SqlType::Vector { .. } => theirs.clone(),
        SqlType::DecFloat | SqlType::Geography { .. } | SqlType::Geometry { .. } | SqlType::Binary { .. } => {
            DataType::Binary
        }
    }
}

/// Turns a column of a type that DuckDB has and Snowflake has not into the promised type.
fn conform(column: ArrayRef, promised: &DataType) -> Result<ArrayRef, EngineError> {
    if column.data_type() == promised {
        return Ok(column);
    }
    let nanoseconds = |array: PrimitiveArray<TimestampNanosecondType>| -> ArrayRef { Arc::new(array) };
    Ok(match (column.data_type(), promised) {
        (DataType::Null, _) => new_null_array(promised, column.len()),
        (DataType::UInt8, _) => widen::<UInt8Type, Int64Type>(&column, i64::from),
        (DataType::UInt16, _) => widen::<UInt16Type, Int64Type>(&column, i64::from),
        (DataType::UInt32, _) => widen::<UInt32Type, Int64Type>(&column, i64::from),
        (DataType::UInt64, _) => {
            let numbers: PrimitiveArray<Decimal128Type> =
                column.as_primitive::<UInt64Type>().unary(i128::from);
            Arc::new(numbers.with_precision_and_scale(38, 0).map_err(arrow_failure)?)
        }
        (DataType::Float32, _) => widen::<Float32Type, Float64Type>(&column, f64::from),
        (DataType::Time64(TimeUnit::Microsecond), _) => {
            widen::<Time64MicrosecondType, Time64NanosecondType>(&column, |value| value * 1_000)
        }
        (DataType::Timestamp(TimeUnit::Nanosecond, Some(_)), _) => nanoseconds(
            column
                .as_primitive::<TimestampNanosecondType>()
                .clone()
                .with_timezone_opt(None::<&str>),
        ),
        (DataType::Timestamp(TimeUnit::Microsecond, _), _) => {
            nanoseconds(scaled::<TimestampMicrosecondType>(&column, 1_000)?)
        }
        (DataType::Timestamp(TimeUnit::Millisecond, _), _) => {
            nanoseconds(scaled::<TimestampMillisecondType>(&column, 1_000_000)?)
        }
        (DataType::Timestamp(TimeUnit::Second, _), _) => {
            nanoseconds(scaled::<TimestampSecondType>(&column, 1_000_000_000)?)
        }
        (found, _) => {
            let message = format!("the engine gave {found} where {promised} was promised");
            return Err(EngineError::new(EngineErrorKind::Internal, message));
        }
    })
}

fn widen<From, To>(column: &ArrayRef, convert: impl Fn(From::Native) -> To::Native) -> ArrayRef
where
    From: ArrowPrimitiveType,
    To: ArrowPrimitiveType,
{
    Arc::new(column.as_primitive::<From>().unary::<_, To>(convert))
}

/// Timestamps of a coarser unit; those outside the years 1677 to 2262 do not fit nanoseconds.
fn scaled<From>(
    column: &ArrayRef,
    factor: i64,
) -> Result<PrimitiveArray<TimestampNanosecondType>, EngineError>
where
    From: ArrowPrimitiveType<Native = i64>,
{
    column.as_primitive::<From>().try_unary(|value| {
        value.checked_mul(factor).ok_or_else(|| {
            EngineError::new(
                EngineErrorKind::Arithmetic,
                "Timestamp is out of the supported range",
            )
        })
    })
}

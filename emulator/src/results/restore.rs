//! From the wire's physical types back to the engine's: for statements that read an earlier result.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Decimal128Array, Int32Array, RecordBatch, StructArray, Time64NanosecondArray,
    TimestampNanosecondArray,
};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, TimeUnit};
use snowflake_emulator_engine::SqlType;

use super::physical::DURATION;
use super::{ResultError, StoredResult, WireColumn, decfloat, shapes};
use crate::contract::ResultColumn;

const NANOS: i64 = 1_000_000_000;

/// The wire's time zone field counts minutes from 24 hours west of UTC.
const OFFSET_BIAS_MINUTES: i32 = 1440;

impl StoredResult {
    /// The columns as statements know them. Reads a file when [`StoredResult::first_blocks`].
    pub fn result_columns(&self) -> Result<Vec<ResultColumn>, ResultError> {
        let columns = self.columns()?;
        let columns = columns.iter().map(|column| ResultColumn {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            nullable: column.nullable,
            origin: column.origin.clone(),
        });
        Ok(columns.collect())
    }

    /// Rows in the engine's physical types: part 0 is the inline part, the others are the chunks; none at
    /// the end. Reads files: call it where blocking is allowed.
    pub fn engine_batches(&self, part: usize) -> Result<Option<Vec<RecordBatch>>, ResultError> {
        let batches = match part.checked_sub(1) {
            None => self.first.get()?.batches.clone(),
            Some(chunk) => match self.chunk_arrow(chunk)? {
                Some(segments) => super::stored::decode(segments)?.1,
                None => return Ok(None),
            },
        };
        let columns = self.columns()?;
        let restored = batches.iter().map(|batch| restore(&columns, batch));
        restored.collect::<Result<Vec<_>, _>>().map(Some)
    }
}

/// A batch of the wire as the engine had it.
fn restore(columns: &[WireColumn], batch: &RecordBatch) -> Result<RecordBatch, ResultError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (column, array) in columns.iter().zip(batch.columns()) {
        let array = restored(column, array)?;
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        arrays,
        &options,
    )?)
}

fn restored(column: &WireColumn, array: &ArrayRef) -> Result<ArrayRef, ResultError> {
    let shape = || ResultError::Shape {
        column: column.name.clone(),
        found: array.data_type().to_string(),
        expected: column.tag,
    };
    Ok(match column.sql_type {
        SqlType::Number { precision, scale } if scale > 0 => match array.data_type() {
            DataType::Int64 => {
                let unscaled = array.as_primitive::<Int64Type>();
                let decimals: Decimal128Array = unscaled.unary(i128::from);
                Arc::new(decimals.with_precision_and_scale(precision, scale as i8)?)
            }
            _ => Arc::clone(array),
        },
        SqlType::Time { scale } => {
            let unit = unit(scale);
            match array.data_type() {
                DataType::Int32 => {
                    let times = array.as_primitive::<Int32Type>();
                    let nanos: Time64NanosecondArray = times.unary(|value| i64::from(value) * unit);
                    Arc::new(nanos)
                }
                DataType::Int64 => {
                    let nanos: Time64NanosecondArray =
                        array.as_primitive::<Int64Type>().unary(|value| value * unit);
                    Arc::new(nanos)
                }
                _ => return Err(shape()),
            }
        }
        SqlType::TimestampNtz { scale } | SqlType::TimestampLtz { scale } => {
            Arc::new(instants(array, scale).ok_or_else(shape)?)
        }
        SqlType::IntervalYearMonth { .. } => parent("months", Arc::clone(array))?,
        SqlType::IntervalDayTime { .. } => {
            let nanoseconds: ArrayRef = match array.as_primitive_opt::<Int64Type>() {
                Some(small) => {
                    let wide: Decimal128Array = small.unary(i128::from);
                    Arc::new(wide.with_data_type(DURATION))
                }
                None => Arc::clone(array),
            };
            parent("nanoseconds", nanoseconds)?
        }
        SqlType::Geography { form } => shapes::stored(array, form, true).ok_or_else(shape)?,
        SqlType::Geometry { form } => shapes::stored(array, form, false).ok_or_else(shape)?,
        SqlType::DecFloat => Arc::new(decfloat::keys(array).ok_or_else(shape)?),
        SqlType::TimestampTz { scale } => zoned(array, scale).ok_or_else(shape)??,
        _ => Arc::clone(array),
    })
}

/// A struct of one number.
fn parent(name: &str, numbers: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let fields = Fields::from(vec![Field::new(name, numbers.data_type().clone(), true)]);
    let nulls = numbers.nulls().cloned();
    Ok(Arc::new(StructArray::try_new(fields, vec![numbers], nulls)?))
}

fn unit(scale: u8) -> i64 {
    10_i64.pow(u32::from(9_u8.saturating_sub(scale)))
}

/// Nanoseconds of instants that travelled in units of their scale, or in seconds and nanoseconds.
fn instants(array: &ArrayRef, scale: u8) -> Option<TimestampNanosecondArray> {
    if let Some(units) = array.as_primitive_opt::<Int64Type>() {
        let unit = unit(scale);
        return Some(units.unary(|value| value.saturating_mul(unit)));
    }
    let parts = array.as_struct_opt()?;
    let epoch = parts.column(0).as_primitive_opt::<Int64Type>()?;
    let fraction = parts.column(1).as_primitive_opt::<Int32Type>()?;
    let values = (0..parts.len()).map(|row| {
        let is_there = parts.is_valid(row) && epoch.is_valid(row);
        is_there.then(|| epoch.value(row).saturating_mul(NANOS) + i64::from(fraction.value(row)))
    });
    Some(values.collect())
}

fn zoned(array: &ArrayRef, scale: u8) -> Option<Result<ArrayRef, ArrowError>> {
    let parts = array.as_struct_opt()?;
    let (instants, zones) = match parts.columns() {
        [epoch, zones] => (instants(epoch, scale)?, zones),
        [_, _, zones] => (instants(array, scale)?, zones),
        _ => return None,
    };
    let zones = zones.as_primitive_opt::<Int32Type>()?;
    let offsets: Int32Array = zones.unary(|minutes| minutes - OFFSET_BIAS_MINUTES);
    let fields = Fields::from(vec![
        Field::new("instant", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("offset_minutes", DataType::Int32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(instants), Arc::new(offsets)];
    let made = StructArray::try_new(fields, columns, parts.nulls().cloned());
    Some(made.map(|made| Arc::new(made) as ArrayRef))
}

#[cfg(test)]
mod tests {
    use arrow_array::{BooleanArray, Int64Array};

    use super::*;
    use crate::results::{ChunkLimits, Collector, Spool, SpoolLimits, wire_columns};

    #[test]
    fn what_was_kept_comes_back() {
        let types = [
            SqlType::Number {
                precision: 10,
                scale: 2,
            },
            SqlType::Number {
                precision: 38,
                scale: 0,
            },
            SqlType::Time { scale: 9 },
            SqlType::TimestampNtz { scale: 9 },
            SqlType::TimestampLtz { scale: 3 },
            SqlType::TimestampTz { scale: 9 },
            SqlType::Boolean,
        ];
        let columns = types.map(|sql_type| ResultColumn {
            name: "C".to_owned(),
            sql_type,
            nullable: true,
            origin: [String::new(), String::new(), String::new()],
        });
        let times = || TimestampNanosecondArray::from(vec![Some(-1_500_000_000), None, Some(7_000_000)]);
        let zoned = StructArray::new(
            Fields::from(vec![
                Field::new("instant", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
                Field::new("offset_minutes", DataType::Int32, true),
            ]),
            vec![
                Arc::new(times()),
                Arc::new(Int32Array::from(vec![Some(-480), None, Some(60)])),
            ],
            Some(vec![true, false, true].into()),
        );
        let decimals = Decimal128Array::from(vec![Some(-150), None, Some(1)]);
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(decimals.with_precision_and_scale(10, 2).unwrap()),
            Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
            Arc::new(Time64NanosecondArray::from(vec![Some(1), None, Some(NANOS)])),
            Arc::new(times()),
            Arc::new(times()),
            Arc::new(zoned),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ];
        let fields: Vec<Field> = arrays
            .iter()
            .map(|array| Field::new("C", array.data_type().clone(), true))
            .collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let limits = SpoolLimits {
            memory_bytes_max: 1 << 20,
            first_bytes_max: 1 << 20,
            disk_bytes_max: 1 << 20,
        };
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), limits).unwrap();
        // One row inline, the others in chunks.
        let sizes = ChunkLimits {
            inline_weight_max: 100,
            chunk_weight_max: 100,
        };
        let mut collector = Collector::new(wire_columns(columns.to_vec()), sizes, Arc::clone(&spool));
        collector.push(&batch).unwrap();
        let stored = collector.finish().unwrap();
        let written = stored.inline_arrow().unwrap();
        assert!(spool.first_bytes() > 0 && !stored.first_blocks());
        stored.spill().unwrap();
        assert!(spool.first_bytes() == 0 && stored.first_blocks());
        assert_eq!(stored.inline_arrow().unwrap(), written);
        let mut parts = Vec::new();
        while let Some(batches) = stored.engine_batches(parts.len()).unwrap() {
            parts.push(batches);
        }
        assert!(parts.len() > 1);
        let batches: Vec<RecordBatch> = parts.into_iter().flatten().collect();
        let whole = arrow_select::concat::concat_batches(&batch.schema(), &batches).unwrap();
        assert_eq!(whole, batch);
        assert_eq!(stored.result_columns().unwrap(), columns);
        drop(stored);
        assert_eq!((spool.memory_bytes(), spool.disk_bytes()), (0, 0));
    }
}

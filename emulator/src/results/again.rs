//! A stored result as rows that the engine takes: the way back from the wire's physical types.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, Time64NanosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, PrimitiveArray, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Schema};
use snowflake_emulator_engine::SqlType;

use super::physical::{OFFSET_BIAS_MINUTES, nanoseconds_per_unit};
use super::{ResultError, WireColumn};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Digits of a whole number that the engine stores in 64 bits.
const INT64_DIGITS: u8 = 18;

/// One batch in the physical types that [`SqlType`] names.
pub(super) fn engine_batch(columns: &[WireColumn], batch: &RecordBatch) -> Result<RecordBatch, ResultError> {
    let mut arrays = Vec::with_capacity(columns.len());
    for (column, array) in columns.iter().zip(batch.columns()) {
        let engine = engine_array(&column.sql_type, array).ok_or_else(|| ResultError::Shape {
            column: column.name.clone(),
            found: array.data_type().to_string(),
            expected: column.tag,
        })?;
        arrays.push(engine);
    }
    let fields: Vec<Field> = columns
        .iter()
        .zip(&arrays)
        .map(|(column, array)| Field::new(&column.name, array.data_type().clone(), true))
        .collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

fn engine_array(sql_type: &SqlType, array: &ArrayRef) -> Option<ArrayRef> {
    Some(match *sql_type {
        SqlType::Number { precision, scale: 0 } if precision <= INT64_DIGITS => {
            Arc::new(unscaled(array)?.unary::<_, Int64Type>(|value| value as i64))
        }
        SqlType::Number { precision, scale } => {
            let values = unscaled(array)?.with_precision_and_scale(precision, scale as i8);
            Arc::new(values.ok()?)
        }
        SqlType::Time { scale } => {
            let unit = nanoseconds_per_unit(scale);
            Arc::new(integers(array)?.unary::<_, Time64NanosecondType>(|value| value * unit))
        }
        SqlType::TimestampNtz { scale } | SqlType::TimestampLtz { scale } => {
            Arc::new(instants(array, scale)?)
        }
        SqlType::TimestampTz { scale } => Arc::new(zoned(array.as_struct_opt()?, scale)?),
        _ => Arc::clone(array),
    })
}

/// Whole numbers of any width, decimals as their unscaled integers.
fn unscaled(array: &ArrayRef) -> Option<PrimitiveArray<Decimal128Type>> {
    Some(match array.data_type() {
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().clone(),
        _ => integers(array)?.unary::<_, Decimal128Type>(i128::from),
    })
}

fn integers(array: &ArrayRef) -> Option<Int64Array> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().unary(i64::from),
        DataType::Int16 => array.as_primitive::<Int16Type>().unary(i64::from),
        DataType::Int32 => array.as_primitive::<Int32Type>().unary(i64::from),
        DataType::Int64 => array.as_primitive::<Int64Type>().clone(),
        _ => return None,
    })
}

/// Nanoseconds since 1970, from units of the scale or from seconds and nanoseconds.
fn instants(array: &ArrayRef, scale: u8) -> Option<PrimitiveArray<TimestampNanosecondType>> {
    let Some(parts) = array.as_struct_opt() else {
        let unit = nanoseconds_per_unit(scale);
        return Some(integers(array)?.unary(|value| value * unit));
    };
    let epoch = parts.column_by_name("epoch")?.as_primitive_opt::<Int64Type>()?;
    let instants: Vec<i64> = if let Some(fraction) = parts.column_by_name("fraction") {
        let fraction = fraction.as_primitive_opt::<Int32Type>()?;
        let both = epoch.values().iter().zip(fraction.values());
        both.map(|(seconds, nanos)| seconds * NANOS_PER_SECOND + i64::from(*nanos))
            .collect()
    } else {
        let unit = nanoseconds_per_unit(scale);
        epoch.values().iter().map(|value| value * unit).collect()
    };
    Some(PrimitiveArray::new(instants.into(), parts.nulls().cloned()))
}

fn zoned(parts: &StructArray, scale: u8) -> Option<StructArray> {
    let whole: ArrayRef = Arc::new(parts.clone());
    let instants = instants(&whole, scale)?;
    let zones: &Int32Array = parts.column_by_name("timezone")?.as_primitive_opt()?;
    let offsets = zones.unary::<_, Int32Type>(|zone| zone - OFFSET_BIAS_MINUTES);
    let fields = vec![
        Field::new("instant", instants.data_type().clone(), true),
        Field::new("offset_minutes", DataType::Int32, true),
    ];
    let children: Vec<ArrayRef> = vec![Arc::new(instants), Arc::new(offsets)];
    Some(StructArray::new(fields.into(), children, parts.nulls().cloned()))
}

#[cfg(test)]
mod tests {
    use arrow_array::{Decimal128Array, Time64NanosecondArray, TimestampNanosecondArray};

    use super::super::{Converter, wire_columns};
    use super::*;
    use crate::contract::ResultColumn;

    #[test]
    fn rows_come_back_as_the_engine_made_them() {
        let zoned_fields = vec![
            Field::new(
                "instant",
                DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, None),
                true,
            ),
            Field::new("offset_minutes", DataType::Int32, true),
        ];
        let instant = || TimestampNanosecondArray::from(vec![Some(-1_500_000_001), None]);
        let offsets: ArrayRef = Arc::new(Int32Array::from(vec![Some(-90), None]));
        let decimal = |precision| {
            let values = Decimal128Array::from(vec![Some(-12_345), None]);
            values
                .with_precision_and_scale(precision, 2)
                .expect("five digits fit")
        };
        let nulls = instant().nulls().cloned();
        let cases: Vec<(SqlType, ArrayRef)> = vec![
            (
                SqlType::Number {
                    precision: 10,
                    scale: 2,
                },
                Arc::new(decimal(10)),
            ),
            (
                SqlType::Number {
                    precision: 30,
                    scale: 2,
                },
                Arc::new(decimal(30)),
            ),
            (
                SqlType::Number {
                    precision: 18,
                    scale: 0,
                },
                Arc::new(Int64Array::from(vec![Some(7), None])),
            ),
            (
                SqlType::Time { scale: 9 },
                Arc::new(Time64NanosecondArray::from(vec![Some(1), None])),
            ),
            (SqlType::TimestampNtz { scale: 9 }, Arc::new(instant())),
            (
                SqlType::TimestampTz { scale: 9 },
                Arc::new(StructArray::new(
                    zoned_fields.into(),
                    vec![Arc::new(instant()), offsets],
                    nulls,
                )),
            ),
        ];
        for (sql_type, array) in cases {
            let columns = wire_columns(vec![ResultColumn {
                name: "A".to_owned(),
                sql_type: sql_type.clone(),
                nullable: true,
                origin: Default::default(),
            }]);
            let fields = vec![Field::new("A", array.data_type().clone(), true)];
            let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![array]).expect("one column");
            let converter = Converter::new(&columns, Some(&batch)).expect("the engine's types");
            let wire = converter.convert(&batch).expect("the engine's types");
            let back = engine_batch(&columns, &wire).expect("the wire's types");
            assert_eq!(back.column(0).as_ref(), batch.column(0).as_ref(), "{sql_type:?}");
        }
    }
}

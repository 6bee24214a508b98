//! Reads a small result whole: as the messages that travel to clients, and as text for the service's own questions.

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::ArrowError;
use snowflake_session_driver::QueryResult;

use super::encode::BatchEncoder;
use super::error::from_driver;
use crate::domain::error::Error;
use crate::domain::upstream::Looked;
use crate::domain::write::Sample;
use crate::domain::write::shape::Texts;

/// Reads the rows of a result, but none beyond `bytes_max` bytes.
pub(super) async fn read(mut result: QueryResult, bytes_max: usize) -> Result<Looked, Error> {
    let schema = result.schema();
    let unreadable = |error: ArrowError| Error::internal("a small result cannot be read").with_source(error);
    let (mut encoder, arrow_schema) = BatchEncoder::new(&schema, bytes_max).map_err(unreadable)?;
    let total = result.head().rows_total;
    let mut sample = Sample {
        arrow_schema,
        ..Sample::default()
    };
    let mut texts = Texts {
        columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
        rows: Vec::new(),
    };
    let mut bytes = 0;
    'all: while let Some(batch) = result.next_batch().await.map_err(from_driver)? {
        let mut row = 0;
        for message in encoder.encode(&batch).map_err(unreadable)? {
            bytes += message.bytes.len();
            if bytes > bytes_max {
                sample.truncated = true;
                break 'all;
            }
            let rows = usize::try_from(message.row_count).unwrap_or(usize::MAX);
            texts.rows.extend(as_texts(&batch.slice(row, rows)));
            row += rows;
            sample.row_count += message.row_count;
            sample.batches.push(message);
        }
    }
    sample.truncated |= total.is_some_and(|total| total > sample.row_count);
    Ok(Looked { sample, texts })
}

/// The rows of a batch as text. Types of which no text can be made are left empty: nothing is asked of them.
fn as_texts(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::default();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        // A time zone by name is one of them.
        .map(|column| (column, ArrayFormatter::try_new(column, &options).ok()))
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|(column, formatter)| {
                    let formatter = formatter.as_ref().filter(|_| column.is_valid(row))?;
                    Some(formatter.value(row).to_string())
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };

    use super::*;

    #[test]
    fn values_are_read_as_they_are_written_in_sql() {
        let decimals = Decimal128Array::from(vec![Some(-150), None])
            .with_precision_and_scale(10, 2)
            .unwrap();
        let batch = RecordBatch::try_from_iter([
            ("A", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
            ("B", Arc::new(decimals) as ArrayRef),
            (
                "C",
                Arc::new(StringArray::from(vec![Some("it's"), Some("")])) as ArrayRef,
            ),
            (
                "D",
                Arc::new(Date32Array::from(vec![Some(19_753), None])) as ArrayRef,
            ),
            (
                "E",
                Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC"))
                    as ArrayRef,
            ),
        ])
        .unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            as_texts(&batch),
            [
                vec![some("1"), some("-1.50"), some("it's"), some("2024-01-31"), None],
                vec![None, None, some(""), None, None],
            ]
        );
    }
}

//! Rowsets in JSON.

use arrow_array::{ArrayRef, RecordBatch};

use super::DecodeError;
use super::cells::Cells;
use super::plan::Plan;
use super::scan::{Cell, Next, Scanner};

/// How rows are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `[[…],[…]]`, as inline.
    Array,
    /// `[…],[…]`, as in parts.
    Rows,
}

/// A batch ends at so many rows…
const BATCH_ROWS_MAX: usize = 16 * 1024;
/// …or so many bytes of wire text, so that texts never pass the 2 GiB that an Arrow array can address.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Decodes the rows in `bytes`.
pub(crate) fn decode(plan: &Plan, bytes: &[u8], shape: Shape) -> Result<Vec<RecordBatch>, DecodeError> {
    let mut scanner = Scanner::new(bytes);
    if shape == Shape::Array {
        scanner.open()?;
    }
    // Rows are at least this long, so that a small answer does not reserve for a large one.
    let rows_estimated = (bytes.len() / (plan.column_count() * 4 + 2)).min(BATCH_ROWS_MAX);
    let new_cells = |(column, kind)| Cells::new(column, kind, rows_estimated);
    let mut columns: Vec<Cells> = plan.kinds().enumerate().map(new_cells).collect();
    let mut batches = Vec::new();
    let (mut rows, mut text_bytes, mut first) = (0, 0, true);
    loop {
        let next = match shape {
            Shape::Array => scanner.next_in_array(first)?,
            Shape::Rows => scanner.next_in_rows(first)?,
        };
        first = false;
        if next == Next::End {
            break;
        }
        text_bytes += decode_row(&mut scanner, &mut columns)?;
        rows += 1;
        if rows == BATCH_ROWS_MAX || text_bytes >= BATCH_BYTES_MAX {
            batches.push(finish_batch(plan, &mut columns)?);
            (rows, text_bytes) = (0, 0);
        }
    }
    scanner.finish()?;
    if rows > 0 {
        batches.push(finish_batch(plan, &mut columns)?);
    }
    Ok(batches)
}

/// Decodes one row and returns the length of its texts.
fn decode_row(scanner: &mut Scanner<'_>, columns: &mut [Cells]) -> Result<usize, DecodeError> {
    let wrong_width = || DecodeError::broken("a row does not have as many cells as there are columns");
    let mut text_bytes = 0;
    scanner.open()?;
    for (index, column) in columns.iter_mut().enumerate() {
        if scanner.next_in_array(index == 0)? == Next::End {
            return Err(wrong_width());
        }
        match scanner.cell()? {
            Cell::Null => column.push_null(),
            Cell::Text(text) => {
                text_bytes += text.len();
                column.push(text)?;
            }
        }
    }
    match scanner.next_in_array(columns.is_empty())? {
        Next::End => Ok(text_bytes),
        Next::Item => Err(wrong_width()),
    }
}

fn finish_batch(plan: &Plan, columns: &mut [Cells]) -> Result<RecordBatch, DecodeError> {
    let arrays = columns
        .iter_mut()
        .map(Cells::finish)
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    RecordBatch::try_new(plan.schema(), arrays).map_err(|error| DecodeError::broken(error.to_string()))
}

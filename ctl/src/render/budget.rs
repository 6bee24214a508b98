//! As much of a result as an agent wants to read: its columns, and the first rows, within a number of tokens.
//!
//! What a token is differs from model to model. Here it is [`BYTES_PER_TOKEN`] bytes of what is printed, so that the
//! same rows always give the same text; digits and punctuation take about as much, words of natural language less.
//!
//! Values that are too long are cut, never numbers. How long is too long follows from the first [`ROWS_WISHED`] rows:
//! as much of each value as leaves room for all of them. Columns that leave no room for a row are left out.

use arrow_schema::{DataType, Field, SchemaRef};
use bytes::Bytes;

use super::RenderError;
use super::column::Column;
use super::json::{self, unique_names};
use super::messages::Messages;
use super::result::{ResultTaker, bound};

/// Bytes that count as one token.
pub(crate) const BYTES_PER_TOKEN: usize = 3;

/// Rows for which long values give way.
const ROWS_WISHED: usize = 5;

/// Shortest that a value is cut to, in bytes.
const CELL_BYTES_MIN: usize = 16;

/// Metadata key of a column's type in Snowflake's words.
const TYPE_KEY: &str = "snowflake.type";

/// Mark at the end of a cut value.
const CUT: char = '…';

/// Takes a result and keeps what fits.
pub(crate) struct Budget {
    /// Room for columns and rows, in bytes.
    room: usize,
    messages: Messages,
    schema: Option<SchemaRef>,
    kept: Budgeted,
    /// Columns that are kept.
    columns: usize,
    /// Rows that wait until it is known how long values may be.
    held: Vec<Vec<Cell>>,
    /// Longest value in bytes, once it is known.
    cell_bytes_max: Option<usize>,
    full: bool,
}

/// What is kept of a result.
#[derive(Debug, Default)]
pub(crate) struct Budgeted {
    /// The columns as the elements of a JSON array.
    pub(crate) columns: Vec<u8>,
    /// Columns that are left out, the last ones.
    pub(crate) columns_omitted: usize,
    /// The rows as the elements of a JSON array, an array a line.
    pub(crate) rows: Vec<u8>,
    /// Rows in it.
    pub(crate) row_count: i64,
    /// Values that were cut.
    pub(crate) cells_cut: i64,
}

/// A value, as much of it as could be shown.
enum Cell {
    /// JSON that is never cut.
    Whole(Vec<u8>),
    /// A text; `more` where this is only its beginning.
    Text { text: String, more: bool },
    /// A JSON document, which is a text as soon as it is cut.
    Document { text: String, more: bool },
}

impl Budget {
    /// Keeps at most so many bytes of columns and rows.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room,
            messages: Messages::default(),
            schema: None,
            kept: Budgeted::default(),
            columns: 0,
            held: Vec::new(),
            cell_bytes_max: None,
            full: false,
        }
    }

    /// Keeps the columns whose descriptions leave more than half of the room to their values.
    fn describe(&mut self, schema: &SchemaRef) {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        for (field, name) in schema.fields().iter().zip(unique_names(&names)) {
            let start = self.kept.columns.len();
            if start > 0 {
                self.kept.columns.push(b',');
            }
            self.kept.columns.extend_from_slice(b"{\"name\":");
            json::write_text(&name, &mut self.kept.columns);
            self.kept.columns.extend_from_slice(b",\"type\":");
            json::write_text(&type_name(field), &mut self.kept.columns);
            self.kept.columns.push(b'}');
            if self.kept.columns.len() > self.room * 2 / 5 {
                self.kept.columns.truncate(start);
                break;
            }
            self.columns += 1;
        }
        self.kept.columns_omitted = names.len() - self.columns;
        self.room = self.room.saturating_sub(self.kept.columns.len());
    }

    /// Longest that any value could be shown: alone in its column.
    fn cell_bytes_ever(&self) -> usize {
        (self.room / self.columns.max(1)).max(CELL_BYTES_MIN)
    }

    fn take(&mut self, row: Vec<Cell>) {
        if let Some(longest) = self.cell_bytes_max {
            self.keep(&row, longest);
            return;
        }
        self.held.push(row);
        if self.held.len() == ROWS_WISHED {
            self.decide();
        }
    }

    /// Finds how long values may be, so that the held rows fit, and keeps them.
    fn decide(&mut self) {
        let mut longest = self.cell_bytes_ever();
        while longest > CELL_BYTES_MIN {
            let total: usize = self.held.iter().map(|row| encode(row, longest).0.len() + 2).sum();
            if total <= self.room {
                break;
            }
            // By a quarter, so that not much room is left unused.
            longest = (longest - longest / 4 - 1).max(CELL_BYTES_MIN);
        }
        self.cell_bytes_max = Some(longest);
        for row in std::mem::take(&mut self.held) {
            self.keep(&row, longest);
        }
    }

    fn keep(&mut self, row: &[Cell], longest: usize) {
        let (encoded, cut) = encode(row, longest);
        let separator: &[u8] = if self.kept.row_count > 0 { b",\n" } else { b"" };
        // The first row that does not fit is the last: what follows it would not be the beginning.
        self.full |= self.kept.rows.len() + separator.len() + encoded.len() > self.room;
        if !self.full {
            self.kept.rows.extend_from_slice(separator);
            self.kept.rows.extend_from_slice(&encoded);
            self.kept.row_count += 1;
            self.kept.cells_cut += cut;
        }
    }
}

impl ResultTaker for Budget {
    type Kept = Budgeted;

    fn schema(&mut self, message: Bytes) -> Result<(), RenderError> {
        self.messages.take(message)?;
        let schema = self.messages.schema().ok_or(RenderError::OutOfOrder)?;
        self.describe(&schema);
        self.schema = Some(schema);
        Ok(())
    }

    fn batch(&mut self, message: Bytes) -> Result<(), RenderError> {
        let batches = self.messages.take(message)?;
        let schema = self.schema.clone().ok_or(RenderError::OutOfOrder)?;
        for batch in batches {
            if self.full {
                return Ok(());
            }
            let columns = bound(&schema, &batch)?;
            // The same for all rows, so that where batches end changes nothing.
            let longest = self.cell_bytes_ever();
            for row in 0..batch.num_rows() {
                if self.full {
                    break;
                }
                let cells = columns[..self.columns].iter();
                self.take(cells.map(|column| Cell::read(column, row, longest)).collect());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Budgeted, RenderError> {
        if self.cell_bytes_max.is_none() {
            self.decide();
        }
        Ok(self.kept)
    }

    fn break_off(self) -> Result<bool, RenderError> {
        Ok(false)
    }
}

impl Cell {
    fn read(column: &Column, row: usize, longest: usize) -> Self {
        if column.is_null(row) || !column.is_long() {
            let mut json = Vec::new();
            column.write_json(row, &mut json);
            return Cell::Whole(json);
        }
        let plain;
        let text = if let Some(text) = column.text(row) {
            text
        } else {
            let mut bytes = Vec::new();
            column.write_plain(row, &mut bytes);
            plain = String::from_utf8_lossy(&bytes).into_owned();
            &plain
        };
        let kept = beginning(text, longest);
        let more = kept.len() < text.len();
        let text = kept.to_owned();
        if column.is_document() {
            Cell::Document { text, more }
        } else {
            Cell::Text { text, more }
        }
    }

    /// Appends the value, cut to so many bytes; true if it was cut.
    fn write(&self, longest: usize, out: &mut Vec<u8>) -> bool {
        let (text, more) = match self {
            Cell::Whole(json) => {
                out.extend_from_slice(json);
                return false;
            }
            Cell::Document { text, more } | Cell::Text { text, more } => (text, *more),
        };
        let start = out.len();
        if !more {
            match self {
                Cell::Document { .. } => json::write_document(text, out),
                _ => json::write_text(text, out),
            }
            if out.len() - start <= longest {
                return false;
            }
            out.truncate(start);
        }
        // Escapes make a text longer, so that how much fits is counted in what is written.
        let room = longest.saturating_sub("\"\"".len() + CUT.len_utf8());
        let (mut kept, mut escaped) = (0, 0);
        let mut one = Vec::new();
        for character in text.chars() {
            one.clear();
            json::write_text(character.encode_utf8(&mut [0; 4]), &mut one);
            escaped += one.len() - 2;
            if escaped > room {
                break;
            }
            kept += character.len_utf8();
        }
        let mut shown = text[..kept].to_owned();
        shown.push(CUT);
        json::write_text(&shown, out);
        true
    }
}

/// A row as a JSON array, and how many of its values were cut.
fn encode(row: &[Cell], longest: usize) -> (Vec<u8>, i64) {
    let (mut out, mut cut) = (vec![b'['], 0);
    for (index, cell) in row.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        cut += i64::from(cell.write(longest, &mut out));
    }
    out.push(b']');
    (out, cut)
}

/// The longest beginning of at most so many bytes.
fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn type_name(field: &Field) -> String {
    match (field.metadata().get(TYPE_KEY), field.data_type()) {
        (Some(name), _) => name.clone(),
        (None, DataType::Utf8) => "text".to_owned(),
        (None, other) => other.to_string(),
    }
}

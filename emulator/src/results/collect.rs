//! Cuts a result's rows into the inline part and chunks, as they come.

use std::sync::Arc;

use arrow_array::{Array as _, RecordBatch, UInt32Array};
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use bytes::Bytes;

use super::first::{Columns, FirstRows};
use super::kept::Kept;
use super::spool::{Place, SpoolShare};
use super::{Converter, ResultError, Spool, StoredResult, WireColumn};

/// Results up to this size are copied when they are kept: their few rows would otherwise hold the
/// engine's buffers, which have room for thousands.
const COPIED_ROWS_MAX: u64 = 1024;
/// What a value weighs beside its bytes in Arrow: in JSON it takes quotes, a comma and digits.
const VALUE_WEIGHT: usize = 4;
/// Batches that are smaller than this on average are joined before they are encoded.
const BATCH_ROWS_MIN: usize = 4096;

/// How large the pieces of a result are, in weight: Arrow bytes plus four for each value.
#[derive(Clone, Copy, Debug)]
pub struct ChunkLimits {
    /// The part that travels inside the answer.
    pub inline_weight_max: usize,
    /// A chunk that is fetched by URL.
    pub chunk_weight_max: usize,
}

/// One chunk that is fetched by URL.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) rows: u64,
    /// Bytes of the IPC stream.
    pub(super) bytes: u64,
    pub(super) place: Place,
}

/// Takes batches and makes a [`StoredResult`].
#[derive(Debug)]
pub struct Collector {
    columns: Arc<[WireColumn]>,
    limits: ChunkLimits,
    converter: Option<Converter>,
    share: SpoolShare,
    inline: Piece,
    /// The inline part takes no more rows: order must hold.
    inline_closed: bool,
    open: Piece,
    chunks: Vec<Chunk>,
    rows: u64,
}

/// Batches that belong together, and what they weigh.
#[derive(Debug, Default)]
struct Piece {
    batches: Vec<RecordBatch>,
    weight: usize,
}

impl Piece {
    fn push(&mut self, batch: RecordBatch, weight: usize) {
        self.weight += weight;
        self.batches.push(batch);
    }
}

impl Collector {
    /// Starts a result.
    pub fn new(columns: Vec<WireColumn>, limits: ChunkLimits, spool: Arc<Spool>) -> Self {
        Self {
            columns: columns.into(),
            limits,
            converter: None,
            share: SpoolShare::new(spool),
            inline: Piece::default(),
            inline_closed: false,
            open: Piece::default(),
            chunks: Vec::new(),
            rows: 0,
        }
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds a batch in the engine's physical types. May write to a file.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ResultError> {
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => none.insert(Converter::new(&self.columns, Some(batch))?),
        };
        let mut rest = converter.convert(batch)?;
        self.rows += rest.num_rows() as u64;
        while rest.num_rows() > 0 {
            rest = self.place(rest)?;
        }
        Ok(())
    }

    /// Puts the rows that fit where the next rows belong, and gives back the others.
    fn place(&mut self, batch: RecordBatch) -> Result<RecordBatch, ResultError> {
        let weight = weight(&batch)?;
        let nothing = || batch.slice(0, 0);
        if !self.inline_closed {
            let room = self.limits.inline_weight_max.saturating_sub(self.inline.weight);
            if weight <= room {
                let rest = nothing();
                self.inline.push(batch, weight);
                return Ok(rest);
            }
            self.inline_closed = true;
            let fitting = rows_within(&batch, weight, room);
            if fitting > 0 {
                self.inline.push(batch.slice(0, fitting), room);
            }
            return Ok(batch.slice(fitting, batch.num_rows() - fitting));
        }
        let room = self.limits.chunk_weight_max.saturating_sub(self.open.weight);
        if weight <= room {
            let rest = nothing();
            self.open.push(batch, weight);
            return Ok(rest);
        }
        if !self.open.batches.is_empty() {
            self.seal()?;
            return Ok(batch);
        }
        let fitting = rows_within(&batch, weight, room).max(1);
        self.open.push(batch.slice(0, fitting), room);
        self.seal()?;
        Ok(batch.slice(fitting, batch.num_rows() - fitting))
    }

    /// Encodes the open chunk and hands it to the spool.
    fn seal(&mut self) -> Result<(), ResultError> {
        let batches = std::mem::take(&mut self.open).batches;
        let Some(first) = batches.first() else {
            return Ok(());
        };
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let schema = first.schema();
        let segments = if batches.len() > 1 && rows / batches.len() < BATCH_ROWS_MIN {
            encode(&schema, &[concat_batches(&schema, &batches)?])?
        } else {
            encode(&schema, &batches)?
        };
        let bytes = segments.iter().map(|segment| segment.len() as u64).sum();
        let place = self.share.keep(segments)?;
        self.chunks.push(Chunk {
            rows: rows as u64,
            bytes,
            place,
        });
        Ok(())
    }

    /// Ends the result. May write to a file when [`Spool::is_first_crowded`].
    pub fn finish(mut self) -> Result<StoredResult, ResultError> {
        self.seal()?;
        let converter = match self.converter {
            Some(converter) => converter,
            None => Converter::new(&self.columns, None)?,
        };
        let mut batches = self.inline.batches;
        if self.rows <= COPIED_ROWS_MAX {
            batches = batches.iter().map(copy).collect::<Result<_, _>>()?;
        }
        let in_chunks: u64 = self.chunks.iter().map(|chunk| chunk.rows).sum();
        let weight = self.inline.weight;
        let first = FirstRows {
            schema: Arc::clone(converter.schema()),
            batches,
            weight,
        };
        Ok(StoredResult {
            columns: Kept::new(self.share.spool(), Columns(self.columns))?,
            rows: self.rows,
            inline_rows: self.rows - in_chunks,
            inline_bytes: weight,
            first: Kept::new(self.share.spool(), first)?,
            chunks: self.chunks,
            share: self.share,
        })
    }
}

/// One Arrow IPC stream, in segments that share the batches' memory.
pub(super) fn encode(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<Bytes>, ResultError> {
    let mut encoder = StreamEncoder::try_new(schema)?;
    let mut segments = Vec::new();
    for batch in batches {
        segments.extend(encoder.encode(batch)?.into_iter().map(Bytes::from));
    }
    segments.extend(encoder.finish()?.into_iter().map(Bytes::from));
    Ok(segments)
}

/// A batch in buffers of its own, no larger than needed.
fn copy(batch: &RecordBatch) -> Result<RecordBatch, ResultError> {
    let all = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
    Ok(take_record_batch(batch, &all)?)
}

fn weight(batch: &RecordBatch) -> Result<usize, ResultError> {
    let mut bytes = batch.num_rows() * batch.num_columns() * VALUE_WEIGHT;
    for array in batch.columns() {
        bytes += array.to_data().get_slice_memory_size()?;
    }
    Ok(bytes)
}

/// How many of the batch's rows weigh at most `room`, if all rows weighed the same.
fn rows_within(batch: &RecordBatch, weight: usize, room: usize) -> usize {
    (batch.num_rows() as u128 * room as u128 / weight.max(1) as u128) as usize
}

//! A finished result: its inline part, its chunks, and the two forms in which both are given out.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::collect::{Chunk, encode};
use super::first::{Columns, FirstRows};
use super::kept::Kept;
use super::spool::{SpoolBytes, SpoolShare};
use super::{JsonRows, JsonStyle, ResultError, WireColumn};

/// Rows of a finished statement. Dropping it frees its memory and its place in the file.
#[derive(Debug)]
pub struct StoredResult {
    pub(super) columns: Kept<Columns>,
    pub(super) first: Kept<FirstRows>,
    pub(super) rows: u64,
    pub(super) inline_rows: u64,
    pub(super) inline_bytes: usize,
    pub(super) chunks: Vec<Chunk>,
    pub(super) share: SpoolShare,
}

/// What a client is told of a chunk before it fetches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Rows in the chunk.
    pub rows: u64,
    /// Bytes of the chunk as an Arrow IPC stream.
    pub bytes: u64,
}

impl StoredResult {
    /// The columns. Reads a file when [`StoredResult::first_blocks`].
    pub fn columns(&self) -> Result<Arc<[WireColumn]>, ResultError> {
        Ok(Arc::clone(&self.columns.get()?.0))
    }

    /// All rows, inline and in chunks.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of the inline part's values, about.
    pub fn inline_bytes(&self) -> usize {
        self.inline_bytes
    }

    /// Bytes of the chunks in memory, and of chunks and inline part in the file, about.
    pub fn spool_bytes(&self) -> SpoolBytes {
        let mut bytes = self.share.bytes();
        if self.first.blocks() {
            bytes.disk += self.inline_bytes as u64;
        }
        bytes
    }

    /// True when reading the columns or the inline part touches a file.
    pub fn first_blocks(&self) -> bool {
        self.first.blocks() || self.columns.blocks()
    }

    /// Moves columns and inline part into the file. Blocks.
    pub fn spill(&self) -> Result<(), ResultError> {
        self.first.spill()?;
        self.columns.spill()
    }

    /// The chunks, in row order after the inline part.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ChunkInfo> + '_ {
        self.chunks.iter().map(|chunk| ChunkInfo {
            rows: chunk.rows,
            bytes: chunk.bytes,
        })
    }

    /// The inline part's rows as JSON text without the outer brackets. Reads a file when
    /// [`StoredResult::first_blocks`].
    pub fn inline_json(&self, style: &JsonStyle) -> Result<Vec<u8>, ResultError> {
        self.json(&self.first.get()?.batches, style)
    }

    /// Rows of the inline part.
    pub fn inline_rows(&self) -> u64 {
        self.inline_rows
    }

    /// The inline part as one Arrow IPC stream; with no rows it holds the schema alone. Reads a file when
    /// [`StoredResult::first_blocks`].
    pub fn inline_arrow(&self) -> Result<Bytes, ResultError> {
        let first = self.first.get()?;
        let segments = encode(&first.schema, &first.batches)?;
        let mut stream = BytesMut::with_capacity(segments.iter().map(Bytes::len).sum());
        for segment in segments {
            stream.extend_from_slice(&segment);
        }
        Ok(stream.freeze())
    }

    /// True when reading chunk `index` touches a file.
    pub fn chunk_blocks(&self, index: usize) -> bool {
        self.chunks.get(index).is_some_and(|chunk| chunk.place.blocks())
    }

    /// Chunk `index` as one Arrow IPC stream in segments; `None` when there is no such chunk.
    pub fn chunk_arrow(&self, index: usize) -> Result<Option<Vec<Bytes>>, ResultError> {
        self.chunks.get(index).map(|chunk| chunk.place.read()).transpose()
    }

    /// Chunk `index` as gzip-compressed JSON rows without the outer brackets, after and before some bytes of the
    /// caller's; `None` when there is no such chunk. Takes tens of milliseconds for a full chunk: call it where
    /// blocking is allowed.
    pub fn chunk_json_gzip(
        &self,
        index: usize,
        style: &JsonStyle,
        around: [&'static [u8]; 2],
    ) -> Result<Option<Bytes>, ResultError> {
        let Some(segments) = self.chunk_arrow(index)? else {
            return Ok(None);
        };
        let text = self.json(&decode(segments)?.1, style)?;
        let [before, after] = around.map(Bytes::from_static);
        Ok(Some(gzip(&[before, Bytes::from(text), after])?))
    }

    fn json(&self, batches: &[RecordBatch], style: &JsonStyle) -> Result<Vec<u8>, ResultError> {
        let columns = self.columns()?;
        let mut rows = JsonRows::new();
        for batch in batches {
            rows.push(&columns, batch, style)?;
        }
        Ok(rows.into_text())
    }
}

/// Compresses segments into one gzip stream at the fastest level.
pub fn gzip(segments: &[Bytes]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for segment in segments {
        encoder.write_all(segment)?;
    }
    Ok(Bytes::from(encoder.finish()?))
}

/// Reads an Arrow IPC stream back.
pub(super) fn decode(segments: Vec<Bytes>) -> Result<(SchemaRef, Vec<RecordBatch>), ResultError> {
    let mut decoder = StreamDecoder::new();
    let mut batches = Vec::new();
    for segment in segments {
        let mut buffer = Buffer::from(segment);
        while !buffer.is_empty() {
            if let Some(batch) = decoder.decode(&mut buffer)? {
                batches.push(batch);
            }
        }
    }
    let schema = decoder.schema();
    decoder.finish()?;
    let missing = || ArrowError::IpcError("the stream has no schema".to_owned());
    Ok((schema.ok_or_else(missing)?, batches))
}

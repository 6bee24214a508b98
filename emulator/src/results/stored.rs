//! A finished result: its inline part, its chunks, and the two forms in which both are given out.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::SchemaRef;
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::again::engine_batch;
use super::collect::{Chunk, encode};
use super::spool::SpoolShare;
use super::{JsonRows, ResultError, WireColumn};

/// Rows of a finished statement. Dropping it frees its memory and its file.
#[derive(Debug)]
pub struct StoredResult {
    pub(super) columns: Arc<[WireColumn]>,
    pub(super) schema: SchemaRef,
    pub(super) rows: u64,
    pub(super) inline: Vec<RecordBatch>,
    pub(super) inline_weight: usize,
    pub(super) chunks: Vec<Chunk>,
    pub(super) _share: SpoolShare,
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
    /// The columns.
    pub fn columns(&self) -> &[WireColumn] {
        &self.columns
    }

    /// All rows, inline and in chunks.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Memory that the inline part holds, about.
    pub fn inline_bytes(&self) -> usize {
        self.inline_weight
    }

    /// The chunks, in row order after the inline part.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ChunkInfo> + '_ {
        self.chunks.iter().map(|chunk| ChunkInfo {
            rows: chunk.rows,
            bytes: chunk.bytes,
        })
    }

    /// The inline part's rows as JSON text without the outer brackets.
    pub fn inline_json(&self) -> Result<Vec<u8>, ResultError> {
        self.json(&self.inline)
    }

    /// The inline part as one Arrow IPC stream; with no rows it holds the schema alone.
    pub fn inline_arrow(&self) -> Result<Bytes, ResultError> {
        let segments = encode(&self.schema, &self.inline)?;
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

    /// Chunk `index` as gzip-compressed JSON rows without the outer brackets; `None` when there is no
    /// such chunk. Takes tens of milliseconds for a full chunk: call it where blocking is allowed.
    pub fn chunk_json_gzip(&self, index: usize) -> Result<Option<Bytes>, ResultError> {
        let Some(segments) = self.chunk_arrow(index)? else {
            return Ok(None);
        };
        let text = self.json(&decode(segments)?)?;
        Ok(Some(gzip(&[Bytes::from(text)])?))
    }

    /// All rows in the physical types of the engine; reads files: call it where blocking is allowed.
    pub fn engine_batches(&self) -> Result<Vec<RecordBatch>, ResultError> {
        let mut batches = Vec::new();
        for batch in &self.inline {
            batches.push(engine_batch(&self.columns, batch)?);
        }
        for chunk in &self.chunks {
            for batch in decode(chunk.place.read()?)? {
                batches.push(engine_batch(&self.columns, &batch)?);
            }
        }
        Ok(batches)
    }

    /// Memory and files that all rows take, about.
    pub fn bytes(&self) -> u64 {
        let chunks: u64 = self.chunks.iter().map(|chunk| chunk.bytes).sum();
        self.inline_weight as u64 + chunks
    }

    fn json(&self, batches: &[RecordBatch]) -> Result<Vec<u8>, ResultError> {
        let mut rows = JsonRows::new();
        for batch in batches {
            rows.push(&self.columns, batch)?;
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
fn decode(segments: Vec<Bytes>) -> Result<Vec<RecordBatch>, ResultError> {
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
    decoder.finish()?;
    Ok(batches)
}

//! From what the server sends to the normal form of [`crate::normal_form`].
//!
//! A [`Plan`] is made from the server's description of the columns and fixes the schema. Each part of a result, in either
//! encoding, is then decoded by the same plan in one go and off the I/O threads. `arrow.rs` reads IPC streams (split by `stream.rs`) and keeps
//! buffers where the physical type already fits; `json.rs` scans the bytes of a rowset once and fills Arrow builders.

mod arrow;
mod arrow_time;
mod cells;
mod json;
mod plan;
mod scan;
mod stream;
mod text;

use std::io::Read as _;

use arrow_array::RecordBatch;
use base64::Engine as _;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

#[cfg(test)]
pub(crate) use arrow::UNEXPECTED;
pub(crate) use plan::Plan;

use crate::{DriverError, Result};

/// One part of a result as it arrived.
#[derive(Clone)]
pub(crate) enum Part {
    /// JSON rows with the outer brackets.
    InlineJson(Bytes),
    /// Base64 text of an IPC stream.
    InlineArrow(Bytes),
    /// A downloaded part, usually gzip: JSON rows without the outer brackets.
    JsonChunk(Bytes),
    /// A downloaded part, usually gzip: an IPC stream.
    ArrowChunk(Bytes),
}

impl Part {
    /// Bytes as they arrived.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::InlineJson(bytes)
            | Self::InlineArrow(bytes)
            | Self::JsonChunk(bytes)
            | Self::ArrowChunk(bytes) => bytes.len(),
        }
    }
}

/// Decodes the first part of a result, which settles what the column types alone leave open (see
/// [`Plan::settle_overflow`]).
pub(crate) fn decode_first(plan: &mut Plan, part: &Part) -> Result<Vec<RecordBatch>> {
    loop {
        match decode(plan, part.clone()) {
            Err(DecodeError::Range { column }) if plan.settle_overflow(column) => {}
            other => return other.map_err(|error| error.into_driver_error(plan)),
        }
    }
}

/// Decodes a further part of a result.
pub(crate) fn decode_next(plan: &Plan, part: Part) -> Result<Vec<RecordBatch>> {
    decode(plan, part).map_err(|error| error.into_driver_error(plan))
}

fn decode(plan: &Plan, part: Part) -> Result<Vec<RecordBatch>, DecodeError> {
    match part {
        Part::InlineJson(bytes) => json::decode(plan, &bytes, json::Shape::Array),
        Part::JsonChunk(bytes) => json::decode(plan, &decompressed(bytes)?, json::Shape::Rows),
        Part::InlineArrow(text) => {
            let stream = base64::engine::general_purpose::STANDARD
                .decode(&text)
                .map_err(|_| DecodeError::broken("rowsetBase64 is not valid base64"))?;
            arrow::decode(plan, Bytes::from(stream))
        }
        Part::ArrowChunk(bytes) => arrow::decode(plan, decompressed(bytes)?),
    }
}

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Largest size that the trailer of a gzip part may make us reserve in advance.
const RESERVE_BYTES_MAX: usize = 256 * 1024 * 1024;

fn decompressed(bytes: Bytes) -> Result<Bytes, DecodeError> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes);
    }
    // The last four bytes are the size modulo 2^32; it is only a hint, so a wrong one costs a reallocation.
    let hint = bytes
        .last_chunk::<4>()
        .map_or(0, |size| u32::from_le_bytes(*size) as usize);
    let mut plain = Vec::with_capacity(hint.min(RESERVE_BYTES_MAX) + 16);
    MultiGzDecoder::new(&bytes[..])
        .read_to_end(&mut plain)
        .map_err(|_| DecodeError::broken("a result part is not valid gzip"))?;
    Ok(Bytes::from(plain))
}

/// Why a part could not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// The value of this column does not fit its time unit's range; another unit might do.
    Range { column: usize },
    /// A value of this column cannot be held.
    Value { column: usize, reason: String },
    /// The part is not what the protocol says.
    Broken { message: String },
}

impl DecodeError {
    fn broken(message: impl Into<String>) -> Self {
        Self::Broken {
            message: message.into(),
        }
    }

    fn into_driver_error(self, plan: &Plan) -> DriverError {
        let name = |column: usize| plan.column_name(column).to_owned();
        match self {
            Self::Range { column } => DriverError::Value {
                column: name(column),
                reason: "lies outside the years 1677 to 2262 that nanoseconds reach; cast it to a timestamp with 6 \
                         or fewer fraction digits"
                    .to_owned(),
            },
            Self::Value { column, reason } => DriverError::Value { column: name(column), reason },
            Self::Broken { message } => DriverError::Protocol { message },
        }
    }
}

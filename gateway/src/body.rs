//! Bodies of answers: read within limits, decompressed off the I/O threads.

use std::io::Read as _;

use bytes::{Bytes, BytesMut};

use crate::error::GatewayError;
use crate::http_client::{AttemptEnd, CallLimits, within};

/// Memory that a body's announced length may reserve in advance; a longer one grows as it comes.
const RESERVE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What to reserve for a body of `announced` bytes.
pub(crate) fn reserve(announced: Option<u64>) -> usize {
    usize::try_from(announced.unwrap_or(0)).map_or(RESERVE_BYTES_MAX, |bytes| bytes.min(RESERVE_BYTES_MAX))
}

pub(crate) fn too_large(bytes_max: usize) -> GatewayError {
    GatewayError::protocol(format!(
        "the answer is larger than the limit of {bytes_max} bytes"
    ))
}

/// Reads a whole body. One that ends before its announced length is a broken connection.
pub(crate) async fn read_body(
    mut response: reqwest::Response,
    bytes_max: usize,
    limits: &CallLimits,
) -> Result<Bytes, AttemptEnd> {
    let announced = response.content_length();
    if announced.is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(AttemptEnd::Final(too_large(bytes_max)));
    }
    let Some(first) = within(limits, response.chunk()).await? else {
        return Ok(Bytes::new());
    };
    // Small answers come in one piece, which then is the body. The end has still to be read to reuse the connection.
    let Some(second) = within(limits, response.chunk()).await? else {
        return Ok(first);
    };
    let mut body = BytesMut::with_capacity(reserve(announced).max(first.len() + second.len()));
    body.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if body.len() + piece.len() > bytes_max {
            return Err(AttemptEnd::Final(too_large(bytes_max)));
        }
        body.extend_from_slice(&piece);
        next = within(limits, response.chunk()).await?;
    }
    Ok(body.freeze())
}

/// Bodies above this size are decompressed on the blocking pool, so that they do not delay other sessions.
const DECOMPRESS_IN_PLACE_BYTES_MAX: usize = 64 * 1024;

/// Decompresses a gzip body. One that is cut short or damaged is a failure of the way: it can be asked for again.
pub(crate) async fn decompress(body: Bytes, bytes_max: usize) -> Result<Bytes, AttemptEnd> {
    if body.len() <= DECOMPRESS_IN_PLACE_BYTES_MAX {
        return unpack(&body, bytes_max);
    }
    tokio::task::spawn_blocking(move || unpack(&body, bytes_max))
        .await
        .unwrap_or_else(|_| {
            Err(AttemptEnd::Final(GatewayError::protocol(
                "decompressing an answer was interrupted",
            )))
        })
}

fn unpack(body: &[u8], bytes_max: usize) -> Result<Bytes, AttemptEnd> {
    let mut plain = Vec::with_capacity(reserve(Some(body.len() as u64 * 4)));
    let mut decoder = flate2::read::MultiGzDecoder::new(body).take(bytes_max as u64 + 1);
    decoder
        .read_to_end(&mut plain)
        .map_err(|_| AttemptEnd::broken("an answer is not valid gzip"))?;
    if plain.len() > bytes_max {
        return Err(AttemptEnd::Final(too_large(bytes_max)));
    }
    Ok(Bytes::from(plain))
}

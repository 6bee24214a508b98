//! Encapsulated Arrow IPC messages as batches, each as soon as it is there.
//!
//! The decoder of arrow-ipc is made for byte streams: it looks at a message without a body (a schema, a batch
//! without rows) only when the first byte of the next message arrives. We have whole messages and want them at
//! once, so after such a one we give it the marker with which the next begins, and leave that out there.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;

/// Four bytes with which every message begins.
const MARKER: [u8; 4] = [0xff; 4];

/// End of a stream, after the marker.
const END: [u8; 4] = [0; 4];

/// Decodes messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    decoder: StreamDecoder,
    /// Whether the next message's marker was given in advance.
    marked: bool,
}

impl Messages {
    /// The schema, after its message.
    pub(super) fn schema(&self) -> Option<SchemaRef> {
        self.decoder.schema()
    }

    /// Takes one or more whole messages and answers the batches in them.
    pub(super) fn take(&mut self, messages: Bytes) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut buffer = Buffer::from(messages);
        if std::mem::take(&mut self.marked) {
            if !buffer.starts_with(&MARKER) {
                return Err(ArrowError::IpcError(
                    "a message does not begin with its marker".to_owned(),
                ));
            }
            buffer.advance(MARKER.len());
        }
        let mut batches = Vec::new();
        self.feed(&mut buffer, &mut batches)?;
        if self.decoder.finish().is_err() {
            self.feed(&mut Buffer::from(MARKER), &mut batches)?;
            self.marked = true;
        }
        Ok(batches)
    }

    /// Checks that the last message was whole.
    pub(super) fn end(&mut self) -> Result<(), ArrowError> {
        let mut rest = Vec::new();
        if !std::mem::take(&mut self.marked) {
            self.feed(&mut Buffer::from(MARKER), &mut rest)?;
        }
        self.feed(&mut Buffer::from(END), &mut rest)?;
        self.decoder.finish()
    }

    fn feed(&mut self, buffer: &mut Buffer, batches: &mut Vec<RecordBatch>) -> Result<(), ArrowError> {
        while !buffer.is_empty() {
            batches.extend(self.decoder.decode(buffer)?);
        }
        Ok(())
    }
}

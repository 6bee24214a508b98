//! Turns record batches into the Arrow IPC messages that travel to clients.
//!
//! One result is one IPC stream cut into messages: the schema, then one record batch per message, each of
//! about the size that was asked for. The buffers of a batch are copied once, into the message.

use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::{ArrowError, Schema};
use bytes::{Bytes, BytesMut};

use crate::domain::query::Batch;

/// Encodes the batches of one result.
pub(super) struct BatchEncoder {
    encoder: StreamEncoder,
    bytes_max: usize,
}

impl BatchEncoder {
    /// Begins a result: the encoder, and the encapsulated schema message.
    pub(super) fn new(schema: &Schema, bytes_max: usize) -> Result<(Self, Bytes), ArrowError> {
        let mut encoder = StreamEncoder::try_new(schema)?;
        // The encoder writes the schema in front of the first batch; an empty one makes it do so now, and its
        // own message is left off again.
        let empty = RecordBatch::new_empty(std::sync::Arc::new(schema.clone()));
        let first = joined(&encoder.encode(&empty)?);
        let schema_length = message_length(&first)?;
        Ok((Self { encoder, bytes_max }, first.slice(..schema_length)))
    }

    /// Encodes a batch as one or more messages of about the size that was asked for. Rows are not cut, so a
    /// single larger row makes a larger message.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Batch>, ArrowError> {
        let rows = batch.num_rows();
        let rows_per_message = self.rows_per_message(batch);
        let mut messages = Vec::with_capacity(rows.div_ceil(rows_per_message));
        for start in (0..rows).step_by(rows_per_message) {
            let length = rows_per_message.min(rows - start);
            let slice = if length == rows {
                batch.clone()
            } else {
                batch.slice(start, length)
            };
            let bytes = joined(&self.encoder.encode(&slice)?);
            messages.push(Batch {
                bytes,
                row_count: length as u64,
            });
        }
        Ok(messages)
    }

    fn rows_per_message(&self, batch: &RecordBatch) -> usize {
        let rows = batch.num_rows().max(1);
        // What cannot be measured is taken as it is: it is one message.
        let bytes: usize = batch
            .columns()
            .iter()
            .map(|column| column.to_data().get_slice_memory_size().unwrap_or(0))
            .sum();
        let messages = bytes.div_ceil(self.bytes_max).max(1);
        rows.div_ceil(messages)
    }
}

/// Puts the pieces of a message into one piece.
fn joined(pieces: &[arrow_buffer::Buffer]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(pieces.iter().map(arrow_buffer::Buffer::len).sum());
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
    bytes.freeze()
}

/// Length of the first encapsulated message without body: mark, length of the metadata, metadata.
fn message_length(bytes: &[u8]) -> Result<usize, ArrowError> {
    let length = bytes
        .get(4..8)
        .and_then(|length| <[u8; 4]>::try_from(length).ok())
        .map(u32::from_le_bytes);
    length
        .map(|length| 8 + length as usize)
        .filter(|length| *length <= bytes.len())
        .ok_or_else(|| ArrowError::IpcError("the encoder wrote no schema message".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, DictionaryArray, Int64Array, StringArray, types::Int32Type};
    use arrow_ipc::reader::StreamReader;
    use arrow_schema::{DataType, Field};

    use super::*;

    /// What a client reads: schema and messages, one after the other, as one IPC stream.
    fn read_back(schema: &Bytes, messages: &[Batch]) -> Vec<RecordBatch> {
        let stream: Vec<u8> = std::iter::once(schema)
            .chain(messages.iter().map(|message| &message.bytes))
            .flatten()
            .copied()
            .collect();
        StreamReader::try_new(Cursor::new(stream), None)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn a_result_is_one_ipc_stream_in_messages_of_limited_size() {
        let numbers = Arc::new(Int64Array::from_iter_values(0..10_000)) as ArrayRef;
        let words: StringArray = (0..10_000)
            .map(|n| (n % 3 != 0).then(|| format!("word {n}")))
            .collect();
        let words = Arc::new(words) as ArrayRef;
        let whole = batch(vec![("n", numbers), ("w", words)]);
        let (mut encoder, schema) = BatchEncoder::new(whole.schema().as_ref(), 16 * 1024).unwrap();
        // A slice of a larger batch must not drag the whole batch along.
        let part = whole.slice(1_000, 8_000);
        let messages = encoder.encode(&part).unwrap();
        assert!(messages.len() > 5, "{} messages", messages.len());
        for message in &messages {
            assert!(message.bytes.len() < 20 * 1024, "{} bytes", message.bytes.len());
        }
        assert_eq!(
            messages.iter().map(|message| message.row_count).sum::<u64>(),
            8_000
        );
        let read =
            arrow_select::concat::concat_batches(&whole.schema(), &read_back(&schema, &messages)).unwrap();
        assert_eq!(read, part);
    }

    #[test]
    fn an_empty_result_is_a_schema_and_nothing_else() {
        let metadata =
            std::collections::HashMap::from([("snowflake.type".to_owned(), "NUMBER(38,0)".to_owned())]);
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, true).with_metadata(metadata),
        ]);
        let (mut encoder, bytes) = BatchEncoder::new(&schema, 1024).unwrap();
        assert!(
            encoder
                .encode(&RecordBatch::new_empty(Arc::new(schema.clone())))
                .unwrap()
                .is_empty()
        );
        let reader = StreamReader::try_new(Cursor::new(bytes.to_vec()), None).unwrap();
        assert_eq!(reader.schema().as_ref(), &schema);
    }

    #[test]
    fn a_result_without_columns_keeps_its_rows() {
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(3));
        let none =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
        let (mut encoder, _) = BatchEncoder::new(&Schema::empty(), 1024).unwrap();
        assert_eq!(encoder.encode(&none).unwrap()[0].row_count, 3);
    }

    #[test]
    fn dictionaries_travel_before_their_batch() {
        let words: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let whole = batch(vec![("d", Arc::new(words))]);
        let (mut encoder, schema) = BatchEncoder::new(whole.schema().as_ref(), 1 << 20).unwrap();
        let messages = encoder.encode(&whole).unwrap();
        assert_eq!(read_back(&schema, &messages), [whole]);
    }
}

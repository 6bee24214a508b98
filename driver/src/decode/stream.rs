//! Splitting an Arrow IPC stream into batches, under a schema that forgives.
//!
//! arrow's own stream reader holds a stream to the nullability that its schema declares. fakesnow declares the children
//! of timestamp structs as never null and sends NULL in them, and a result must not be unreadable for that. So the
//! messages are split here, every field is made nullable, and arrow decodes each batch under that schema.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{MessageHeader, root_as_message};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};

use super::DecodeError;

/// Announces a length in streams written by Arrow 0.15 and later.
const CONTINUATION: u32 = 0xFFFF_FFFF;

/// Batches of one IPC stream, which share their buffers with the stream where alignment allows.
pub(crate) struct IpcStream {
    stream: Buffer,
    at: usize,
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
}

impl IpcStream {
    pub(crate) fn new(stream: Buffer) -> Self {
        Self {
            stream,
            at: 0,
            schema: None,
            dictionaries: HashMap::new(),
        }
    }

    /// The next batch, or `None` at the end of the stream.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, DecodeError> {
        loop {
            let Some(metadata_len) = self.metadata_len()? else {
                return Ok(None);
            };
            let metadata = self.take(metadata_len)?;
            let message = root_as_message(&metadata).map_err(|_| broken("a message is malformed"))?;
            let body_len =
                usize::try_from(message.bodyLength()).map_err(|_| broken("a length is negative"))?;
            let body = self.take(body_len)?;
            match message.header_type() {
                MessageHeader::Schema => {
                    let schema = message
                        .header_as_schema()
                        .ok_or_else(|| broken("the schema is missing"))?;
                    let schema = try_fb_to_schema(schema).map_err(undecodable)?;
                    self.schema = Some(Arc::new(forgiving(&schema)));
                }
                MessageHeader::DictionaryBatch => {
                    let schema = self.schema()?;
                    let batch = message
                        .header_as_dictionary_batch()
                        .ok_or_else(|| broken("a batch is missing"))?;
                    read_dictionary(&body, batch, &schema, &mut self.dictionaries, &message.version())
                        .map_err(undecodable)?;
                }
                MessageHeader::RecordBatch => {
                    let schema = self.schema()?;
                    let batch = message
                        .header_as_record_batch()
                        .ok_or_else(|| broken("a batch is missing"))?;
                    return read_record_batch(
                        &body,
                        batch,
                        schema,
                        &self.dictionaries,
                        None,
                        &message.version(),
                    )
                    .map(Some)
                    .map_err(undecodable);
                }
                _ => return Err(broken("it has a message of unknown kind")),
            }
        }
    }

    fn schema(&self) -> Result<SchemaRef, DecodeError> {
        self.schema
            .clone()
            .ok_or_else(|| broken("a batch comes before the schema"))
    }

    /// Reads the length that starts each message. `None` at the mark for the end and at the end of the bytes.
    fn metadata_len(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.at == self.stream.len() {
            return Ok(None);
        }
        let mut len = self.number()?;
        if len == CONTINUATION {
            len = self.number()?;
        }
        Ok((len != 0).then_some(len as usize))
    }

    fn number(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.take(4)?;
        let bytes = bytes.first_chunk::<4>().ok_or_else(|| broken("it ends early"))?;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn take(&mut self, len: usize) -> Result<Buffer, DecodeError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.stream.len());
        let end = end.ok_or_else(|| broken("it ends early"))?;
        let taken = self.stream.slice_with_length(self.at, len);
        self.at = end;
        Ok(taken)
    }
}

/// The same schema with every field nullable, at every depth.
fn forgiving(schema: &Schema) -> Schema {
    Schema::new_with_metadata(forgiving_fields(schema.fields()), schema.metadata().clone())
}

fn forgiving_fields(fields: &Fields) -> Fields {
    let forgiving_field = |field: &Arc<Field>| {
        let field = Field::clone(field).with_nullable(true);
        match field.data_type() {
            DataType::Struct(children) => {
                let children = forgiving_fields(children);
                field.with_data_type(DataType::Struct(children))
            }
            _ => field,
        }
    };
    fields.iter().map(forgiving_field).collect()
}

fn broken(what: &str) -> DecodeError {
    DecodeError::broken(format!("an Arrow stream is broken: {what}"))
}

fn undecodable(error: ArrowError) -> DecodeError {
    broken(&error.to_string())
}

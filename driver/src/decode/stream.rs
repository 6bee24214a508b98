//! Splitting an Arrow IPC stream into batches, under a schema that forgives.
//!
//! arrow's own stream reader holds a stream to the nullability that its schema declares. fakesnow declares the children
//! of timestamp structs as never null and sends NULL in them, and a result must not be unreadable for that. So the
//! messages are split here, every field is made nullable, and arrow decodes each batch under that schema. It would panic on
//! some of the places and lengths that a broken batch tells, so that these are checked here first.

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

/// Most rows of a batch. Servers send some ten thousand; columns without a buffer could promise any number.
const ROWS_MAX: i64 = 1 << 28;
/// Most values of a column: lists have as many as their rows have elements, which is 4096 in a vector.
const VALUES_MAX: i64 = ROWS_MAX * 4096;

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
                    lies_within(batch.data(), &body)?;
                    read_dictionary(&body, batch, &schema, &mut self.dictionaries, &message.version())
                        .map_err(undecodable)?;
                }
                MessageHeader::RecordBatch => {
                    let schema = self.schema()?;
                    let batch = message
                        .header_as_record_batch()
                        .ok_or_else(|| broken("a batch is missing"))?;
                    lies_within(Some(batch), &body)?;
                    let buffers = batch.buffers().into_iter().flatten();
                    let mut lengths = buffers.map(arrow_ipc::Buffer::length);
                    for field in schema.fields() {
                        offsets_are_whole(field.data_type(), &mut lengths)?;
                    }
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

/// Checks the places and lengths that a batch tells.
///
/// Arrow holds what it finds there to the types, but it takes the places themselves on trust: it panics on one outside
/// of the body. A length that is negative would be an enormous one.
fn lies_within(batch: Option<arrow_ipc::RecordBatch<'_>>, body: &[u8]) -> Result<(), DecodeError> {
    let Some(batch) = batch else {
        return Err(broken("a batch is missing"));
    };
    if !(0..=ROWS_MAX).contains(&batch.length()) {
        return Err(broken("a batch has no possible number of rows"));
    }
    for node in batch.nodes().into_iter().flatten() {
        if !(0..=VALUES_MAX).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err(broken("a column has no possible number of values"));
        }
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let end = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(start, len)| start.checked_add(len));
        if end.is_none_or(|end| end > body.len()) {
            return Err(broken("a batch leads out of it"));
        }
    }
    Ok(())
}

/// Checks that offsets, where a column has any, are whole numbers. Arrow asserts that they are, and takes on trust what
/// some types that no result has tell.
fn offsets_are_whole(
    data_type: &DataType,
    lengths: &mut dyn Iterator<Item = i64>,
) -> Result<(), DecodeError> {
    let mut next = |width: i64| match lengths.next() {
        // Too few of them are Arrow's to complain about.
        Some(length) if length % width != 0 => Err(broken("a column's offsets are cut")),
        _ => Ok(()),
    };
    // Every type has its validity first, but the one that is nothing else.
    if *data_type == DataType::Null {
        return Ok(());
    }
    next(1)?;
    match data_type {
        DataType::Utf8 | DataType::Binary => next(4).and(next(1)),
        DataType::LargeUtf8 | DataType::LargeBinary => next(8).and(next(1)),
        DataType::List(field) | DataType::Map(field, _) => {
            next(4)?;
            offsets_are_whole(field.data_type(), lengths)
        }
        DataType::LargeList(field) => {
            next(8)?;
            offsets_are_whole(field.data_type(), lengths)
        }
        DataType::FixedSizeList(field, _) => offsets_are_whole(field.data_type(), lengths),
        DataType::Struct(fields) => fields
            .iter()
            .try_for_each(|field| offsets_are_whole(field.data_type(), lengths)),
        DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Utf8View
        | DataType::BinaryView => Err(broken("a column is of a type that no result has")),
        _ => next(1),
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

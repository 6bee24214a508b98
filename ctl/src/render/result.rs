//! A result on its way: IPC messages in, a format out.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::column::Column;
use super::messages::Messages;
use super::parquet::Parquet;
use super::sink::Sink;
use super::{Format, Header, RenderError, Renderer};
use crate::config::Screen;

/// End of an Arrow IPC stream: a continuation marker and no message.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Takes a result's messages in their order and makes something of them.
pub(crate) trait ResultTaker: Send + 'static {
    /// What is left in hand at the end.
    type Kept: Send + 'static;

    /// Takes the schema message. Writes nothing.
    fn schema(&mut self, message: Bytes) -> Result<(), RenderError>;

    /// Takes the message, or messages, of one batch.
    fn batch(&mut self, message: Bytes) -> Result<(), RenderError>;

    /// Ends the result: what was held is written.
    fn finish(self) -> Result<Self::Kept, RenderError>;

    /// Ends a result that broke off: where rows of it are out already, those that are held follow them. True when all that
    /// came are out.
    fn break_off(self) -> Result<bool, RenderError>;
}

/// Writes a result in a format.
pub(crate) struct ResultWriter {
    format: Format,
    screen: Screen,
    with_header: bool,
    body: Body,
}

enum Body {
    /// No schema yet, or a schema that could not be begun with.
    Waiting(Option<Sink>),
    /// The messages are the format; the schema is held until there is more.
    Arrow { sink: Sink, schema: Option<Bytes> },
    /// Rows are held in groups.
    Parquet {
        messages: Messages,
        writer: Box<Parquet>,
    },
    /// Rows become text.
    Text {
        sink: Sink,
        messages: Messages,
        schema: SchemaRef,
        renderer: Box<dyn Renderer>,
    },
}

impl ResultWriter {
    pub(crate) fn new(format: Format, screen: Screen, sink: Sink) -> Self {
        Self {
            format,
            screen,
            with_header: true,
            body: Body::Waiting(Some(sink)),
        }
    }

    /// Leaves the line with the names of the columns out, in formats that have one.
    pub(crate) fn without_header(self) -> Self {
        Self {
            with_header: false,
            ..self
        }
    }
}

impl ResultTaker for ResultWriter {
    type Kept = ();

    fn schema(&mut self, message: Bytes) -> Result<(), RenderError> {
        let Body::Waiting(sink) = &mut self.body else {
            return Err(RenderError::OutOfOrder);
        };
        let sink = sink.take().ok_or(RenderError::OutOfOrder)?;
        let mut messages = Messages::default();
        messages.take(message.clone())?;
        let schema = messages.schema().ok_or(RenderError::OutOfOrder)?;
        let mut header = Header::of(&schema, "NULL");
        header.is_written = self.with_header;
        self.body = match self.format.renderer(&header, self.screen) {
            Some(renderer) => Body::Text {
                sink,
                messages,
                schema,
                renderer,
            },
            None if self.format == Format::Parquet => Body::Parquet {
                writer: Box::new(Parquet::new(&schema, sink)?),
                messages,
            },
            None => Body::Arrow {
                sink,
                schema: Some(message),
            },
        };
        Ok(())
    }

    fn batch(&mut self, message: Bytes) -> Result<(), RenderError> {
        match &mut self.body {
            Body::Waiting(_) => return Err(RenderError::OutOfOrder),
            Body::Arrow { sink, schema } => {
                if let Some(schema) = schema.take() {
                    sink.write_through(&schema)?;
                }
                sink.write_through(&message)?;
            }
            Body::Parquet { messages, writer } => {
                for batch in messages.take(message)? {
                    writer.write(&batch)?;
                }
            }
            Body::Text {
                sink,
                messages,
                schema,
                renderer,
            } => {
                for batch in messages.take(message)? {
                    renderer.rows(&bound(schema, &batch)?, batch.num_rows(), sink)?;
                }
                sink.settle()?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), RenderError> {
        match self.body {
            Body::Waiting(_) => {}
            Body::Arrow { mut sink, schema } => {
                if let Some(schema) = schema {
                    sink.write_through(&schema)?;
                }
                sink.write_through(&END_OF_STREAM)?;
            }
            Body::Parquet { mut messages, writer } => {
                messages.end()?;
                writer.finish()?.flush()?;
            }
            Body::Text {
                mut sink,
                mut messages,
                mut renderer,
                ..
            } => {
                messages.end()?;
                renderer.finish(&mut sink)?;
                sink.flush()?;
            }
        }
        Ok(())
    }

    fn break_off(self) -> Result<bool, RenderError> {
        Ok(match self.body {
            // Without its end no file of Parquet can be read.
            Body::Waiting(_) | Body::Parquet { .. } => false,
            Body::Arrow { schema, .. } => schema.is_none(),
            Body::Text { mut sink, .. } => {
                let is_begun = sink.has_written();
                if is_begun {
                    sink.flush()?;
                }
                is_begun
            }
        })
    }
}

/// The columns of a batch, ready to be read by row.
pub(super) fn bound(schema: &SchemaRef, batch: &RecordBatch) -> Result<Vec<Column>, RenderError> {
    schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| Column::bind(field, array.as_ref()))
        .collect()
}

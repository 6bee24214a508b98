//! A result on its way: IPC messages in, text out.

use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::column::Column;
use super::messages::Messages;
use super::sink::Sink;
use super::{Format, Header, RenderError, Renderer};
use crate::config::Screen;

/// End of an Arrow IPC stream: a continuation marker and no message.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Takes a result's messages in their order and writes it in a format.
pub(crate) struct ResultWriter {
    format: Format,
    screen: Screen,
    sink: Sink,
    body: Body,
}

enum Body {
    /// No schema yet.
    Waiting,
    /// The messages are the format; the schema is held until there is more.
    Arrow { schema: Option<Bytes> },
    /// Rows become text.
    Text {
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
            sink,
            body: Body::Waiting,
        }
    }

    /// Takes the schema message. Writes nothing.
    pub(crate) fn schema(&mut self, message: Bytes) -> Result<(), RenderError> {
        let mut messages = Messages::default();
        messages.take(message.clone())?;
        let schema = messages.schema().ok_or(RenderError::OutOfOrder)?;
        self.body = match self.format.renderer(&Header::of(&schema, "NULL"), self.screen) {
            Some(renderer) => Body::Text {
                messages,
                schema,
                renderer,
            },
            None => Body::Arrow {
                schema: Some(message),
            },
        };
        Ok(())
    }

    /// Takes the message, or messages, of one batch.
    pub(crate) fn batch(&mut self, message: Bytes) -> Result<(), RenderError> {
        match &mut self.body {
            Body::Waiting => return Err(RenderError::OutOfOrder),
            Body::Arrow { schema } => {
                if let Some(schema) = schema.take() {
                    self.sink.write_through(&schema)?;
                }
                self.sink.write_through(&message)?;
            }
            Body::Text {
                messages,
                schema,
                renderer,
            } => {
                for batch in messages.take(message)? {
                    let columns: Vec<Column> = schema
                        .fields()
                        .iter()
                        .zip(batch.columns())
                        .map(|(field, array)| Column::bind(field, array.as_ref()))
                        .collect::<Result<_, _>>()?;
                    renderer.rows(&columns, batch.num_rows(), &mut self.sink)?;
                }
                self.sink.settle()?;
            }
        }
        Ok(())
    }

    /// Ends the result: what was held is written.
    pub(crate) fn finish(mut self) -> Result<(), RenderError> {
        match &mut self.body {
            Body::Waiting => {}
            Body::Arrow { schema } => {
                if let Some(schema) = schema.take() {
                    self.sink.write_through(&schema)?;
                }
                self.sink.write_through(&END_OF_STREAM)?;
            }
            Body::Text {
                messages, renderer, ..
            } => {
                messages.end()?;
                renderer.finish(&mut self.sink)?;
                self.sink.flush()?;
            }
        }
        Ok(())
    }
}

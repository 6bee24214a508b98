//! Calls about writes.

use std::time::Duration;

use snowflake_session_proto::v1::prepare_write_response::Event;
use snowflake_session_proto::v1::write_service_client::WriteServiceClient;
use snowflake_session_proto::v1::{
    AbandonWriteRequest, ConfirmWriteRequest, PrepareUndoRequest, PrepareUndoResponse, PrepareWriteRequest,
    PrepareWriteResponse, Write, prepare_undo_response,
};
use tonic::Streaming;
use tonic::transport::Channel;

use super::{Client, MESSAGE_BYTES_MAX, answer, duration, next, present, told};
use crate::failure::Failure;

/// The events of a write, whatever it writes.
pub(crate) enum WriteEvents {
    Prepared(Streaming<PrepareWriteResponse>),
    Undone(Streaming<PrepareUndoResponse>),
}

impl WriteEvents {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        match self {
            WriteEvents::Prepared(stream) => Ok(next(stream).await?.and_then(|response| response.event)),
            WriteEvents::Undone(stream) => {
                let event = next(stream).await?.and_then(|response| response.event);
                Ok(event.map(|event| match event {
                    prepare_undo_response::Event::Accepted(accepted) => Event::Accepted(accepted),
                    prepare_undo_response::Event::Write(write) => Event::Write(write),
                }))
            }
        }
    }
}

impl Client {
    /// Runs or prepares a write. Dropping the events stops it and rolls it back.
    pub(crate) async fn prepare_write(&self, message: PrepareWriteRequest) -> Result<WriteEvents, Failure> {
        let response = self.writes_client().prepare_write(self.request(message)).await;
        Ok(WriteEvents::Prepared(told(response)?.into_inner()))
    }

    /// Prepares the undoing of an earlier write. Dropping the events stops it and rolls it back.
    pub(crate) async fn prepare_undo(&self, message: PrepareUndoRequest) -> Result<WriteEvents, Failure> {
        let response = self.writes_client().prepare_undo(self.request(message)).await;
        Ok(WriteEvents::Undone(told(response)?.into_inner()))
    }

    /// Lets a write count. It may be a statement that runs only now, so that only the user's own limit ends the
    /// wait, and `margin` after the service has had the time to report it.
    pub(crate) async fn confirm_write(&self, token: String, margin: Duration) -> Result<Write, Failure> {
        let mut client = self.writes_client();
        let message = ConfirmWriteRequest {
            token,
            timeout: self.timeout.and_then(duration),
        };
        let call = client.confirm_write(self.request(message));
        let confirmed = match self.timeout {
            Some(timeout) => answer(timeout + margin, call).await?,
            None => told(call.await)?.into_inner(),
        };
        present("write", confirmed.write)
    }

    /// Gives a write up.
    pub(crate) async fn abandon_write(&self, token: String) -> Result<Write, Failure> {
        let mut client = self.writes_client();
        let call = client.abandon_write(self.request(AbandonWriteRequest { token }));
        present("write", answer(self.wait_max(), call).await?.write)
    }

    fn writes_client(&self) -> WriteServiceClient<Channel> {
        WriteServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

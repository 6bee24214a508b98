//! Writes that can be looked at before they count.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::write_service_server::WriteService;
use tonic::{Request, Response, Status};
use tracing::Span;

use super::caller::caller;
use super::convert;
use super::grpc_timeout::grpc_timeout;
use super::status::status;
use crate::domain::error::Error;
use crate::domain::query::QueryEvent;
use crate::sessions::{QueryStream, Sessions};
use crate::traces;

/// Stages writes, confirms them and takes them back.
pub(super) struct Writes {
    pub(super) sessions: Sessions,
}

type Events<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl WriteService for Writes {
    type PrepareWriteStream = Events<v1::PrepareWriteResponse>;
    type PrepareUndoStream = Events<v1::PrepareUndoResponse>;

    async fn prepare_write(
        &self,
        request: Request<v1::PrepareWriteRequest>,
    ) -> Result<Response<Self::PrepareWriteStream>, Status> {
        let (call_timeout, caller) = (grpc_timeout(request.metadata()), caller(&request));
        let write = convert::write_request(request.into_inner(), call_timeout, caller)
            .map_err(|error| status(&error))?;
        let span = tracing::info_span!(
            "write",
            session = tracing::field::Empty,
            request_id = %write.request_id,
            peer = write.caller.peer(),
            trace_id = traces::current(),
        );
        let accepted = self.sessions.write(write).await;
        let stream = accepted.map_err(|error| span.in_scope(|| status(&error)))?;
        span.record("session", stream.session.as_str());
        let first = v1::PrepareWriteResponse {
            event: Some(v1::prepare_write_response::Event::Accepted(accepted_event(
                &stream,
            ))),
        };
        Ok(Response::new(events(stream, first, convert::prepared, span)))
    }

    async fn prepare_undo(
        &self,
        request: Request<v1::PrepareUndoRequest>,
    ) -> Result<Response<Self::PrepareUndoStream>, Status> {
        let (call_timeout, caller) = (grpc_timeout(request.metadata()), caller(&request));
        let undo = convert::undo_request(request.into_inner(), call_timeout, caller)
            .map_err(|error| status(&error))?;
        let span = tracing::info_span!(
            "undo",
            session = tracing::field::Empty,
            request_id = %undo.request_id,
            peer = undo.caller.peer(),
            trace_id = traces::current(),
        );
        let accepted = self.sessions.undo(undo).await;
        let stream = accepted.map_err(|error| span.in_scope(|| status(&error)))?;
        span.record("session", stream.session.as_str());
        let first = v1::PrepareUndoResponse {
            event: Some(v1::prepare_undo_response::Event::Accepted(accepted_event(
                &stream,
            ))),
        };
        Ok(Response::new(events(stream, first, convert::undone, span)))
    }

    async fn confirm_write(
        &self,
        request: Request<v1::ConfirmWriteRequest>,
    ) -> Result<Response<v1::ConfirmWriteResponse>, Status> {
        let call_timeout = grpc_timeout(request.metadata());
        let request = request.into_inner();
        let confirmed = async {
            let asked = request.timeout.map(convert::duration).transpose()?;
            let timeout = asked.into_iter().chain(call_timeout).min();
            self.sessions.confirm_write(&request.token, timeout).await
        };
        let report = confirmed.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::ConfirmWriteResponse {
            write: Some(convert::report(report)),
        }))
    }

    async fn abandon_write(
        &self,
        request: Request<v1::AbandonWriteRequest>,
    ) -> Result<Response<v1::AbandonWriteResponse>, Status> {
        let abandoned = self.sessions.abandon_write(&request.get_ref().token).await;
        let report = abandoned.map_err(|error| status(&error))?;
        Ok(Response::new(v1::AbandonWriteResponse {
            write: Some(convert::report(report)),
        }))
    }
}

fn accepted_event(stream: &QueryStream) -> v1::QueryAccepted {
    v1::QueryAccepted {
        request_id: stream.request_id.to_string(),
        session: stream.session.to_string(),
        connection: stream.connection.to_string(),
    }
}

/// The events of a write as they come from its session, behind `first`. Dropping them tells the session that nobody
/// listens.
fn events<T: Send + 'static>(
    stream: QueryStream,
    first: T,
    convert: fn(QueryEvent) -> Option<T>,
    span: Span,
) -> Events<T> {
    let coming = futures_util::stream::unfold(Some(stream.events), move |receiver| {
        let span = span.clone();
        async move {
            let mut receiver = receiver?;
            loop {
                match receiver.recv().await {
                    Some(Ok(event)) => {
                        let is_last = matches!(event, QueryEvent::Write(_) | QueryEvent::Summary(_));
                        if let Some(event) = convert(event) {
                            return Some((Ok(event), Some(receiver).filter(|_| !is_last)));
                        }
                    }
                    Some(Err(error)) => return Some((Err(span.in_scope(|| status(&error))), None)),
                    None => {
                        let error = Error::internal("the session ended before the write did");
                        return Some((Err(span.in_scope(|| status(&error))), None));
                    }
                }
            }
        }
    });
    futures_util::stream::iter([Ok(first)]).chain(coming).boxed()
}

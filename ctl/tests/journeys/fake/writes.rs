//! Writes of the stand-in: what they answer is the test's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use snowflake_session_proto::v1::prepare_write_response::Event;
use snowflake_session_proto::v1::write_service_server::WriteService;
use snowflake_session_proto::v1::{
    AbandonWriteRequest, AbandonWriteResponse, ConfirmWriteRequest, ConfirmWriteResponse, ErrorReason,
    PrepareUndoRequest, PrepareUndoResponse, PrepareWriteRequest, PrepareWriteResponse, QueryAccepted, Write,
    prepare_undo_response,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Stand, State, error};

/// What writes answer, and what arrived.
#[derive(Default)]
pub(crate) struct Writes {
    /// Events before the end.
    pub(crate) events: Vec<Event>,
    /// What came of it; without it the stream stays open.
    pub(crate) outcome: Option<Write>,
    /// Fails instead.
    pub(crate) failure: Option<Status>,
    pub(crate) prepared: Vec<PrepareWriteRequest>,
    pub(crate) undone: Vec<PrepareUndoRequest>,
    pub(crate) confirmed: Vec<ConfirmWriteRequest>,
    pub(crate) abandoned: Vec<AbandonWriteRequest>,
}

impl State {
    /// Plays the script into a stream.
    fn write<M: Send + 'static>(
        self: &Arc<Self>,
        convert: fn(Event) -> Option<M>,
    ) -> Result<Response<ReceiverStream<Result<M, Status>>>, Status> {
        let writes = self.writes.lock().unwrap();
        if let Some(status) = &writes.failure {
            return Err(status.clone());
        }
        let accepted = Event::Accepted(QueryAccepted {
            request_id: "r-1".to_owned(),
            session: "default".to_owned(),
            connection: "local".to_owned(),
        });
        let mut events = vec![accepted];
        events.extend(writes.events.clone());
        let hangs = writes.outcome.is_none();
        events.extend(writes.outcome.clone().map(Event::Write));
        let (sender, receiver) = mpsc::channel(1);
        let state = Arc::clone(self);
        tokio::spawn(async move {
            for event in events.into_iter().filter_map(convert) {
                if sender.send(Ok(event)).await.is_err() {
                    break;
                }
            }
            if hangs {
                sender.closed().await;
                state.dropped.store(true, Ordering::SeqCst);
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    /// What confirming or abandoning comes to; a token is good once.
    fn resolve_write(&self, token: &str) -> Result<Write, Status> {
        let mut writes = self.writes.lock().unwrap();
        if let Some(status) = &writes.failure {
            return Err(status.clone());
        }
        writes.outcome.take().ok_or_else(|| {
            let message = format!("no write waits for the token {token}");
            error(ErrorReason::NotFound, &message, &[])
        })
    }
}

#[tonic::async_trait]
impl WriteService for Stand {
    type PrepareWriteStream = ReceiverStream<Result<PrepareWriteResponse, Status>>;
    type PrepareUndoStream = ReceiverStream<Result<PrepareUndoResponse, Status>>;

    async fn prepare_write(
        &self,
        request: Request<PrepareWriteRequest>,
    ) -> Result<Response<Self::PrepareWriteStream>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        let session = self.0.find_or_make(&request.session, &request.connection);
        self.0.acknowledge(&session, request.accept_loss)?;
        self.0.writes.lock().unwrap().prepared.push(request);
        self.0
            .write(|event| Some(PrepareWriteResponse { event: Some(event) }))
    }

    async fn prepare_undo(
        &self,
        request: Request<PrepareUndoRequest>,
    ) -> Result<Response<Self::PrepareUndoStream>, Status> {
        self.0.check(&request)?;
        self.0.writes.lock().unwrap().undone.push(request.into_inner());
        self.0.write(|event| {
            let event = match event {
                Event::Accepted(accepted) => prepare_undo_response::Event::Accepted(accepted),
                Event::Write(write) => prepare_undo_response::Event::Write(write),
                Event::Schema(_) | Event::Batch(_) => return None,
            };
            Some(PrepareUndoResponse { event: Some(event) })
        })
    }

    async fn confirm_write(
        &self,
        request: Request<ConfirmWriteRequest>,
    ) -> Result<Response<ConfirmWriteResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.writes.lock().unwrap().confirmed.push(request.clone());
        let write = Some(self.0.resolve_write(&request.token)?);
        Ok(Response::new(ConfirmWriteResponse { write }))
    }

    async fn abandon_write(
        &self,
        request: Request<AbandonWriteRequest>,
    ) -> Result<Response<AbandonWriteResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.writes.lock().unwrap().abandoned.push(request.clone());
        let write = Some(self.0.resolve_write(&request.token)?);
        Ok(Response::new(AbandonWriteResponse { write }))
    }
}

//! Writes over gRPC, for tests.

use snowflake_session::domain::write::shape::Texts;
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::prepare_write_response::Event;
use snowflake_session_proto::v1::write_service_client::WriteServiceClient;
use tonic::service::interceptor::InterceptedService;
use tonic::{Status, Streaming};

use super::{Built, NameBuild, Service, name_build};

/// A statement to write, without frills, in session `default`.
pub(crate) fn write(sql: &str) -> v1::PrepareWriteRequest {
    v1::PrepareWriteRequest {
        sql: sql.into(),
        ..v1::PrepareWriteRequest::default()
    }
}

/// A statement of at most this many rows.
pub(crate) fn limited(text: &str, rows: i64) -> v1::PrepareWriteRequest {
    v1::PrepareWriteRequest {
        rows_max: Some(rows),
        ..write(text)
    }
}

/// A statement that is only tried.
pub(crate) fn dry(text: &str) -> v1::PrepareWriteRequest {
    v1::PrepareWriteRequest {
        mode: v1::WriteMode::DryRun.into(),
        ..write(text)
    }
}

/// A confirmation without frills.
pub(crate) fn confirm(token: &str) -> v1::ConfirmWriteRequest {
    v1::ConfirmWriteRequest {
        token: token.into(),
        timeout: None,
    }
}

/// Rows as text.
pub(crate) fn table(columns: &[&str], rows: &[&[&str]]) -> Texts {
    Texts {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows
            .iter()
            .map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect())
            .collect(),
    }
}

/// The events of a write.
#[derive(Debug)]
pub(crate) struct WriteAnswer {
    pub(crate) accepted: v1::QueryAccepted,
    pub(crate) schema: Option<v1::ResultSchema>,
    pub(crate) rows: i64,
    pub(crate) write: v1::Write,
}

impl Service {
    pub(crate) fn writes(&self) -> WriteServiceClient<Built> {
        WriteServiceClient::new(InterceptedService::new(
            self.channel.clone(),
            name_build as NameBuild,
        ))
    }

    /// Starts a write and returns its stream.
    pub(crate) async fn prepare(
        &self,
        request: v1::PrepareWriteRequest,
    ) -> Result<Streaming<v1::PrepareWriteResponse>, Status> {
        let answer = self.writes().prepare_write(request).await?;
        Ok(answer.into_inner())
    }

    /// Runs a write to its end and checks the order of its events.
    pub(crate) async fn write(&self, request: v1::PrepareWriteRequest) -> Result<WriteAnswer, Status> {
        let mut stream = self.prepare(request).await?;
        let mut accepted = None;
        let (mut schema, mut rows) = (None, 0);
        while let Some(response) = stream.message().await? {
            match response.event.expect("an event in every response") {
                Event::Accepted(event) => {
                    assert!(accepted.replace(event).is_none(), "accepted twice");
                }
                Event::Schema(event) => {
                    assert!(schema.replace(event).is_none(), "two schemas");
                }
                Event::Batch(batch) => {
                    assert!(schema.is_some(), "a batch before the schema");
                    rows += batch.row_count;
                }
                Event::Write(write) => {
                    assert!(stream.message().await?.is_none(), "something after the write");
                    return Ok(WriteAnswer {
                        accepted: accepted.expect("an acceptance first"),
                        schema,
                        rows,
                        write,
                    });
                }
            }
        }
        panic!("no write at the end")
    }

    /// Confirms a write.
    pub(crate) async fn confirm(&self, token: &str) -> Result<v1::Write, Status> {
        let answer = self.writes().confirm_write(confirm(token)).await?;
        Ok(answer.into_inner().write.unwrap())
    }

    /// Gives a write up.
    pub(crate) async fn abandon(&self, token: &str) -> Result<v1::Write, Status> {
        let request = v1::AbandonWriteRequest { token: token.into() };
        let answer = self.writes().abandon_write(request).await?;
        Ok(answer.into_inner().write.unwrap())
    }

    /// Takes a write back.
    pub(crate) async fn undo(&self, query: &str) -> Result<v1::Write, Status> {
        self.undo_with(v1::PrepareUndoRequest {
            query: query.into(),
            ..v1::PrepareUndoRequest::default()
        })
        .await
    }

    pub(crate) async fn undo_with(&self, request: v1::PrepareUndoRequest) -> Result<v1::Write, Status> {
        use v1::prepare_undo_response::Event;
        let mut stream = self.writes().prepare_undo(request).await?.into_inner();
        while let Some(response) = stream.message().await? {
            if let Some(Event::Write(write)) = response.event {
                return Ok(write);
            }
        }
        panic!("no write at the end")
    }
}

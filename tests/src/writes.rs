//! A client of the service for writes, which waits for each answer.

use std::path::Path;

use hyper_util::rt::TokioIo;
use snowflake_session_proto::v1::prepare_undo_response::Event as UndoEvent;
use snowflake_session_proto::v1::prepare_write_response::Event;
use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::v1::session_service_client::SessionServiceClient;
use snowflake_session_proto::v1::write_service_client::WriteServiceClient;
use snowflake_session_proto::v1::{
    AbandonWriteRequest, ConfirmWriteRequest, ExecuteQueryRequest, GetSessionRequest, PolicyLevel,
    PrepareUndoRequest, PrepareWriteRequest, Session, Write, WriteMode,
};
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use tower::service_fn;

/// A client of session `default`.
#[derive(Debug)]
pub struct Writer {
    runtime: Runtime,
    channel: Channel,
}

/// A statement to write, without frills.
pub fn write(sql: &str) -> PrepareWriteRequest {
    PrepareWriteRequest {
        sql: sql.to_owned(),
        ..PrepareWriteRequest::default()
    }
}

/// A statement that is only tried.
pub fn dry(sql: &str) -> PrepareWriteRequest {
    PrepareWriteRequest {
        mode: WriteMode::DryRun.into(),
        ..write(sql)
    }
}

/// A statement that may change this many rows.
pub fn limited(sql: &str, rows: i64) -> PrepareWriteRequest {
    PrepareWriteRequest {
        rows_max: Some(rows),
        ..write(sql)
    }
}

impl Writer {
    /// Connects to the service that serves this socket.
    pub fn connect(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let socket = socket.to_owned();
        // The address is never looked up: the connector below dials the socket.
        let endpoint = Endpoint::from_static("http://localhost");
        let connecting = endpoint.connect_with_connector(service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        }));
        let channel = runtime
            .block_on(connecting)
            .expect("the service accepts a connection");
        Self { runtime, channel }
    }

    /// Runs a statement without guards.
    pub fn run(&self, sql: &str) {
        let message = ExecuteQueryRequest {
            sql: sql.to_owned(),
            policy: PolicyLevel::Open.into(),
            ..ExecuteQueryRequest::default()
        };
        let mut client = QueryServiceClient::new(self.channel.clone());
        let ran = self.runtime.block_on(async {
            let mut events = client.execute_query(request(message)).await?.into_inner();
            while events.message().await?.is_some() {}
            Ok::<_, Status>(())
        });
        ran.unwrap_or_else(|status| panic!("{sql}: {status:?}"));
    }

    /// Prepares a write and waits for what comes of it.
    pub fn write(&self, message: PrepareWriteRequest) -> Result<Write, Status> {
        let mut client = WriteServiceClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let mut events = client.prepare_write(request(message)).await?.into_inner();
            loop {
                let response = events.message().await?.expect("a write ends the stream");
                if let Some(Event::Write(write)) = response.event {
                    return Ok(write);
                }
            }
        })
    }

    /// Prepares what takes a write back.
    pub fn undo(&self, message: PrepareUndoRequest) -> Result<Write, Status> {
        let mut client = WriteServiceClient::new(self.channel.clone());
        self.runtime.block_on(async {
            let mut events = client.prepare_undo(request(message)).await?.into_inner();
            loop {
                let response = events.message().await?.expect("a write ends the stream");
                if let Some(UndoEvent::Write(write)) = response.event {
                    return Ok(write);
                }
            }
        })
    }

    /// Confirms a write.
    pub fn confirm(&self, token: &str) -> Result<Write, Status> {
        let mut client = WriteServiceClient::new(self.channel.clone());
        let message = ConfirmWriteRequest {
            token: token.to_owned(),
            timeout: None,
        };
        let answer = self.runtime.block_on(client.confirm_write(request(message)))?;
        Ok(answer.into_inner().write.expect("an answer has its write"))
    }

    /// Gives a write up.
    pub fn abandon(&self, token: &str) -> Result<Write, Status> {
        let mut client = WriteServiceClient::new(self.channel.clone());
        let message = AbandonWriteRequest {
            token: token.to_owned(),
        };
        let answer = self.runtime.block_on(client.abandon_write(request(message)))?;
        Ok(answer.into_inner().write.expect("an answer has its write"))
    }

    /// The session as it is shown.
    pub fn session(&self) -> Session {
        let mut client = SessionServiceClient::new(self.channel.clone());
        let answer = self
            .runtime
            .block_on(client.get_session(request(GetSessionRequest::default())));
        let answer = answer.expect("the session exists").into_inner();
        answer.session.expect("an answer has its session")
    }
}

/// A request that says which build the client is.
fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(BUILD_ID_KEY, BUILD_ID.parse().expect("a build id is plain text"));
    request
}

//! The session engine alone, on a clock that stands still until everybody waits for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use snowflake_session::domain::audit::Caller;
use snowflake_session::domain::error::Error;
use snowflake_session::domain::limits::Limits;
use snowflake_session::domain::names::{RequestId, SessionName};
use snowflake_session::domain::policy::Level;
use snowflake_session::domain::query::{QueryEvent, Summary};
use snowflake_session::sessions::{Oversight, QueryRequest, QueryStream, Sessions, Snapshot};
use tokio::time::Instant;

use super::{FakeConnector, Memory, Seen};

/// Sessions over a Snowflake in memory. To be used with a paused clock.
pub(crate) struct Engine {
    pub(crate) sessions: Sessions,
    pub(crate) seen: Arc<Seen>,
    pub(crate) memory: Memory,
}

impl Engine {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::with_memory(limits, Memory::default())
    }

    /// An engine that finds the sessions that another one has kept.
    pub(crate) fn with_memory(limits: Limits, memory: Memory) -> Self {
        let connector = FakeConnector::default();
        let seen = Arc::clone(&connector.seen);
        let (start, epoch) = (Instant::now(), SystemTime::now());
        let clock = Arc::new(move || epoch + start.elapsed());
        Self {
            sessions: Sessions::new(
                Arc::new(connector),
                limits,
                clock,
                memory.kept(),
                Oversight::none(),
            ),
            seen,
            memory,
        }
    }

    pub(crate) async fn execute(&self, request: QueryRequest) -> Result<QueryStream, Error> {
        self.sessions.execute(request).await
    }

    /// Runs a statement in a session to its end.
    pub(crate) async fn run_in(&self, session: &str, text: &str) -> Result<Summary, Error> {
        summary(self.execute(request(session, text)).await?).await
    }

    /// Runs a statement in session `default` to its end.
    pub(crate) async fn run(&self, text: &str) -> Result<Summary, Error> {
        self.run_in("default", text).await
    }

    /// Lets time pass in which everybody does what they wait for.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    pub(crate) fn shown(&self, session: &str) -> Snapshot {
        self.sessions.get(&name(session)).unwrap()
    }
}

pub(crate) fn name(session: &str) -> SessionName {
    session.parse().unwrap()
}

/// A statement without frills that may do everything.
pub(crate) fn request(session: &str, text: &str) -> QueryRequest {
    QueryRequest {
        session: Some(name(session)),
        connection: None,
        request_id: RequestId::new(uuid::Uuid::new_v4()),
        sql: text.into(),
        bindings: Vec::new(),
        row_limit: None,
        timeout: None,
        accept_loss: false,
        policy: Some(Level::Open),
        caller: Caller::default(),
    }
}

/// Reads the events of a query to their end.
pub(crate) async fn summary(mut stream: QueryStream) -> Result<Summary, Error> {
    loop {
        match stream.events.recv().await.expect("an end") {
            Ok(QueryEvent::Summary(summary)) => return Ok(*summary),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

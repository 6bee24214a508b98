//! What the protocol asks of whoever runs statements; the session room answers, in tests a double.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::refusal::broken;
use crate::session::{
    ContextSnapshot, Instance, ParameterValue, Progress, QueryId, Session, SessionSpec, SqlError,
    StatementOutput, Submission,
};
use crate::stages::FileStore;

/// An answer that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Opens sessions.
pub trait Backend: Send + Sync + 'static {
    /// Opens a session for a user whose identity is already proved.
    fn open_session(&self, spec: SessionSpec) -> Answer<'_, Result<Arc<dyn BackendSession>, SqlError>>;
    /// The files in stages, which clients put and fetch past the sessions; none when there are no stages.
    fn store(&self) -> Option<Arc<FileStore>> {
        None
    }
}

/// Runs statements.
pub trait BackendSession: Send + Sync + 'static {
    /// Number of the session; unique while the server runs.
    fn id(&self) -> u64;
    /// Where the session is now.
    fn context(&self) -> ContextSnapshot;
    /// All parameters in force with their values, upper-case names.
    fn parameters(&self) -> Vec<(String, ParameterValue)>;
    /// Runs a submission to its end, or to the point where its rows begin to stream.
    fn run(&self, submission: Submission) -> Answer<'_, Result<StatementOutput, SqlError>>;
    /// Decides that a detached submission will run beside the session's other statements and outlive the session;
    /// [`BackendSession::run`] follows. False when it has to take its turn.
    fn detach(&self, submission: &Submission) -> bool;
    /// How far a submission is that has not ended.
    fn progress(&self, query_id: QueryId) -> Progress;
    /// Stops a running statement; false when it does not run.
    fn cancel(&self, query_id: QueryId) -> bool;
    /// Stops what runs in the session, rolls back what is open, and ends it.
    fn close(&self) -> Answer<'_, ()>;
}

impl Backend for Arc<Instance> {
    fn store(&self) -> Option<Arc<FileStore>> {
        Some(Instance::store(self))
    }

    fn open_session(&self, spec: SessionSpec) -> Answer<'_, Result<Arc<dyn BackendSession>, SqlError>> {
        let instance = Self::clone(self);
        Box::pin(async move {
            let opened = tokio::task::spawn_blocking(move || Instance::open_session(&instance, spec)).await;
            let session: Arc<dyn BackendSession> = opened.unwrap_or_else(|_| Err(broken()))?;
            Ok(session)
        })
    }
}

impl BackendSession for Session {
    fn id(&self) -> u64 {
        Self::id(self)
    }

    fn context(&self) -> ContextSnapshot {
        Self::context(self)
    }

    fn parameters(&self) -> Vec<(String, ParameterValue)> {
        Self::parameters(self)
    }

    fn run(&self, submission: Submission) -> Answer<'_, Result<StatementOutput, SqlError>> {
        Box::pin(Self::run(self, submission))
    }

    fn detach(&self, submission: &Submission) -> bool {
        Self::detach(self, submission)
    }

    fn progress(&self, query_id: QueryId) -> Progress {
        Self::progress(self, query_id)
    }

    fn cancel(&self, query_id: QueryId) -> bool {
        Self::cancel(self, query_id)
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(Self::close(self))
    }
}

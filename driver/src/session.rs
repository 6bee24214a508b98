//! One login at Snowflake, and the queries that run in it.

use crate::Result;
use crate::query::{CancelOutcome, QueryRequest};
use crate::result::{QueryResult, SessionContext};

/// Who and where an upstream session is, as the server said at login.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Name of the connection settings it was made from.
    pub connection: String,
    /// Scheme, host and port of the server.
    pub endpoint: String,
    /// Account as in the settings.
    pub account: String,
    /// User, in the server's spelling when it gave one.
    pub user: String,
    /// Server version as text; empty when the server gave none.
    pub server_version: String,
    /// Snowflake's number of the session, when the server gave one.
    pub session_id: Option<i64>,
    /// Context right after login. Later contexts come with each result.
    pub context: SessionContext,
    /// Session parameters that the server reported at login (name, value as text).
    pub parameters: Vec<(String, String)>,
}

/// One login at Snowflake: tokens, transaction, temporary tables, variables. Cheap to clone; all clones are the same
/// session. Dropping the last clone without [`close`](Self::close) leaves the session to the server's idle timeout.
///
/// Queries of one session may run at the same time where the server allows it. Expired session tokens are renewed
/// inside, once for all waiting queries, and while the session is idle heartbeats keep it alive.
#[derive(Clone)]
pub struct UpstreamSession {
    _private: (),
}

impl UpstreamSession {
    /// Who and where this session is.
    pub fn info(&self) -> &SessionInfo {
        unimplemented!("signatures first")
    }

    /// Checks the bindings of `request` and gives it a request id; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`](crate::DriverError::Configuration) for bindings that cannot be encoded.
    pub fn prepare(&self, request: QueryRequest) -> Result<PreparedQuery> {
        let _ = request;
        unimplemented!("signatures first")
    }

    /// Prepares and runs `request`.
    ///
    /// Returns when the first answer is complete: then the schema, the statement type, the context after the statement
    /// and the total number of rows are known, and rows come from the [`QueryResult`]. Dropping the future does not
    /// stop the query at the server; keep a [`Canceller`] for that.
    ///
    /// # Errors
    ///
    /// Any [`DriverError`](crate::DriverError) but `LoginRefused`.
    pub async fn execute(&self, request: QueryRequest) -> Result<QueryResult> {
        self.prepare(request)?.execute().await
    }

    /// Reads the result of a finished (or still running) query of this user by Snowflake's query id. Waits while it runs.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute); an unknown id is a [`DriverError::Sql`](crate::DriverError::Sql).
    pub async fn result_of(&self, query_id: &str, row_limit: Option<u64>) -> Result<QueryResult> {
        let _ = (query_id, row_limit);
        unimplemented!("signatures first")
    }

    /// Cancels the query with this request id, if it is running in this session. See [`Canceller::cancel`].
    pub async fn cancel(&self, request_id: &str) -> CancelOutcome {
        let _ = request_id;
        unimplemented!("signatures first")
    }

    /// Cancels a query by Snowflake's query id, also one of another session of the same user.
    ///
    /// `Confirmed` means here that the server accepted the abort.
    pub async fn cancel_query(&self, query_id: &str) -> CancelOutcome {
        let _ = query_id;
        unimplemented!("signatures first")
    }

    /// Tells the server that the session is in use, and learns whether it still is.
    ///
    /// # Errors
    ///
    /// [`DriverError::SessionExpired`](crate::DriverError::SessionExpired) when it is gone,
    /// [`DriverError::Unreachable`](crate::DriverError::Unreachable) when nobody answered.
    pub async fn heartbeat(&self) -> Result<()> {
        unimplemented!("signatures first")
    }

    /// Logs out. Queries of the session that still run are aborted by the server. Never fails: what cannot be
    /// confirmed is said.
    pub async fn close(&self) -> CloseOutcome {
        unimplemented!("signatures first")
    }

    /// True when the session was found expired or was closed; every further query would fail.
    pub fn is_expired(&self) -> bool {
        unimplemented!("signatures first")
    }
}

/// What a logout achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseOutcome {
    /// The server said that the session is closed, or that it was gone already.
    Confirmed,
    /// The server did not say so in time; its own idle timeout will close the session.
    Unconfirmed,
}

/// A statement that has its request id and is ready to be sent.
pub struct PreparedQuery {
    _private: (),
}

impl PreparedQuery {
    /// The id under which the statement will be sent (a UUID), also the key for [`UpstreamSession::cancel`].
    pub fn request_id(&self) -> &str {
        unimplemented!("signatures first")
    }

    /// A handle that cancels this query from any task, before, during and after its execution.
    pub fn canceller(&self) -> Canceller {
        unimplemented!("signatures first")
    }

    /// Sends the statement. See [`UpstreamSession::execute`].
    ///
    /// # Errors
    ///
    /// As [`UpstreamSession::execute`].
    pub async fn execute(self) -> Result<QueryResult> {
        unimplemented!("signatures first")
    }
}

/// Cancels one query. Cheap to clone, usable from any task.
#[derive(Clone)]
pub struct Canceller {
    _private: (),
}

impl Canceller {
    /// The request id of the query.
    pub fn request_id(&self) -> &str {
        unimplemented!("signatures first")
    }

    /// Asks the server to abort the query and waits until that is confirmed, or until
    /// [`DriverConfig::cancel_timeout`](crate::DriverConfig::cancel_timeout) is over.
    ///
    /// The running [`PreparedQuery::execute`] then returns [`DriverError::Cancelled`](crate::DriverError::Cancelled).
    pub async fn cancel(&self) -> CancelOutcome {
        unimplemented!("signatures first")
    }
}

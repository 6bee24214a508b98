//! One login at Snowflake, and the queries that run in it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use snowflake_session_gateway::{AbortAnswer, GatewaySession, SessionTicket};

use crate::driver::CRATE_MARGIN;
use crate::error::from_gateway;
use crate::prepared::{Canceller, PreparedQuery, Sending, statement_handle};
use crate::query::{CancelOutcome, QueryRequest};
use crate::result::{QueryResult, SessionContext};
use crate::{DriverConfig, Owner, Result};

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
    /// Session parameters that the server reported at login (name, value as text); none for an adopted session.
    pub parameters: Vec<(String, String)>,
}

/// One login at Snowflake: tokens, transaction, temporary tables, variables. Cheap to clone; all clones are the same
/// session. Dropping the last clone without [`close`](Self::close) leaves the session to the server's idle timeout.
///
/// Queries of one session may run at the same time where the server allows it. Expired session tokens are renewed
/// inside, once for all waiting queries, and while the session is idle heartbeats keep it alive.
#[derive(Clone)]
pub struct UpstreamSession {
    pub(crate) inner: Arc<Inner>,
}

/// What the clones of a session share.
pub(crate) struct Inner {
    pub(crate) gateway: GatewaySession,
    pub(crate) config: Arc<DriverConfig>,
    session: snowflake_connector_rs::Session,
    info: SessionInfo,
    /// Cancellers of the queries that are prepared or running, by request id.
    active: Mutex<HashMap<String, Canceller>>,
}

impl Inner {
    pub(crate) fn active(&self) -> MutexGuard<'_, HashMap<String, Canceller>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UpstreamSession {
    pub(crate) fn new(
        gateway: GatewaySession,
        session: snowflake_connector_rs::Session,
        owner: Owner,
        config: Arc<DriverConfig>,
    ) -> Self {
        let facts = gateway.facts();
        let info = SessionInfo {
            connection: owner.connection,
            endpoint: gateway.endpoint().origin().ascii_serialization(),
            account: owner.account,
            user: facts.user.clone().unwrap_or(owner.user),
            server_version: facts.server_version.clone(),
            session_id: facts.session_id,
            context: SessionContext {
                database: facts.database.clone(),
                schema: facts.schema.clone(),
                warehouse: facts.warehouse.clone(),
                role: facts.role.clone(),
            },
            parameters: facts.parameters.clone(),
        };
        Self {
            inner: Arc::new(Inner {
                gateway,
                config,
                session,
                info,
                active: Mutex::default(),
            }),
        }
    }

    /// Who and where this session is.
    pub fn info(&self) -> &SessionInfo {
        &self.inner.info
    }

    /// Checks the bindings of `request` and gives it a request id; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`](crate::DriverError::Configuration) for bindings that cannot be encoded.
    pub fn prepare(&self, request: QueryRequest) -> Result<PreparedQuery> {
        self.prepare_as(request, Sending::Execute)
    }

    pub(crate) fn prepare_as(&self, request: QueryRequest, sending: Sending) -> Result<PreparedQuery> {
        let timeout = request
            .timeout
            .unwrap_or(Duration::MAX)
            .min(self.inner.config.query_timeout_max);
        let handle = statement_handle(
            &self.inner.session,
            &request,
            timeout.saturating_add(CRATE_MARGIN),
        )?;
        Ok(PreparedQuery::new(
            Arc::clone(&self.inner),
            handle,
            request,
            timeout,
            sending,
        ))
    }

    /// Prepares and runs `request`.
    ///
    /// Returns when the first answer is complete: then the schema, the statement type, the context after the statement
    /// and the total number of rows are known, and rows come from the [`QueryResult`]. Dropping the future does not
    /// stop the query at the server; keep a [`Canceller`] for that, or use [`cancel`](Self::cancel).
    ///
    /// # Errors
    ///
    /// Any [`DriverError`](crate::DriverError) but `LoginRefused`.
    pub async fn execute(&self, request: QueryRequest) -> Result<QueryResult> {
        self.prepare(request)?.execute().await
    }

    /// Cancels the query with this request id. See [`Canceller::cancel`].
    ///
    /// Works also for a query whose future was dropped or timed out: then the server is asked under the id.
    pub async fn cancel(&self, request_id: &str) -> CancelOutcome {
        let known = self.inner.active().get(request_id).cloned();
        if let Some(canceller) = known {
            return canceller.cancel().await;
        }
        let progress = self.inner.gateway.progress(request_id);
        let wait = self.inner.config.cancel_timeout;
        match tokio::time::timeout(wait, self.inner.gateway.abort_request(request_id)).await {
            Ok(Ok(AbortAnswer::NotRunning)) => CancelOutcome::NotRunning,
            Ok(Ok(AbortAnswer::Accepted)) => match progress {
                None => CancelOutcome::Confirmed,
                Some(progress) => match tokio::time::timeout(wait, progress.ended()).await {
                    Ok(true) => CancelOutcome::Confirmed,
                    Ok(false) => CancelOutcome::NotRunning,
                    Err(_) => CancelOutcome::Unconfirmed,
                },
            },
            Ok(Ok(AbortAnswer::Refused) | Err(_)) | Err(_) => CancelOutcome::Unconfirmed,
        }
    }

    /// Tells the server that the session is in use, and learns whether it still is.
    ///
    /// # Errors
    ///
    /// [`DriverError::SessionExpired`](crate::DriverError::SessionExpired) when it is gone,
    /// [`DriverError::Unreachable`](crate::DriverError::Unreachable) when nobody answered.
    pub async fn heartbeat(&self) -> Result<()> {
        self.inner.gateway.heartbeat().await.map_err(from_gateway)
    }

    /// Gives `keeper` what it takes to go on with this session in another process, now and again whenever it changes.
    /// See [`Driver::adopt`](crate::Driver::adopt). The keeper must not block.
    pub fn keep_ticket(&self, keeper: impl Fn(SessionTicket) + Send + Sync + 'static) {
        self.inner.gateway.keep_ticket(keeper);
    }

    /// Logs out. Queries of the session that still run are aborted by the server, submitted ones too; to let them go on,
    /// drop the session instead, which leaves it to the server's idle timeout. Never fails: what cannot be confirmed is
    /// said.
    pub async fn close(&self) -> CloseOutcome {
        if self.inner.gateway.log_out().await {
            CloseOutcome::Confirmed
        } else {
            CloseOutcome::Unconfirmed
        }
    }

    /// True when the session was found expired or was closed; every further query would fail.
    pub fn is_expired(&self) -> bool {
        self.inner.gateway.is_over()
    }
}

impl std::fmt::Debug for UpstreamSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamSession")
            .field("info", &self.inner.info)
            .finish_non_exhaustive()
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

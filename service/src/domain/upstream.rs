//! The port to Snowflake: what the session engine needs of it, in our words.
//!
//! `backend` implements it on the driver; tests implement it in memory. Every future may be dropped at any
//! point, which means "stop caring": whether Snowflake stops too is what [`Upstream::cancel`] is for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::carry::Ticket;
use crate::domain::context::Context;
use crate::domain::error::Error;
use crate::domain::history::Observed;
use crate::domain::meter::Traffic;
use crate::domain::names::{ConnectionName, RequestId};
use crate::domain::pool::PoolStatus;
use crate::domain::query::{Batch, CancelOutcome, Executed, RowWindow, StatementKind, Submission};
use crate::domain::write::Sample;
use crate::domain::write::shape::Texts;

/// Knows the connections and logs in over them.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// Connection to use when neither request nor session names one.
    async fn default_connection(&self) -> Result<ConnectionName, Error>;

    /// What a login over this connection would rest on now. Cheap: nothing is started and nobody is asked. Fails
    /// like [`login`](Self::login) for a connection that does not exist or is incomplete.
    async fn basis(&self, connection: &ConnectionName) -> Result<LoginBasis, Error>;

    /// Logs in. Fails with [`Reason::Configuration`](crate::domain::error::Reason::Configuration) for a
    /// connection that does not exist or is incomplete.
    async fn login(&self, connection: &ConnectionName) -> Result<Login, Error>;

    /// Goes on with an upstream session that an earlier process logged in to as `identity`. Nobody is asked: whether
    /// Snowflake still knows it is seen with the first statement.
    async fn adopt(
        &self,
        connection: &ConnectionName,
        identity: &Identity,
        ticket: &Ticket,
    ) -> Result<Arc<dyn Upstream>, Error>;

    /// Address of the local emulator while it runs.
    fn emulator_address(&self) -> Option<String>;

    /// The connections that are kept warm, by name; a connector that keeps none says nothing.
    fn pools(&self) -> Vec<PoolStatus> {
        Vec::new()
    }

    /// What went to Snowflake and came from there; a connector that does not count says nothing.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// Stops what was started for the connections. Sessions are closed before.
    async fn shutdown(&self);
}

/// What a login rests on: settings, credential, and for the built-in connection the emulator that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginBasis {
    /// Changes when any of it changes.
    pub fingerprint: Fingerprint,
    /// A login may be made that nobody waits for: the credential can be used again and asks no person, and
    /// nothing has to be started for it.
    pub unattended: bool,
}

/// A salted hash of what a login rests on: comparable while this process lives, and nothing can be read from
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

/// A fresh upstream session.
pub struct Login {
    /// The upstream session.
    pub upstream: Arc<dyn Upstream>,
    /// Who and where we are.
    pub identity: Identity,
    /// Session context after the login.
    pub context: Context,
    /// Each statement is a transaction of its own unless one is begun.
    pub autocommit: bool,
    /// The connection's settings give its queries a tag.
    pub tagged: bool,
    /// What the login rested on.
    pub fingerprint: Fingerprint,
}

/// Who a session is logged in as, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub user: String,
    /// Account.
    pub account: String,
    /// Version that the server reported.
    pub server_version: String,
    /// Host that the connection leads to.
    pub host: String,
    /// Snowflake's own number of the upstream session.
    pub upstream_session_id: i64,
}

/// One upstream session. At most one [`execute`](Self::execute) runs at a time; results may still be read
/// while the next statement runs, and the calls that name a query by Snowflake's id run beside it, any number
/// at a time. Those reach every query of the same user, whichever session it ran in.
///
/// Dropping an upstream session without [`close`](Self::close) leaves it to Snowflake's idle timeout: that is
/// how submitted statements outlive it.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    /// Runs one statement. An error with [`Reason::SessionLost`](crate::domain::error::Reason::SessionLost)
    /// means that the upstream session is to be given up.
    async fn execute(&self, submission: Submission) -> Result<Execution, Error>;

    /// Has Snowflake compile a statement and say what kind it is; nothing is run. The request id must not be the one
    /// under which the statement will run. Fails like [`execute`](Self::execute), also for statements that Snowflake
    /// does not compile apart from running them.
    async fn describe(&self, submission: Submission) -> Result<StatementKind, Error>;

    /// Runs a query of the service's own, of at most the submission's rows, and returns its rows whole, also as text.
    /// Rows beyond `bytes_max` bytes are left out. Fails like [`execute`](Self::execute), and counts as one.
    async fn look(&self, submission: Submission, bytes_max: usize) -> Result<Looked, Error>;

    /// Asks Snowflake to stop the statement of this request.
    async fn cancel(&self, request_id: RequestId) -> Result<CancelOutcome, Error>;

    /// Sends a statement that goes on by itself and returns the id that Snowflake gave it. Snowflake stops it after
    /// `time_limit`. The submission's row limit has no meaning. Fails like [`execute`](Self::execute).
    async fn submit(&self, submission: Submission, time_limit: Duration) -> Result<String, Error>;

    /// Asks how a query is, without waiting for its end; `None` when Snowflake knows no such query.
    async fn observe(&self, query_id: &str) -> Result<Option<Observed>, Error>;

    /// Opens the result of a query, waiting for its end; nothing is run. Fails with the query's own error when it
    /// failed, and with [`Reason::NotFound`](crate::domain::error::Reason::NotFound) when Snowflake does not have
    /// its result, or not any more.
    async fn read(&self, query_id: &str, window: RowWindow) -> Result<Execution, Error>;

    /// Asks Snowflake to stop a query, and waits a while for its end. `Unconfirmed` also when nobody answered.
    async fn cancel_query(&self, query_id: &str) -> CancelOutcome;

    /// Gives `keeper` what it takes to go on with this upstream session in another process, now and whenever it changes.
    /// One that cannot outlive this process never calls it. The keeper does not block.
    fn keep_ticket(&self, keeper: TicketKeeper);

    /// Asks Snowflake to stop a statement that an earlier process sent, and waits a while for its end.
    async fn stop_abandoned(&self, request_id: RequestId) -> CancelOutcome;

    /// False once this upstream session can answer nothing any more, whatever is asked.
    fn is_alive(&self) -> bool;

    /// Asks Snowflake whether it still knows this upstream session. Fails when it does not, or does not answer.
    async fn check(&self) -> Result<(), Error>;

    /// Logs out.
    async fn close(&self) -> Result<(), Error>;
}

/// Somebody who keeps the current ticket of an upstream session.
pub type TicketKeeper = Box<dyn Fn(Ticket) + Send + Sync>;

/// Rows that were read whole.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// The rows.
    pub sample: Sample,
    /// The same rows as text.
    pub texts: Texts,
}

/// An executed statement: what Snowflake said of it, and its rows.
pub struct Execution {
    /// What Snowflake said.
    pub executed: Executed,
    /// The rows, at most as many as the submission's limit.
    pub batches: Box<dyn Batches>,
}

/// Rows that are fetched as they are asked for.
#[async_trait]
pub trait Batches: Send + 'static {
    /// The next rows, `None` after the last ones. Never an empty batch.
    async fn next(&mut self) -> Result<Option<Batch>, Error>;
}

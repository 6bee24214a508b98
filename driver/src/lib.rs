//! A typed Snowflake client that keeps sessions alive and answers in one form of Arrow.
//!
//! The driver is [snowflake-connector-rs](https://docs.rs/snowflake-connector-rs), unmodified, which builds
//! credentials, encodes bindings and cancels, behind an in-process gateway, which keeps connections warm, renews
//! tokens, sends heartbeats, retries, and takes result rows past the crate. On top of both, this library decodes
//! whichever encoding the server chose to one [normal form](normal_form) of Arrow and streams it with bounded memory.
//!
//! ```no_run
//! use snowflake_session_driver::{ConnectOptions, Connections, Driver, DriverConfig, Lookup, Overrides, QueryRequest};
//!
//! # async fn run() -> snowflake_session_driver::Result<()> {
//! let lookup = Lookup::new("/home/me", std::collections::BTreeMap::new());
//! let connections = Connections::load(&lookup)?;
//! let settings = connections.get("dev", &Overrides::default())?;
//!
//! let driver = Driver::start(DriverConfig::default()).await?;
//! let session = driver.connect(&settings, &ConnectOptions::default()).await?;
//! let mut result = session.execute(QueryRequest::new("select 1 as one")).await?;
//! while let Some(batch) = result.next_batch().await? {
//!     assert_eq!(batch.num_columns(), 1);
//! }
//! session.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to start
//!
//! [`Driver`] starts the gateway and connects. [`UpstreamSession`] is one login; [`UpstreamSession::prepare`] gives a
//! [`PreparedQuery`] with its request id and [`Canceller`] before anything is sent. [`QueryResult`] is the rows.
//! [`UpstreamSession::submit`] sends a statement that goes on by itself; it is asked for, read and cancelled by the id
//! that the server gave it, also from another session of the same user.
//! [`settings`] reads `connections.toml` as Snowflake's own tools do. [`DriverError`] sorts failures by what the caller
//! can do.
//!
//! # What this crate must not know
//!
//! Session names, policies, gRPC, screens. It never reads the process environment: a [`Lookup`] is handed in.

#![warn(missing_docs)]

mod by_id;
mod decode;
mod driver;
mod error;
mod fetch;
#[cfg(test)]
mod fuzz;
mod prepared;
mod query;
mod result;
mod session;

pub mod normal_form;
pub mod settings;

pub use by_id::{QueryState, QueryStatus, SubmittedQuery};
pub use driver::{ConnectOptions, Driver, DriverConfig, Owner};
pub use error::{DriverError, Result, SqlError};
pub use prepared::{Canceller, PreparedQuery};
pub use query::{BindType, BindValue, Bindings, CancelOutcome, ParameterValue, QueryRequest, RowWindow};
pub use result::{
    ChildStatement, DmlCounts, Exchange, QueryResult, ResultHead, SessionContext, StatementKind,
    StatementType, WireFormat,
};
pub use session::{CloseOutcome, SessionInfo, UpstreamSession};
pub use settings::{ConnectionSettings, Connections, Credential, Lookup, Overrides, ShownValue, ValueSource};
pub use snowflake_session_gateway::{Fate, GatewayMetrics, Secret, SessionTicket};

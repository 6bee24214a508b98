//! Another API on the same port.
//!
//! The connector protocol owns the listener: connections, bodies, faults, the sweep. An API that is mounted beside
//! it gets the requests to its own paths, read and within its limit, and what it needs of the connector to run
//! statements that both can read.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use super::message::{Exchange, Reply};
use super::{Answer, Connector};

/// An API beside the connector protocol.
pub trait Mounted: fmt::Debug + Send + Sync + 'static {
    /// True for the paths that are its own.
    fn owns(&self, path: &str) -> bool;

    /// Bytes of a request's body, unpacked.
    fn body_bytes_max(&self) -> usize;

    /// Answers a request.
    fn answer<'a>(&'a self, connector: &'a Arc<Connector>, exchange: &'a Exchange) -> Answer<'a, Reply>;

    /// Answers a request whose body could not be read.
    fn refuse(&self, head: &Parts, status: StatusCode, message: &str) -> Reply;

    /// The text of the statement that a request submits, for faults that look for one.
    fn sql(&self, exchange: &Exchange) -> Option<String>;

    /// The endpoint's name in the metrics: one of few, whatever the path says.
    fn endpoint(&self, path: &str) -> &'static str;

    /// Time for what is kept too long to go.
    fn sweep(&self, connector: &Connector);
}

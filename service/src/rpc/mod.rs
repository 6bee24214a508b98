//! The gRPC face of the service: the only room with tonic and proto types.
//!
//! A handler converts, calls `sessions`, converts back. There is no decision about queries or sessions in
//! here: what a name may look like is `domain`'s business, which status an error becomes is [`status`]'s,
//! and which builds understand each other is [`build_check`]'s. [`server::serve`] puts the services on a
//! stream of connections that somebody else accepted.

mod arrivals;
mod build_check;
mod caller;
mod connection;
mod convert;
mod count_calls;
mod dismissal;
mod grpc_timeout;
mod lifecycle_service;
mod query_service;
pub mod server;
mod session_service;
mod status;
mod traced;
mod write_service;

pub use arrivals::{Arrivals, Newcomer};
pub use connection::{Connection, Duplex, Notice, Peer};
pub use lifecycle_service::{About, Counted, Manager, ReloadRequests, Reloaded, ShutdownRequests};
pub use server::{Rpc, RpcLimits, serve};

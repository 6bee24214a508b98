//! The way to Snowflake: the domain's port, implemented on the driver.
//!
//! [`Backend`] knows the connections of this user and logs in over them; the one called `local` leads to
//! the emulator on this machine, which [`emulator`] starts when it is first needed and keeps. An upstream
//! session is [`upstream`]; its rows become the Arrow messages that travel to clients in [`encode`]; the
//! driver's errors become ours in [`error`]. Driver types do not leave this room, and nothing in it knows
//! session names, queues or gRPC. Nothing is started before it is needed: not the driver's gateway, not the
//! emulator, not even the reading of `connections.toml`.

mod by_id;
mod connections;
mod connector;
pub mod emulator;
mod encode;
mod error;
mod look;
mod network;
mod reach;
mod upstream;

pub use connections::{ConnectionsReport, report_connections};
pub use connector::{Backend, BackendSettings, connections_files};
pub use reach::{ReachReport, report_reach};

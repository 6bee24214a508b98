//! The operating system: sockets and peers, service managers, signals, logs, background start.
//!
//! The only room that names those facilities. It knows nothing of sessions, Snowflake or gRPC; `app` hands
//! its listeners and signals to the others. Start with [`socket`], which decides how we come to a listening
//! socket, and [`local_door`], which lets only our own user in; [`accept`] waits at it. Traps of the crates used here are contained
//! here: [`daemon`] for `daemonize`, [`journal`] for `tracing-journald`, [`activation`] for passed file
//! descriptors. [`named_file`] reads the files that a configuration names.

pub mod accept;
pub mod activation;
pub mod daemon;
pub mod dropped;
mod error;
pub mod journal;
pub mod local_door;
pub mod lock;
pub mod log_file;
pub mod log_files;
pub mod log_queue;
pub mod logging;
#[cfg(target_os = "linux")]
pub mod memory_file;
pub mod named_file;
pub mod notify;
pub mod own_program;
pub mod process;
pub mod restart;
pub mod signals;
pub mod socket;
pub mod socket_path;

pub use error::{PlatformError, Result};

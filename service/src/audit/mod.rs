//! The audit log in files: one JSON object a line, in a folder of the state folder that only the user can read.
//!
//! A thread writes what a bounded queue holds; nobody waits for it. What the queue or the disk cannot take is lost, but
//! never silently: the log says how many records are missing and where, and so does the service's own log. Files are
//! named by when they were begun, are never renamed, and go when they are too old or all of them too large
//! ([`files`]). A statement that may change something has two lines, one when it is sent and one when it ended; where
//! the second is missing because the service was killed, the next run writes it.
//!
//! Each line goes to the service's log, and so to journald, too: tracing target `audit`, level info.
//!
//! Lines are read again only by [`search`]. What stands in them is in [`format`](mod@format). This room knows `domain`.

mod files;
mod format;
mod log;
mod search;

pub use log::{AuditFiles, AuditOptions, KeepSql};

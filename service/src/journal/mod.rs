//! Keeps sessions in files, so that they outlive the service.
//!
//! One file a session, `<name>.json` in a folder that only the user can enter: what a session is made of, with the
//! values that its variables and parameters were set to, for `domain::journal` to bring it back. [`file`](mod@file)
//! writes on a thread of its own: a file is replaced whole or not at all, and of many changes in a moment the last
//! one is written. [`format`](mod@format) is what stands in the files, versioned. A file that cannot be understood is set
//! aside and told in the log; it never keeps the service from starting.
//!
//! Beside that folder is one file of all submitted queries, [`jobs`], which holds ids and times only.
//!
//! What must never be in a file, the tickets of upstream sessions, waits in a memory that outlives the process instead;
//! [`carried`] is what stands there.
//!
//! This room knows `domain` and the file system. What is worth keeping, and for how long, is not decided here.

mod carried;
mod file;
mod format;
mod jobs;

pub use carried::{CarriedSessions, WritePlace};
pub use file::open;
pub use jobs::open_jobs;

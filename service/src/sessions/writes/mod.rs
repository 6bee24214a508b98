//! Writes as sessions carry them out.
//!
//! What can be asked is in [`requests`]; a [`QueuedWrite`](queued::QueuedWrite) carries a write through its session's
//! task, which asks [`Staging`](crate::domain::write::staging::Staging) what comes next; [`looks`] are the futures
//! with which it looks at rows and tables. The book of all writes is shared by the sessions, behind a lock that is
//! held for a look only.

pub(super) mod book;
pub(super) mod looks;
pub(super) mod queued;
mod requests;

pub use requests::{UndoRequest, WriteRequest};

//! The three ways in which a query ends before its time.

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::error::Error;
use crate::domain::query::QueryEvent;

/// Where the events of a query go.
pub(super) type Events = mpsc::Sender<Result<QueryEvent, Error>>;

/// Why a query was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nobody reads the result any more.
    ReaderGone,
    /// Somebody asked for it.
    Cancelled,
    /// Its time limit passed.
    DeadlinePassed,
}

/// Watches for the end of a query's time.
#[derive(Clone)]
pub(super) struct Interrupt {
    /// The reader's channel.
    pub(super) events: Events,
    /// Fires when somebody asks for cancellation.
    pub(super) cancel: CancellationToken,
    /// When the time limit passes.
    pub(super) deadline: Instant,
}

impl Interrupt {
    /// Waits until the query is to be interrupted.
    pub(super) async fn wait(&self) -> Cause {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Cause::Cancelled,
            () = self.events.closed() => Cause::ReaderGone,
            () = tokio::time::sleep_until(self.deadline) => Cause::DeadlinePassed,
        }
    }
}

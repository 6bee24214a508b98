//! Brings the rows of one result to its reader, no faster than the reader reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::interrupt::{Cause, Events, Interrupt};
use super::mailbox::Ending;
use super::trail::Trail;
use crate::domain::error::{Error, Reason};
use crate::domain::meter::Meter;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::query::{QueryEvent, ResultSchema, Summary};
use crate::domain::upstream::Execution;

/// A result on its way to its reader.
pub(super) struct Delivery {
    pub(super) request_id: RequestId,
    /// Where its size is noted; `None` for a result that is read again.
    pub(super) trail: Option<Arc<Trail>>,
    /// Where what is sent is counted.
    pub(super) meter: Arc<dyn Meter>,
    /// Rows of the result that were left out before the first one.
    pub(super) row_offset: u64,
    pub(super) execution: Execution,
    pub(super) interrupt: Interrupt,
    pub(super) accepted_at: Instant,
    pub(super) timeout: Duration,
    pub(super) session: SessionName,
    pub(super) connection: ConnectionName,
    pub(super) transaction_open: bool,
    pub(super) notices: Vec<String>,
    /// Why its session ends, once it does.
    pub(super) ending: Arc<OnceLock<Ending>>,
}

impl Delivery {
    /// Sends schema, batches and summary, or the error that ends them. Returns whose result it was.
    pub(super) async fn run(self) -> RequestId {
        let request_id = self.request_id;
        let interrupt = self.interrupt.clone();
        let timeout = self.timeout;
        let ending = Arc::clone(&self.ending);
        let query_id = self.execution.executed.query_id.clone();
        // Rows of the result up to the last that is on its way.
        let sent = AtomicU64::new(self.row_offset);
        let ended = tokio::select! {
            biased;
            cause = interrupt.wait() => Err(match cause {
                Cause::ReaderGone => return request_id,
                Cause::Cancelled => match ending.get() {
                    Some(Ending::Draining) => {
                        Error::cut_result("the service is stopping", &query_id, sent.load(Ordering::Relaxed))
                    }
                    Some(why) => why.error("the result was not read to its end"),
                    None => Error::new(Reason::Cancelled, "the query was cancelled while its result was being read"),
                },
                Cause::DeadlinePassed => timed_out(timeout),
            }),
            ended = self.send(&sent) => ended,
        };
        if let Err(error) = ended {
            // A reader that is gone has no use for an error.
            let _ = interrupt.events.send(Err(error)).await;
        }
        request_id
    }

    async fn send(mut self, sent: &AtomicU64) -> Result<(), Error> {
        let events = self.interrupt.events.clone();
        let executed = std::mem::take(&mut self.execution.executed);
        let schema = ResultSchema {
            arrow_schema: executed.arrow_schema,
            query_id: executed.query_id.clone(),
            kind: executed.kind,
        };
        event(&events, QueryEvent::Schema(schema)).await;
        let mut row_count = 0;
        while let Some(batch) = self.execution.batches.next().await? {
            let row_offset = self.row_offset + row_count;
            row_count += batch.row_count;
            self.meter.delivered(batch.row_count, batch.bytes.len() as u64);
            if let Some(trail) = &self.trail {
                trail.delivered(batch.bytes.len() as u64);
            }
            event(&events, QueryEvent::Batch { batch, row_offset }).await;
            sent.store(self.row_offset + row_count, Ordering::Relaxed);
        }
        let summary = Summary {
            query_id: executed.query_id,
            row_count,
            row_count_total: executed.row_count_total.max(row_count),
            truncated: self.row_offset.saturating_add(row_count) < executed.row_count_total,
            elapsed: self.accepted_at.elapsed(),
            session: self.session.clone(),
            connection: self.connection.clone(),
            context: executed.context,
            kind: executed.kind,
            dml: executed.dml,
            transaction_open: self.transaction_open,
            notices: self.notices,
        };
        event(&events, QueryEvent::Summary(Box::new(summary))).await;
        Ok(())
    }
}

async fn event(events: &Events, event: QueryEvent) {
    // A failed send means that the reader is gone, which `run` hears too.
    let _ = events.send(Ok(event)).await;
}

/// The error of a query whose time is over.
pub(super) fn timed_out(timeout: Duration) -> Error {
    Error::new(
        Reason::Timeout,
        format!("the query's time limit of {timeout:?} passed"),
    )
    .with_hint("give it more time with --timeout, or raise `query.timeout`")
}

//! What waits in a session: taken in up to a limit, cancelled, or out of time.

use std::collections::VecDeque;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Actor, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::names::RequestId;
use crate::domain::query::CancelOutcome;
use crate::sessions::errand::Errand;
use crate::sessions::interrupt::Interrupt;
use crate::sessions::mailbox::{Cancelled, QueuedQuery, Reply};
use crate::sessions::writes::queued::QueuedWrite;

impl Actor {
    /// Lets work wait for its turn, or says why not.
    pub(super) fn enqueue(&mut self, work: Work) {
        match self.has_room() {
            Ok(()) => self.rest.queue.push_back(work),
            Err(error) => self.fail(work.into(), error),
        }
    }

    /// Lets a query wait for its turn.
    pub(super) fn admit(&mut self, query: Box<QueuedQuery>) -> Result<(), Error> {
        self.has_room()?;
        self.has_room_to_read()?;
        let accepted_at = Instant::now();
        let interrupt = Interrupt {
            events: query.events.clone(),
            cancel: CancellationToken::new(),
            deadline: accepted_at + query.timeout,
        };
        self.rest.queue.push_back(Work::Query {
            query,
            interrupt,
            accepted_at,
        });
        Ok(())
    }

    /// Lets a write wait for its turn.
    pub(super) fn admit_write(&mut self, write: Box<QueuedWrite>) -> Result<(), Error> {
        self.has_room()?;
        let accepted_at = Instant::now();
        let interrupt = Interrupt {
            events: write.events.clone(),
            cancel: CancellationToken::new(),
            deadline: accepted_at + write.timeout,
        };
        self.rest.queue.push_back(Work::Write {
            write,
            interrupt,
            accepted_at,
        });
        Ok(())
    }

    pub(super) fn has_room(&mut self) -> Result<(), Error> {
        if self.is_ending() {
            return Err(self.ending_error());
        }
        // Those who left do not stand in the way of those who came.
        self.rest.queue.retain(|work| !work.is_unwanted());
        if self.rest.queue.len() >= self.limits.queue_max {
            return Err(self.limit_reached(
                format!("{} statements wait already", self.rest.queue.len()),
                "session.queue_max",
            ));
        }
        Ok(())
    }

    pub(super) fn has_room_to_read(&self) -> Result<(), Error> {
        let is_reading = |work: &&Work| matches!(work, Work::Errand(Errand::Read(_)));
        let reading = self.rest.reading.len() + self.rest.queue.iter().filter(is_reading).count();
        if reading >= self.limits.results_max {
            let what = format!("{reading} results are still being read");
            return Err(self.limit_reached(what, "session.results_max"));
        }
        Ok(())
    }

    pub(super) fn limit_reached(&self, what: String, key: &str) -> Error {
        Error::new(
            Reason::LimitReached,
            format!("session {}: {what}", self.session.name()),
        )
        .with_hint(format!("wait, use another session, or raise `{key}`"))
    }

    /// When the first waiting query's time is over.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        let interrupts = self.rest.queue.iter().filter_map(Work::interrupt);
        interrupts.map(|interrupt| interrupt.deadline).min()
    }

    /// Ends the waiting queries whose time is over.
    pub(super) fn fail_overdue(&mut self) {
        let now = Instant::now();
        let is_overdue = |work: &Work| {
            work.interrupt()
                .is_some_and(|interrupt| interrupt.deadline <= now)
        };
        let (overdue, waiting): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.rest.queue)
            .into_iter()
            .partition(is_overdue);
        self.rest.queue = waiting;
        for work in overdue {
            let error = Error::new(
                Reason::Timeout,
                "the query's time limit passed while it waited; nothing was run",
            )
            .with_hint("use another session to run statements side by side, or give it more time");
            self.fail(work.into(), error);
        }
    }

    /// Cancels what runs, waits or is being read under this id; without an id, what runs.
    pub(super) fn cancel(&mut self, request_id: Option<RequestId>, reply: Reply<Cancelled>) {
        if let Some(current) = &mut self.rest.current {
            let is_meant = match &current.task.work {
                Work::Query { .. } | Work::Write { .. } => {
                    request_id.is_none_or(|wanted| current.task.work.request_id() == Some(wanted))
                }
                Work::Update { .. } | Work::Transaction { .. } => request_id.is_none(),
                _ => false,
            };
            if is_meant {
                current.task.cancellers.push(reply);
                return self.interrupt_current();
            }
        }
        let mut outcome = CancelOutcome::NotRunning;
        if let Some(wanted) = request_id {
            let waits = |work: &Work| work.request_id() == Some(wanted);
            if let Some(at) = self.rest.queue.iter().position(waits) {
                let error = Error::new(Reason::Cancelled, "the query was cancelled before it was sent");
                if let Some(work) = self.rest.queue.remove(at) {
                    self.fail(work.into(), error);
                }
                outcome = CancelOutcome::Confirmed;
            } else if let Some(reading) = self.rest.reading.get(&wanted) {
                let query_id = reading.query_id.clone();
                reading.cancel.cancel();
                self.stop_reading(&query_id);
            }
        }
        let _ = reply.send(Cancelled { outcome, request_id });
    }
}

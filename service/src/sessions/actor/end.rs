//! How a session ends: put to rest, thrown away, closed, or stopped with the service.

use super::Actor;
use crate::domain::upstream::Identity;
use crate::domain::write::memory::Fate;
use crate::sessions::mailbox::{Closed, Ending, Message};
use crate::sessions::stage;
use crate::sessions::table::Farewell;

/// Why things are lost when the service stops.
const STOPPED: &str = "the service was stopped";

impl Actor {
    /// Ends the session: results that are being read are cut, what is open upstream is rolled back.
    pub(super) async fn end(mut self) {
        let why = self.rest.ending.get().copied().unwrap_or(Ending::Unused);
        let handed_over = why == Ending::Draining && self.is_handed_over();
        self.lose_write(Fate::Lost, "the session ended, and the write does not count");
        let farewell = match why {
            Ending::Unused => {
                let created = self.snapshot.borrow().create_time;
                Farewell::Rest(Box::new(self.session.record(created, self.last_use.1)))
            }
            Ending::Discarded => Farewell::Forget,
            Ending::Closed => Farewell::Remove,
            Ending::Draining => Farewell::Stay,
        };
        // From here on the name means another session, or this one at rest.
        let removed = self.desk.leave(&mut self.mailbox, farewell);
        let rollback = self.session.closing();
        self.publish();
        for reading in self.rest.reading.values() {
            reading.cancel.cancel();
        }
        self.settle_errands().await;
        let jobs_left = self.jobs_left();
        if handed_over {
            self.carry_handed_over();
        } else {
            self.carry_no_more();
        }
        let closed = match self.rest.upstream.take().filter(|_| !handed_over) {
            Some(upstream) => {
                stage::part_with(upstream, rollback, jobs_left, self.limits.logout_timeout).await
            }
            None => Closed {
                jobs_left,
                ..Closed::nothing()
            },
        };
        self.rest
            .jobs
            .leave(&why.error("the submitted statement goes on at Snowflake"));
        if why != Ending::Unused {
            self.hear_late_closers();
        }
        if why == Ending::Draining && !self.is_unborn() {
            if handed_over {
                tracing::info!("the session stays logged in for the next start of the service");
            } else {
                self.session.upstream_lost(STOPPED);
            }
            let written = if self.rest.closed_by_user {
                self.desk.remove()
            } else {
                self.keep()
            };
            stage::written(written, self.limits.journal_wait).await;
        }
        if let Some(removed) = removed {
            stage::written(removed, self.limits.journal_wait).await;
        }
        // Readers may take their time to hear how their results ended; nobody here waits for them.
        self.rest.deliveries.detach_all();
        for reply in self.rest.closing.drain(..) {
            let _ = reply.send(closed);
        }
    }

    /// Messages that came too late are dropped unanswered, which tells their senders to try again; only those who
    /// wanted it closed get what they wanted. Of a session that goes to rest, they find it at rest.
    fn hear_late_closers(&mut self) {
        while let Ok(message) = self.mailbox.try_recv() {
            if let Message::Close { why, reply } = message {
                self.rest.closing.push(reply);
                self.rest.closed_by_user |= why == Ending::Closed;
            }
        }
    }

    /// Never logged in, and nobody made it by name.
    fn is_unborn(&self) -> bool {
        self.implicit && self.session.identity() == &Identity::default()
    }
}

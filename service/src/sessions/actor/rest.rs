//! What happens when nobody uses a session, and when somebody wants it to begin anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::settle::Outcome;
use super::{Actor, Task, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::loss::unused_for;
use crate::sessions::mailbox::{Closed, Ending, Reply, Reset};
use crate::sessions::{chores, stage};

impl Actor {
    /// How long the session may be unused.
    fn idle_limit(&self) -> Duration {
        self.session.idle_limit().unwrap_or(self.limits.session_idle)
    }

    /// The lease of the open transaction, if there is one.
    fn lease(&self) -> Option<Duration> {
        let has_lease = self.rest.upstream.is_some()
            && (self.session.transaction_open() || self.session.transaction_is_doubtful());
        has_lease.then_some(self.limits.transaction_lease)
    }

    /// When something is to happen unless the session is used before.
    pub(super) fn wake_time(&self) -> Option<Instant> {
        let limit = Some(self.idle_limit()).filter(|_| !self.looks_after_jobs());
        if self.rest.held.is_some() {
            // A write that waits has a limit of its own.
            return None;
        }
        let first = self.lease().into_iter().chain(limit).min()?;
        Some(self.last_use.0 + first)
    }

    /// Nobody used the session for one of its limits.
    pub(super) fn wake(&mut self) {
        let unused = self.last_use.0.elapsed();
        if unused < self.idle_limit() || self.looks_after_jobs() {
            tracing::info!("the open transaction was not used for its lease; rolling it back");
            self.begin(Work::ExpireTransaction.into());
        } else if self.rest.upstream.is_some() {
            tracing::info!("the session was not used for its idle limit; logging it out");
            self.begin(Work::LogOut.into());
        } else {
            self.end_because(Ending::Unused);
        }
    }

    /// Begins anew: stops what runs, forgets what waits, gives up the upstream session.
    pub(super) fn reset(&mut self, reply: Reply<Reset>) {
        self.interrupt_current();
        for reading in self.rest.reading.values() {
            reading.cancel.cancel();
        }
        for work in std::mem::take(&mut self.rest.queue) {
            let error = Error::new(Reason::Cancelled, "the session was reset; it was not sent");
            self.fail(work.into(), error);
        }
        self.rest.queue.push_front(Work::Reset { reply });
    }

    /// Does the one stage of work that gives something up.
    pub(super) fn begin_resting(&mut self, task: Task) {
        let limit = self.limits.logout_timeout;
        if let (Work::ExpireTransaction, Some(upstream)) = (&task.work, &self.rest.upstream) {
            let sql = vec!["ROLLBACK".to_owned()];
            let patience = self.patience(&task, limit);
            let stage = chores::statements(Arc::clone(upstream), sql, patience);
            self.carry_in_flight(&task.work);
            return self.go(task, stage);
        }
        self.carry_no_more();
        let upstream = self.rest.upstream.take();
        let jobs_left = self.jobs_left();
        let rollback = self.session.transaction_open() || self.session.transaction_is_doubtful();
        self.go(task, stage::give_up(upstream, rollback, jobs_left, limit));
    }

    /// The idle transaction was rolled back, or could not be: then nothing is left but to give the session up.
    pub(super) fn transaction_expired(&mut self, task: Task, error: Option<Error>) {
        let cause = format!(
            "{} and was rolled back",
            unused_for(self.limits.transaction_lease)
        );
        if let Some(error) = error {
            tracing::warn!(%error, "the idle transaction could not be rolled back; logging out");
            self.abandon_upstream(&cause);
        } else {
            self.session.transaction_expired(&cause);
        }
        self.settle(task, Outcome::done());
    }

    /// The upstream session was given up.
    pub(super) fn rested(&mut self, closed: Closed, task: Task) {
        let mut outcome = Outcome::done();
        if matches!(task.work, Work::Reset { .. }) {
            self.lose_upstream("the session was reset");
            self.session.reset();
            outcome.rolled_back = closed.transaction_rolled_back;
        } else {
            // It goes to rest when it is still unused once its journal is on disk.
            self.lose_upstream(&unused_for(self.idle_limit()));
        }
        self.settle(task, outcome);
    }
}

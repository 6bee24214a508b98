//! Writes that wait for a confirmation: how they begin to wait, and the ways in which that ends.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Actor, Task, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::policy::Concern;
use crate::domain::query::QueryEvent;
use crate::domain::statement::Effect;
use crate::domain::statement::class::Statement;
use crate::domain::write::memory::{Fate, not_waiting};
use crate::domain::write::{Mode, Report, State};
use crate::sessions::interrupt::{Events, Interrupt};
use crate::sessions::mailbox::{Reply, Settling, TransactionVerb};
use crate::sessions::trail::Trail;
use crate::sessions::writes::looks;
use crate::sessions::writes::queued::{HeldWrite, QueuedWrite};

impl Actor {
    /// Lets a write wait for a confirmation, and tells its token.
    pub(super) fn hold(&mut self, mut task: Task, concerns: Vec<Concern>) {
        let elapsed = task.elapsed();
        let surroundings = self.surroundings(elapsed);
        let expire_time = (self.clock)() + self.limits.write_hold;
        let Some(write) = task.write() else { return };
        let token = self
            .desk
            .book
            .writes
            .draw(&surroundings.session, &surroundings.connection);
        let state = if write.has_run() {
            State::Held
        } else {
            State::Waiting
        };
        let rule = concerns.first().map_or("", |concern| concern.rule);
        write.entry.tell(|trail| trail.held(rule));
        let mut report = write.report(state, concerns, &surroundings);
        report.token = Some(token.clone());
        report.expire_time = Some(expire_time);
        self.session
            .hold(write.held(expire_time, surroundings.transaction_open));
        self.rest.holding = Some((token, Instant::now() + self.limits.write_hold));
        self.tell_write(task, report);
    }

    /// The write that begins to wait leaves its task, once it was told.
    pub(super) fn held_told(&mut self, task: Task, told: bool) {
        let Some((token, expires)) = self.rest.holding.take() else {
            return;
        };
        let Work::Write { write, .. } = task.work else {
            return;
        };
        self.rest.held = Some(HeldWrite {
            token,
            write,
            expires,
            is_settling: false,
            fate: Fate::Lost,
        });
        if !told {
            tracing::info!("nobody heard that a write waits for a confirmation; giving it up");
            self.settle_soon(Settling::Abandon, self.limits.query_timeout, nobody());
        }
    }

    /// Somebody confirms a write or gives it up.
    pub(super) fn receive_settling(
        &mut self,
        token: &str,
        settling: Settling,
        timeout: Duration,
        events: Events,
        accepted: Reply<Result<(), Error>>,
    ) {
        let answer = match &self.rest.held {
            _ if self.is_ending() => Err(self.ending_error()),
            Some(held) if held.token.is(token) && held.is_settling => Err(Error::new(
                Reason::NotFound,
                "somebody else has just confirmed this write or given it up",
            )),
            Some(held) if held.token.is(token) => Ok(()),
            _ => Err(not_waiting(None)),
        };
        if answer.is_ok() {
            self.settle_soon(settling, timeout, events);
        }
        // Whoever asked and is gone is noticed when its turn comes.
        let _ = accepted.send(answer);
    }

    fn settle_soon(&mut self, settling: Settling, timeout: Duration, events: Events) {
        if let Some(held) = &mut self.rest.held {
            held.is_settling = true;
        }
        self.rest.queue.push_front(Work::Settle {
            settling,
            timeout,
            events,
        });
    }

    /// When the write that waits is given up by itself.
    pub(super) fn hold_ends(&self) -> Option<Instant> {
        let held = self.rest.held.as_ref().filter(|held| !held.is_settling)?;
        Some(held.expires)
    }

    /// Nobody confirmed the write in time.
    pub(super) fn expire_hold(&mut self) {
        tracing::info!("a write was not confirmed in time; giving it up");
        self.settle_soon(Settling::Expire, self.limits.query_timeout, nobody());
    }

    /// Ends the waiting of a write, in its turn.
    pub(super) fn begin_settling(&mut self, task: Task) {
        let Work::Settle {
            settling,
            timeout,
            events,
        } = task.work
        else {
            return;
        };
        if settling == Settling::Confirm && events.is_closed() {
            // Whoever confirmed it left before anything was done for that: it waits on.
            if let Some(held) = &mut self.rest.held {
                held.is_settling = false;
            }
            return;
        }
        // It may have gone with its upstream session while this waited for its turn.
        self.notice_lost_write();
        let Some(held) = self.rest.held.take() else {
            let error = not_waiting(Some(Fate::Lost));
            return self.fail_settling(&events, error);
        };
        let fate = match settling {
            Settling::Confirm => Fate::Confirmed,
            Settling::Abandon => Fate::Abandoned,
            Settling::Expire => Fate::Expired,
        };
        self.desk.book.writes.end(&held.token, fate);
        let mut write = held.write;
        write.events = events.clone();
        write.timeout = timeout;
        write.progress.is_resumed = true;
        let accepted_at = Instant::now();
        let interrupt = Interrupt {
            events,
            cancel: CancellationToken::new(),
            deadline: accepted_at + timeout,
        };
        match settling {
            Settling::Confirm => write.entry.tell(Trail::confirmed),
            Settling::Expire => self.expired(&write),
            Settling::Abandon => {}
        }
        let ran = write.has_run();
        if ran {
            let staging = write.progress.staging.take();
            write.progress.staging = staging.map(|staging| match settling {
                Settling::Confirm => staging.confirm(),
                Settling::Abandon | Settling::Expire => staging.abandon(),
            });
        }
        self.session.release();
        let task = Task::from(Work::Write {
            write,
            interrupt,
            accepted_at,
        });
        match (ran, settling) {
            (true, _) => self.drive(task),
            (false, Settling::Confirm) => self.run_confirmed(task),
            (false, Settling::Abandon | Settling::Expire) => self.give_up_waiting(task),
        }
    }

    /// Says what an expiry leaves to be heard: a transaction that was open before is a loss, a write of its own is
    /// told with the next answer.
    fn expired(&mut self, write: &QueuedWrite) {
        let notice = "a write that waited in this session was not confirmed in time and was given up";
        self.rest.untold.push(notice.to_owned());
        if write.has_run() && write.has_joined() {
            self.session
                .transaction_expired("a write in it was not confirmed in time, and it was rolled back");
        }
        let request = write.submission.request_id;
        self.desk
            .book
            .writes
            .given_up(self.session.name(), request, write.has_run(), notice);
    }

    /// Runs what waited.
    fn run_confirmed(&mut self, mut task: Task) {
        if let Some(write) = task.write() {
            write.asked.confirmed = true;
            if write.asked.mode == Mode::Hold {
                write.asked.mode = Mode::Commit;
            }
            write.restart();
            let request = write.submission.request_id;
            self.desk.book.writes.forget(self.session.name(), request);
        }
        self.begin(task);
    }

    /// Gives up what waited without having run.
    fn give_up_waiting(&mut self, mut task: Task) {
        let elapsed = task.elapsed();
        let Some(write) = task.write() else { return };
        write.entry.failed(&Error::new(
            Reason::Cancelled,
            "the write was given up before it ran",
        ));
        let report = write.report(State::Abandoned, Vec::new(), &self.surroundings(elapsed));
        self.tell_write(task, report);
    }

    /// Sees that a write which waited went with its transaction.
    pub(super) fn notice_lost_write(&mut self) {
        if self.session.held().is_some() || self.rest.holding.is_some() {
            return;
        }
        let Some(fate) = self.rest.held.as_ref().map(|held| held.fate) else {
            return;
        };
        let notice = match fate {
            Fate::Abandoned => "the write was given up by a rollback",
            _ => "the write went with its transaction and does not count",
        };
        self.lose_write(fate, notice);
    }

    /// The write that waits is over without having been confirmed.
    pub(super) fn lose_write(&mut self, fate: Fate, notice: &str) {
        let Some(held) = self.rest.held.take() else { return };
        self.desk.book.writes.end(&held.token, fate);
        let ran = held.write.has_run();
        let outcome = if ran { State::RolledBack } else { State::Abandoned };
        held.write.entry.tell(|trail| trail.came_of(outcome));
        let request = held.write.submission.request_id;
        self.desk
            .book
            .writes
            .given_up(self.session.name(), request, ran, notice);
        if !ran {
            held.write
                .entry
                .failed(&Error::new(Reason::Cancelled, notice.to_owned()));
        }
    }

    /// Checks that work may be done while a write waits. What rolls back gives the write up; says whether that was
    /// all that it had to do.
    pub(super) fn check_held(&mut self, work: &Work) -> Result<bool, Error> {
        let Some(held) = self.session.held() else {
            return Ok(false);
        };
        let in_transaction = held.ran || held.joined;
        let gives_up = match work {
            Work::Query { query, .. } => {
                let is_read = query.gate.statements().iter().all(Statement::is_read);
                self.session.check_held(is_read, &query.effects)?;
                query.effects == [Effect::Rollback]
            }
            Work::Transaction { verb, .. } => {
                self.session.check_held(false, &[verb.statement().1])?;
                *verb == TransactionVerb::Rollback
            }
            Work::Write { .. } | Work::Update { .. } => {
                self.session.check_held(false, &[])?;
                false
            }
            Work::Errand(errand) if errand.depends_on_session() => {
                self.session.check_held(false, &[])?;
                false
            }
            _ => false,
        };
        if !gives_up {
            return Ok(false);
        }
        if !in_transaction {
            self.session.release();
        }
        if let Some(held) = &mut self.rest.held {
            held.fate = Fate::Abandoned;
        }
        Ok(!in_transaction && matches!(work, Work::Transaction { .. }))
    }

    fn fail_settling(&self, events: &Events, error: Error) {
        let error = error.in_session(self.session.name().as_str(), self.session.connection().as_str());
        // Nothing was sent on this channel yet, so there is room unless the reader is gone.
        let _ = events.try_send(Err(error));
    }

    /// The notices that nobody has heard yet.
    pub(super) fn take_untold(&mut self) -> Vec<String> {
        std::mem::take(&mut self.rest.untold)
    }

    /// When the write that waits is given up by itself, as the session shows it.
    pub(super) fn hold_expire_time(&self) -> Option<SystemTime> {
        self.session.held().map(|held| held.expire_time)
    }

    /// Answers what came of a write. One that waits is told before it is counted as waiting.
    pub(super) fn answer_write(&mut self, task: Task, report: Box<Report>) {
        let Some(interrupt) = task.work.interrupt().cloned() else {
            return;
        };
        // A cancellation that came too late for the write must not keep what came of it.
        let interrupt = Interrupt {
            cancel: CancellationToken::new(),
            ..interrupt
        };
        self.go(task, looks::tell(QueryEvent::Write(report), interrupt));
    }
}

/// Events that nobody hears.
fn nobody() -> Events {
    tokio::sync::mpsc::channel(1).0
}

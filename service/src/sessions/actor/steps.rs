//! What came of each step of a write: carried into the session's state, and told to its staging as an event.

use std::time::Duration;

use tokio::time::Instant;

use super::progress::{Failed, interrupted};
use super::{Actor, Task};
use crate::domain::error::{Error, Reason};
use crate::domain::query::{CancelOutcome, DmlStats, Executed};
use crate::domain::statement::Effect;
use crate::domain::write::staging::{Event, Staging, Step};
use crate::sessions::interrupt::Cause;
use crate::sessions::stage::Ran;
use crate::sessions::writes::looks::{Sampled, Undelivered};

impl Actor {
    /// Notes that a step failed; returns the event that it is.
    fn step_failed(&mut self, task: &mut Task, effects: &[Effect], error: Error) -> Event {
        let own = task.runs_in_own();
        let is_alive = |actor: &Self| {
            let upstream = actor.rest.upstream.as_ref();
            upstream.is_some_and(|upstream| upstream.is_alive())
        };
        if own && (!is_alive(self) || error.reason() == Reason::SessionLost) {
            // The error of the write tells what became of it; nothing else was in its transaction.
            self.session.forget_transaction();
        }
        let doubtful = error.may_have_run();
        let was_stopped = matches!(error.reason(), Reason::Cancelled | Reason::Timeout)
            && error.facts().snowflake_code.is_none();
        let ends = task.is_at(&Step::Commit) || task.is_at(&Step::Rollback);
        let error = if was_stopped && !ends {
            self.why_stopped(task, &error)
        } else {
            error
        };
        let error = match self.after_failure(effects, error) {
            Failed::NotRun(error) | Failed::Told(error) => error,
        };
        if let Some(write) = task.write() {
            write.failed(error);
        }
        if self.rest.upstream.is_none() {
            Event::Lost { doubtful }
        } else if was_stopped && !task.is_at(&Step::Commit) {
            Event::Stopped
        } else {
            Event::Failed { doubtful }
        }
    }

    /// What the reader hears of a write whose small statement was stopped.
    fn why_stopped(&self, task: &mut Task, error: &Error) -> Error {
        let cause = match error.reason() {
            Reason::Timeout => Cause::DeadlinePassed,
            _ => Cause::Cancelled,
        };
        let outcome = if error.may_have_run() {
            CancelOutcome::Unconfirmed
        } else {
            CancelOutcome::Confirmed
        };
        let limit = task.write().map_or(Duration::ZERO, |write| write.timeout);
        let told = interrupted(cause, outcome, limit, self.rest.ending.get());
        if error.may_have_run() {
            told.with_doubt()
        } else {
            told
        }
    }

    /// BEGIN, COMMIT or ROLLBACK of a write ended.
    pub(super) fn write_statement_ended(
        &mut self,
        mut task: Task,
        executed: Option<Executed>,
        error: Option<Error>,
    ) {
        let step = task
            .write()
            .and_then(|write| write.progress.staging.as_ref())
            .map(Staging::step)
            .cloned();
        let effect = match step {
            Some(Step::Begin) => Effect::Begin,
            Some(Step::Commit) => Effect::Commit,
            _ => Effect::Rollback,
        };
        let error = match error {
            Some(error) if effect == Effect::Begin && is_unsent(&error) && !task.retried => {
                return self.begin_write_again(task, error);
            }
            error => error,
        };
        let event = match (executed, error) {
            (Some(executed), None) => {
                let was_open = self.session.transaction_open();
                let effects = [effect];
                self.session.finished(&effects, &executed, (self.clock)());
                self.note_end_of_transaction(was_open, &effects, &executed.query_id);
                if let (Effect::Commit, Some(write)) = (&effects[0], task.write()) {
                    write.progress.visible_since = Some(executed.query_id);
                }
                Event::Done
            }
            (_, Some(error)) => self.step_failed(&mut task, &[effect], error),
            (None, None) => Event::Failed { doubtful: true },
        };
        self.advance(task, event);
    }

    /// A sample was taken, or not.
    pub(super) fn sampled(&mut self, sampled: Result<Box<Sampled>, Error>, mut task: Task) {
        let event = match sampled {
            Ok(sampled) => {
                if let Some(write) = task.write() {
                    write.progress.sampled = *sampled;
                }
                Event::Done
            }
            Err(error) => {
                let was_late = error.reason() == Reason::Timeout && Instant::now() < task.deadline();
                let message = error.to_string();
                let failure = task.write().and_then(|write| write.progress.failure.take());
                let event = self.step_failed(&mut task, &[], error);
                let is_stopped = event == Event::Stopped && !was_late;
                if let Some(write) = task.write()
                    && !is_stopped
                    && !matches!(event, Event::Lost { .. })
                {
                    // A write does not fail because it cannot be shown.
                    write.progress.failure = failure;
                    write.progress.sampled = Sampled::omitted(if was_late {
                        "the queries for it took longer than `write.sample_timeout`".to_owned()
                    } else {
                        let words: Vec<&str> = message.split_whitespace().collect();
                        format!("Snowflake refused the query for it: {}", words.join(" "))
                    });
                }
                match event {
                    Event::Stopped if was_late => Event::Failed { doubtful: false },
                    event => event,
                }
            }
        };
        self.advance(task, event);
    }

    /// The statement ended.
    pub(super) fn write_ran(&mut self, ran: Ran, mut task: Task) {
        let outcome = ran.interrupted.map(|(_, outcome)| outcome);
        let ending = self.rest.ending.get().copied();
        let clock = (self.clock)();
        let Some(write) = task.write() else { return };
        if let Some((cause, outcome)) = ran.interrupted {
            let error = interrupted(cause, outcome, write.timeout, ending.as_ref());
            write.failed(error);
        }
        let effects = write.effects.clone();
        let event = match ran.result {
            Some(Ok(execution)) => {
                let was_open = self.session.transaction_open();
                let executed = execution.executed.clone();
                let notices = self.session.finished(&effects, &executed, clock);
                let event = Event::Ran {
                    rows: executed.dml.as_ref().map(DmlStats::rows),
                    open: self.session.transaction_open() || self.session.transaction_is_doubtful(),
                };
                let own = write.has_own_transaction();
                write.progress.notices.extend(notices);
                if !self.session.transaction_open() {
                    write.progress.visible_since = Some(executed.query_id.clone());
                }
                if own && was_open && !self.session.transaction_open() {
                    write.progress.notices.push(
                        "Snowflake committed the statement by itself, so that it could not be held"
                            .to_owned(),
                    );
                }
                write.progress.executed = Some(executed.clone());
                write.progress.execution = Some(execution);
                self.note_end_of_transaction(was_open, &effects, &executed.query_id);
                event
            }
            Some(Err(error)) => {
                let is_first = !task.retried && !task.write().is_some_and(|write| write.progress.is_resumed);
                let was_interrupted = outcome.is_some();
                if is_first && is_unsent(&error) && !was_interrupted && !task.runs_in_own() {
                    return self.begin_write_again(task, error);
                }
                let doubtful = error.may_have_run();
                let event = self.step_failed(&mut task, &effects, error);
                match event {
                    Event::Lost { .. } => event,
                    _ if was_interrupted => Event::Stopped,
                    _ => Event::Failed { doubtful },
                }
            }
            None => {
                let error = Error::new(Reason::Cancelled, "Snowflake did not say how it ended").with_doubt();
                self.session.failed(&effects, &error);
                Event::Stopped
            }
        };
        if outcome.is_some()
            && let Some(write) = task.write()
            && !matches!(event, Event::Ran { .. })
            && !write.has_own_transaction()
            && (outcome == Some(CancelOutcome::Unconfirmed)
                || matches!(event, Event::Failed { doubtful: true }))
        {
            write.progress.failure = write.progress.failure.take().map(Error::with_doubt);
        }
        task.answer_cancellers(outcome.unwrap_or(CancelOutcome::NotRunning));
        self.advance(task, event);
    }

    /// Begins a write once more of which nothing was done, because its upstream session was gone.
    fn begin_write_again(&mut self, mut task: Task, error: Error) {
        self.after_failure(&[], error);
        if let Some(write) = task.write() {
            write.restart();
        }
        self.begin_again(task);
    }

    /// The statement's rows reached their reader, or not.
    pub(super) fn rows_delivered(&mut self, delivered: Result<(), Undelivered>, mut task: Task) {
        let ending = self.rest.ending.get().copied();
        let Some(write) = task.write() else { return };
        let event = match delivered {
            Ok(()) => Event::Done,
            Err(Undelivered::Interrupted(cause)) => {
                let error = interrupted(cause, CancelOutcome::NotRunning, write.timeout, ending.as_ref());
                write.failed(error);
                Event::Stopped
            }
            Err(Undelivered::Failed(error)) => self.step_failed(&mut task, &[], error),
        };
        self.advance(task, event);
    }

    /// Snowflake said whether the write's transaction is open.
    pub(super) fn write_asked(&mut self, told: Result<bool, Error>, mut task: Task) {
        let own = task.runs_in_own();
        let event = match told {
            Ok(open) => {
                if own && !open {
                    self.session.forget_transaction();
                } else {
                    self.session.transaction_told(open, false, (self.clock)());
                }
                Event::Open(open)
            }
            Err(error) => self.step_failed(&mut task, &[], error.without_doubt()),
        };
        self.advance(task, event);
    }
}

/// True for an error after which a statement can be begun in another upstream session: it did not reach this one.
fn is_unsent(error: &Error) -> bool {
    error.reason() == Reason::SessionLost && !error.may_have_run()
}

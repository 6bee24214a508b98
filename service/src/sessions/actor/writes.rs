//! How a write goes through its session, step by step.
//!
//! [`Staging`] says what comes next; each step is a stage of the task, and what came of it is an event of the staging
//! ([`steps`](super::steps)).
//! A write that must be confirmed leaves the task and waits in [`held`](super::held).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::{Failed, doubtful};
use super::settle::{Outcome, Told};
use super::{Actor, Task, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::policy::Concern;
use crate::domain::statement::class;
use crate::domain::write::sample::{self, Plan};
use crate::domain::write::staging::{End, Event, Fate, Place, SessionState, Staging, Step, Way, way};
use crate::domain::write::{Handling, Report, State, Terms};
use crate::sessions::chores::{self, Patience};
use crate::sessions::stage;
use crate::sessions::trail::Trail;
use crate::sessions::writes::looks::{self, SampleLimits, Sampled};
use crate::sessions::writes::queued::{QueuedWrite, Surroundings};

impl Task {
    /// The write that it is.
    pub(super) fn write(&mut self) -> Option<&mut QueuedWrite> {
        match &mut self.work {
            Work::Write { write, .. } => Some(write),
            _ => None,
        }
    }

    /// The write's staging asks for this step.
    pub(super) fn is_at(&mut self, step: &Step) -> bool {
        let staging = self.write().and_then(|write| write.progress.staging.as_ref());
        staging.is_some_and(|staging| staging.step() == step)
    }

    /// It is a write in a transaction that was begun for it.
    pub(super) fn runs_in_own(&mut self) -> bool {
        self.write().is_some_and(|write| write.has_own_transaction())
    }

    /// Time since it was accepted.
    pub(super) fn elapsed(&self) -> Duration {
        match &self.work {
            Work::Write { accepted_at, .. } => accepted_at.elapsed(),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        let interrupt = self.work.interrupt();
        interrupt.map_or_else(Instant::now, |interrupt| interrupt.deadline)
    }
}

impl Actor {
    /// Begins a write in a session that is ready for it.
    pub(super) fn begin_write(&mut self, mut task: Task) {
        let Some(upstream) = self.rest.upstream.clone() else {
            return;
        };
        let patience = self.patience(&task, self.limits.query_timeout);
        let deadline = task.deadline();
        let Some(write) = task.write() else { return };
        if let Some(past) = write.undoes.clone() {
            write.entry.sent();
            let patience = Patience { deadline, ..patience };
            return self.go(task, looks::undo(upstream, past, patience));
        }
        let decided = self.way_of(write);
        match decided {
            Ok(Way::Refuse(error)) | Err(error) => self.fail(task, error),
            Ok(Way::Ask(concerns)) => self.hold(task, concerns),
            Ok(Way::Run(staging)) => {
                write.progress.context = self.session.journal().context.clone();
                write.progress.sampled = Sampled::omitted(why_no_sample(write, &staging));
                let staged = staging.place() != Place::Outside;
                write.progress.staging = Some(staging);
                write.entry.sent();
                if staged {
                    self.carry_unconfirmed();
                }
                self.drive(task);
            }
        }
    }

    /// Which way a write goes.
    fn way_of(&self, write: &QueuedWrite) -> Result<Way, Error> {
        let handling = Handling::of(write.gate.statements())?;
        let mut concerns = write.gate.concerns().to_vec();
        if write.asked.is_undo {
            concerns.insert(0, Concern::new("undo", "it takes back what an earlier write did"));
        }
        let terms = Terms {
            mode: write.asked.mode,
            rows_max: write.gate.rows_max(write.asked.rows_max),
            confirmed: write.asked.confirmed,
            concerns,
        };
        if terms.confirmed && !terms.concerns.is_empty() {
            write.entry.tell(Trail::confirmed);
        }
        let session = SessionState {
            transaction_open: self.session.transaction_open(),
            autocommit: self.session.autocommit(),
        };
        Ok(way(handling, terms, session, write.asked.sample_rows > 0))
    }

    /// The statement that takes a write back is known, or why there is none.
    pub(super) fn undo_planned(&mut self, planned: Result<String, Error>, mut task: Task) {
        let Some(write) = task.write() else { return };
        match planned {
            Ok(sql) => {
                write.undoes = None;
                write.gate.replace(class::classify(&sql).into());
                write.submission.sql = sql;
                self.begin(task);
            }
            Err(error) => {
                let error = match self.after_failure(&[], error.without_doubt()) {
                    Failed::NotRun(_) if !task.retried => return self.begin_again(task),
                    failed => failed.into_error(),
                };
                self.settle(task, Outcome::new(Told::Error(error)));
            }
        }
    }

    /// Does the step that comes next.
    pub(super) fn drive(&mut self, mut task: Task) {
        let cancel_wait = self.limits.cancel_wait;
        let deadline = task.deadline();
        let stop = task.stop.clone();
        let Some(write) = task.write() else { return };
        let Some(step) = write
            .progress
            .staging
            .as_ref()
            .map(|staging| staging.step().clone())
        else {
            return;
        };
        if let Step::End(end) = step {
            return self.write_ended(task, end);
        }
        let Some(upstream) = self.rest.upstream.clone() else {
            return self.advance(task, Event::Lost { doubtful: false });
        };
        // What ends a transaction is not stopped: half-way it would leave more doubt than it saves time.
        let in_any_case = Patience {
            deadline: deadline.max(Instant::now() + cancel_wait),
            stop: CancellationToken::new(),
            cancel_wait,
        };
        let patience = Patience {
            deadline,
            stop,
            cancel_wait,
        };
        let limits = SampleLimits {
            rows: write.asked.sample_rows,
            bytes_max: self.limits.sample_bytes_max,
            time: self.limits.sample_timeout,
        };
        let sampling = Patience {
            deadline: looks::deadline(limits.time, deadline),
            ..patience.clone()
        };
        let statement =
            |sql: &str, patience| chores::statements(Arc::clone(&upstream), vec![sql.to_owned()], patience);
        let stage = match step {
            Step::Begin => statement("BEGIN", patience),
            Step::Commit => statement("COMMIT", in_any_case),
            Step::Rollback => statement("ROLLBACK", in_any_case),
            Step::Ask => chores::ask_transaction(Arc::clone(&upstream), in_any_case),
            Step::SampleBefore => {
                let plan = sample_plan(write);
                looks::before(Arc::clone(&upstream), plan, limits, sampling)
            }
            Step::SampleAfter => {
                let sampled = write.progress.sampled.clone();
                looks::after(Arc::clone(&upstream), sampled, limits, sampling)
            }
            Step::Run => {
                let submission = self.tagged(write.submission.clone());
                let Some(interrupt) = task.work.interrupt().cloned() else {
                    return;
                };
                self.session.started();
                self.go(task, stage::run(upstream, submission, interrupt, cancel_wait));
                if let Some(current) = &mut self.rest.current {
                    current.sent = Some((self.clock)());
                }
                return;
            }
            Step::Deliver => {
                let execution = write.progress.execution.take();
                match (execution, task.work.interrupt().cloned()) {
                    (Some(execution), Some(interrupt)) => looks::deliver(execution, interrupt),
                    _ => return self.advance(task, Event::Done),
                }
            }
            Step::End(_) => return,
        };
        self.go(task, stage);
    }

    /// Tells the staging what came of a step, and does the next one.
    pub(super) fn advance(&mut self, mut task: Task, event: Event) {
        if let Some(staging) = task.write().and_then(|write| write.progress.staging.as_mut()) {
            staging.advance(event);
        }
        self.drive(task);
    }

    /// The write has come to its end, for now.
    fn write_ended(&mut self, mut task: Task, end: End) {
        let elapsed = task.elapsed();
        let Some(write) = task.write() else { return };
        let state = match end {
            End::Committed => State::Committed,
            End::Joined => State::Joined,
            End::RolledBack => State::RolledBack,
            End::Held(concerns) => return self.hold(task, concerns),
            End::Failed(fate) => return self.write_failed(task, fate),
        };
        if write.has_joined() && state == State::RolledBack {
            write.progress.notices.push(
                "the whole transaction was rolled back, with what it held before this write".to_owned(),
            );
        }
        let concerns = Vec::new();
        let report = write.report(state, concerns, &self.surroundings(elapsed));
        self.tell_write(task, report);
    }

    /// Remembers what came of a write, and tells it.
    pub(super) fn tell_write(&mut self, mut task: Task, report: Report) {
        let Some(write) = task.write() else { return };
        let mut report = report;
        if !write.events.is_closed() {
            report.notices.splice(0..0, std::mem::take(&mut self.rest.untold));
        }
        self.desk.book.writes.remember(write.written(&report));
        if let Some(executed) = &write.progress.executed {
            write.entry.succeeded(executed);
        }
        write.entry.tell(|trail| trail.came_of(report.state));
        self.settle(task, Outcome::new(Told::Write(Box::new(report))));
    }

    /// Where the session is, for a report.
    pub(super) fn surroundings(&self, elapsed: Duration) -> Surroundings {
        Surroundings {
            session: self.session.name().clone(),
            connection: self.session.connection().clone(),
            context: self.session.journal().context.clone(),
            transaction_open: self.session.transaction_open(),
            elapsed,
        }
    }

    /// The write failed or was stopped.
    fn write_failed(&mut self, mut task: Task, fate: Fate) {
        let Some(write) = task.write() else { return };
        let own = write.has_own_transaction();
        let ran = write.has_run();
        let failure = write.progress.failure.take();
        let error = failure.unwrap_or_else(|| Error::internal("a write failed without a reason"));
        let plain = error.reason() == Reason::SqlRejected && !ran;
        let error = match fate {
            Fate::NotBegun => error.without_doubt().and("nothing was run"),
            // What Snowflake says of a statement stands for itself: it did nothing.
            Fate::RolledBack if plain => error.without_doubt(),
            Fate::RolledBack => error.without_doubt().and("the write was rolled back"),
            Fate::NotCommitted => error
                .without_doubt()
                .and("the write was not committed; Snowflake rolls it back when it ends its session"),
            Fate::Doubtful => error
                .and("whether the write was committed is not known: look before running it again")
                .because(Reason::Unreachable)
                .with_doubt(),
            Fate::Ran => error.and("the statement had run by then").with_doubt(),
            Fate::AsTold => doubtful(error),
        };
        let error = match error.reason() {
            Reason::SessionLost => error.because(Reason::Unreachable),
            _ => error,
        };
        let is_unsettled = matches!(fate, Fate::NotCommitted | Fate::Doubtful);
        if is_unsettled && self.rest.upstream.is_some() && self.session.transaction_is_doubtful() {
            if own {
                self.session.forget_transaction();
            }
            self.abandon_upstream("a write in it could not be rolled back");
        }
        self.settle(task, Outcome::new(Told::Error(error)));
    }
}

/// What is shown of a write.
fn sample_plan(write: &QueuedWrite) -> Plan {
    sample::plan(
        &write.submission.sql,
        write.gate.statements(),
        &write.submission.bindings,
        write.asked.sample_rows,
    )
}

/// Why nothing is shown of a write, unless something is.
fn why_no_sample(write: &QueuedWrite, staging: &Staging) -> &'static str {
    match staging.place() {
        _ if write.asked.sample_rows == 0 => "no rows are sampled",
        Place::Joined => "in an open transaction nothing is sampled: a query that fails could end it",
        Place::Outside => "what runs without a transaction is not sampled",
        Place::Own => "it was confirmed before it ran",
    }
}

//! How a write goes through its session, step by step.
//!
//! [`Staging`] says what comes next; each step is a stage of the task, and what came of it is an event of the staging.
//! A write that must be confirmed leaves the task and waits in [`held`](super::held).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::{Failed, doubtful, interrupted};
use super::settle::{Outcome, Told};
use super::{Actor, Task, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::policy::{self, AskServer, Concern, Decision, Door, Level, Limit, Policy, SessionFacts};
use crate::domain::query::CancelOutcome;
use crate::domain::query::Executed;
use crate::domain::statement::{Effect, class};
use crate::domain::write::sample::{self, Plan};
use crate::domain::write::staging::{End, Event, Fate, Place, SessionState, Staging, Step, Way, way};
use crate::domain::write::{Handling, Report, RowsMax, State, Terms};
use crate::sessions::chores::{self, Patience};
use crate::sessions::interrupt::Cause;
use crate::sessions::stage::{self, Ran};
use crate::sessions::writes::looks::{self, SampleLimits, Sampled, Undelivered};
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

    /// Time since it was accepted.
    pub(super) fn elapsed(&self) -> Duration {
        match &self.work {
            Work::Write { accepted_at, .. } => accepted_at.elapsed(),
            _ => Duration::ZERO,
        }
    }

    fn deadline(&self) -> Instant {
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
                write.progress.sampled = Sampled::omitted(self.why_no_sample(write, &staging));
                write.progress.staging = Some(staging);
                write.entry.sent();
                self.drive(task);
            }
        }
    }

    /// Which way a write goes.
    fn way_of(&self, write: &QueuedWrite) -> Result<Way, Error> {
        let (mut concerns, rows_max) = self.decide_write(write)?;
        let handling = Handling::of(&write.statements)?;
        if write.asked.is_undo {
            concerns.push(Concern::new("undo", "it takes back what an earlier write did"));
        }
        let terms = Terms {
            mode: write.asked.mode,
            rows_max,
            confirmed: write.asked.confirmed,
            concerns,
        };
        let session = SessionState {
            transaction_open: self.session.transaction_open(),
            autocommit: self.session.autocommit(),
        };
        Ok(way(handling, terms, session, write.asked.sample_rows > 0))
    }

    /// What the rules say of a write: what must be confirmed, and how many rows it may change.
    fn decide_write(&self, write: &QueuedWrite) -> Result<(Vec<Concern>, RowsMax), Error> {
        let policy = Policy {
            level: Level::Open,
            allow: Vec::new(),
            deny: Vec::new(),
            rows_max: 1000,
            ask_server: AskServer::Never,
        };
        let limit = Limit::of_session(None, policy.level)
            .for_request(write.asked.policy, Level::Guarded)
            .map_err(Error::from)?;
        let context = &self.session.journal().context;
        let facts = SessionFacts {
            database: context.database.as_deref(),
            schema: context.schema.as_deref(),
            search_path: false,
        };
        let rows_max = match (write.asked.rows_max, limit.level) {
            (Some(rows), _) => RowsMax::Asked(rows),
            (None, Level::Open) => RowsMax::None,
            (None, _) => RowsMax::Configured(policy.rows_max),
        };
        match policy::decide(&policy, limit, Door::Write, &write.statements, &facts) {
            Decision::Allow(_) => Ok((Vec::new(), rows_max)),
            Decision::Confirm(concerns) => Ok((concerns, rows_max)),
            Decision::Refuse(refusal) => Err(refusal.into()),
        }
    }

    fn why_no_sample(&self, write: &QueuedWrite, staging: &Staging) -> &'static str {
        match staging.place() {
            _ if write.asked.sample_rows == 0 => "no rows are sampled",
            Place::Joined => "in an open transaction nothing is sampled: a query that fails could end it",
            Place::Outside => "what runs without a transaction is not sampled",
            Place::Own => "it was confirmed before it ran",
        }
    }

    /// The statement that takes a write back is known, or why there is none.
    pub(super) fn undo_planned(&mut self, planned: Result<String, Error>, mut task: Task) {
        let Some(write) = task.write() else { return };
        match planned {
            Ok(sql) => {
                write.undoes = None;
                write.statements = class::classify(&sql);
                write.submission.sql = sql;
                self.begin_write(task);
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
                let submission = write.submission.clone();
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
    fn advance(&mut self, mut task: Task, event: Event) {
        if let Some(staging) = task.write().and_then(|write| write.progress.staging.as_mut()) {
            staging.advance(event);
        }
        self.drive(task);
    }

    /// Notes that a step failed; returns the event that it is.
    fn step_failed(&mut self, task: &mut Task, effects: &[Effect], error: Error) -> Event {
        let own = task.write().is_some_and(|write| write.has_own_transaction());
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
            .map(|staging| staging.step().clone());
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
                    rows: executed.dml.as_ref().map(crate::domain::query::DmlStats::rows),
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
                let is_first = !task.retried && !self.is_resumed(&mut task);
                let was_interrupted = outcome.is_some();
                if is_first && is_unsent(&error) && !was_interrupted && !self.runs_in_own(&mut task) {
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

    fn is_resumed(&self, task: &mut Task) -> bool {
        task.write().is_some_and(|write| write.progress.is_resumed)
    }

    fn runs_in_own(&self, task: &mut Task) -> bool {
        task.write().is_some_and(|write| write.has_own_transaction())
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
        let own = self.runs_in_own(&mut task);
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

/// True for an error after which a statement can be begun in another upstream session: it did not reach this one.
fn is_unsent(error: &Error) -> bool {
    error.reason() == Reason::SessionLost && !error.may_have_run()
}

/// What is shown of a write.
fn sample_plan(write: &QueuedWrite) -> Plan {
    sample::plan(
        &write.submission.sql,
        &write.statements,
        &write.submission.bindings,
        write.asked.sample_rows,
    )
}

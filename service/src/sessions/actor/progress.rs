//! How a task goes through its stages: login, restoring the session, the statement.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::settle::{Outcome, Told};
use super::{Actor, Current, Task, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::query::{CancelOutcome, Executed};
use crate::domain::session::{Phase, Step};
use crate::domain::statement::Effect;
use crate::domain::upstream::{Login, Upstream};
use crate::domain::write::staging::Step as WriteStep;
use crate::sessions::chores::{self, Patience};
use crate::sessions::delivery::timed_out;
use crate::sessions::interrupt::Cause;
use crate::sessions::mailbox::{Ending, TransactionVerb};
use crate::sessions::stage::{self, Done, Ran, Restored, Stage, is_about_session};

impl Actor {
    /// Does the next stage of a task that has done nothing yet that counts.
    pub(super) fn begin(&mut self, task: Task) {
        self.notice_end_of_upstream();
        match self.check_held(&task.work) {
            Ok(false) => {}
            Ok(true) => return self.settle(task, Outcome::done()),
            Err(error) => return self.fail(task, error),
        }
        let step = match &task.work {
            Work::Settle { .. } => return self.begin_settling(task),
            Work::Reset { .. } | Work::ExpireTransaction | Work::LogOut => return self.begin_resting(task),
            Work::Login { .. } => self.session.next_login_step(),
            Work::Errand(errand) if !errand.depends_on_session() => self.session.next_login_step(),
            work => self.session.next_step(work.accepts_loss()),
        };
        match (step, self.rest.upstream.clone()) {
            (Step::Refuse(error), _) => self.fail(task, error),
            (Step::Login, _) => self.begin_login(task),
            (Step::AskTransaction, Some(upstream)) => {
                let patience = self.patience(&task, self.limits.cancel_wait);
                let stage = match self.rest.abandoned.take() {
                    Some(request_id) => chores::stop_and_ask_transaction(upstream, request_id, patience),
                    None => chores::ask_transaction(upstream, patience),
                };
                self.go(task, stage);
            }
            (Step::Run, Some(_)) => self.begin_run(task),
            (Step::Run | Step::AskTransaction, None) => {
                let error = Error::internal("a session that is logged in has no upstream session");
                self.fail(task, error);
            }
        }
    }

    /// Sees that the upstream session has ended while nothing ran, before something is sent to it in vain.
    fn notice_end_of_upstream(&mut self) {
        let ended = |upstream: &Arc<dyn Upstream>| !upstream.is_alive();
        if self.rest.upstream.as_ref().is_some_and(ended) {
            tracing::info!("upstream session ended while it was not used");
            self.lose_upstream("its Snowflake session ended while it was not used");
        }
    }

    /// How long the small statements of a task may take.
    pub(super) fn patience(&self, task: &Task, limit: Duration) -> Patience {
        Patience {
            deadline: Instant::now() + limit,
            stop: task.stop.clone(),
            cancel_wait: self.limits.cancel_wait,
        }
    }

    /// Lets a task be in a stage.
    pub(super) fn go(&mut self, task: Task, stage: Stage) {
        self.rest.current = Some(Current {
            task,
            stage,
            sent: None,
            outcome: None,
        });
    }

    fn begin_login(&mut self, task: Task) {
        self.session.connecting();
        self.carry_no_more();
        self.rest.upstream = None;
        let connection = self.session.connection().clone();
        let connector = Arc::clone(&self.connector);
        let interrupt = task.work.interrupt().cloned();
        let stage = stage::login(connector, connection, self.limits.login_timeout, interrupt);
        self.go(task, stage);
    }

    fn begin_run(&mut self, task: Task) {
        let task = match task {
            Task {
                work: Work::Errand(errand),
                ..
            } => return self.run_errand(errand),
            task => task,
        };
        let Some(upstream) = self.rest.upstream.clone() else {
            return;
        };
        let Some(task) = self.pass_gate(task, &upstream) else {
            return;
        };
        let stage = match &task.work {
            Work::Query { query, interrupt, .. } => {
                query.entry.sent();
                let submission = self.tagged(query.submission.clone());
                stage::run(upstream, submission, interrupt.clone(), self.limits.cancel_wait)
            }
            Work::Update { change, .. } => {
                let patience = self.patience(&task, self.limits.query_timeout);
                chores::statements(upstream, change.statements(), patience)
            }
            Work::Transaction { verb, .. } => {
                let allowed = match verb {
                    TransactionVerb::Begin => self.session.check_begin(),
                    TransactionVerb::Commit | TransactionVerb::Rollback => self.session.check_end(),
                };
                if let Err(error) = allowed {
                    return self.fail(task, error);
                }
                let sql = vec![verb.statement().0.to_owned()];
                chores::statements(upstream, sql, self.patience(&task, self.limits.query_timeout))
            }
            Work::Login { .. } => return self.settle(task, Outcome::done()),
            Work::Write { .. } => return self.begin_write(task),
            Work::Settle { .. }
            | Work::Reset { .. }
            | Work::Errand(_)
            | Work::ExpireTransaction
            | Work::LogOut => return,
        };
        self.session.started();
        self.carry_in_flight(&task.work);
        self.go(task, stage);
        if let Some(current) = &mut self.rest.current {
            current.sent = Some((self.clock)());
        }
    }

    /// Carries a finished stage into the session's state and does the next one.
    pub(super) fn finish(&mut self, done: Done) {
        let Some(Current {
            mut task, outcome, ..
        }) = self.rest.current.take()
        else {
            return;
        };
        let is_write = task.write().is_some();
        match (done, outcome) {
            (Done::Login(Ok(login)), _) => self.logged_in(login, task),
            (Done::Login(Err(error)), _) => self.login_failed(task, error),
            (Done::Restored(restored), _) => self.restored(restored, task),
            (Done::Statements { executed, error }, _) if is_write => {
                self.write_statement_ended(task, executed, error);
            }
            (Done::Ran(ran), _) if is_write => self.write_ran(ran, task),
            (Done::Asked(told), None) if task.is_at(&WriteStep::Ask) => self.write_asked(told, task),
            (Done::Planned(planned), _) => self.undo_planned(planned, task),
            (Done::Sampled(sampled), _) => self.sampled(sampled, task),
            (Done::Delivered(delivered), _) => self.rows_delivered(delivered, task),
            (Done::Told(told), _) => self.held_told(task, told),
            (Done::Statements { executed, error }, _) => self.statements_ended(task, executed, error),
            (Done::Described(described), _) => self.described(described, task),
            (Done::Ran(ran), _) => self.ran(ran, task),
            (Done::Asked(told), outcome) => self.transaction_told(told, task, outcome),
            (Done::Near(near), Some(outcome)) => self.near_told(&near, task, outcome),
            (Done::Near(_), None) => {}
            (Done::Written, outcome) => self.answer(task, outcome.unwrap_or_else(Outcome::done)),
            (Done::Closed(closed), _) => self.rested(closed, task),
        }
    }

    fn logged_in(&mut self, login: Login, task: Task) {
        tracing::info!(
            user = login.identity.user,
            host = login.identity.host,
            "logged in"
        );
        let upstream = Arc::clone(&login.upstream);
        self.rest.upstream = Some(login.upstream);
        self.rest.tagged = login.tagged;
        let now = (self.clock)();
        let steps = self
            .session
            .connected(login.identity, login.context, login.autocommit, now);
        if steps.is_empty() {
            self.carry();
            return self.begin(task);
        }
        let stage = chores::restore(upstream, steps, self.patience(&task, self.limits.login_timeout));
        self.go(task, stage);
    }

    fn login_failed(&mut self, task: Task, error: Error) {
        self.session.login_failed();
        if self.implicit && self.session.phase() == Phase::New && self.rest.queue.is_empty() {
            self.end_because(Ending::Discarded);
        }
        self.fail(task, error);
    }

    fn restored(&mut self, restored: Restored, task: Task) {
        if let Some(error) = restored.error {
            // Half of a session must not be taken for the whole.
            self.abandon_upstream("it could not be restored after a login");
            let error = error
                .without_doubt()
                .and("the session could not be restored after a new login; nothing was run");
            return self.fail(
                task,
                match error.reason() {
                    Reason::SessionLost => error.because(Reason::Unreachable),
                    _ => error,
                },
            );
        }
        self.session.restored(restored.context, restored.refused);
        self.carry();
        self.begin(task);
    }

    /// The statements of an update or of a transaction's verb ended.
    fn statements_ended(&mut self, mut task: Task, executed: Option<Executed>, error: Option<Error>) {
        let effects: Vec<Effect> = match &task.work {
            Work::Transaction { verb, .. } => vec![verb.statement().1],
            Work::ExpireTransaction => return self.transaction_expired(task, error),
            _ => Vec::new(),
        };
        let mut outcome = Outcome::done();
        let nothing_ran = executed.is_none();
        if let Some(executed) = &executed {
            let was_open = self.session.transaction_open();
            outcome.notices = self.session.finished(&effects, executed, (self.clock)());
            self.note_end_of_transaction(was_open, &effects, &executed.query_id);
        }
        if let Some(error) = error {
            task.answer_cancellers(match (error.reason(), error.may_have_run()) {
                (Reason::Cancelled, true) => CancelOutcome::Unconfirmed,
                (Reason::Cancelled, false) => CancelOutcome::Confirmed,
                _ => CancelOutcome::NotRunning,
            });
            match self.after_failure(&effects, error) {
                Failed::NotRun(_) if nothing_ran && !task.retried => return self.begin_again(task),
                failed => outcome.told = Told::Error(failed.into_error()),
            }
        }
        self.settle(task, outcome);
    }

    /// Begins a task once more that did nothing because its upstream session was gone.
    pub(super) fn begin_again(&mut self, mut task: Task) {
        tracing::info!("the upstream session was gone before the statement ran; logging in again");
        task.retried = true;
        self.begin(task);
    }

    fn ran(&mut self, ran: Ran, mut task: Task) {
        let Work::Query { query, .. } = &task.work else {
            return;
        };
        let canceled = ran.interrupted.map(|(_, outcome)| outcome);
        let told = match (ran.result, ran.interrupted) {
            (Some(Ok(execution)), interrupted) => {
                let was_open = self.session.transaction_open();
                let now = (self.clock)();
                let mut notices = self.session.finished(&query.effects, &execution.executed, now);
                self.note_end_of_transaction(was_open, &query.effects, &execution.executed.query_id);
                notices.extend(query.gate.notice_after(execution.executed.kind));
                query.entry.succeeded(&execution.executed);
                let told = match interrupted {
                    // It ended before the cancellation arrived: then its result counts.
                    None | Some((Cause::Cancelled, _)) => Told::Rows(Box::new(execution)),
                    Some((Cause::ReaderGone, _)) => Told::Nothing,
                    Some((Cause::DeadlinePassed, _)) => Told::Error(
                        timed_out(query.timeout)
                            .and("the statement had run by then")
                            .with_doubt(),
                    ),
                };
                if was_open && !matches!(told, Told::Rows(_)) {
                    self.session.ended_unheard(&query.effects);
                }
                let outcome = Outcome {
                    notices,
                    ..Outcome::new(told)
                };
                task.answer_cancellers(canceled.unwrap_or(CancelOutcome::NotRunning));
                return self.settle(task, outcome);
            }
            (Some(Err(error)), None) => match self.after_failure(&query.effects, error) {
                Failed::NotRun(_) if !task.retried => return self.begin_again(task),
                failed => Told::Error(failed.into_error()),
            },
            (Some(Err(error)), Some((cause, outcome))) => {
                let told = interrupted(cause, outcome, query.timeout, self.rest.ending.get());
                let is_doubtful = error.may_have_run();
                let _ = self.after_failure(&query.effects, error);
                Told::Error(if is_doubtful { told.with_doubt() } else { told })
            }
            (None, cause) => {
                let (cause, outcome) = cause.unwrap_or((Cause::Cancelled, CancelOutcome::Unconfirmed));
                let error = interrupted(cause, outcome, query.timeout, self.rest.ending.get()).with_doubt();
                self.session.failed(&query.effects, &error);
                Told::Error(error)
            }
        };
        task.answer_cancellers(canceled.unwrap_or(CancelOutcome::NotRunning));
        self.settle(task, Outcome::new(told));
    }

    /// Notes in the book of writes that a transaction has ended, when it has.
    pub(super) fn note_end_of_transaction(&self, was_open: bool, effects: &[Effect], query_id: &str) {
        if was_open && !self.session.transaction_open() {
            let committed_by = Some(query_id).filter(|_| !effects.contains(&Effect::Rollback));
            self.desk
                .book
                .writes
                .transaction_ended(self.session.name(), committed_by);
        }
    }

    /// Notes a failure; gives the upstream session up when it is gone.
    pub(super) fn after_failure(&mut self, effects: &[Effect], error: Error) -> Failed {
        self.session.failed(effects, &error);
        let alive = self
            .rest
            .upstream
            .as_ref()
            .is_some_and(|upstream| upstream.is_alive());
        let is_gone = !alive || error.reason() == Reason::SessionLost;
        if is_gone {
            tracing::warn!(error = %error, "upstream session lost");
            self.lose_upstream(&error.to_string());
        }
        if error.may_have_run() {
            Failed::Told(doubtful(error))
        } else if is_gone && is_about_session(&error) {
            Failed::NotRun(error)
        } else {
            Failed::Told(error)
        }
    }

    /// Logs an upstream session out that must not be used any more, without waiting for it.
    pub(super) fn abandon_upstream(&mut self, cause: &str) {
        if let Some(upstream) = self.rest.upstream.take() {
            let (limit, jobs_left) = (self.limits.logout_timeout, self.jobs_left());
            // A logout rolls back by itself.
            let rollback = jobs_left > 0;
            tokio::spawn(async move { stage::part_with(upstream, rollback, jobs_left, limit).await });
        }
        self.lose_upstream(cause);
    }
}

/// A failure, by whether the statement can be begun once more.
pub(super) enum Failed {
    /// The upstream session is gone, and the statement did certainly not run.
    NotRun(Error),
    /// Whoever asked must hear it.
    Told(Error),
}

impl Failed {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::NotRun(error) => error.and("nothing was run"),
            Self::Told(error) => error,
        }
    }
}

/// What the user hears of a statement that may have run.
pub(super) fn doubtful(error: Error) -> Error {
    match error.reason() {
        Reason::Unreachable | Reason::SessionLost | Reason::Internal => error
            .and("it may have run: look before running it again")
            .because(Reason::Unreachable),
        _ => error,
    }
}

/// What the reader of an interrupted query hears.
pub(super) fn interrupted(
    cause: Cause,
    outcome: CancelOutcome,
    timeout: Duration,
    ending: Option<&Ending>,
) -> Error {
    let confirmed = match outcome {
        CancelOutcome::Confirmed => "Snowflake confirmed that it stopped",
        CancelOutcome::Unconfirmed => "Snowflake did not confirm that it stopped",
        CancelOutcome::NotRunning => "it had ended by then",
    };
    match cause {
        Cause::Cancelled | Cause::ReaderGone => match ending {
            Some(why) => why.error(confirmed),
            None => Error::new(Reason::Cancelled, format!("the query was cancelled; {confirmed}")),
        },
        Cause::DeadlinePassed => Error::new(
            Reason::Timeout,
            format!("the query's time limit of {timeout:?} passed; {confirmed}"),
        )
        .with_hint("give it more time with --timeout, or raise `query.timeout`"),
    }
}

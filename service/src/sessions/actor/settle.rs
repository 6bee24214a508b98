//! What follows a statement: a question, a write, the answer.
//!
//! After a statement it may not be known whether a transaction is open; then Snowflake is asked before the answer
//! leaves, so that the answer is right. When the statement changed what the session is made of, the answer waits
//! until that is on disk: what a user was told, a service that is killed the next moment still knows.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

use super::{Actor, Current, Reading, Task, Work};
use crate::domain::error::Error;
use crate::domain::journal::record::Written;
use crate::domain::query::CancelOutcome;
use crate::domain::upstream::Execution;
use crate::domain::write::Report;
use crate::sessions::chores;
use crate::sessions::delivery::Delivery;
use crate::sessions::interrupt::Interrupt;
use crate::sessions::mailbox::{Cancelled, Reset};
use crate::sessions::stage;

/// What came of a task.
pub(super) struct Outcome {
    pub(super) told: Told,
    /// What the user should hear besides.
    pub(super) notices: Vec<String>,
    /// Snowflake was asked whether a transaction is open, with or without success.
    pub(super) asked: bool,
    /// An open transaction was rolled back.
    pub(super) rolled_back: bool,
    /// A failure has its hint.
    pub(super) is_hinted: bool,
}

/// What whoever asked for it is told.
pub(super) enum Told {
    /// That it is done.
    Done,
    /// A result.
    Rows(Box<Execution>),
    /// What came of a write.
    Write(Box<Report>),
    /// A failure.
    Error(Error),
    /// Nothing: there is nobody.
    Nothing,
}

impl Outcome {
    pub(super) fn new(told: Told) -> Self {
        Self {
            told,
            notices: Vec::new(),
            asked: false,
            rolled_back: false,
            is_hinted: false,
        }
    }

    /// Whoever asked hears the notices.
    fn is_good(&self) -> bool {
        matches!(self.told, Told::Done | Told::Rows(_) | Told::Write(_))
    }

    /// Nothing more to say than that it is done.
    pub(super) fn done() -> Self {
        Self::new(Told::Done)
    }
}

impl Task {
    pub(super) fn answer_cancellers(&mut self, outcome: CancelOutcome) {
        for reply in self.cancellers.drain(..) {
            let _ = reply.send(Cancelled {
                outcome,
                request_id: self.work.request_id(),
            });
        }
    }
}

impl Actor {
    /// Does what must be done before the answer can leave.
    pub(super) fn settle(&mut self, task: Task, outcome: Outcome) {
        let Some((task, mut outcome)) = self.hint(task, outcome) else {
            return;
        };
        let upstream = self.rest.upstream.clone().filter(|_| !self.is_ending());
        let stage = if let Some(upstream) = upstream
            && self.session.transaction_is_doubtful()
            && !outcome.asked
        {
            outcome.asked = true;
            chores::ask_transaction(upstream, self.patience(&task, self.limits.cancel_wait))
        } else if self.journal_changed() {
            stage::written(self.keep(), self.limits.journal_wait)
        } else {
            return self.answer(task, outcome);
        };
        self.rest.current = Some(Current {
            task,
            stage,
            sent: None,
            outcome: Some(outcome),
        });
    }

    /// Snowflake said whether a transaction is open, after a statement (then there is an outcome) or before one.
    pub(super) fn transaction_told(
        &mut self,
        told: Result<bool, Error>,
        task: Task,
        outcome: Option<Outcome>,
    ) {
        let failure = match told {
            Ok(open) => {
                let late = !outcome.as_ref().is_some_and(Outcome::is_good);
                let notice = self.session.transaction_told(open, late, (self.clock)());
                if let Some(mut outcome) = outcome {
                    outcome.notices.extend(notice);
                    return self.settle(task, outcome);
                }
                return self.begin(task);
            }
            // The question changes nothing, whether it ran or not.
            Err(error) => self.after_failure(&[], error.without_doubt()).into_error(),
        };
        match outcome {
            // The next statement asks again.
            Some(outcome) => self.settle(task, outcome),
            // The upstream session was found gone by the question.
            None if self.rest.upstream.is_none() && !task.retried => self.begin(Task {
                retried: true,
                ..task
            }),
            None => self.fail(
                task,
                failure.and("whether a transaction is open is not known; nothing was run"),
            ),
        }
    }

    /// The journal is not what the store has.
    pub(super) fn journal_changed(&self) -> bool {
        let journal = self.session.journal();
        !self
            .rest
            .kept
            .as_ref()
            .is_some_and(|kept| Arc::ptr_eq(kept, journal) || kept == journal)
    }

    /// Gives the session to the store as it is now.
    pub(super) fn keep(&mut self) -> Written {
        self.rest.kept = Some(Arc::clone(self.session.journal()));
        let created = self.snapshot.borrow().create_time;
        self.desk.keep(self.session.record(created, self.last_use.1))
    }

    /// Answers whoever asked.
    pub(super) fn answer(&mut self, mut task: Task, outcome: Outcome) {
        task.answer_cancellers(CancelOutcome::NotRunning);
        self.carry_settled();
        match outcome.told {
            Told::Error(error) => self.fail(task, error),
            Told::Rows(execution) => {
                let mut notices = self.take_untold();
                notices.extend(outcome.notices);
                self.deliver(*execution, task, notices);
            }
            Told::Write(report) => self.answer_write(task, report),
            Told::Nothing => {}
            Told::Done => {
                self.publish();
                let snapshot = self.snapshot.borrow().clone();
                match task.work {
                    Work::Login { reply } | Work::Update { reply, .. } | Work::Transaction { reply, .. } => {
                        let _ = reply.send(Ok(snapshot));
                    }
                    Work::Reset { reply } => {
                        let _ = reply.send(Reset {
                            snapshot,
                            transaction_rolled_back: outcome.rolled_back,
                        });
                    }
                    Work::Query { .. }
                    | Work::Write { .. }
                    | Work::Settle { .. }
                    | Work::Errand(_)
                    | Work::ExpireTransaction
                    | Work::LogOut => {}
                }
            }
        }
    }

    /// Ends a task badly.
    pub(super) fn fail(&mut self, mut task: Task, error: Error) {
        task.answer_cancellers(CancelOutcome::Confirmed);
        let error = error.in_session(self.session.name().as_str(), self.session.connection().as_str());
        match task.work {
            Work::Errand(errand) => errand.fail(error),
            Work::Query { query, .. } => {
                query.entry.failed(&error);
                // Nothing was sent on this channel yet, so there is room unless the reader is gone.
                let _ = query.events.try_send(Err(error));
            }
            Work::Write { write, .. } => {
                if write.progress.is_resumed {
                    let request = write.submission.request_id;
                    self.desk.book.writes.forget(self.session.name(), request);
                }
                write.entry.failed(&error);
                // Its own rows may still stand before the error.
                if let Err(TrySendError::Full(error)) = write.events.try_send(Err(error)) {
                    tokio::spawn(async move { write.events.send(error).await });
                }
            }
            Work::Settle { events, .. } => {
                // Nothing was sent on this channel yet, so there is room unless the reader is gone.
                let _ = events.try_send(Err(error));
            }
            Work::Login { reply } | Work::Update { reply, .. } | Work::Transaction { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            // Who waits for a reset hears from the dropped reply that the session ended.
            Work::Reset { .. } | Work::ExpireTransaction | Work::LogOut => {}
        }
    }

    fn deliver(&mut self, execution: Execution, task: Task, notices: Vec<String>) {
        let Work::Query {
            query,
            interrupt,
            accepted_at,
        } = task.work
        else {
            return;
        };
        let request_id = query.submission.request_id;
        // A cancellation that came too late for the statement must not stop its result.
        let interrupt = Interrupt {
            cancel: CancellationToken::new(),
            ..interrupt
        };
        let reading = Reading {
            query_id: execution.executed.query_id.clone(),
            cancel: interrupt.cancel.clone(),
        };
        self.rest.reading.insert(request_id, reading);
        let delivery = Delivery {
            request_id,
            trail: query.entry.trail().cloned(),
            meter: Arc::clone(&self.desk.book.oversight.now().meter),
            row_offset: 0,
            execution,
            interrupt,
            accepted_at,
            timeout: query.timeout,
            session: self.session.name().clone(),
            connection: self.session.connection().clone(),
            transaction_open: self.session.transaction_open(),
            notices,
            ending: Arc::clone(&self.rest.ending),
        };
        self.rest.deliveries.spawn(delivery.run());
    }
}

//! How one work item goes through its stages: login, restoring the context, the statement, its result.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Actor, Current, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::names::RequestId;
use crate::domain::query::CancelOutcome;
use crate::domain::session::{Phase, Step};
use crate::domain::statement::Effect;
use crate::domain::upstream::{Execution, Login};
use crate::sessions::delivery::{Delivery, timed_out};
use crate::sessions::interrupt::{Cause, Interrupt};
use crate::sessions::mailbox::{Cancelled, Ending, QueuedQuery, Reply};
use crate::sessions::stage::{self, Done, Ran};

impl Actor {
    /// Does the first stage of a work item.
    pub(super) fn begin(&mut self, work: Work) {
        match self.session.next_step() {
            Step::Refuse(error) => self.fail(work, error),
            Step::Login => self.begin_login(work),
            Step::Run => self.begin_run(work),
        }
    }

    fn begin_login(&mut self, work: Work) {
        self.session.connecting();
        self.rest.upstream = None;
        let connection = self.session.connection().clone();
        let connector = Arc::clone(&self.connector);
        let stage = stage::login(connector, connection, self.limits.login_timeout, work.interrupt());
        self.rest.current = Some(Current {
            work,
            restoring: false,
            stage,
            cancellers: Vec::new(),
        });
    }

    fn begin_run(&mut self, work: Work) {
        let Some(upstream) = self.rest.upstream.clone() else {
            let error = Error::internal("a session that is logged in has no upstream session");
            return self.fail(work, error);
        };
        let stage = match &work {
            Work::Query { query, interrupt, .. } => stage::run(
                upstream,
                query.submission.clone(),
                interrupt.clone(),
                self.limits.cancel_wait,
            ),
            Work::Update { change, .. } => {
                stage::statements(upstream, change.statements(), self.limits.query_timeout)
            }
            Work::Login { .. } => return self.succeed(work),
        };
        self.session.started();
        self.rest.current = Some(Current {
            work,
            restoring: false,
            stage,
            cancellers: Vec::new(),
        });
    }

    /// Carries a finished stage into the session's state and does the next one.
    pub(super) fn finish(&mut self, done: Done) {
        let Some(Current {
            work,
            restoring,
            cancellers,
            ..
        }) = self.rest.current.take()
        else {
            return;
        };
        match done {
            Done::Login(Ok(login)) => self.logged_in(login, work, cancellers),
            Done::Login(Err(error)) => {
                self.session.login_failed();
                if self.implicit && self.session.phase() == Phase::New && self.rest.queue.is_empty() {
                    self.end_because(Ending::Unused);
                }
                Self::answer_cancellers(&work, cancellers, CancelOutcome::Confirmed);
                self.fail(work, error);
            }
            Done::Statements { executed, error } => {
                if let Some(executed) = &executed {
                    self.session.finished(Effect::None, executed);
                }
                match error {
                    Some(error) => {
                        let error = self.after_failure(error);
                        Self::answer_cancellers(&work, cancellers, CancelOutcome::NotRunning);
                        self.fail(work, if restoring { not_restored(error) } else { error });
                    }
                    None if restoring => self.begin_run_again(work, cancellers),
                    None => self.succeed(work),
                }
            }
            Done::Ran(ran) => self.ran(ran, work, cancellers),
        }
    }

    fn logged_in(&mut self, login: Login, work: Work, cancellers: Vec<Reply<Cancelled>>) {
        tracing::info!(
            user = login.identity.user,
            host = login.identity.host,
            "logged in"
        );
        let upstream = Arc::clone(&login.upstream);
        self.rest.upstream = Some(login.upstream);
        let restore = self
            .session
            .connected(login.identity, login.context, login.autocommit);
        if restore.is_empty() {
            return self.begin_run_again(work, cancellers);
        }
        let stage = stage::statements(upstream, restore, self.limits.login_timeout);
        self.rest.current = Some(Current {
            work,
            restoring: true,
            stage,
            cancellers,
        });
    }

    /// Goes on with the work for which the session had to be brought back.
    fn begin_run_again(&mut self, work: Work, cancellers: Vec<Reply<Cancelled>>) {
        self.begin_run(work);
        match &mut self.rest.current {
            Some(current) => current.cancellers.extend(cancellers),
            None => drop(cancellers),
        }
    }

    fn ran(&mut self, ran: Ran, work: Work, cancellers: Vec<Reply<Cancelled>>) {
        let Work::Query {
            query,
            interrupt,
            accepted_at,
        } = work
        else {
            return;
        };
        let outcome = ran
            .interrupted
            .map_or(CancelOutcome::NotRunning, |(_, outcome)| outcome);
        let request_id = query.submission.request_id;
        for reply in cancellers {
            let _ = reply.send(Cancelled {
                outcome,
                request_id: Some(request_id),
            });
        }
        let ended = match (ran.result, ran.interrupted) {
            (Some(Ok(execution)), interrupted) => {
                self.session.finished(query.effect, &execution.executed);
                match interrupted {
                    // It ended before the cancellation arrived: then its result counts.
                    None | Some((Cause::Cancelled, _)) => Ok(execution),
                    Some((Cause::ReaderGone, _)) => return,
                    Some((Cause::DeadlinePassed, _)) => Err(timed_out(query.timeout)),
                }
            }
            (Some(Err(error)), None) => Err(self.after_failure(error)),
            (Some(Err(error)), Some((cause, outcome))) => {
                self.after_failure(error);
                Err(interrupted(cause, outcome, &query, self.rest.ending.get()))
            }
            (None, cause) => {
                let (cause, outcome) = cause.unwrap_or((Cause::Cancelled, CancelOutcome::Unconfirmed));
                let error = interrupted(cause, outcome, &query, self.rest.ending.get());
                self.session.failed(&error);
                Err(error)
            }
        };
        match ended {
            Ok(execution) => self.deliver(execution, request_id, interrupt, accepted_at, query.timeout),
            Err(error) => self.send_error(&query, error),
        }
    }

    /// Notes a failure; gives the upstream session up when it is gone.
    fn after_failure(&mut self, error: Error) -> Error {
        let gone = error.reason() == Reason::SessionLost
            || self
                .rest
                .upstream
                .as_ref()
                .is_none_or(|upstream| !upstream.is_alive());
        if gone {
            tracing::warn!(error = %error, "upstream session lost");
            self.rest.upstream = None;
            self.session.upstream_lost();
        } else {
            self.session.failed(&error);
        }
        error
    }

    fn deliver(
        &mut self,
        execution: Execution,
        request_id: RequestId,
        interrupt: Interrupt,
        accepted_at: Instant,
        timeout: Duration,
    ) {
        // A cancellation that came too late for the statement must not stop its result.
        let interrupt = Interrupt {
            cancel: CancellationToken::new(),
            ..interrupt
        };
        self.rest.reading.insert(request_id, interrupt.cancel.clone());
        let delivery = Delivery {
            request_id,
            execution,
            interrupt,
            accepted_at,
            timeout,
            session: self.session.name().clone(),
            connection: self.session.connection().clone(),
            transaction_open: self.session.transaction_open(),
            ending: Arc::clone(&self.rest.ending),
        };
        self.rest.deliveries.spawn(delivery.run());
    }
}

fn not_restored(error: Error) -> Error {
    let reason = match error.reason() {
        Reason::SqlRejected => Reason::SessionLost,
        other => other,
    };
    Error::new(
        reason,
        format!("the session's context could not be restored after a new login: {error}; nothing was run"),
    )
    .with_hint("choose role, warehouse, database and schema again with `sfctl use`")
    .with_source(error)
}

/// What the reader of an interrupted query hears.
fn interrupted(cause: Cause, outcome: CancelOutcome, query: &QueuedQuery, ending: Option<&Ending>) -> Error {
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
            format!(
                "the query's time limit of {:?} passed; {confirmed}",
                query.timeout
            ),
        )
        .with_hint("give it more time with --timeout, or raise `query.timeout`"),
    }
}

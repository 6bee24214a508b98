//! Errands: what goes on beside the statement that runs.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::progress::doubtful;
use super::{Actor, Reading, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::history::Observed;
use crate::domain::session::Step;
use crate::domain::statement::Effect;
use crate::domain::upstream::{Execution, Upstream};
use crate::sessions::delivery::Delivery;
use crate::sessions::errand::{Errand, Observe, Read, Returned, Submit};
use crate::sessions::mailbox::Reply;
use crate::sessions::stage::{self, is_about_session};

impl Actor {
    /// Does an errand now, or puts it where it waits for a login.
    pub(super) fn receive_errand(&mut self, mut errand: Errand) {
        if let Errand::Read(read) = &mut errand
            && let Some(accepted) = read.accepted.take()
        {
            // Whoever asked is gone only when the reader is too, which interrupts the reading.
            let _ = accepted.send(());
        }
        if let Err(error) = self.admit_errand(&errand) {
            return errand.refuse(self.told(error));
        }
        if self.can_begin(&errand) {
            self.run_errand(errand);
        } else {
            self.rest.queue.push_back(Work::Errand(errand));
        }
    }

    /// True when nothing has to be waited for, not even for the statement that runs.
    fn can_begin(&mut self, errand: &Errand) -> bool {
        if matches!(errand, Errand::Submit(_)) && self.transaction_changes() {
            return false;
        }
        let step = if errand.depends_on_session() {
            self.session.next_step(errand.accepts_loss())
        } else {
            self.session.next_login_step()
        };
        matches!(step, Step::Run) && self.has_upstream()
    }

    /// True while what runs can begin or end a transaction, which a submitted statement must not get into.
    fn transaction_changes(&self) -> bool {
        self.rest
            .current
            .as_ref()
            .is_some_and(|current| match &current.task.work {
                Work::Transaction { .. } | Work::Write { .. } | Work::Settle { .. } => true,
                Work::Query { query, .. } => query.effects.iter().any(Effect::changes_transaction),
                _ => false,
            })
    }

    fn has_upstream(&self) -> bool {
        let upstream = self.rest.upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.is_alive())
    }

    fn admit_errand(&mut self, errand: &Errand) -> Result<(), Error> {
        self.has_room()?;
        match errand {
            Errand::Submit(_) => self.admit_submission(),
            Errand::Read(_) => self.has_room_to_read(),
            Errand::Observe(_) | Errand::Cancel { .. } => Ok(()),
        }
    }

    fn admit_submission(&self) -> Result<(), Error> {
        self.session.check_held(false, &[])?;
        let jobs = self.jobs_left();
        if jobs >= self.limits.jobs_max {
            let what = format!("{jobs} submitted statements have not ended");
            return Err(self.limit_reached(what, "query.jobs_max"));
        }
        let open = "a transaction is open in the session, and a submitted statement would be part of it for as long as it runs";
        let off = "AUTOCOMMIT is off in the session, so a submitted statement would be part of a transaction that nobody here ends";
        let why = match (self.session.transaction_open(), self.session.autocommit()) {
            (true, _) => open,
            (false, false) => off,
            (false, true) => return Ok(()),
        };
        Err(Error::invalid(format!("{why}; nothing was run"))
            .with_hint("commit or roll back first, or submit it in another session with --session"))
    }

    /// Does an errand in a session that is logged in.
    pub(super) fn run_errand(&mut self, mut errand: Errand) {
        let Some(upstream) = self.rest.upstream.clone() else {
            let error = Error::internal("a session that is logged in has no upstream session");
            return self.drop_errand(errand, error);
        };
        // What has changed while it waited for the login.
        if matches!(errand, Errand::Submit(_))
            && let Err(error) = self.admit_submission()
        {
            return self.drop_errand(errand, error);
        }
        if let Errand::Submit(submit) = &mut errand {
            if let Err(error) = submit.enter(&self.session) {
                return self.drop_errand(errand, error);
            }
            submit.submission = self.tagged(submit.submission.clone());
        }
        match &errand {
            Errand::Submit(_) => self.rest.submitting += 1,
            Errand::Read(read) => {
                let reading = Reading {
                    query_id: read.query_id.clone(),
                    cancel: read.interrupt.cancel.clone(),
                };
                self.rest.reading.insert(read.reading, reading);
            }
            Errand::Observe(_) | Errand::Cancel { .. } => {}
        }
        let of = Arc::clone(&upstream);
        self.rest
            .errands
            .spawn(async move { (of, errand.carry_out(upstream).await) });
    }

    /// Says that an errand will not be done.
    pub(super) fn drop_errand(&mut self, errand: Errand, error: Error) {
        if let Errand::Read(read) = &errand {
            self.rest.reading.remove(&read.reading);
        }
        errand.fail(self.told(error));
    }

    fn told(&self, error: Error) -> Error {
        error.in_session(self.session.name().as_str(), self.session.connection().as_str())
    }

    /// Submitted statements that have not ended, as far as is known, and those on their way: a logout would stop them.
    pub(super) fn jobs_left(&self) -> usize {
        self.rest.jobs.len() + self.rest.submitting
    }

    /// Submitted statements run and are looked at from time to time.
    pub(super) fn looks_after_jobs(&self) -> bool {
        self.rest.upstream.is_some() && !self.rest.jobs.is_empty()
    }

    /// When to look at submitted statements next; nobody logs in for that alone.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.rest.upstream.as_ref()?;
        self.rest.jobs.next_due()
    }

    /// Looks at the submitted statements for which it is time.
    pub(super) fn check_jobs(&mut self) {
        let Some(upstream) = self.rest.upstream.clone() else {
            return;
        };
        for query_id in self.rest.jobs.take_due(Instant::now()) {
            let upstream = Arc::clone(&upstream);
            self.rest.errands.spawn(async move {
                let result = upstream.observe(&query_id).await;
                (upstream, Returned::Checked { query_id, result })
            });
        }
    }

    /// Hears what came of an errand, which was begun in the upstream session `of`.
    pub(super) fn returned(&mut self, of: &Arc<dyn Upstream>, returned: Returned) {
        let jobs = self.rest.jobs.len();
        self.hear(of, returned);
        if self.rest.jobs.len() < jobs {
            // Whoever submitted it may want to go on in this session.
            self.used();
        }
    }

    fn hear(&mut self, of: &Arc<dyn Upstream>, returned: Returned) {
        match returned {
            Returned::Submitted(submit, Err(error))
                if self.is_lost(of, &error) && did_not_run(&error) && !submit.is_second_try =>
            {
                self.rest.submitting -= 1;
                self.try_again(Errand::Submit(Box::new(Submit {
                    is_second_try: true,
                    ..*submit
                })));
            }
            Returned::Submitted(submit, result) => self.submitted(of, *submit, result),
            Returned::Observed(observe, Err(error)) if self.is_lost(of, &error) && !observe.is_second_try => {
                self.try_again(Errand::Observe(Observe {
                    is_second_try: true,
                    ..observe
                }));
            }
            Returned::Observed(observe, result) => self.observed(observe, result),
            Returned::Opened(read, Err(error)) if self.is_lost(of, &error) && !read.is_second_try => {
                self.try_again(Errand::Read(Box::new(Read {
                    is_second_try: true,
                    ..*read
                })));
            }
            Returned::Opened(read, Ok(execution)) => self.deliver_read(*read, execution),
            Returned::Opened(read, Err(error)) => {
                self.rest.jobs.hurry(&read.query_id, Instant::now());
                self.drop_errand(Errand::Read(read), error);
            }
            Returned::Interrupted(read, cause) => {
                let error = match self.rest.ending.get() {
                    Some(why) => why.error("the result was not read"),
                    None => read.interrupted(cause),
                };
                self.drop_errand(Errand::Read(read), error);
            }
            Returned::Cancelled {
                query_id,
                outcome,
                observed,
                reply,
            } => {
                if observed.is_some() {
                    self.rest.jobs.seen(&query_id, &Ok(observed), Instant::now());
                }
                self.stop_reading(&query_id);
                let _ = reply.send(outcome);
            }
            Returned::Checked { query_id, result } => {
                if let Err(error) = &result {
                    self.is_lost(of, error);
                }
                self.rest.jobs.seen(&query_id, &result, Instant::now());
            }
        }
    }

    fn submitted(&mut self, of: &Arc<dyn Upstream>, submit: Submit, result: Result<String, Error>) {
        self.rest.submitting -= 1;
        let Submit {
            effects,
            entry,
            reply,
            ..
        } = submit;
        let answer = match result {
            Ok(query_id) => {
                entry.taken_on(&query_id);
                if self.is_upstream(of) {
                    self.session.submitted(&effects, &query_id);
                }
                let has_upstream = self.rest.upstream.is_some();
                if !has_upstream {
                    entry.left(&goes_on("its Snowflake session was given up"));
                }
                let record = entry.record();
                if has_upstream {
                    self.rest.jobs.watch(query_id, entry, Instant::now());
                }
                record.ok_or_else(|| Error::internal("a submitted query is not remembered"))
            }
            Err(error) => {
                self.is_lost(of, &error);
                let error = self.told(if did_not_run(&error) {
                    error.because(Reason::Unreachable).and("nothing was run")
                } else {
                    doubtful(error)
                });
                entry.failed(&error);
                Err(error)
            }
        };
        self.reply_when_kept(reply, answer);
    }

    /// Answers a submission once what it changed is on disk. A session that ends keeps itself.
    fn reply_when_kept<T: Send + 'static>(&mut self, reply: Reply<T>, answer: T) {
        if self.is_ending() || !self.journal_changed() {
            let _ = reply.send(answer);
            return;
        }
        let written = stage::written(self.keep(), self.limits.journal_wait);
        tokio::spawn(async move {
            written.await;
            let _ = reply.send(answer);
        });
    }

    fn observed(&mut self, observe: Observe, result: Result<Option<Observed>, Error>) {
        if let (Some(entry), Ok(Some(told))) = (observe.entry, &result) {
            entry.observed(told);
            if told.state.is_settled() {
                self.rest.jobs.seen(&observe.query_id, &result, Instant::now());
            } else {
                self.rest.jobs.watch(observe.query_id, entry, Instant::now());
            }
        }
        let _ = observe.reply.send(result.map_err(|error| self.told(error)));
    }

    fn deliver_read(&mut self, read: Read, execution: Execution) {
        // Its end is known before it was time to look.
        self.rest.jobs.hurry(&read.query_id, Instant::now());
        let delivery = Delivery {
            request_id: read.reading,
            trail: None,
            meter: Arc::clone(&self.desk.book.oversight.now().meter),
            row_offset: read.window.offset,
            execution,
            interrupt: read.interrupt,
            accepted_at: read.accepted_at,
            timeout: read.timeout,
            session: self.session.name().clone(),
            connection: self.session.connection().clone(),
            transaction_open: self.session.transaction_open(),
            notices: Vec::new(),
            ending: Arc::clone(&self.rest.ending),
        };
        self.rest.deliveries.spawn(delivery.run());
    }

    /// Ends the readings of a query's result.
    pub(super) fn stop_reading(&self, query_id: &str) {
        for reading in self.rest.reading.values() {
            if reading.query_id == query_id {
                reading.cancel.cancel();
            }
        }
        for work in &self.rest.queue {
            if let Work::Errand(Errand::Read(read)) = work
                && read.query_id == query_id
            {
                read.interrupt.cancel.cancel();
            }
        }
    }

    fn is_upstream(&self, of: &Arc<dyn Upstream>) -> bool {
        let upstream = self.rest.upstream.as_ref();
        upstream.is_some_and(|upstream| Arc::ptr_eq(upstream, of))
    }

    /// True when the upstream session `of` is gone, as this error of something begun in it says. The session gives it
    /// up if it is still its own, unless a statement runs, which will find out itself.
    fn is_lost(&mut self, of: &Arc<dyn Upstream>, error: &Error) -> bool {
        let lost = error.reason() == Reason::SessionLost || !of.is_alive();
        if lost && self.rest.current.is_none() && self.is_upstream(of) {
            tracing::warn!(error = %error, "upstream session lost");
            self.lose_upstream(&error.to_string());
        }
        lost
    }

    /// Goes on without an upstream session. What was submitted in it goes on without anybody here who looks, until
    /// somebody asks.
    pub(super) fn lose_upstream(&mut self, cause: &str) {
        self.carry_no_more();
        self.rest.abandoned = None;
        self.rest.upstream = None;
        self.rest.jobs.leave(&goes_on(cause));
        self.session.upstream_lost(cause);
    }

    /// Puts an errand where it waits for a new login. It has changed nothing.
    fn try_again(&mut self, errand: Errand) {
        self.rest.queue.push_front(Work::Errand(errand));
    }

    /// Waits for submissions that are on their way, and looks at the submitted statements a last time.
    pub(super) async fn settle_errands(&mut self) {
        let limit = self.limits.logout_timeout;
        self.rest.jobs.hurry_all(Instant::now());
        self.check_jobs();
        let settled = async {
            while let Some(returned) = self.rest.errands.join_next().await {
                if let Ok((of, returned)) = returned {
                    self.returned(&of, returned);
                }
            }
        };
        if timeout(limit, settled).await.is_err() {
            tracing::warn!(?limit, "submitted statements could not be looked at in time");
        }
        while let Some(Work::Errand(errand)) = self.rest.queue.pop_front() {
            errand.fail(self.ending_error());
        }
    }
}

/// True when the way to Snowflake failed before the statement was there.
fn did_not_run(error: &Error) -> bool {
    is_about_session(error) && !error.may_have_run()
}

/// Why the end of a submitted statement is not known.
fn goes_on(cause: &str) -> Error {
    Error::new(
        Reason::Unreachable,
        format!("{cause}; the submitted statement may go on at Snowflake"),
    )
}

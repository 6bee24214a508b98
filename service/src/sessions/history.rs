//! The memory of queries as all tasks share it.
//!
//! Its lock is held for a look or an entry and never while anything is waited for. Sessions write into it through
//! an [`Entry`], which ends its query however the query's way through the session ends; readers look, and who
//! wants to hear of changes watches.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::WallClock;
use super::trail::Trail;
use crate::domain::error::{Error, Reason};
use crate::domain::history::{
    History, HistoryLimits, KeptJob, NewQuery, Observed, Page, QueryRecord, QueryRef,
};
use crate::domain::limits::Limits;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::query::{Binding, Executed, Submission};

/// The memory of queries.
pub(super) struct Memory {
    inner: Mutex<Inner>,
    /// Told whenever a submitted query changes.
    pub(super) jobs_changed: Notify,
    hasher: RandomState,
    clock: WallClock,
}

struct Inner {
    history: History,
    /// Those who watch a query, by its serial.
    watched: HashMap<u64, watch::Sender<QueryRecord>>,
}

/// A query as it enters the memory.
pub(super) enum Accepted {
    /// It is new and is to be run.
    New(Entry),
    /// It is known by this request id, with the same text and values.
    Known(Box<QueryRecord>),
}

impl Memory {
    pub(super) fn new(limits: &Limits, clock: WallClock) -> Arc<Self> {
        let limits = HistoryLimits {
            per_session_max: limits.history_max,
            // As many that exist as that are over.
            sessions_max: 2 * limits.sessions_max,
        };
        Arc::new(Self {
            inner: Mutex::new(Inner {
                history: History::new(limits),
                watched: HashMap::new(),
            }),
            jobs_changed: Notify::new(),
            hasher: RandomState::new(),
            clock,
        })
    }

    /// Enters a statement, or finds it by its request id. Fails when that id is another statement's.
    pub(super) fn accept(
        self: &Arc<Self>,
        submission: &Submission,
        session: &SessionName,
        connection: &ConnectionName,
        submitted: bool,
        trail: &Arc<Trail>,
    ) -> Result<Accepted, Error> {
        let fingerprint = self.fingerprint(submission);
        let new = NewQuery {
            request_id: submission.request_id,
            session: session.clone(),
            connection: connection.clone(),
            sql: submission.sql.clone(),
            fingerprint,
            submitted,
            create_time: (self.clock)(),
        };
        let entered = self.lock().history.accept(new);
        match entered {
            Ok(record) => Ok(Accepted::New(Entry {
                memory: Arc::clone(self),
                session: record.session,
                serial: record.serial,
                is_over: AtomicBool::new(false),
                trail: Some(Arc::clone(trail)),
            })),
            Err(known) if known.fingerprint.is_none_or(|known| known == fingerprint) => {
                Ok(Accepted::Known(known))
            }
            Err(known) => Err(Error::invalid(format!(
                "request id {} belongs to another statement of session {session}",
                submission.request_id
            ))
            .with_facts(crate::domain::error::Facts {
                query_id: known.query_id,
                hint: Some(
                    "draw a new UUID for each statement; repeat one only with the same text and values"
                        .to_owned(),
                ),
                ..Default::default()
            })),
        }
    }

    /// Text and values in a number that tells nothing about them outside this process.
    fn fingerprint(&self, submission: &Submission) -> u64 {
        let values: Vec<_> = submission
            .bindings
            .iter()
            .map(|Binding { name, kind, value }| (name, *kind as u8, value))
            .collect();
        self.hasher.hash_one((&submission.sql, values))
    }

    /// Remembers what was kept of submitted queries.
    pub(super) fn restore(&self, jobs: Vec<KeptJob>) {
        self.lock().history.restore(jobs);
    }

    /// What is to be kept of them.
    pub(super) fn kept_jobs(&self, max: usize) -> Vec<KeptJob> {
        self.lock().history.kept_jobs(max)
    }

    pub(super) fn find(&self, session: Option<&SessionName>, query: &QueryRef) -> Option<QueryRecord> {
        self.lock().history.find(session, query)
    }

    pub(super) fn get(&self, record: &QueryRecord) -> Option<QueryRecord> {
        self.lock().history.get(&record.session, record.serial)
    }

    pub(super) fn page(
        &self,
        session: Option<&SessionName>,
        submitted_only: bool,
        before: Option<u64>,
        max: usize,
    ) -> Page {
        self.lock().history.page(session, submitted_only, before, max)
    }

    /// Hears of the changes of a query from now on.
    pub(super) fn watch(&self, record: &QueryRecord) -> watch::Receiver<QueryRecord> {
        let mut inner = self.lock();
        let now = inner
            .history
            .get(&record.session, record.serial)
            .unwrap_or_else(|| record.clone());
        inner.watched.retain(|_, sender| sender.receiver_count() > 0);
        inner
            .watched
            .entry(record.serial)
            .or_insert_with(|| watch::Sender::new(now))
            .subscribe()
    }

    /// The right to write about a query whose end nobody waits for.
    pub(super) fn resume(self: &Arc<Self>, record: &QueryRecord) -> Entry {
        Entry {
            memory: Arc::clone(self),
            session: record.session.clone(),
            serial: record.serial,
            is_over: AtomicBool::new(false),
            trail: None,
        }
    }

    /// Forgets a query that was refused before anything was done for it: as if it had never been asked for.
    pub(super) fn withdraw(&self, session: &SessionName, serial: u64) {
        let mut inner = self.lock();
        inner.history.withdraw(session, serial);
        inner.watched.remove(&serial);
    }

    /// The error of a query that was sent by a session that ended before it heard the answer; `None` when it was not
    /// sent, so that it can be sent by another one.
    pub(super) fn sent_in_vain(&self, session: &SessionName, serial: u64) -> Option<Error> {
        let record = self.lock().history.get(session, serial)?;
        record.start_time?;
        let error = Error::new(
            Reason::Unreachable,
            "the session ended while the statement was being submitted; it may have run: look before running it again",
        )
        .with_doubt();
        let now = (self.clock)();
        self.update(session, serial, |record| record.failed(&error, now));
        Some(error)
    }

    fn update(&self, session: &SessionName, serial: u64, change: impl FnOnce(&mut QueryRecord) -> bool) {
        let mut inner = self.lock();
        let Some(changed) = inner.history.update(session, serial, change) else {
            return;
        };
        if changed.submitted {
            self.jobs_changed.notify_one();
        }
        if let Some(watched) = inner.watched.get(&serial) {
            watched.send_replace(changed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The history is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write about one query, held by whoever carries it out. Dropping it says that nobody here will see
/// the query's end, unless that was seen.
pub(super) struct Entry {
    memory: Arc<Memory>,
    session: SessionName,
    serial: u64,
    is_over: AtomicBool,
    /// What goes into the audit log; `None` for a query that somebody else has brought there.
    trail: Option<Arc<Trail>>,
}

impl Entry {
    /// The statement goes to Snowflake now.
    pub(super) fn sent(&self) {
        let now = (self.memory.clock)();
        self.update(|record| record.sent(now));
        self.tell(Trail::sent);
    }

    /// Snowflake took a submitted statement on.
    pub(super) fn taken_on(&self, query_id: &str) {
        self.update(|record| record.taken_on(query_id));
        self.tell(|trail| trail.taken_on(query_id));
    }

    /// It ended well.
    pub(super) fn succeeded(&self, executed: &Executed) {
        let now = (self.memory.clock)();
        self.update(|record| record.succeeded(executed, now));
        self.tell(|trail| trail.succeeded(executed));
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// It ended badly.
    pub(super) fn failed(&self, error: &Error) {
        let now = (self.memory.clock)();
        self.update(|record| record.failed(error, now));
        self.tell(|trail| trail.failed(error));
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Snowflake said how it is.
    pub(super) fn observed(&self, told: &Observed) {
        self.update(|record| record.observed(told));
        self.tell(|trail| trail.observed(told));
        self.is_over.store(told.state.is_settled(), Ordering::Relaxed);
    }

    /// It goes on, and nobody here will see its end.
    pub(super) fn left(&self, why: &Error) {
        let now = (self.memory.clock)();
        self.update(|record| record.left(why, now));
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Somebody else writes about it.
    pub(super) fn release(self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// It was refused before anything was done for it.
    pub(super) fn withdraw(self, why: &Error) {
        self.tell(|trail| trail.failed(why));
        self.is_over.store(true, Ordering::Relaxed);
        self.memory.withdraw(&self.session, self.serial);
    }

    /// Its record for the audit log.
    pub(super) fn trail(&self) -> Option<&Arc<Trail>> {
        self.trail.as_ref()
    }

    pub(super) fn tell(&self, what: impl FnOnce(&Trail)) {
        if let Some(trail) = &self.trail {
            what(trail);
        }
    }

    /// Its number among all queries.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// The query as it is now.
    pub(super) fn record(&self) -> Option<QueryRecord> {
        self.memory.lock().history.get(&self.session, self.serial)
    }

    fn update(&self, change: impl FnOnce(&mut QueryRecord) -> bool) {
        self.memory.update(&self.session, self.serial, change);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        self.left(&Error::new(
            Reason::Cancelled,
            "the query was given up before its end was known",
        ));
    }
}

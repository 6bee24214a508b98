//! Which statements are known by their query id, and for how long.
//!
//! Running statements are always known. Finished ones are kept until their time ends, whether their session lives or
//! not. What nobody has read is never given up before: when memory is taken, texts and first rows move into the
//! results' file; when the file or the number of statements is at its limit, what comes next is refused. Outcomes that
//! were read to the end are another matter, since hardly anybody reads twice: they go, the oldest first, when their
//! number is at its limit or when large ones begin to crowd memory or the file.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::results::{ResultError, Spool, SpoolBytes};
use crate::session::QueryId;

use super::Settings;
use super::query::Query;

/// Bytes of first rows without chunks that make a result a large one.
const LARGE_INLINE_MIN: usize = 16 * 1024;

/// The statements that can be asked for by query id.
#[derive(Debug)]
pub(crate) struct Retention {
    kept_max: usize,
    life: Duration,
    spool: Arc<Spool>,
    inner: Mutex<Inner>,
    /// Somebody moves first parts into the file.
    spilling: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    queries: HashMap<QueryId, Kept>,
    /// Finished statements whose text and first rows were not moved into the file, oldest first.
    in_memory: VecDeque<QueryId>,
    /// Those that were read to the end, in that order. As in the next two, some may be forgotten already.
    read: VecDeque<QueryId>,
    /// Those of them whose results are large.
    read_large: VecDeque<QueryId>,
}

#[derive(Debug)]
struct Kept {
    query: Arc<Query>,
    /// Set when the statement has finished.
    expires: Option<Instant>,
}

/// As many statements are kept as may be, and none of them has ended and been read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{kept_max} statements run or wait to be read, which is as many as are kept (results_kept); read some of them or \
     wait until their time ends"
)]
pub(crate) struct Full {
    kept_max: usize,
}

impl Retention {
    pub(super) fn new(settings: &Settings, spool: Arc<Spool>) -> Self {
        Self {
            kept_max: settings.queries_kept_max,
            life: settings.result_life,
            spool,
            inner: Mutex::default(),
            spilling: AtomicBool::new(false),
        }
    }

    /// Makes a statement known that is about to run, unless too many wait to be read. Gives those that had to go for
    /// it, for [`forget_requests`]: not called here, because the caller may hold its session's requests.
    pub(crate) fn insert(&self, query: &Arc<Query>) -> Result<Vec<Arc<Query>>, Full> {
        let mut inner = self.lock();
        let mut dropped = Vec::new();
        // First of all: who is refused makes nobody else go.
        if inner.queries.len() >= self.kept_max {
            let oldest = inner.forget_oldest_read();
            let kept_max = self.kept_max;
            dropped.push(oldest.ok_or(Full { kept_max })?);
        }
        // But for the last one, which this statement may ask for.
        dropped.extend(inner.give_up(self.spool.excess(), 1));
        inner.insert(query);
        Ok(dropped)
    }

    /// Makes a statement known that has run, as one of several: also beyond the limit, since it is too late to refuse
    /// it. The next ones take no more than what they make go, until there are fewer again.
    pub(super) fn insert_child(&self, query: &Arc<Query>) {
        let mut inner = self.lock();
        let dropped = (inner.queries.len() >= self.kept_max)
            .then(|| inner.forget_oldest_read())
            .flatten();
        inner.insert(query);
        drop(inner);
        forget_requests(dropped.as_slice());
    }

    /// The statements that run.
    pub(super) fn running(&self) -> Vec<Arc<Query>> {
        let inner = self.lock();
        let running = inner.queries.values().filter(|kept| kept.expires.is_none());
        running.map(|kept| Arc::clone(&kept.query)).collect()
    }

    pub(crate) fn get(&self, id: QueryId) -> Option<Arc<Query>> {
        self.lock().queries.get(&id).map(|kept| Arc::clone(&kept.query))
    }

    /// Notes that a statement has finished, and forgets what was read if that takes too much.
    pub(super) fn finished(&self, query: &Arc<Query>, now: Instant) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(kept) = inner.queries.get_mut(&query.id) else {
            return;
        };
        kept.expires = Some(now + self.life);
        inner.in_memory.push_back(query.id);
        let dropped = inner.give_up(self.spool.excess(), 0);
        drop(guard);
        forget_requests(&dropped);
    }

    /// Notes that a part of an outcome was given to who asked for it: 0 is the first one, the others are chunks.
    pub(crate) fn given(&self, query: &Query, part: usize) {
        if query.give(part) {
            self.read(query);
        }
    }

    /// Notes that an outcome was read to its end.
    pub(super) fn read(&self, query: &Query) {
        let is_large = query.statement().is_some_and(|statement| {
            let rows = &statement.rows;
            rows.chunks().len() > 0 || rows.inline_bytes() >= LARGE_INLINE_MIN
        });
        let mut inner = self.lock();
        inner.read.push_back(query.id);
        if is_large {
            inner.read_large.push_back(query.id);
        }
    }

    /// Forgets what has outlived its time.
    pub(super) fn sweep(&self, now: Instant) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        let expired: Vec<_> = inner
            .queries
            .iter()
            .filter(|(_, kept)| kept.expires.is_some_and(|expires| expires <= now))
            .map(|(id, _)| *id)
            .collect();
        let dropped: Vec<_> = expired.into_iter().filter_map(|id| inner.forget(id)).collect();
        let queries = &inner.queries;
        for list in [&mut inner.in_memory, &mut inner.read, &mut inner.read_large] {
            list.retain(|id| queries.contains_key(id));
        }
        drop(guard);
        forget_requests(&dropped);
    }

    /// True when [`Retention::spill`] should be called; for one caller at a time.
    pub(super) fn wants_spilling(&self) -> bool {
        self.spool.is_first_crowded() && !self.spilling.swap(true, Ordering::AcqRel)
    }

    /// Moves texts and first rows into the file, those of the oldest statements first, until half of their budget is
    /// free. Blocks.
    pub(super) fn spill(&self) {
        while self.spool.is_first_half_full() {
            let next = {
                let mut inner = self.lock();
                let id = inner.in_memory.pop_front();
                id.map(|id| (id, inner.queries.get(&id).map(|kept| Arc::clone(&kept.query))))
            };
            let Some((id, query)) = next else {
                break;
            };
            let Some(Err(error)) = query.map(|query| query.spill()) else {
                continue;
            };
            // It is as it was, and moves when there is room; what was read makes some, as long as there is any. One
            // that cannot be written for another reason is not in the way of the others.
            let is_full = matches!(error, ResultError::DiskFull { .. });
            let mut inner = self.lock();
            let dropped = inner.forget_oldest_read();
            if is_full {
                inner.in_memory.push_front(id);
            } else {
                inner.in_memory.push_back(id);
            }
            drop(inner);
            forget_requests(dropped.as_slice());
            if !is_full {
                tracing::error!(%error, "failed to move a result into the results' file");
            }
            if !is_full || dropped.is_none() {
                break;
            }
        }
        self.spilling.store(false, Ordering::Release);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, query: &Arc<Query>) {
        let query = Arc::clone(query);
        self.queries.insert(query.id, Kept { query, expires: None });
    }

    fn forget(&mut self, id: QueryId) -> Option<Arc<Query>> {
        Some(self.queries.remove(&id)?.query)
    }

    fn forget_oldest_read(&mut self) -> Option<Arc<Query>> {
        while let Some(id) = self.read.pop_front() {
            if let Some(query) = self.forget(id) {
                return Some(query);
            }
        }
        None
    }

    /// Forgets large results that were read, until so much is given up or so few are left. A place is free only when
    /// its last reader has gone, so that what is gained may show late.
    fn give_up(&mut self, excess: SpoolBytes, left: usize) -> Vec<Arc<Query>> {
        let mut dropped = Vec::new();
        let mut gained = SpoolBytes::default();
        while (gained.memory < excess.memory || gained.disk < excess.disk) && self.read_large.len() > left {
            let next = self.read_large.pop_front();
            let Some(query) = next.and_then(|id| self.forget(id)) else {
                continue;
            };
            let bytes = query
                .statement()
                .map_or_else(SpoolBytes::default, |statement| statement.rows.spool_bytes());
            gained.memory += bytes.memory;
            gained.disk += bytes.disk;
            dropped.push(query);
        }
        dropped
    }
}

/// Lets the statements' sessions forget their request ids.
pub(crate) fn forget_requests(queries: &[Arc<Query>]) {
    for query in queries {
        if let (Some(session), Some(request_id)) = (query.session.upgrade(), &query.request_id) {
            session.requests.forget(request_id);
        }
    }
}

//! Which statements are known by their query id, and for how long.
//!
//! Running statements are always known. Finished ones are kept for a while, whether their session lives or
//! not, and at most so many with so many bytes inline: the oldest go first. Results with chunks are large; when they begin to crowd memory
//! or files, those go first that their client has fetched to the end, which it hardly ever does twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::results::Spool;
use crate::session::QueryId;

use super::Settings;
use super::query::Query;

/// Unfetched results dropped at once when files take too much. A file goes only when its last reader
/// does, so that what is gained shows late: without this limit one slow reader would cost all results.
const DROPPED_UNFETCHED_MAX: usize = 8;

/// What a statement takes beside its text and its rows, about.
const QUERY_BYTES: usize = 2048;

/// The statements that can be asked for by query id.
#[derive(Debug)]
pub(crate) struct Retention {
    kept_max: usize,
    inline_bytes_max: u64,
    life: Duration,
    spool: Arc<Spool>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queries: HashMap<QueryId, Kept>,
    /// Finished statements, oldest first; some may be forgotten already.
    finished: VecDeque<QueryId>,
    /// Those of them whose results have chunks.
    chunked: VecDeque<QueryId>,
    inline_bytes: u64,
}

#[derive(Debug)]
struct Kept {
    query: Arc<Query>,
    /// Set when the statement has finished.
    expires: Option<Instant>,
}

impl Retention {
    pub(super) fn new(settings: &Settings, spool: Arc<Spool>) -> Self {
        Self {
            kept_max: settings.queries_kept_max,
            inline_bytes_max: settings.inline_bytes_kept_max,
            life: settings.result_life,
            spool,
            inner: Mutex::default(),
        }
    }

    /// Makes a running statement known.
    pub(crate) fn insert(&self, query: Arc<Query>) {
        self.lock()
            .queries
            .insert(query.id, Kept { query, expires: None });
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

    /// Notes that a statement has finished, and forgets others that are too many now.
    pub(super) fn finished(&self, query: &Arc<Query>, now: Instant) {
        let mut dropped = Vec::new();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(kept) = inner.queries.get_mut(&query.id) else {
            return;
        };
        kept.expires = Some(now + self.life);
        inner.inline_bytes += inline_bytes(query);
        inner.finished.push_back(query.id);
        while inner.finished.len() > self.kept_max || inner.inline_bytes > self.inline_bytes_max {
            let Some(oldest) = inner.finished.pop_front() else {
                break;
            };
            dropped.extend(inner.forget(oldest));
        }
        // The newest result is never in question: its client has not seen it yet.
        dropped.extend(self.make_room(inner));
        if query
            .statement()
            .is_some_and(|statement| statement.rows.chunks().len() > 0)
        {
            inner.chunked.push_back(query.id);
        }
        drop(guard);
        forget_requests(&dropped);
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
        if !dropped.is_empty() {
            inner.finished.retain(|id| inner.queries.contains_key(id));
            inner.chunked.retain(|id| inner.queries.contains_key(id));
        }
        drop(guard);
        forget_requests(&dropped);
    }

    /// Forgets results with chunks, if they take too much.
    fn make_room(&self, inner: &mut Inner) -> Vec<Arc<Query>> {
        let mut dropped = Vec::new();
        if self.spool.is_crowded() {
            for id in std::mem::take(&mut inner.chunked) {
                match inner.queries.get(&id) {
                    Some(kept) if !kept.query.is_fetched() => inner.chunked.push_back(id),
                    Some(_) => dropped.extend(inner.forget(id)),
                    None => {}
                }
            }
        }
        for _ in 0..DROPPED_UNFETCHED_MAX {
            if !self.spool.is_nearly_full() {
                break;
            }
            let Some(oldest) = inner.chunked.pop_front() else {
                break;
            };
            dropped.extend(inner.forget(oldest));
        }
        dropped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, id: QueryId) -> Option<Arc<Query>> {
        let query = self.queries.remove(&id)?.query;
        self.inline_bytes = self.inline_bytes.saturating_sub(inline_bytes(&query));
        Some(query)
    }
}

/// Bytes that a finished statement takes in memory beside its chunks.
fn inline_bytes(query: &Query) -> u64 {
    let rows = query
        .statement()
        .map_or(0, |statement| statement.rows.inline_bytes());
    (QUERY_BYTES + rows + query.sql.len()) as u64
}

/// Lets the statements' sessions forget their request ids.
fn forget_requests(queries: &[Arc<Query>]) {
    for query in queries {
        if let (Some(session), Some(request_id)) = (query.session.upgrade(), &query.request_id) {
            session.requests.forget(request_id);
        }
    }
}

//! What is remembered of queries.
//!
//! [`QueryRecord`] is one query with its states; [`History`] is the bounded memory of all of them, by session.
//! A session's memory outlives the session, because a query is often asked for afterwards: a request that is
//! repeated must find that it ran, and a submitted statement goes on at Snowflake without its session.

mod kept;
mod record;

use std::collections::{BTreeMap, VecDeque};

pub use kept::{JobStore, KeptJob, KeptJobs};
pub use record::{Failure, NewQuery, Observed, QueryRecord, QueryRef, QueryState};

use crate::domain::names::SessionName;

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLimits {
    /// Most queries of one session; those that have not ended are kept beyond it.
    pub per_session_max: usize,
    /// Most sessions; those with queries that have not ended are kept beyond it.
    pub sessions_max: usize,
}

/// The queries that are remembered.
#[derive(Debug)]
pub struct History {
    limits: HistoryLimits,
    logs: BTreeMap<SessionName, VecDeque<QueryRecord>>,
    serial: u64,
}

/// A page of queries.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The queries, the latest first.
    pub records: Vec<QueryRecord>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<u64>,
}

impl History {
    /// Nothing yet.
    pub fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            logs: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Enters a query, unless its session remembers one with this request id: then that one is returned.
    pub fn accept(&mut self, new: NewQuery) -> Result<QueryRecord, Box<QueryRecord>> {
        let log = self.logs.entry(new.session.clone()).or_default();
        if let Some(known) = log
            .iter()
            .find(|record| record.request_id == Some(new.request_id))
        {
            return Err(Box::new(known.clone()));
        }
        self.serial += 1;
        let record = QueryRecord::new(new, self.serial);
        self.insert(record.clone());
        Ok(record)
    }

    /// Enters queries that an earlier run of the service has kept, the oldest first.
    pub fn restore(&mut self, jobs: Vec<KeptJob>) {
        for job in jobs {
            self.serial += 1;
            let record = QueryRecord {
                serial: self.serial,
                ..job.record()
            };
            self.insert(record);
        }
    }

    fn insert(&mut self, record: QueryRecord) {
        let session = record.session.clone();
        let log = self.logs.entry(session.clone()).or_default();
        if log.len() >= self.limits.per_session_max {
            let oldest_ended = log.iter().position(|record| !record.state.is_under_way());
            oldest_ended.map(|at| log.remove(at));
        }
        log.push_back(record);
        self.evict_session(&session);
    }

    /// Forgets the session whose latest query is the oldest, when there are too many.
    fn evict_session(&mut self, keep: &SessionName) {
        if self.logs.len() <= self.limits.sessions_max {
            return;
        }
        let is_quiet = |log: &VecDeque<QueryRecord>| log.iter().all(|record| !record.state.is_under_way());
        let oldest = self
            .logs
            .iter()
            .filter(|(session, log)| *session != keep && is_quiet(log))
            .min_by_key(|(_, log)| log.back().map_or(0, |record| record.serial))
            .map(|(session, _)| session.clone());
        if let Some(session) = oldest {
            self.logs.remove(&session);
        }
    }

    /// Forgets a query that was refused before anything was done for it.
    pub fn withdraw(&mut self, session: &SessionName, serial: u64) {
        if let Some(log) = self.logs.get_mut(session) {
            log.retain(|record| record.serial != serial);
            if log.is_empty() {
                self.logs.remove(session);
            }
        }
    }

    /// Changes a query; returns it when `change` says that it changed.
    pub fn update(
        &mut self,
        session: &SessionName,
        serial: u64,
        change: impl FnOnce(&mut QueryRecord) -> bool,
    ) -> Option<QueryRecord> {
        let log = self.logs.get_mut(session)?;
        let record = log.iter_mut().rev().find(|record| record.serial == serial)?;
        change(record).then(|| record.clone())
    }

    /// The query that `query` names, in `session` or in any.
    pub fn find(&self, session: Option<&SessionName>, query: &QueryRef) -> Option<QueryRecord> {
        let logs = self
            .logs
            .iter()
            .filter(|(name, _)| session.is_none_or(|wanted| wanted == *name));
        logs.flat_map(|(_, log)| log.iter())
            .filter(|record| query.names(record))
            .max_by_key(|record| record.serial)
            .map(|record| self.placed(record))
    }

    /// A query as it is now.
    pub fn get(&self, session: &SessionName, serial: u64) -> Option<QueryRecord> {
        let log = self.logs.get(session)?;
        let record = log.iter().rev().find(|record| record.serial == serial)?;
        Some(self.placed(record))
    }

    /// At most `max` queries, the latest first, of one session or all, from before `before` on.
    pub fn page(
        &self,
        session: Option<&SessionName>,
        submitted_only: bool,
        before: Option<u64>,
        max: usize,
    ) -> Page {
        let mut found: Vec<&QueryRecord> = self
            .logs
            .iter()
            .filter(|(name, _)| session.is_none_or(|wanted| wanted == *name))
            .flat_map(|(_, log)| log.iter())
            .filter(|record| !submitted_only || record.submitted)
            .filter(|record| before.is_none_or(|before| record.serial < before))
            .collect();
        found.sort_unstable_by_key(|record| std::cmp::Reverse(record.serial));
        let more = found.len() > max;
        found.truncate(max);
        Page {
            next: found.last().filter(|_| more).map(|record| record.serial),
            records: found.into_iter().map(|record| self.placed(record)).collect(),
        }
    }

    /// What is to be kept of the latest submitted queries, at most `max`, the oldest first.
    pub fn kept_jobs(&self, max: usize) -> Vec<KeptJob> {
        let latest = self.page(None, true, None, max).records;
        latest.iter().rev().filter_map(KeptJob::of).collect()
    }

    /// A copy that knows its place among those of its session that wait.
    fn placed(&self, record: &QueryRecord) -> QueryRecord {
        let mut copy = record.clone();
        if record.state == QueryState::Waiting && !record.submitted {
            let is_before = |other: &&QueryRecord| {
                other.state == QueryState::Waiting && !other.submitted && other.serial <= record.serial
            };
            copy.queue_position = self
                .logs
                .get(&record.session)
                .map_or(0, |log| log.iter().filter(is_before).count());
        }
        copy
    }
}

#[cfg(test)]
mod tests;

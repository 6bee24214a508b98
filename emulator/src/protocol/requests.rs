//! Which statement each request of a session started, so that a repeated request runs nothing twice.
//!
//! A client that got no answer sends its request again with the same id; it is then answered with the
//! statement that the first one started, whether that still runs, ended well or failed. When the outcome is
//! not kept any more, the id still is, for the session's last [`FORGOTTEN_MAX`] such statements: a repeat is
//! refused then, because to run a write again would be worse than to answer nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::session::QueryId;

use super::query::Query;

/// Statements whose outcome is gone and whose request ids are remembered.
pub(super) const FORGOTTEN_MAX: usize = 1000;

/// The requests of one session, by their ids.
#[derive(Debug, Default)]
pub(super) struct Requests {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    started: HashMap<String, Arc<Query>>,
    forgotten: HashMap<String, QueryId>,
    /// Keys of `forgotten`, oldest first.
    order: VecDeque<String>,
    /// The session has ended: nothing starts any more.
    closed: bool,
}

/// What a request comes to.
#[derive(Debug)]
pub(super) enum Request {
    /// It is new; its statement is to be started.
    New(Arc<Query>),
    /// It repeats the one that started this.
    Repeated(Arc<Query>),
    /// It repeats one whose statement ran, and whose outcome is gone.
    Forgotten(QueryId),
    /// Its session has ended.
    Closed,
}

impl Requests {
    /// Finds what a request repeats, or notes the statement that it is about to start; fails as `query` does.
    pub(super) fn enter<E>(
        &self,
        id: &str,
        query: impl FnOnce() -> Result<Arc<Query>, E>,
    ) -> Result<Request, E> {
        let mut inner = self.lock();
        if inner.closed {
            return Ok(Request::Closed);
        }
        if let Some(known) = inner.started.get(id) {
            return Ok(Request::Repeated(Arc::clone(known)));
        }
        if let Some(query_id) = inner.forgotten.get(id) {
            return Ok(Request::Forgotten(*query_id));
        }
        let query = query()?;
        inner.started.insert(id.to_owned(), Arc::clone(&query));
        Ok(Request::New(query))
    }

    /// The statement that a request started.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Query>> {
        self.lock().started.get(id).cloned()
    }

    /// The outcome of a request's statement is not kept any more.
    pub(super) fn forget(&self, id: &str) {
        let mut inner = self.lock();
        let Some((id, query)) = inner.started.remove_entry(id) else {
            return;
        };
        inner.forgotten.insert(id.clone(), query.id);
        inner.order.push_back(id);
        if inner.order.len() > FORGOTTEN_MAX
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.forgotten.remove(&oldest);
        }
    }

    /// Takes no more requests and gives the statements of those that there were.
    pub(super) fn close(&self) -> Vec<Arc<Query>> {
        let mut inner = self.lock();
        inner.closed = true;
        inner.started.drain().map(|(_, query)| query).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

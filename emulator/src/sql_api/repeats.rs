//! Which statement each request id started, so that a request that is repeated runs nothing twice.
//!
//! A client that got no answer sends its request again with the same id and `retry=true`. It is then answered with
//! the statement that the first one started, while that runs and after it ended well; one that failed runs again, as
//! with Snowflake. Without `retry=true` an id means nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::refusal::Refusal;
use crate::protocol::{Connector, Query};

/// User and request id.
type Key = (String, Uuid);

/// Statements by the requests that started them.
#[derive(Debug)]
pub(super) struct Repeats {
    kept_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    started: HashMap<Key, Uuid>,
    /// Keys of `started`, oldest first.
    order: VecDeque<Key>,
}

/// What a request comes to.
pub(super) enum Entered<T> {
    /// It is new, and this was started for it.
    New(T),
    /// It repeats the one that started this.
    Repeated(Arc<Query>),
}

impl Repeats {
    pub(super) fn new(kept_max: usize) -> Self {
        Self {
            kept_max,
            inner: Mutex::default(),
        }
    }

    /// Finds what a request repeats, or starts its statement and remembers it.
    ///
    /// `start` makes the statement known to `connector` by the id that it is given. Fails as `start` does, and for a
    /// repeat whose outcome is not kept any more: to run a write again would be worse than to answer nothing.
    pub(super) fn enter<T>(
        &self,
        connector: &Connector,
        user: &str,
        request_id: Option<Uuid>,
        is_retry: bool,
        start: impl FnOnce(Uuid) -> Result<T, Refusal>,
    ) -> Result<Entered<T>, Refusal> {
        let handle = Uuid::new_v4();
        let Some(request_id) = request_id else {
            return start(handle).map(Entered::New);
        };
        let key = (user.to_owned(), request_id);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if is_retry && let Some(earlier) = inner.started.get(&key) {
            let query = connector
                .queries
                .get(*earlier)
                .ok_or_else(|| Refusal::unknown_statement(&earlier.to_string()))?;
            if query.outcome().is_none_or(|outcome| outcome.result.is_ok()) {
                return Ok(Entered::Repeated(query));
            }
        }
        let started = start(handle)?;
        if inner.started.insert(key.clone(), handle).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > self.kept_max
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.started.remove(&oldest);
        }
        Ok(Entered::New(started))
    }
}

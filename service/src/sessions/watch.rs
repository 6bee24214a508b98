//! Watching a query until its end.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::queries::Found;
use super::registry::Sessions;
use crate::domain::error::Error;
use crate::domain::history::QueryRecord;

/// A query that somebody watches.
pub struct Watch {
    sessions: Sessions,
    found: Found,
    /// Changes of a remembered query.
    changes: Option<watch::Receiver<QueryRecord>>,
    last: Option<(QueryRecord, Instant)>,
    /// Pause between two questions to Snowflake about a query whose end nobody here waits for.
    pause: Duration,
    is_over: bool,
}

impl Watch {
    pub(super) fn new(sessions: Sessions, found: Found) -> Self {
        let changes = match &found {
            Found::Known(record) => Some(sessions.inner.book.memory.watch(record)),
            Found::Foreign { .. } => None,
        };
        let pause = sessions.inner.book.limits.now().job_check.0;
        Self {
            sessions,
            found,
            changes,
            last: None,
            pause,
            is_over: false,
        }
    }

    /// How the query is: at once the first time, then when that changes or nothing was said for a while. `None` after
    /// the end was told. An error is the end too.
    pub async fn next(&mut self) -> Option<Result<QueryRecord, Error>> {
        if self.is_over {
            return None;
        }
        loop {
            self.wait().await;
            let looked = self.sessions.look(&self.found).await;
            let now = Instant::now();
            let interval = self.sessions.inner.book.limits.now().watch_interval;
            match (looked, &self.last) {
                (Err(error), _) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                (Ok(record), Some((last, told))) if record == *last && now < *told + interval => {}
                (Ok(record), _) => {
                    // One that cannot be asked for has no end that anybody will see.
                    self.is_over = record.state.is_settled()
                        || (!record.state.is_under_way() && record.query_id.is_none());
                    self.last = Some((record.clone(), now));
                    return Some(Ok(record));
                }
            }
        }
    }

    /// Waits until it is time to look again.
    async fn wait(&mut self) {
        let Some((last, told)) = &self.last else { return };
        let silence = *told + self.sessions.inner.book.limits.now().watch_interval;
        match &mut self.changes {
            Some(changes) if last.state.is_under_way() => {
                tokio::select! {
                    changed = changes.changed() => {
                        if changed.is_err() {
                            self.changes = None;
                        }
                    }
                    () = sleep_until(silence) => {}
                }
            }
            _ => {
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(self.sessions.inner.book.limits.now().watch_interval);
            }
        }
    }
}

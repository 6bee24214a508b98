//! Goes on with the upstream sessions of the process before, and leaves them to the one after.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::registry::Sessions;
use super::stage;
use super::table::Book;
use crate::domain::carry::{Arrived, Carried, InFlight, Place};
use crate::domain::error::{Error, Reason};
use crate::domain::journal::record::Record;
use crate::domain::session::Session;
use crate::domain::upstream::{Identity, Upstream};

/// Longest wait for one adoption, which asks nobody.
const ADOPTION_WAIT: Duration = Duration::from_secs(10);

/// An upstream session that was adopted, and what its session's task begins with.
pub(super) struct Adopted {
    pub(super) upstream: Arc<dyn Upstream>,
    pub(super) place: Place,
    pub(super) carried: Carried,
    pub(super) record: Record,
}

impl Sessions {
    /// Goes on with the sessions that arrived, and carries sessions from now on. To be called once, before anything is
    /// asked. Returns how many go on.
    pub async fn carry(&self, arrived: Arrived) -> usize {
        let Arrived { carrier, sessions } = arrived;
        let _ = self.inner.book.carrier.set(Arc::clone(&carrier));
        let adoptions = sessions.into_iter().map(|(place, carried, record)| {
            let carrier = Arc::clone(&carrier);
            async move {
                let identity = record
                    .as_ref()
                    .map_or_else(Identity::default, |record| record.identity.clone());
                let adoption = self
                    .inner
                    .connector
                    .adopt(&carried.connection, &identity, &carried.ticket);
                let upstream = timeout(ADOPTION_WAIT, adoption)
                    .await
                    .unwrap_or_else(|_| Err(Error::new(Reason::Timeout, "it took too long")));
                let why_not = match (&upstream, &record) {
                    (Err(error), _) => Some(format!("it could not be gone on with after a restart: {error}")),
                    // Nobody knows what it holds.
                    (Ok(_), None) => Some("nothing is known of it".to_owned()),
                    (Ok(_), Some(_)) if carried.unconfirmed => {
                        Some("the service ended before a write in it was confirmed".to_owned())
                    }
                    (Ok(_), Some(_)) => None,
                };
                match (upstream, record, why_not) {
                    (Ok(upstream), Some(record), None) => {
                        self.go_on(Adopted {
                            upstream,
                            place,
                            carried,
                            record,
                        });
                        true
                    }
                    (upstream, record, why) => {
                        let why = why.unwrap_or_default();
                        tracing::warn!(session = %carried.session, why, "the session is not gone on with");
                        carrier.clear(place);
                        if let Ok(upstream) = upstream {
                            // What is open in it must not stay open.
                            let limit = self.inner.book.limits.now().logout_timeout;
                            self.track(async move {
                                stage::part_with(upstream, true, 0, limit).await;
                            });
                        }
                        if let Some(record) = record {
                            self.rest_after(record, &why);
                        }
                        false
                    }
                }
            }
        });
        let gone_on = futures_util::future::join_all(adoptions).await;
        gone_on.into_iter().filter(|gone_on| *gone_on).count()
    }

    /// From now on sessions that end with the service are left logged in for the next process.
    pub fn hand_over(&self) {
        self.inner.book.handing_over.store(true, Ordering::Release);
    }

    fn go_on(&self, adopted: Adopted) {
        let mut session = Session::from_record(adopted.record.clone());
        session.adopted(&adopted.carried);
        tracing::info!(session = %session.name(), "the session goes on after a restart");
        let mut table = self.inner.book.table();
        let name = session.name().clone();
        let handle = self.start_adopted(&mut table, session, adopted);
        table.running.insert(name, handle);
        self.inner.book.counted(&table);
    }

    /// Puts a session to rest whose upstream session is gone.
    fn rest_after(&self, mut record: Record, cause: &str) {
        record.journal.lose(cause);
        let book = &self.inner.book;
        book.rest(&mut book.table(), record);
    }
}

impl Book {
    /// True once [`Sessions::hand_over`] was called.
    pub(super) fn is_handing_over(&self) -> bool {
        self.handing_over.load(Ordering::Acquire)
    }
}

impl Adopted {
    /// The statement to be stopped before anything else is done.
    pub(super) fn abandoned(&self) -> Option<crate::domain::names::RequestId> {
        match self.carried.in_flight {
            InFlight::Statement(request_id) => request_id,
            InFlight::Nothing => None,
        }
    }

    /// When the session was last used, on the steady clock. `now` is the same moment on both.
    pub(super) fn last_use(&self, now: (Instant, std::time::SystemTime)) -> Instant {
        let unused = now
            .1
            .duration_since(self.carried.last_use_time)
            .unwrap_or_default();
        now.0.checked_sub(unused).unwrap_or(now.0)
    }
}

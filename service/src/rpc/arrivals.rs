//! Who has come and not yet been heard, and whose call is being taken on.
//!
//! A connection is nobody's use of the service until a call comes over it, and a call is seen by `sessions` only once it
//! has been understood. A service that wants to leave must know of both, or it hangs up on somebody it has let in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long a connection may be silent before nobody is believed to be about to call over it.
const FIRST_CALL: Duration = Duration::from_secs(10);

/// All connections of a service, as far as this is about them.
#[derive(Debug, Clone, Default)]
pub struct Arrivals(Arc<watch::Sender<Present>>);

#[derive(Debug, Default)]
struct Present {
    /// When those came that have not called.
    unheard: BTreeMap<u64, Instant>,
    /// Calls whose answers have not begun.
    calls: usize,
    /// Number of the next connection.
    next: u64,
}

impl Present {
    /// Until when somebody is waited for; `None` when nobody is.
    fn awaited_until(&self, now: Instant) -> Option<Instant> {
        let first_calls = self.unheard.values().map(|came| *came + FIRST_CALL);
        let latest = first_calls.max().filter(|until| *until > now);
        if self.calls > 0 {
            // As long as it takes.
            return Some(latest.unwrap_or(now) + FIRST_CALL);
        }
        latest
    }
}

impl Arrivals {
    /// Somebody has come in.
    pub fn arrive(&self) -> Newcomer {
        let mut number = 0;
        self.0.send_modify(|present| {
            number = present.next;
            present.next += 1;
            present.unheard.insert(number, Instant::now());
        });
        Newcomer {
            arrivals: self.clone(),
            number,
        }
    }

    /// True when nobody is about to be heard.
    pub fn are_heard(&self) -> bool {
        self.0.borrow().awaited_until(Instant::now()).is_none()
    }

    /// Waits until nobody is about to be heard, at most for `limit`.
    pub async fn heard(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut changes = self.0.subscribe();
        loop {
            let awaited = changes.borrow_and_update().awaited_until(Instant::now());
            let Some(until) = awaited.filter(|_| Instant::now() < deadline) else {
                return;
            };
            // Whichever comes first; the sender is ours.
            let _ = timeout_at(until.min(deadline), changes.changed()).await;
        }
    }
}

/// A connection, from its acceptance on. Dropped with it.
#[derive(Debug)]
pub struct Newcomer {
    arrivals: Arrivals,
    number: u64,
}

impl Newcomer {
    /// A call has come over it; to be kept until its answer begins.
    pub(super) fn call(&self) -> Call {
        self.arrivals.0.send_modify(|present| {
            present.unheard.remove(&self.number);
            present.calls += 1;
        });
        Call(self.arrivals.clone())
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.arrivals
            .0
            .send_if_modified(|present| present.unheard.remove(&self.number).is_some());
    }
}

/// A call that is being taken on.
pub(super) struct Call(Arrivals);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|present| present.calls -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_has_come_is_heard_first() {
        let arrivals = Arrivals::default();
        assert!(arrivals.are_heard());
        let newcomer = arrivals.arrive();
        assert!(!arrivals.are_heard());
        let call = newcomer.call();
        assert!(!arrivals.are_heard(), "its answer has not begun");
        drop(call);
        assert!(arrivals.are_heard(), "an open connection is no use by itself");
        let _again = newcomer.call();
        assert!(!arrivals.are_heard());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_or_hangs_up_is_not_waited_for() {
        let arrivals = Arrivals::default();
        let silent = arrivals.arrive();
        drop(arrivals.arrive());
        assert!(!arrivals.are_heard());
        let begin = Instant::now();
        arrivals.heard(Duration::from_hours(1)).await;
        assert_eq!(begin.elapsed(), FIRST_CALL);
        assert!(arrivals.are_heard());
        // It is heard all the same when it speaks at last.
        drop(silent.call());
        assert!(arrivals.are_heard());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_has_an_end() {
        let arrivals = Arrivals::default();
        let newcomer = arrivals.arrive();
        let _endless = newcomer.call();
        let begin = Instant::now();
        arrivals.heard(Duration::from_secs(3)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(3));
    }
}

//! Files that grow old though nobody writes: one timer for all of them.
//!
//! The audit log and the log files have threads of their own, which write and nothing else; each says when time alone will
//! have something for it to do: a file ends by age, or an old one goes. The timer sleeps until the first of those
//! moments. While nothing is due nothing wakes up, and a service that only waits has one such moment a day.
//!
//! It sleeps by the clock that stands still while the machine does; what was due meanwhile is late by that, or is done with
//! the next record.

use std::time::{Duration, SystemTime};

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::sessions::WallClock;

/// Pause before something is tried again that was due and was not done, because the disk was full for example.
const RETRY: Duration = Duration::from_hours(1);

/// What grows old.
pub(super) struct Aging {
    due: watch::Receiver<Option<SystemTime>>,
    tend: Box<dyn Fn(SystemTime) + Send>,
    /// What was due when it was tended last, and when that was.
    tended: Option<(SystemTime, Instant)>,
}

impl Aging {
    /// `due` says when there is something to do; `tend` tells who does it that it is that time.
    pub(super) fn new(
        due: watch::Receiver<Option<SystemTime>>,
        tend: impl Fn(SystemTime) + Send + 'static,
    ) -> Self {
        Self {
            due,
            tend: Box::new(tend),
            tended: None,
        }
    }

    /// Does what is due; how long until there is something again, as far as that is known.
    fn look(&mut self, now: SystemTime) -> Option<Duration> {
        let due = (*self.due.borrow_and_update())?;
        let rest = self.tended.filter(|(tended, _)| *tended == due);
        let rest = rest.map(|(_, when)| RETRY.saturating_sub(when.elapsed()));
        let wait = due
            .duration_since(now)
            .unwrap_or_default()
            .max(rest.unwrap_or_default());
        if !wait.is_zero() {
            return Some(wait);
        }
        (self.tend)(now);
        self.tended = Some((due, Instant::now()));
        Some(RETRY)
    }

    /// Waits until it says something else.
    async fn changed(&mut self) {
        if self.due.changed().await.is_err() {
            // Whoever wrote is gone.
            std::future::pending::<()>().await;
        }
    }
}

/// Tends everything when it is due. Does not end.
pub(super) async fn tend_all(mut all: Vec<Aging>, clock: WallClock) {
    if all.is_empty() {
        return;
    }
    loop {
        let now = clock();
        let wait = all.iter_mut().filter_map(|aging| aging.look(now)).min();
        let due = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let changed = select_all(all.iter_mut().map(|aging| Box::pin(aging.changed())));
        tokio::select! {
            () = due => {}
            _ = changed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    /// A wall clock that goes with the paused one.
    fn clock() -> (SystemTime, WallClock) {
        let (begin, since) = (SystemTime::UNIX_EPOCH + 1000 * DAY, Instant::now());
        (begin, Arc::new(move || begin + since.elapsed()))
    }

    /// Something that is due at a moment, and how often it is tended.
    fn aging(due: Option<SystemTime>) -> (watch::Sender<Option<SystemTime>>, Arc<AtomicUsize>, Aging) {
        let (sender, receiver) = watch::channel(due);
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let aging = Aging::new(receiver, move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        (sender, count, aging)
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_tended_when_it_is_due_and_not_before() {
        let (begin, clock) = clock();
        let (first, first_count, one) = aging(Some(begin + DAY));
        let (second, second_count, other) = aging(None);
        let tending = tokio::spawn(tend_all(vec![one, other], clock));
        let counts = || {
            let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
            (count(&first_count), count(&second_count))
        };
        sleep(Duration::from_hours(23)).await;
        assert_eq!(counts(), (0, 0));
        sleep(Duration::from_hours(2)).await;
        assert_eq!(counts(), (1, 0));
        // Nothing else is due once it was done.
        first.send_replace(None);
        sleep(30 * DAY).await;
        assert_eq!(counts(), (1, 0));
        first.send_replace(Some(begin + 50 * DAY));
        second.send_replace(Some(begin + 40 * DAY));
        sleep(8 * DAY).await;
        assert_eq!(counts(), (1, 0));
        sleep(DAY).await;
        assert_eq!(counts(), (1, 1));
        // Who is gone is not waited for, and keeps nobody else.
        second.send_replace(None);
        drop(second);
        sleep(10 * DAY).await;
        assert_eq!(counts(), (2, 1));
        tending.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_done_is_tried_again_now_and_then() {
        let (begin, clock) = clock();
        let (_due, count, aging) = aging(Some(begin));
        let tending = tokio::spawn(tend_all(vec![aging], clock));
        sleep(10 * RETRY + RETRY / 2).await;
        assert_eq!(count.load(Ordering::SeqCst), 11);
        tending.abort();
    }
}

//! The time as a parameter, and the moments at which the machine was away.
//!
//! A laptop that sleeps wakes up with dead sockets and old tokens, and nothing tells it so: timers and the steady clock
//! stand still meanwhile. The wall clock does not, so it is compared now and then ([`SleepWatch`]).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Time of day; goes on while the machine sleeps, and may be set forward and back.
    pub wall: SystemTime,
    /// Never goes back; on most systems it stands still while the machine sleeps.
    pub steady: Instant,
}

impl Reading {
    /// The time from here to `later`, by the clock that saw more of it.
    pub fn until(self, later: Self) -> Duration {
        let wall = later.wall.duration_since(self.wall).unwrap_or_default();
        wall.max(later.steady.saturating_duration_since(self.steady))
    }
}

/// Where the gateway reads the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Reading + Send + Sync>);

impl Clock {
    /// The clocks of the system.
    pub fn system() -> Self {
        Self::new(|| Reading {
            wall: SystemTime::now(),
            steady: Instant::now(),
        })
    }

    /// A clock that a test can move.
    pub fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Reads both clocks.
    pub fn read(&self) -> Reading {
        (self.0)()
    }

    /// Milliseconds since 1970, for the protocol.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.read()
            .wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// After waking up a machine needs a moment to find its network again.
const NETWORK_RETURNS_WITHIN: Duration = Duration::from_secs(30);

/// Notices that the machine slept: nobody looked for much longer than the gateway's own tick.
pub(crate) struct SleepWatch {
    clock: Clock,
    gap_min: Duration,
    seen: Mutex<Seen>,
    wakes: watch::Sender<u64>,
}

struct Seen {
    last: Reading,
    woke: Option<Reading>,
}

impl SleepWatch {
    pub(crate) fn new(clock: Clock, gap_min: Duration) -> Self {
        let last = clock.read();
        Self {
            clock,
            gap_min,
            seen: Mutex::new(Seen { last, woke: None }),
            wakes: watch::Sender::new(0),
        }
    }

    /// True for the first look after a sleep.
    pub(crate) fn has_slept(&self) -> bool {
        let now = self.clock.read();
        let mut seen = self.seen();
        let slept = seen.last.until(now) > self.gap_min;
        seen.last = now;
        if slept {
            seen.woke = Some(now);
        }
        slept
    }

    /// Tells everybody who watches that the machine is awake again.
    pub(crate) fn announce(&self) {
        self.wakes.send_modify(|count| *count += 1);
    }

    /// Changes with each sleep that was noticed.
    pub(crate) fn wakes(&self) -> watch::Receiver<u64> {
        self.wakes.subscribe()
    }

    /// True shortly after a sleep, while the network may not be back.
    pub(crate) fn woke_just_now(&self) -> bool {
        let woke = self.seen().woke;
        woke.is_some_and(|woke| woke.until(self.clock.read()) < NETWORK_RETURNS_WITHIN)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Both fields are written in one go, so a panic elsewhere does not spoil them.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// A clock whose wall time is moved in seconds; the steady one stands.
    fn movable() -> (Clock, Arc<AtomicI64>) {
        let (steady, offset) = (Instant::now(), Arc::new(AtomicI64::new(1_000_000)));
        let seconds = Arc::clone(&offset);
        let clock = Clock::new(move || Reading {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst) as u64),
            steady,
        });
        (clock, offset)
    }

    #[test]
    fn a_sleep_is_noticed_once() {
        let (clock, seconds) = movable();
        let watch = SleepWatch::new(clock, Duration::from_mins(2));
        for (step, slept) in [(10, false), (120, false), (121, true), (0, false), (10, false)] {
            seconds.fetch_add(step, Ordering::SeqCst);
            assert_eq!(watch.has_slept(), slept, "{step}");
        }
        assert!(watch.woke_just_now());
        seconds.fetch_add(30, Ordering::SeqCst);
        assert!(!watch.woke_just_now());
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_sleep() {
        let (clock, seconds) = movable();
        let watch = SleepWatch::new(clock, Duration::from_mins(2));
        seconds.fetch_sub(5000, Ordering::SeqCst);
        assert!(!watch.has_slept());
        seconds.fetch_add(121, Ordering::SeqCst);
        assert!(watch.has_slept());
    }

    #[test]
    fn the_clock_that_saw_more_counts() {
        let now = Clock::system().read();
        let later = Reading {
            wall: now.wall - Duration::from_secs(9),
            steady: now.steady + Duration::from_secs(5),
        };
        assert_eq!(now.until(later), Duration::from_secs(5));
    }
}

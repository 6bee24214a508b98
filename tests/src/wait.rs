//! Waiting for a condition, with a deadline. Tests never wait for time to pass.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` returns something.
///
/// # Panics
///
/// When nothing came within `deadline`; `what` says what was awaited.
pub fn until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "{what}: not within {deadline:?}");
        thread::sleep(PAUSE);
    }
}

/// Looks until `look` is true.
///
/// # Panics
///
/// When it was not within `deadline`.
pub fn until_true(what: &str, deadline: Duration, mut look: impl FnMut() -> bool) {
    until(what, deadline, || look().then_some(()));
}

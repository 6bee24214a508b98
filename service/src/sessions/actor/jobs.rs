//! The submitted statements of a session that have not ended, and when to look at them.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::error::{Error, Reason};
use crate::domain::history::Observed;
use crate::sessions::history::Entry;

/// How long Snowflake may not know a statement that it has just given an id.
const UNKNOWN_MAX: Duration = Duration::from_mins(1);
/// The part of a statement's age after which it is looked at again: its end is known at most so much late.
const AGE_PER_PAUSE: u32 = 10;

/// The submitted statements that have not ended.
pub(super) struct Jobs {
    running: Vec<Job>,
    /// Shortest and longest pause between two looks.
    pause: (Duration, Duration),
    jitter: RandomState,
}

struct Job {
    query_id: String,
    entry: Entry,
    since: Instant,
    /// When to look next; `None` while somebody looks.
    due: Option<Instant>,
}

impl Jobs {
    pub(super) fn new(pause: (Duration, Duration)) -> Self {
        Self {
            running: Vec::new(),
            pause,
            jitter: RandomState::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Takes a statement on, unless it is looked after already.
    pub(super) fn watch(&mut self, query_id: String, entry: Entry, now: Instant) {
        if self.running.iter().any(|job| job.query_id == query_id) {
            entry.release();
            return;
        }
        let due = Some(now + self.pause_after(Duration::ZERO));
        self.running.push(Job {
            query_id,
            entry,
            since: now,
            due,
        });
    }

    /// When to look at the next one.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.running.iter().filter_map(|job| job.due).min()
    }

    /// Those to look at now; each is not due again before it was [`seen`](Self::seen).
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<String> {
        let due = self
            .running
            .iter_mut()
            .filter(|job| job.due.is_some_and(|due| due <= now));
        due.map(|job| {
            job.due = None;
            job.query_id.clone()
        })
        .collect()
    }

    /// Looks at all of them at the next opportunity.
    pub(super) fn hurry_all(&mut self, now: Instant) {
        for job in &mut self.running {
            job.due = Some(now);
        }
    }

    /// Looks at one of them at the next opportunity.
    pub(super) fn hurry(&mut self, query_id: &str, now: Instant) {
        for job in self.running.iter_mut().filter(|job| job.query_id == query_id) {
            job.due = Some(now);
        }
    }

    /// Somebody looked at a statement; one that has ended is looked after no longer.
    pub(super) fn seen(&mut self, query_id: &str, result: &Result<Option<Observed>, Error>, now: Instant) {
        let Some(at) = self.running.iter().position(|job| job.query_id == query_id) else {
            return;
        };
        let job = &self.running[at];
        let age = now - job.since;
        let is_over = match result {
            Ok(Some(told)) => {
                job.entry.observed(told);
                told.state.is_settled()
            }
            Ok(None) if age > UNKNOWN_MAX => {
                job.entry.left(&Error::new(
                    Reason::NotFound,
                    "Snowflake does not know this query any more",
                ));
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::debug!(query_id, error = %error, "a submitted statement could not be looked at");
                false
            }
        };
        if is_over {
            self.running.swap_remove(at);
        } else {
            let due = now + self.pause_after(age);
            self.running[at].due = Some(due);
        }
    }

    /// The session ends; the statements go on without it.
    pub(super) fn leave(&mut self, why: &Error) {
        for job in self.running.drain(..) {
            job.entry.left(why);
        }
    }

    /// Grows with the age, within the limits, a fifth more or less so that many do not look at once.
    fn pause_after(&self, age: Duration) -> Duration {
        let (shortest, longest) = self.pause;
        let pause = (age / AGE_PER_PAUSE).clamp(shortest, longest.max(shortest));
        let jitter = self.jitter.hash_one(age.as_nanos()) % 400;
        let factor = 800 + u32::try_from(jitter).unwrap_or(0);
        pause * factor / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_a_tenth_of_the_age_within_the_limits() {
        let second = Duration::from_secs(1);
        let jobs = Jobs::new((second / 4, 10 * second));
        for (age, pause) in [
            (Duration::ZERO, second / 4),
            (2 * second, second / 4),
            (30 * second, 3 * second),
            (100 * second, 10 * second),
            (9999 * second, 10 * second),
        ] {
            let got = jobs.pause_after(age);
            assert!(
                got >= pause * 8 / 10 && got <= pause * 12 / 10,
                "{age:?}: {got:?}"
            );
        }
    }
}

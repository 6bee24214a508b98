//! How much is done at a time, and for whom: places for statements, and the rate of requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::refusal::Refusal;
use super::settings::{RateLimit, SqlApiSettings};

/// Users whose rate is known at a time. Where anyone may log in, names are free.
const USERS_MAX: usize = 10_000;

/// Places for statements that run.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    per_user_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_user: HashMap<String, usize>,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    user: String,
}

impl Places {
    pub(super) fn new(settings: &SqlApiSettings) -> Arc<Self> {
        Arc::new(Self {
            max: settings.statements_max,
            per_user_max: settings.statements_per_user_max,
            taken: Mutex::default(),
        })
    }

    /// Takes a place for a statement of `user`.
    pub(super) fn take(self: &Arc<Self>, user: &str) -> Result<Place, Refusal> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return Err(Refusal::no_place("All users"));
        }
        let own = taken.by_user.get(user).copied().unwrap_or(0);
        if own >= self.per_user_max {
            return Err(Refusal::no_place(user));
        }
        taken.all += 1;
        taken.by_user.insert(user.to_owned(), own + 1);
        Ok(Place {
            places: Arc::clone(self),
            user: user.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_user.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.by_user.remove(&self.user);
            }
        }
    }
}

/// Requests that each user may send now: a bucket that fills at the rate and holds a burst.
#[derive(Debug)]
pub(super) struct Rates {
    limit: RateLimit,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    requests: f64,
    filled: Instant,
}

impl Rates {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            buckets: Mutex::default(),
        }
    }

    /// Counts a request of `user`.
    pub(super) fn count(&self, user: &str, now: Instant) -> Result<(), Refusal> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(user) && buckets.len() >= USERS_MAX {
            return Err(Refusal::too_fast(1));
        }
        let full = Bucket {
            requests: f64::from(self.limit.burst.get()),
            filled: now,
        };
        let bucket = buckets.entry(user.to_owned()).or_insert(full);
        *bucket = self.refilled(*bucket, now);
        if bucket.requests < 1.0 {
            let seconds = (1.0 - bucket.requests) / f64::from(self.limit.per_second.get());
            return Err(Refusal::too_fast((seconds.ceil() as u64).max(1)));
        }
        bucket.requests -= 1.0;
        Ok(())
    }

    /// Forgets users whose bucket is full again: they are as if they had never asked.
    pub(super) fn sweep(&self, now: Instant) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = f64::from(self.limit.burst.get());
        buckets.retain(|_, bucket| self.refilled(*bucket, now).requests < burst);
    }

    fn refilled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let elapsed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        let more = elapsed * f64::from(self.limit.per_second.get());
        Bucket {
            requests: (bucket.requests + more).min(f64::from(self.limit.burst.get())),
            filled: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Places::new(&SqlApiSettings {
            statements_max: 3,
            statements_per_user_max: 2,
            ..SqlApiSettings::default()
        });
        let first = places.take("ANN").unwrap();
        let _second = places.take("ANN").unwrap();
        assert!(places.take("ANN").is_err());
        let _third = places.take("BOB").unwrap();
        assert!(places.take("BOB").is_err());
        drop(first);
        assert!(places.take("ANN").is_ok());
    }

    #[test]
    fn a_bucket_holds_a_burst_and_fills_at_the_rate() {
        let of = |count| NonZeroU32::new(count).unwrap();
        let rates = Rates::new(RateLimit {
            per_second: of(2),
            burst: of(3),
        });
        let start = Instant::now();
        for _ in 0..3 {
            assert!(rates.count("ANN", start).is_ok());
        }
        assert!(rates.count("ANN", start).is_err());
        assert!(rates.count("BOB", start).is_ok());
        let later = start + Duration::from_millis(500);
        assert!(rates.count("ANN", later).is_ok());
        assert!(rates.count("ANN", later).is_err());
        rates.sweep(start + Duration::from_mins(1));
        assert!(rates.buckets.lock().unwrap().is_empty());
    }
}

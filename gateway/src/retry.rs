//! When to try again, and how long to wait before.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::config::RetryLimits;

/// What went wrong with one attempt, as far as retrying is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttemptFailure {
    /// No connection could be opened.
    Connect(String),
    /// The connection broke before the answer was complete.
    Transport(String),
    /// The server answered with a status that asks to come back.
    Busy {
        status: u16,
        retry_after: Option<Duration>,
    },
}

impl AttemptFailure {
    /// The `retryReason` of the protocol: the HTTP status, or 0 when there was none.
    pub(crate) fn reason_code(&self) -> u16 {
        match self {
            Self::Busy { status, .. } => *status,
            Self::Connect(_) | Self::Transport(_) => 0,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Connect(text) | Self::Transport(text) => text.clone(),
            Self::Busy { status, .. } => format!("HTTP status {status}"),
        }
    }
}

/// True for statuses that the protocol treats as transport trouble: 5xx, 429 and 408.
pub(crate) fn is_busy_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Counts the attempts of one request and says how long to pause before the next.
#[derive(Debug)]
pub(crate) struct Backoff {
    limits: RetryLimits,
    started: Instant,
    attempts: u32,
    pause: Duration,
}

impl Backoff {
    pub(crate) fn new(limits: RetryLimits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            attempts: 1,
            pause: limits.pause_first,
        }
    }

    /// Attempts made so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The pause before the next attempt, or `None` when the limits are used up.
    pub(crate) fn after(&mut self, failure: &AttemptFailure) -> Option<Duration> {
        let attempts_max = match failure {
            AttemptFailure::Connect(_) => self.limits.connect_attempts_max,
            AttemptFailure::Transport(_) | AttemptFailure::Busy { .. } => self.limits.attempts_max,
        };
        if self.attempts >= attempts_max {
            return None;
        }
        let pause = match failure {
            AttemptFailure::Busy {
                retry_after: Some(wanted),
                ..
            } => (*wanted).min(self.limits.pause_max),
            _ => with_jitter(self.pause),
        };
        if self.started.elapsed() + pause > self.limits.elapsed_max {
            return None;
        }
        self.attempts += 1;
        self.pause = (self.pause * 2).min(self.limits.pause_max);
        Some(pause)
    }
}

/// Between half of `pause` and all of it, so that clients that failed together do not come back together.
pub(crate) fn with_jitter(pause: Duration) -> Duration {
    // A fresh RandomState hashes to an unpredictable number; nothing here needs better randomness.
    let dice = RandomState::new().hash_one(0_u8) % 1024;
    pause / 2 + (pause / 2) * (dice as u32) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RetryLimits {
        RetryLimits {
            attempts_max: 4,
            connect_attempts_max: 2,
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_millis(250),
            elapsed_max: Duration::from_secs(10),
        }
    }

    fn pauses(failure: &AttemptFailure) -> Vec<Duration> {
        let mut backoff = Backoff::new(limits());
        std::iter::from_fn(|| backoff.after(failure)).collect()
    }

    #[test]
    fn pauses_double_up_to_the_limit_with_jitter() {
        let seen = pauses(&AttemptFailure::Transport("reset".into()));
        assert_eq!(seen.len(), 3);
        for (pause, full) in seen.iter().zip([100, 200, 250]) {
            let full = Duration::from_millis(full);
            assert!(*pause >= full / 2 && *pause <= full, "{pause:?} of {full:?}");
        }
    }

    #[test]
    fn a_closed_door_is_tried_less_often() {
        assert_eq!(pauses(&AttemptFailure::Connect("refused".into())).len(), 1);
    }

    #[test]
    fn the_server_may_name_the_pause_within_our_limit() {
        let wanted = |seconds| AttemptFailure::Busy {
            status: 503,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(pauses(&wanted(0))[0], Duration::ZERO);
        assert_eq!(pauses(&wanted(60))[0], limits().pause_max);
    }

    #[test]
    fn elapsed_time_is_limited() {
        let mut backoff = Backoff::new(RetryLimits {
            elapsed_max: Duration::ZERO,
            ..limits()
        });
        assert_eq!(backoff.after(&AttemptFailure::Transport("reset".into())), None);
    }
}

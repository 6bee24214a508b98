//! When to try again, and how long to wait before.
//!
//! A request is repeated under its request id, by which the server recognises it: a statement that ran in an attempt
//! whose answer was lost is not run again, the repetition gets its answer. That is Snowflake's own remedy for lost
//! answers, and all its drivers rely on it. So every failure of the way is repeated, also silence.
//!
//! Statuses: 5xx, 429 and 408 ask to come back, for all official drivers; 307 and 308 (an account that is moving) for
//! the newer ones. 403 is not among them: the old Python connector repeats it, but it comes from a network policy or a
//! firewall, which repeating does not change, and newer drivers report it at once. 400, 401 and 404 say something about
//! the request, which stays the same.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, header};

use crate::config::RetryLimits;
use crate::error::Fate;

/// What went wrong with one attempt, as far as retrying is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AttemptFailure {
    /// No connection could be opened.
    Connect(String),
    /// The connection broke before the answer was complete.
    Transport(String),
    /// The server was silent for so long.
    Silence(Duration),
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
            Self::Connect(_) | Self::Transport(_) | Self::Silence(_) => 0,
        }
    }

    /// Whether the attempt may have run its statement. Of the statuses only those count as refusals that say so by
    /// their meaning: a gateway on the way answers 502, 503 or 504 also for a statement that it has handed on.
    pub(crate) fn fate(&self) -> Fate {
        match self {
            Self::Connect(_)
            | Self::Busy {
                status: 307 | 308 | 429,
                ..
            } => Fate::NotRun,
            Self::Transport(_) | Self::Silence(_) | Self::Busy { .. } => Fate::MayHaveRun,
        }
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Connect(text) | Self::Transport(text) => text.clone(),
            Self::Silence(limit) => format!("no answer within {} s", limit.as_secs_f32()),
            Self::Busy {
                status,
                retry_after: Some(wanted),
            } if !wanted.is_zero() => {
                format!(
                    "HTTP status {status}, to be asked again after {} s",
                    wanted.as_secs()
                )
            }
            Self::Busy { status, .. } => format!("HTTP status {status}"),
        }
    }
}

/// True for statuses that ask to come back; see the head of this file.
pub(crate) fn is_busy_status(status: u16) -> bool {
    matches!(status, 307 | 308 | 408 | 429 | 500..=599)
}

/// The pause that the server asks for: seconds, or a date, which is compared with the date of the answer itself, because
/// the server's clock may differ from ours (`now`).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let wanted = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let sent = text(header::DATE).and_then(date).unwrap_or(now);
    Some(date(wanted)?.duration_since(sent).unwrap_or_default())
}

/// Counts the attempts of one request and says how long to pause before the next.
#[derive(Debug)]
pub(crate) struct Backoff {
    limits: RetryLimits,
    started: Instant,
    attempts: u32,
    pause: Duration,
    patience: Patience,
}

/// How to take a door that does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nobody listens there, on this machine: nobody will.
    Never,
    /// Soon given up, as long as nothing was sent. Once something was, it is worth some time to learn its fate.
    OnceInDoubt,
    /// Taken as any other failure: the network is coming back, or the statement is running.
    Always,
}

impl Backoff {
    pub(crate) fn new(limits: RetryLimits, patience: Patience) -> Self {
        Self {
            limits,
            started: Instant::now(),
            attempts: 1,
            pause: limits.pause_first,
            patience,
        }
    }

    /// Attempts made so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The pause before the next attempt, or `None` when the limits are used up. A server that asks for a longer pause
    /// than the limits have left is not asked again: coming back sooner would not help it.
    pub(crate) fn after(&mut self, failure: &AttemptFailure) -> Option<Duration> {
        if self.patience == Patience::OnceInDoubt && failure.fate() == Fate::MayHaveRun {
            self.patience = Patience::Always;
        }
        let attempts_max = match failure {
            AttemptFailure::Connect(_) if self.patience != Patience::Always => {
                self.limits.connect_attempts_max
            }
            AttemptFailure::Connect(_) => self.limits.attempts_max,
            AttemptFailure::Silence(_) => self.limits.silent_attempts_max,
            AttemptFailure::Transport(_) | AttemptFailure::Busy { .. } => self.limits.attempts_max,
        };
        if self.attempts >= attempts_max {
            return None;
        }
        let pause = match failure {
            // Any number may stand there, also one that no sum holds.
            AttemptFailure::Busy {
                retry_after: Some(wanted),
                ..
            } if *wanted > self.limits.elapsed_max => return None,
            AttemptFailure::Busy {
                retry_after: Some(wanted),
                ..
            } => wanted.saturating_add(with_jitter(*wanted / 10)),
            _ => with_jitter(self.pause),
        };
        // Silence was waited for, which is no reason to ask less often: it has a limit of attempts.
        let is_silence = matches!(failure, AttemptFailure::Silence(_));
        if !is_silence && self.started.elapsed().saturating_add(pause) > self.limits.elapsed_max {
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
            silent_attempts_max: 3,
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_millis(250),
            elapsed_max: Duration::from_secs(10),
        }
    }

    fn reset() -> AttemptFailure {
        AttemptFailure::Transport("reset".into())
    }

    fn refused() -> AttemptFailure {
        AttemptFailure::Connect("refused".into())
    }

    fn busy(status: u16, seconds: Option<u64>) -> AttemptFailure {
        AttemptFailure::Busy {
            status,
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    fn pauses_of(mut backoff: Backoff, failure: &AttemptFailure) -> Vec<Duration> {
        std::iter::from_fn(|| backoff.after(failure)).collect()
    }

    fn pauses(failure: &AttemptFailure) -> Vec<Duration> {
        pauses_of(Backoff::new(limits(), Patience::OnceInDoubt), failure)
    }

    #[test]
    fn pauses_double_up_to_the_limit_with_jitter() {
        let seen = pauses(&reset());
        assert_eq!(seen.len(), 3);
        for (pause, full) in seen.iter().zip([100, 200, 250]) {
            let full = Duration::from_millis(full);
            assert!(*pause >= full / 2 && *pause <= full, "{pause:?} of {full:?}");
        }
    }

    #[test]
    fn a_closed_door_is_tried_less_often_unless_there_is_something_to_learn() {
        let after = |patience, first: Option<AttemptFailure>| {
            let mut backoff = Backoff::new(limits(), patience);
            let first = first.map_or(0, |failure| usize::from(backoff.after(&failure).is_some()));
            first + pauses_of(backoff, &refused()).len()
        };
        assert_eq!(after(Patience::OnceInDoubt, None), 1);
        assert_eq!(after(Patience::OnceInDoubt, Some(reset())), 3);
        assert_eq!(after(Patience::OnceInDoubt, Some(busy(429, None))), 1);
        assert_eq!(after(Patience::Always, None), 3);
        assert_eq!(after(Patience::Never, Some(reset())), 1);
    }

    #[test]
    fn silence_has_its_own_limit() {
        assert_eq!(pauses(&AttemptFailure::Silence(Duration::from_mins(1))).len(), 2);
    }

    #[test]
    fn the_server_may_name_the_pause_within_our_limit() {
        assert_eq!(pauses(&busy(503, Some(0)))[0], Duration::ZERO);
        let named = pauses(&busy(503, Some(5)))[0];
        assert!(
            named >= Duration::from_secs(5) && named <= Duration::from_millis(5500),
            "{named:?}"
        );
        assert_eq!(
            pauses(&busy(503, Some(60))),
            [],
            "longer than all retries may take"
        );
        assert_eq!(pauses(&busy(503, Some(u64::MAX))), [], "longer than time itself");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_by_the_servers_clock() {
        let noon = httpdate::parse_http_date("Fri, 20 Nov 2026 12:00:00 GMT").unwrap();
        let read = |wanted: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, wanted.parse().unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            retry_after(&headers, noon).map(|pause| pause.as_secs())
        };
        let (half_past, quarter_past) = ("Fri, 20 Nov 2026 12:00:30 GMT", "Fri, 20 Nov 2026 12:00:15 GMT");
        assert_eq!(read(" 7 ", None), Some(7));
        assert_eq!(read(half_past, None), Some(30));
        assert_eq!(read(half_past, Some(quarter_past)), Some(15));
        assert_eq!(
            read(quarter_past, Some(half_past)),
            Some(0),
            "a date that is past"
        );
        assert_eq!(read("soon", None), None);
    }

    #[test]
    fn elapsed_time_is_limited() {
        let over = RetryLimits {
            elapsed_max: Duration::ZERO,
            ..limits()
        };
        assert_eq!(pauses_of(Backoff::new(over, Patience::Always), &reset()), []);
    }

    #[test]
    fn only_what_cannot_have_run_is_called_so() {
        let not_run = [refused(), busy(429, None), busy(307, None), busy(308, None)];
        let may_have_run = [
            reset(),
            AttemptFailure::Silence(Duration::ZERO),
            busy(408, None),
            busy(500, None),
            busy(502, None),
            busy(503, None),
            busy(504, None),
        ];
        assert!(not_run.iter().all(|failure| failure.fate() == Fate::NotRun));
        assert!(
            may_have_run
                .iter()
                .all(|failure| failure.fate() == Fate::MayHaveRun)
        );
    }
}

//! When to stop trying to log in over a connection, and for how long.
//!
//! ```text
//!            failed too often              time passed, a login begins
//!   Closed ────────────────────▶ Open ─────────────────────────────────▶ HalfOpen
//!    ▲  ▲                        │  ▲                                     │   │
//!    │  └─── settings changed ───┘  └──────────── failed again ───────────┘   │
//!    └─────────────────────────────── succeeded ──────────────────────────────┘
//! ```
//!
//! Two kinds of failure count. A server that cannot be reached is tried again after a growing pause, so that an
//! outage costs neither the callers' time nor the network. A login that the server refused is another matter:
//! Snowflake locks a user after a handful of wrong passwords, so few are tried, the pause is long, and nothing
//! is tried that nobody waits for. Other failures, such as a missing connection, cost nothing to repeat.

use std::time::{Duration, Instant};

use crate::domain::error::{Error, Facts, Reason};
use crate::domain::pool::BreakerStatus;

/// When logins stop being tried.
#[derive(Debug, Clone)]
pub struct BreakerRules {
    /// Consecutive failures to reach the server after which logins fail at once.
    pub failures_max: u32,
    /// Consecutive refusals after which logins fail at once.
    pub refusals_max: u32,
    /// Pause after the first failure; it doubles with each further one.
    pub retry_min: Duration,
    /// Longest such pause.
    pub retry_max: Duration,
    /// How long logins are not tried after too many refusals.
    pub refused_wait: Duration,
}

/// Remembers how the logins over one connection went. At most one login may be on its way at a time.
#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    state: State,
    failures: Option<Failures>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

/// What went wrong since the last success.
#[derive(Debug)]
struct Failures {
    /// All of them.
    count: u32,
    /// Failures to reach the server since it last answered.
    unreached: u32,
    /// Refusals, whatever else failed between them.
    refused: u32,
    retry_at: Instant,
    last: Cause,
}

/// The last failure, to be told again.
#[derive(Debug)]
struct Cause {
    kind: Kind,
    reason: Reason,
    message: String,
    facts: Facts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unreached,
    Refused,
    Other,
}

/// Refusals that lock nobody out: of this machine's address (a VPN that is off), and of a key, which nobody guesses.
const HARMLESS: [&str; 9] = [
    "390422", "390144", "394300", "394301", "394302", "394303", "394304", "394305", "394306",
];

impl Kind {
    fn of(error: &Error) -> Self {
        let code = error.facts().snowflake_code.as_deref();
        match error.reason() {
            Reason::LoginRefused if code.is_some_and(|code| HARMLESS.contains(&code)) => Self::Unreached,
            Reason::LoginRefused => Self::Refused,
            Reason::Unreachable | Reason::Timeout => Self::Unreached,
            _ => Self::Other,
        }
    }
}

impl Breaker {
    /// Nothing was tried yet.
    pub fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            state: State::Closed,
            failures: None,
        }
    }

    /// Asks to begin a login. Fails with the reason of the last failure while none is to be tried.
    pub fn admit(&mut self, now: Instant) -> Result<(), Error> {
        if let (State::Open, Some(failures)) = (self.state, &self.failures) {
            if now < failures.retry_at {
                return Err(failures.told_again(now));
            }
            self.state = State::HalfOpen;
        }
        Ok(())
    }

    /// When a login may begin that nobody waits for; `None` is never, as things are.
    pub fn unattended_from(&self, now: Instant) -> Option<Instant> {
        match &self.failures {
            None => Some(now),
            Some(failures) if failures.refused > 0 => None,
            Some(failures) => Some(failures.retry_at),
        }
    }

    /// A login succeeded, or the settings are others than those that failed.
    pub fn close(&mut self) {
        self.state = State::Closed;
        self.failures = None;
    }

    /// A login failed. `chance` between 0 and 1 spreads the tries of many; says whether it is the
    /// one after which no more are tried.
    pub fn failed(&mut self, error: &Error, now: Instant, chance: f64) -> bool {
        let kind = Kind::of(error);
        let (mut count, mut unreached, mut refused) = self
            .failures
            .as_ref()
            .map_or((0, 0, 0), |f| (f.count, f.unreached, f.refused));
        count += 1;
        match kind {
            Kind::Unreached => unreached += 1,
            Kind::Refused => (unreached, refused) = (0, refused + 1),
            Kind::Other => {}
        }
        let opens = match kind {
            Kind::Unreached => unreached >= self.rules.failures_max,
            Kind::Refused => refused >= self.rules.refusals_max,
            // It says nothing about what had opened the breaker.
            Kind::Other => self.state == State::HalfOpen,
        };
        let pause = match kind {
            Kind::Refused if opens => self.rules.refused_wait,
            _ => self.rules.pause(count, chance),
        };
        let was_closed = self.state == State::Closed;
        self.state = if opens { State::Open } else { State::Closed };
        self.failures = Some(Failures {
            count,
            unreached,
            refused,
            retry_at: now + pause,
            last: Cause {
                kind,
                reason: error.reason(),
                message: error.to_string(),
                facts: error.facts().clone(),
            },
        });
        opens && was_closed
    }

    /// True when there is nothing to remember.
    pub fn is_pristine(&self) -> bool {
        self.failures.is_none()
    }

    /// What is shown of it.
    pub fn status(&self) -> BreakerStatus {
        match (self.state, &self.failures) {
            (State::Open, Some(failures)) => BreakerStatus::Open {
                until: failures.retry_at,
                cause: failures.last.message.clone(),
            },
            (State::HalfOpen, _) => BreakerStatus::HalfOpen,
            _ => BreakerStatus::Closed,
        }
    }
}

impl BreakerRules {
    /// The pause after the `count`th failure: between half of and the whole doubling value.
    fn pause(&self, count: u32, chance: f64) -> Duration {
        let doublings = count.saturating_sub(1).min(31);
        let whole = self.retry_min.saturating_mul(1 << doublings).min(self.retry_max);
        whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

impl Failures {
    fn told_again(&self, now: Instant) -> Error {
        let Cause {
            kind,
            reason,
            message,
            facts,
        } = &self.last;
        let wait = in_words(self.retry_at.saturating_duration_since(now));
        let message = format!(
            "no login is tried for another {wait} after {} failures in a row: {message}",
            self.count
        );
        let hint = match (kind, &facts.hint) {
            (Kind::Refused, hint) => format!(
                "{}; a corrected connection is tried at once, others would get the user locked (`sfctl service restart` tries them all the same)",
                hint.as_deref().unwrap_or("look at the connection's credentials")
            ),
            (_, Some(hint)) => format!("{hint}; a corrected connection is tried at once"),
            (_, None) => format!("try again in {wait}; a corrected connection is tried at once"),
        };
        Error::new(*reason, message)
            .with_facts(facts.clone())
            .with_hint(hint)
    }
}

/// A wait, rounded up: a person who waits that long is not refused again.
fn in_words(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    if seconds < 120 {
        format!("{seconds} s")
    } else {
        format!("{} min", seconds.div_ceil(60))
    }
}

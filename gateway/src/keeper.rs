//! What keeps a session good between statements: renewals ahead of time, heartbeats, and a look after a sleep.
//!
//! One task per session, which holds the session weakly and ends with it. It never ends a session by itself: a server
//! that cannot be reached is asked again, at growing intervals; only the server's own word ends a session.

use std::sync::Weak;
use std::time::Duration;

use crate::error::GatewayError;
use crate::retry::with_jitter;
use crate::upstream::Upstream;

/// What a session needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    Renew,
    Heartbeat,
    /// Nothing before so much time has passed.
    Wait(Duration),
}

/// What is known about a session when care is considered.
#[derive(Clone, Copy, Debug)]
struct Condition {
    /// Whether the session is to be kept alive while it is idle.
    keep_alive: bool,
    /// Since the last answer of the server.
    idle: Duration,
    heartbeat_interval: Duration,
    /// Until the token should be renewed; `None` when nobody knows.
    renewal_due_in: Option<Duration>,
    /// Whether a statement used the current token.
    in_use: bool,
}

impl Condition {
    fn care(self) -> Care {
        let renewal = self.renewal_due_in.filter(|_| self.keep_alive || self.in_use);
        if renewal.is_some_and(|due| due.is_zero()) {
            return Care::Renew;
        }
        let heartbeat = self.heartbeat_interval.saturating_sub(self.idle);
        if self.keep_alive && heartbeat.is_zero() {
            return Care::Heartbeat;
        }
        // A session that is neither kept alive nor in use is looked at again after an interval: it may be in use then.
        let next = if self.keep_alive {
            heartbeat
        } else {
            self.heartbeat_interval
        };
        Care::Wait(renewal.map_or(next, |due| due.min(next)))
    }

    /// What a session needs when the machine has slept: a sign that it is still there, unless nobody wants it kept.
    fn care_after_sleep(self) -> Care {
        match self.care() {
            Care::Wait(_) if self.keep_alive => Care::Heartbeat,
            care => care,
        }
    }
}

/// The first pause after a failure; each further one is twice as long, up to the heartbeat interval.
const FAILURE_PAUSE_FIRST: Duration = Duration::from_secs(15);

/// Cares for a session until it is over or nobody holds it any more.
pub(crate) async fn keep(session: Weak<Upstream>, keep_alive: bool) {
    let Some(mut wakes) = session.upgrade().map(|upstream| upstream.http.wakes()) else {
        return;
    };
    let mut slept = false;
    let mut failure_pause = FAILURE_PAUSE_FIRST;
    loop {
        let Some(upstream) = session.upgrade().filter(|upstream| !upstream.is_over()) else {
            return;
        };
        let condition = condition(&upstream, keep_alive);
        let care = if slept {
            condition.care_after_sleep()
        } else {
            condition.care()
        };
        slept = false;
        let outcome = match care {
            Care::Renew => upstream.renew_ahead().await,
            Care::Heartbeat => upstream.heartbeat().await,
            Care::Wait(_) => Ok(()),
        };
        let pause = match (care, outcome) {
            (_, Err(GatewayError::SessionExpired { message, .. })) => {
                tracing::info!(message, "a session is over");
                return;
            }
            (_, Err(error)) => {
                tracing::debug!(%error, "care for a session failed");
                let pause = with_jitter(failure_pause);
                failure_pause =
                    (failure_pause * 2).min(condition.heartbeat_interval.max(FAILURE_PAUSE_FIRST));
                pause.min(condition.heartbeat_interval)
            }
            (Care::Wait(pause), Ok(())) => pause,
            (Care::Renew | Care::Heartbeat, Ok(())) => {
                failure_pause = FAILURE_PAUSE_FIRST;
                continue;
            }
        };
        drop(upstream);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = wakes.changed() => match changed {
                Ok(()) => slept = true,
                Err(_) => return,
            },
        }
    }
}

fn condition(upstream: &Upstream, keep_alive: bool) -> Condition {
    let config = &upstream.config;
    // A heartbeat has to come well within the life of the master token, or there is nothing left to keep.
    let master_validity = upstream
        .facts
        .master_validity
        .filter(|validity| !validity.is_zero());
    let heartbeat_interval = config
        .heartbeat_interval
        .min(master_validity.map_or(Duration::MAX, |validity| validity / 4));
    Condition {
        keep_alive,
        idle: upstream.idle_time(),
        heartbeat_interval,
        renewal_due_in: upstream.renewal_due_in(),
        in_use: upstream.is_in_use(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const QUIET: Condition = Condition {
        keep_alive: true,
        idle: seconds(100),
        heartbeat_interval: seconds(900),
        renewal_due_in: Some(seconds(3000)),
        in_use: true,
    };

    #[test]
    fn a_quiet_session_waits_for_the_nearer_of_heartbeat_and_renewal() {
        assert_eq!(QUIET.care(), Care::Wait(seconds(800)));
        let soon = Condition {
            renewal_due_in: Some(seconds(5)),
            ..QUIET
        };
        assert_eq!(soon.care(), Care::Wait(seconds(5)));
        let unknown = Condition {
            renewal_due_in: None,
            ..QUIET
        };
        assert_eq!(unknown.care(), Care::Wait(seconds(800)));
    }

    #[test]
    fn what_is_due_is_done_renewal_first() {
        let idle = Condition {
            idle: seconds(900),
            ..QUIET
        };
        assert_eq!(idle.care(), Care::Heartbeat);
        let both = Condition {
            renewal_due_in: Some(seconds(0)),
            ..idle
        };
        assert_eq!(both.care(), Care::Renew);
    }

    #[test]
    fn a_session_that_need_not_live_is_renewed_only_in_use() {
        let due = Condition {
            keep_alive: false,
            idle: seconds(5000),
            renewal_due_in: Some(seconds(0)),
            ..QUIET
        };
        assert_eq!(due.care(), Care::Renew);
        let unused = Condition { in_use: false, ..due };
        assert_eq!(unused.care(), Care::Wait(seconds(900)));
        assert_eq!(unused.care_after_sleep(), Care::Wait(seconds(900)));
    }

    #[test]
    fn after_a_sleep_a_kept_session_is_asked_for() {
        assert_eq!(QUIET.care_after_sleep(), Care::Heartbeat);
        let due = Condition {
            renewal_due_in: Some(seconds(0)),
            ..QUIET
        };
        assert_eq!(due.care_after_sleep(), Care::Renew);
    }
}

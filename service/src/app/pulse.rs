//! Whether the service lives: asked by systemd's watchdog, and by `/health` where there is no systemd.

use std::time::Duration;

use super::doors::Doors;
use crate::platform::notify;
use crate::sessions::Sessions;

/// Tells whether the service does what it is there for. That a task of its runtime runs says nothing: a thread of an HTTP
/// server would answer for a service that lets nobody in.
#[derive(Clone)]
pub(super) struct Pulse {
    doors: Doors,
    sessions: Sessions,
}

impl Pulse {
    pub(super) fn new(doors: Doors, sessions: Sessions) -> Self {
        Self { doors, sessions }
    }

    /// True when connections are accepted, within `limit`, and the sessions answer.
    pub(super) async fn beats(&self, limit: Duration) -> bool {
        if !self.doors.are_alive(limit).await {
            return false;
        }
        // Answers only if the table of sessions can be reached.
        let (sessions, queries) = self.sessions.counts();
        tracing::trace!(sessions, queries, "alive");
        true
    }

    /// Tells systemd that we are alive, as long as we are, if it asks.
    pub(super) async fn watch_over(self) {
        let Some(interval) = notify::watchdog_interval() else {
            return;
        };
        let mut ticks = tokio::time::interval(interval);
        loop {
            ticks.tick().await;
            if self.beats(interval).await {
                notify::watchdog();
            }
        }
    }
}

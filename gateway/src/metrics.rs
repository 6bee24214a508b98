//! What the gateway has done so far, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::retry::AttemptFailure;

/// Counters of a gateway since its start. Bytes are those of bodies, as transferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayMetrics {
    /// Requests sent upstream, retries and downloads of result parts included.
    pub requests: u64,
    /// Retries because no connection could be opened.
    pub retries_connect: u64,
    /// Retries because a connection broke.
    pub retries_transport: u64,
    /// Retries because the server was silent, or sent next to nothing, for too long.
    pub retries_silence: u64,
    /// Retries because the server asked to come back: 5xx, 429, 408 and the like.
    pub retries_busy: u64,
    /// Renewals of session tokens that succeeded.
    pub renewals: u64,
    /// Renewals that failed, of either kind: refused, or not answered.
    pub renewals_failed: u64,
    /// Heartbeats that the server confirmed.
    pub heartbeats: u64,
    /// Heartbeats that failed.
    pub heartbeats_failed: u64,
    /// Connections opened upstream.
    pub connections_opened: u64,
    /// Times that the machine slept and all connections were given up.
    pub sleeps: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: Counter,
    retries_connect: Counter,
    retries_transport: Counter,
    retries_silence: Counter,
    retries_busy: Counter,
    pub(crate) renewals: Counter,
    pub(crate) renewals_failed: Counter,
    pub(crate) heartbeats: Counter,
    pub(crate) heartbeats_failed: Counter,
    pub(crate) connections_opened: Counter,
    pub(crate) sleeps: Counter,
    pub(crate) bytes_received: Counter,
    pub(crate) bytes_sent: Counter,
}

/// A number that only grows. Counters say nothing about each other, so no ordering is asked for.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts a retry by what made it necessary.
    pub(crate) fn retried(&self, failure: &AttemptFailure) {
        match failure {
            AttemptFailure::Connect(_) => &self.retries_connect,
            AttemptFailure::Transport(_) => &self.retries_transport,
            AttemptFailure::Silence(_) => &self.retries_silence,
            AttemptFailure::Busy { .. } => &self.retries_busy,
        }
        .increment();
    }

    pub(crate) fn read(&self) -> GatewayMetrics {
        GatewayMetrics {
            requests: self.requests.value(),
            retries_connect: self.retries_connect.value(),
            retries_transport: self.retries_transport.value(),
            retries_silence: self.retries_silence.value(),
            retries_busy: self.retries_busy.value(),
            renewals: self.renewals.value(),
            renewals_failed: self.renewals_failed.value(),
            heartbeats: self.heartbeats.value(),
            heartbeats_failed: self.heartbeats_failed.value(),
            connections_opened: self.connections_opened.value(),
            sleeps: self.sleeps.value(),
            bytes_received: self.bytes_received.value(),
            bytes_sent: self.bytes_sent.value(),
        }
    }
}

//! Limits and lives of everything the protocol keeps.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Metrics, Mounted, Tls};
use crate::faults::Faults;
use crate::results::ChunkLimits;

/// How the protocol behaves; every wait, queue and store has its limit here.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a session token is good.
    pub session_token_life: Duration,
    /// How long a master token is good.
    pub master_token_life: Duration,
    /// A session that asked for nothing for so long is closed.
    pub session_idle_max: Duration,
    /// Sessions at a time.
    pub sessions_max: usize,
    /// A statement that takes longer is answered with "in progress".
    pub answer_wait_max: Duration,
    /// A poll for a running statement's result waits at most so long.
    pub poll_wait_max: Duration,
    /// Connections served at a time; more wait in the kernel's queue.
    pub connections_max: usize,
    /// Time for a request's head to arrive; also how long a kept connection may stay idle.
    pub head_wait_max: Duration,
    /// Time for a request's body to arrive.
    pub body_wait_max: Duration,
    /// Bytes of a request's body, unpacked.
    pub body_bytes_max: usize,
    /// Bytes of all bodies that are being read or worked on: half of them as they were sent, half unpacked. A body of
    /// more than 128 KiB waits for its part.
    pub bodies_bytes_max: u64,
    /// Time for running requests to end when the server stops.
    pub shutdown_grace: Duration,
    /// Compresses answers for clients that accept it.
    pub compress_answers: bool,
    /// Compresses Arrow chunks; JSON chunks always are.
    pub compress_chunks: bool,
    /// Sizes of a result's pieces.
    pub chunk_limits: ChunkLimits,
    /// Statements that run or whose outcome is kept.
    pub queries_kept_max: usize,
    /// How long an outcome is kept, also when its session has ended.
    pub result_life: Duration,
    /// Another API on the same port.
    pub mounted: Option<Arc<dyn Mounted>>,
    /// What is counted and shown at `/metrics` to this machine; none when nobody asked for it.
    pub metrics: Option<Arc<Metrics>>,
    /// The account that key pair tokens must be for; none accepts every account's.
    pub account: Option<String>,
    /// How long a URL is good under which a client puts or fetches a file.
    pub stage_url_life: Duration,
    /// The certificate of a server that speaks TLS; without it, it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Faults to make, with the endpoint that changes them; none is how a service should be.
    pub faults: Option<Arc<Faults>>,
    /// The time.
    pub clock: Clock,
}

impl Settings {
    /// Bytes that the body of a request to this path may have.
    pub(super) fn body_limit(&self, path: &str) -> usize {
        match self.mounted_at(path) {
            Some(api) => api.body_bytes_max().min(self.body_bytes_max),
            None => self.body_bytes_max,
        }
    }

    /// The other API, if the path is one of its own.
    pub(super) fn mounted_at(&self, path: &str) -> Option<&Arc<dyn Mounted>> {
        self.mounted.as_ref().filter(|api| api.owns(path))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_token_life: Duration::from_hours(1),
            master_token_life: Duration::from_hours(4),
            session_idle_max: Duration::from_hours(4),
            sessions_max: 4096,
            answer_wait_max: Duration::from_secs(45),
            poll_wait_max: Duration::from_secs(45),
            connections_max: 1024,
            head_wait_max: Duration::from_mins(5),
            body_wait_max: Duration::from_mins(1),
            body_bytes_max: 128 * 1024 * 1024,
            bodies_bytes_max: 512 * 1024 * 1024,
            shutdown_grace: Duration::from_secs(5),
            compress_answers: false,
            compress_chunks: false,
            chunk_limits: ChunkLimits {
                inline_weight_max: 1024 * 1024,
                chunk_weight_max: 8 * 1024 * 1024,
            },
            queries_kept_max: 10_000,
            result_life: Duration::from_hours(24),
            mounted: None,
            metrics: None,
            account: None,
            stage_url_life: Duration::from_hours(1),
            tls: None,
            faults: None,
            clock: Clock::system(),
        }
    }
}

/// Tells the time; tests set it themselves.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    /// The machine's monotonic clock.
    pub fn system() -> Self {
        Self(Arc::new(Instant::now))
    }

    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

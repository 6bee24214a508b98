//! Warm pools: logged-in spare upstream sessions, kept per connection so that a session need not wait for a login.
//!
//! [`Spares`] decides which spare is handed out, how many there should be, and which are to be logged out. It
//! is generic so that it holds whatever a login is; carrying its decisions out is the affair of the room
//! `pool`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::names::ConnectionName;
use crate::domain::upstream::Fingerprint;

/// How warm the pools are kept.
#[derive(Debug, Clone)]
pub struct PoolRules {
    /// Spares of a connection that is in use.
    pub min: usize,
    /// Most spares of a connection; 0 keeps none.
    pub max: usize,
    /// How long after the connection's last use a missing spare is logged in.
    pub fill_after: Duration,
    /// A spare that was not heard of for longer than this is checked before it is handed out.
    pub check_after: Duration,
    /// How long such a check may take.
    pub check_timeout: Duration,
    /// How long a spare waits to be used, and how long a pool outlives its last use.
    pub idle_limit: Duration,
}

/// A spare is wanted for every login of this long a past.
const DEMAND_WINDOW: Duration = Duration::from_mins(1);

/// A logged-in upstream session that nobody uses.
#[derive(Debug)]
pub struct Spare<T> {
    /// The login.
    pub login: T,
    /// What it rested on.
    pub fingerprint: Fingerprint,
    /// Since when nobody uses it.
    pub idle_since: Instant,
    /// When it was last known to be well.
    pub proved_at: Instant,
}

/// A spare that was taken.
#[derive(Debug)]
pub enum Taken<T> {
    /// To be handed out.
    Ready(Spare<T>),
    /// To be checked first.
    Doubtful(Spare<T>),
}

/// The spares of one connection, and the demand for them.
#[derive(Debug)]
pub struct Spares<T> {
    rules: PoolRules,
    /// The one that was proved last is last.
    stock: Vec<Spare<T>>,
    /// When spares were handed out lately, the latest last; no more than can count.
    handed_out: VecDeque<Instant>,
    /// When somebody last logged in or was handed a spare.
    last_use: Option<Instant>,
    /// What was proved by then may not be so any more.
    doubted_at: Option<Instant>,
}

impl<T> Spares<T> {
    /// None yet, and none wanted.
    pub fn new(rules: PoolRules) -> Self {
        Self {
            rules,
            stock: Vec::new(),
            handed_out: VecDeque::new(),
            last_use: None,
            doubted_at: None,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.stock.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.stock.is_empty()
    }

    /// Adds one.
    pub fn put(&mut self, spare: Spare<T>) {
        let at = self
            .stock
            .partition_point(|other| other.proved_at <= spare.proved_at);
        self.stock.insert(at, spare);
    }

    /// Something happened that may have ended them all: each is checked before it is handed out.
    pub fn doubt_all(&mut self, now: Instant) {
        self.doubted_at = Some(now);
    }

    /// Takes the freshest.
    pub fn take(&mut self, now: Instant) -> Option<Taken<T>> {
        let spare = self.stock.pop()?;
        let is_old = now.saturating_duration_since(spare.proved_at) > self.rules.check_after;
        let is_doubted = self.doubted_at.is_some_and(|at| spare.proved_at < at);
        if is_old || is_doubted {
            Some(Taken::Doubtful(spare))
        } else {
            Some(Taken::Ready(spare))
        }
    }

    /// A login that somebody waited for succeeded.
    pub fn used(&mut self, now: Instant) {
        self.last_use = Some(now);
    }

    /// A spare was handed out.
    pub fn handed_out(&mut self, now: Instant) {
        self.used(now);
        self.handed_out.push_back(now);
        while self.handed_out.len() > self.rules.max {
            self.handed_out.pop_front();
        }
    }

    /// How many there should be: as many as were handed out in the last minute, between `min` and `max`, and
    /// none when nobody uses the connection.
    pub fn target(&self, now: Instant) -> usize {
        if self.is_unused(now) {
            return 0;
        }
        let recent = self
            .handed_out
            .iter()
            .filter(|at| now.saturating_duration_since(**at) < DEMAND_WINDOW)
            .count();
        recent.max(self.rules.min).min(self.rules.max)
    }

    /// When another one should be logged in; `None` when none is missing. A login for stock does not compete
    /// with the work for which somebody has just logged in.
    pub fn missing_from(&self, now: Instant) -> Option<Instant> {
        let lacks = self.stock.len() < self.target(now);
        self.last_use
            .filter(|_| lacks)
            .map(|at| at + self.rules.fill_after)
    }

    /// True when nobody used the connection for the idle limit.
    pub fn is_unused(&self, now: Instant) -> bool {
        self.last_use
            .is_none_or(|at| now.saturating_duration_since(at) >= self.rules.idle_limit)
    }

    /// Removes those that rest on something else than this.
    pub fn remove_others(&mut self, fingerprint: Fingerprint) -> Vec<T> {
        self.remove_if(|spare| spare.fingerprint != fingerprint)
    }

    /// Removes those that waited too long or are too many. A demand that has gone down removes none: they are
    /// used or grow old.
    pub fn remove_surplus(&mut self, now: Instant) -> Vec<T> {
        let unused = self.is_unused(now);
        let limit = self.rules.idle_limit;
        let mut removed =
            self.remove_if(|spare| unused || now.saturating_duration_since(spare.idle_since) >= limit);
        let surplus = self.stock.len().saturating_sub(self.rules.max);
        removed.extend(self.stock.drain(..surplus).map(|spare| spare.login));
        removed
    }

    /// Removes all.
    pub fn remove_all(&mut self) -> Vec<T> {
        self.remove_if(|_| true)
    }

    /// When the next one will have waited too long, or the pool will be unused.
    pub fn next_surplus(&self, now: Instant) -> Option<Instant> {
        let idle_since = self.stock.iter().map(|spare| spare.idle_since);
        idle_since
            .chain(self.last_use)
            .map(|since| since + self.rules.idle_limit)
            .filter(|at| *at > now)
            .min()
    }

    fn remove_if(&mut self, mut is_out: impl FnMut(&Spare<T>) -> bool) -> Vec<T> {
        self.stock
            .extract_if(.., |spare| is_out(spare))
            .map(|spare| spare.login)
            .collect()
    }
}

/// The pool of one connection at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStatus {
    /// The connection.
    pub connection: ConnectionName,
    /// Logged-in upstream sessions that nobody uses.
    pub spares: usize,
    /// True while a login is on its way.
    pub logging_in: bool,
    /// Whether logins are tried.
    pub breaker: BreakerStatus,
}

/// Whether logins over a connection are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerStatus {
    /// They are.
    Closed,
    /// They failed too often and are refused for a while.
    Open {
        /// When the next one may be tried.
        until: Instant,
        /// Why the last one failed.
        cause: String,
    },
    /// The next one decides.
    HalfOpen,
}

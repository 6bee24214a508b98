//! The task that owns the spares of one connection.
//!
//! It serves those who want a login one after the other: it looks whether the connection's settings are still
//! the same ([`Serving`]), hands out the freshest spare that is well, or makes a login. At most one login is on
//! its way, whether somebody waits for it or not ([`LoginOnItsWay`]); when it ends it becomes a spare, which then
//! goes to the first who waits. While nobody waits, missing spares are logged in and old ones logged out. A
//! keeper with nothing left to keep ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::WallClock;
use super::connector::PoolOptions;
use super::handover::{Handover, Logouts};
use super::stage::{self, LoginEnd, LoginOnItsWay, Served, Serving};
use crate::domain::breaker::Breaker;
use crate::domain::error::{Error, Reason};
use crate::domain::names::ConnectionName;
use crate::domain::pool::{BreakerStatus, PoolStatus, Spare, Spares, Taken};
use crate::domain::upstream::{Connector, Fingerprint, Login, LoginBasis};

/// What a keeper hears.
pub(super) enum Message {
    /// Somebody wants a login.
    Take(Waiter),
    /// A login was not accepted.
    Return(Spare<Box<Login>>),
}

/// Somebody who wants a login, until they stop waiting.
pub(super) type Waiter = oneshot::Sender<Result<Handover, Error>>;

/// The owner of the spares of one connection.
pub(super) struct Keeper {
    connection: ConnectionName,
    connector: Arc<dyn Connector>,
    options: Arc<PoolOptions>,
    clock: WallClock,
    /// Both clocks at the last look.
    seen: (std::time::Instant, SystemTime),
    mailbox: mpsc::Receiver<Message>,
    /// The way into the mailbox for logins that come back.
    home: mpsc::Sender<Message>,
    status: watch::Sender<PoolStatus>,
    logouts: Logouts,
    spares: Spares<Box<Login>>,
    breaker: Breaker,
    /// What a login rested on when it was last looked at.
    basis: Option<LoginBasis>,
    waiters: VecDeque<Waiter>,
    serving: Serving,
    login: Option<LoginOnItsWay>,
}

impl Keeper {
    /// A keeper of nothing yet.
    pub(super) fn new(
        connection: ConnectionName,
        connector: Arc<dyn Connector>,
        options: Arc<PoolOptions>,
        clock: WallClock,
        (home, mailbox): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        status: watch::Sender<PoolStatus>,
        logouts: Logouts,
    ) -> Self {
        Self {
            connection,
            connector,
            seen: (now(), clock()),
            clock,
            mailbox,
            home,
            status,
            logouts,
            spares: Spares::new(options.pool.clone()),
            breaker: Breaker::new(options.breaker.clone()),
            options,
            basis: None,
            waiters: VecDeque::new(),
            serving: Serving::Fresh,
            login: None,
        }
    }

    /// Lives until `stop`, or until there is nothing to keep.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        // It begins because somebody is about to ask.
        let mut heard_anybody = false;
        loop {
            self.notice_sleep();
            while self.serve_first() {}
            let idle = self.waiters.is_empty();
            if idle {
                self.tidy();
            }
            self.publish();
            if idle && heard_anybody && self.keeps_nothing() {
                break;
            }
            let wake_at = if idle { self.wake_at() } else { None };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(message) = self.mailbox.recv() => {
                    heard_anybody = true;
                    match message {
                        Message::Take(waiter) => self.waiters.push_back(waiter),
                        Message::Return(spare) => self.stock(spare),
                    }
                }
                served = self.serving.served() => match served {
                    Served::Looked(basis) => self.looked(basis),
                    Served::Checked(verdict) => self.checked(verdict),
                },
                end = stage::ended(&mut self.login) => self.login_ended(end),
                () = sleep_until_some(wake_at) => {}
            }
        }
        self.end(stop.is_cancelled()).await;
    }

    /// A machine that sleeps stops its clock, but not the date, nor Snowflake's patience with our sessions.
    fn notice_sleep(&mut self) {
        let (now, date) = (now(), (self.clock)());
        let (last, last_date) = std::mem::replace(&mut self.seen, (now, date));
        let by_date = date.duration_since(last_date).unwrap_or_default();
        if by_date > now - last + self.options.pool.check_after {
            self.spares.doubt_all(now);
        }
    }

    /// Does the next thing for the first who waits; says whether more can be done at once.
    fn serve_first(&mut self) -> bool {
        if matches!(self.serving, Serving::Looking(_) | Serving::Checking { .. }) {
            return false;
        }
        while self.waiters.front().is_some_and(oneshot::Sender::is_closed) {
            self.next_waiter();
        }
        if self.waiters.is_empty() {
            return false;
        }
        if matches!(self.serving, Serving::Fresh) {
            let (connector, connection) = (Arc::clone(&self.connector), self.connection.clone());
            self.serving = stage::look(connector, connection, self.options.login_timeout);
            return false;
        }
        let now = now();
        match self.spares.take(now) {
            Some(Taken::Ready(spare) | Taken::Doubtful(spare)) if !spare.login.upstream.is_alive() => {
                self.logouts.begin(spare.login);
                true
            }
            Some(Taken::Ready(spare)) => {
                self.hand_out(spare);
                true
            }
            Some(Taken::Doubtful(spare)) => {
                self.serving = stage::check(spare, self.options.pool.check_timeout);
                false
            }
            None if self.login.is_some() => false,
            None => match self.breaker.admit(now) {
                Ok(()) => {
                    self.log_in(true);
                    false
                }
                Err(error) => {
                    self.refuse(error);
                    true
                }
            },
        }
    }

    /// Takes the first out of the queue; the next begins afresh.
    fn next_waiter(&mut self) -> Option<Waiter> {
        self.serving = Serving::Fresh;
        self.waiters.pop_front()
    }

    fn hand_out(&mut self, spare: Spare<Box<Login>>) {
        if let Some(waiter) = self.next_waiter() {
            self.spares.handed_out(now());
            let handover = Handover::new(spare, self.home.clone(), self.logouts.clone());
            // One that stopped waiting drops it, and it comes back.
            let _ = waiter.send(Ok(handover));
        } else {
            self.spares.put(spare);
        }
    }

    fn refuse(&mut self, error: Error) {
        if let Some(waiter) = self.next_waiter() {
            let _ = waiter.send(Err(error));
        }
    }

    fn looked(&mut self, basis: Result<LoginBasis, Error>) {
        match basis {
            Ok(basis) => {
                self.rest_on(basis);
                self.serving = Serving::Looked;
            }
            Err(error) => self.refuse(error),
        }
    }

    /// Notes what logins rest on now; what rested on something else counts no more.
    fn rest_on(&mut self, basis: LoginBasis) {
        if self
            .basis
            .is_some_and(|before| before.fingerprint != basis.fingerprint)
        {
            self.breaker.close();
        }
        let others = self.spares.remove_others(basis.fingerprint);
        if !others.is_empty() {
            tracing::info!(
                spares = others.len(),
                "the connection changed; logging its spares out"
            );
        }
        for login in others {
            self.logouts.begin(login);
        }
        self.basis = Some(basis);
    }

    fn checked(&mut self, verdict: Result<(), Error>) {
        let Serving::Checking { mut spare, .. } = std::mem::replace(&mut self.serving, Serving::Looked)
        else {
            return;
        };
        match verdict {
            Ok(()) => {
                spare.proved_at = now();
                self.spares.put(spare);
            }
            Err(error) => {
                tracing::info!(%error, "a spare is not well; logging it out");
                // What ended it may have ended the others.
                self.spares.doubt_all(now());
                self.logouts.begin(spare.login);
            }
        }
    }

    /// Begins a login, for somebody or for stock.
    fn log_in(&mut self, attended: bool) {
        let (connector, connection) = (Arc::clone(&self.connector), self.connection.clone());
        let limit = self.options.login_timeout;
        let ended = if attended {
            stage::log_in(connector, connection, limit)
        } else {
            stage::log_in_for_stock(connector, connection, limit)
        };
        self.login = Some(LoginOnItsWay {
            ended,
            basis: self.basis.map(|basis| basis.fingerprint),
            attended,
        });
    }

    fn login_ended(&mut self, end: LoginEnd) {
        let Some(LoginOnItsWay { basis, attended, .. }) = self.login.take() else {
            return;
        };
        match end {
            LoginEnd::NeedsSomebody(basis) => self.rest_on(basis),
            LoginEnd::Ended(Ok(login)) => self.logged_in(login, attended),
            LoginEnd::Ended(Err(error)) => self.login_failed(error, basis),
        }
    }

    fn logged_in(&mut self, login: Box<Login>, attended: bool) {
        if self.breaker.status() != BreakerStatus::Closed {
            tracing::info!("logins succeed again");
        }
        self.breaker.close();
        let now = now();
        if attended {
            self.spares.used(now);
        } else {
            tracing::debug!("a spare is logged in");
        }
        self.stock(Spare {
            fingerprint: login.fingerprint,
            idle_since: now,
            proved_at: now,
            login,
        });
    }

    /// Adds a spare from outside. It may rest on other settings than those that were looked at for the first who
    /// waits.
    fn stock(&mut self, spare: Spare<Box<Login>>) {
        self.spares.put(spare);
        if matches!(self.serving, Serving::Looked) {
            self.serving = Serving::Fresh;
        }
    }

    /// Tells the first who waits for it. A failure of settings that have changed since means nothing to anybody.
    fn login_failed(&mut self, error: Error, began_with: Option<Fingerprint>) {
        if began_with != self.basis.map(|basis| basis.fingerprint) {
            return;
        }
        if self.breaker.failed(&error, now(), chance()) {
            tracing::warn!(%error, "logins failed too often; none is tried for a while");
        }
        if matches!(self.serving, Serving::Looked) {
            self.refuse(error);
        } else {
            tracing::info!(%error, "a login that nobody waits for failed");
        }
    }

    /// Logs old spares out and a missing one in.
    fn tidy(&mut self) {
        let now = now();
        for login in self.spares.remove_surplus(now) {
            self.logouts.begin(login);
        }
        let is_due = self.unattended_from(now).is_some_and(|from| from <= now);
        if is_due && self.breaker.admit(now).is_ok() {
            self.log_in(false);
        }
    }

    /// When a login for stock may begin; `None` when none is wanted or allowed.
    fn unattended_from(&self, now: std::time::Instant) -> Option<std::time::Instant> {
        let allowed = self.login.is_none() && self.basis.is_some_and(|basis| basis.unattended);
        let missing_from = self.spares.missing_from(now).filter(|_| allowed)?;
        Some(self.breaker.unattended_from(now)?.max(missing_from))
    }

    fn wake_at(&self) -> Option<Instant> {
        let now = now();
        let due = [self.unattended_from(now), self.spares.next_surplus(now)];
        due.into_iter().flatten().min().map(Instant::from_std)
    }

    fn keeps_nothing(&self) -> bool {
        self.login.is_none()
            && matches!(self.serving, Serving::Fresh)
            && self.spares.is_empty()
            && self.spares.is_unused(now())
            && self.breaker.is_pristine()
    }

    fn publish(&self) {
        let status = PoolStatus {
            connection: self.connection.clone(),
            spares: self.spares.len(),
            logging_in: self.login.is_some(),
            breaker: self.breaker.status(),
        };
        self.status.send_if_modified(|shown| {
            let changed = *shown != status;
            *shown = status;
            changed
        });
    }

    /// Lets go of everything. Requests that came too late are dropped unanswered, which tells their senders to try
    /// again, unless the service is stopping.
    async fn end(mut self, stopping: bool) {
        self.mailbox.close();
        while let Ok(message) = self.mailbox.try_recv() {
            match message {
                Message::Take(waiter) => self.waiters.push_back(waiter),
                Message::Return(spare) => self.spares.put(spare),
            }
        }
        if stopping {
            for waiter in self.waiters.drain(..) {
                let _ = waiter.send(Err(draining()));
            }
        }
        if let Serving::Checking { spare, .. } = self.serving {
            self.logouts.begin(spare.login);
        }
        for login in self.spares.remove_all() {
            self.logouts.begin(login);
        }
        if let Some(login) = self.login
            && let Ok(LoginEnd::Ended(Ok(login))) = timeout(self.options.logout_timeout, login.ended).await
        {
            self.logouts.begin(login);
        }
    }
}

/// What those hear who want a login while the service stops.
pub(super) fn draining() -> Error {
    Error::new(Reason::Draining, "the service is stopping").with_hint("run the command again in a moment")
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The domain's clock, which stands still when the runtime's does.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// A random number between 0 and 1.
fn chance() -> f64 {
    let (random, ..) = uuid::Uuid::new_v4().as_fields();
    f64::from(random) / f64::from(u32::MAX)
}

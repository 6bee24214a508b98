//! A Snowflake that only logs in and out, with a pool around it, on a clock that stands still.
//!
//! A login takes [`LOGIN_TIME`], half of it on the way there and half on the way back. What it answers, how the upstream sessions are and what the settings are is the
//! test's to say; how many logins there were, and how many at once, is written down.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use snowflake_session::domain::breaker::BreakerRules;
use snowflake_session::domain::carry::Ticket;
use snowflake_session::domain::context::Context;
use snowflake_session::domain::error::{Error, Reason};
use snowflake_session::domain::history::Observed;
use snowflake_session::domain::names::{ConnectionName, RequestId};
use snowflake_session::domain::pool::{PoolRules, PoolStatus};
use snowflake_session::domain::query::{CancelOutcome, RowWindow, StatementKind, Submission};
use snowflake_session::domain::upstream::{
    Connector, Execution, Fingerprint, Identity, Login, LoginBasis, Looked, TicketKeeper, Upstream,
};
use snowflake_session::pool::{Pool, PoolOptions};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// How long a login takes.
pub(crate) const LOGIN_TIME: Duration = SECOND;

/// What a login answers.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Succeeds,
    Fails(Reason),
    Hangs,
}

/// How an upstream session is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// Heartbeats are refused.
    Ill,
    /// Heartbeats are not answered.
    Deaf,
    /// Known to be over.
    Dead,
}

/// What the test says, and what was seen.
#[derive(Default)]
pub(crate) struct World {
    /// Answers of the next logins; the ones after succeed.
    pub(crate) answers: VecDeque<Answer>,
    /// Sick sessions by number.
    pub(crate) health: HashMap<i64, Health>,
    /// What the settings are.
    pub(crate) settings: u64,
    /// Logins need somebody who waits for them.
    pub(crate) one_time: bool,
    /// How long the machine slept.
    pub(crate) slept: Duration,
    /// Logins that were begun.
    pub(crate) tries: usize,
    /// Logins on their way, and the most at one time.
    pub(crate) logging_in: usize,
    pub(crate) logging_in_max: usize,
    /// Sessions that were logged in and out, by number.
    pub(crate) opened: Vec<i64>,
    pub(crate) closed: Vec<i64>,
    pub(crate) checked: Vec<i64>,
    pub(crate) shut_down: bool,
}

impl World {
    fn open_one(&mut self) -> i64 {
        let number = i64::try_from(self.opened.len()).unwrap() + 1;
        self.opened.push(number);
        number
    }
}

#[derive(Clone, Default)]
pub(crate) struct Upstreams(Arc<Mutex<World>>);

impl Upstreams {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn opened(&self) -> usize {
        self.world().opened.len()
    }

    /// Sessions that are logged in.
    pub(crate) fn open(&self) -> usize {
        let world = self.world();
        world.opened.len() - world.closed.len()
    }

    pub(crate) fn answer(&self, answers: &[Answer]) {
        self.world().answers.extend(answers);
    }
}

/// Counts a login that is on its way, however it ends.
struct OnItsWay(Upstreams);

impl OnItsWay {
    fn begin(upstreams: &Upstreams) -> Self {
        let mut world = upstreams.world();
        world.tries += 1;
        world.logging_in += 1;
        world.logging_in_max = world.logging_in_max.max(world.logging_in);
        drop(world);
        Self(upstreams.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.world().logging_in -= 1;
    }
}

#[async_trait]
impl Connector for Upstreams {
    async fn default_connection(&self) -> Result<ConnectionName, Error> {
        Ok(dev())
    }

    async fn basis(&self, connection: &ConnectionName) -> Result<LoginBasis, Error> {
        if connection.as_str() == "unknown" {
            return Err(Error::new(
                Reason::Configuration,
                "there is no connection unknown",
            ));
        }
        let world = self.world();
        Ok(LoginBasis {
            fingerprint: Fingerprint(world.settings),
            unattended: !world.one_time,
        })
    }

    async fn login(&self, _: &ConnectionName) -> Result<Login, Error> {
        let _on_its_way = OnItsWay::begin(self);
        let fingerprint = Fingerprint(self.world().settings);
        let answer = self.world().answers.pop_front();
        tokio::time::sleep(LOGIN_TIME / 2).await;
        let number = match answer {
            None | Some(Answer::Succeeds) => self.world().open_one(),
            Some(Answer::Hangs) => std::future::pending().await,
            Some(Answer::Fails(reason)) => {
                tokio::time::sleep(LOGIN_TIME / 2).await;
                return Err(Error::new(reason, "no luck"));
            }
        };
        // The answer is on its way: who stops waiting now leaves a session open.
        tokio::time::sleep(LOGIN_TIME / 2).await;
        Ok(Login {
            upstream: Arc::new(OneUpstream {
                number,
                upstreams: self.clone(),
            }),
            identity: Identity {
                upstream_session_id: number,
                ..Identity::default()
            },
            context: Context::default(),
            autocommit: true,
            tagged: false,
            fingerprint,
        })
    }

    async fn adopt(&self, _: &ConnectionName, _: &Identity, _: &Ticket) -> Result<Arc<dyn Upstream>, Error> {
        Err(Error::internal("a pool passes adoptions on"))
    }

    fn emulator_address(&self) -> Option<String> {
        None
    }

    async fn shutdown(&self) {
        self.world().shut_down = true;
    }
}

struct OneUpstream {
    number: i64,
    upstreams: Upstreams,
}

impl OneUpstream {
    fn health(&self) -> Option<Health> {
        self.upstreams.world().health.get(&self.number).copied()
    }
}

#[async_trait]
impl Upstream for OneUpstream {
    async fn execute(&self, _: Submission) -> Result<Execution, Error> {
        Err(Error::internal("a pool runs no statements"))
    }

    async fn describe(&self, _: Submission) -> Result<StatementKind, Error> {
        Err(Error::internal("a pool asks about no statements"))
    }

    async fn look(&self, _: Submission, _: usize) -> Result<Looked, Error> {
        Err(Error::internal("a pool looks at no rows"))
    }

    async fn cancel(&self, _: RequestId) -> Result<CancelOutcome, Error> {
        Ok(CancelOutcome::NotRunning)
    }

    async fn submit(&self, _: Submission, _: Duration) -> Result<String, Error> {
        Err(Error::internal("a pool submits no statements"))
    }

    async fn observe(&self, _: &str) -> Result<Option<Observed>, Error> {
        Err(Error::internal("a pool looks at no queries"))
    }

    async fn read(&self, _: &str, _: RowWindow) -> Result<Execution, Error> {
        Err(Error::internal("a pool reads no results"))
    }

    async fn cancel_query(&self, _: &str) -> CancelOutcome {
        CancelOutcome::NotRunning
    }

    fn keep_ticket(&self, _: TicketKeeper) {}

    async fn stop_abandoned(&self, _: RequestId) -> CancelOutcome {
        CancelOutcome::NotRunning
    }

    fn is_alive(&self) -> bool {
        self.health() != Some(Health::Dead)
    }

    async fn check(&self) -> Result<(), Error> {
        self.upstreams.world().checked.push(self.number);
        match self.health() {
            None => Ok(()),
            Some(Health::Deaf) => std::future::pending().await,
            Some(_) => Err(Error::new(Reason::SessionLost, "unknown session")),
        }
    }

    async fn close(&self) -> Result<(), Error> {
        let mut world = self.upstreams.world();
        assert!(!world.closed.contains(&self.number), "logged out twice");
        world.closed.push(self.number);
        Ok(())
    }
}

pub(crate) fn dev() -> ConnectionName {
    "dev".parse().unwrap()
}

pub(crate) fn options(min: usize, max: usize) -> PoolOptions {
    PoolOptions {
        pool: PoolRules {
            min,
            max,
            fill_after: Duration::ZERO,
            check_after: 30 * SECOND,
            check_timeout: 2 * SECOND,
            idle_limit: 10 * MINUTE,
        },
        breaker: BreakerRules {
            failures_max: 5,
            refusals_max: 3,
            retry_min: SECOND / 2,
            retry_max: MINUTE,
            refused_wait: 15 * MINUTE,
        },
        login_timeout: MINUTE,
        logout_timeout: 5 * SECOND,
    }
}

/// A pool of `min` to `max` spares, and the Snowflake behind it.
pub(crate) fn pool(min: usize, max: usize) -> (Arc<Pool>, Upstreams) {
    let upstreams = Upstreams::default();
    let sleeper = upstreams.clone();
    let clock = move || SystemTime::UNIX_EPOCH + sleeper.world().slept;
    let pool = Pool::new(Arc::new(upstreams.clone()), options(min, max), Arc::new(clock));
    (Arc::new(pool), upstreams)
}

/// Logs in over `dev`; says which upstream session it is.
pub(crate) async fn log_in(pool: &Pool) -> Result<i64, Error> {
    let login = pool.login(&dev()).await?;
    Ok(login.identity.upstream_session_id)
}

/// What the pool shows of `dev`.
pub(crate) fn status(pool: &Pool) -> Option<PoolStatus> {
    pool.pools().into_iter().find(|status| status.connection == dev())
}

pub(crate) fn spares(pool: &Pool) -> usize {
    status(pool).map_or(0, |status| status.spares)
}

/// Lets this much time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

//! The face of the pool: a connector that finds the keeper of a connection and asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::WallClock;
use super::handover::Logouts;
use super::keeper::{Keeper, Message, draining};
use crate::domain::breaker::BreakerRules;
use crate::domain::carry::Ticket;
use crate::domain::error::Error;
use crate::domain::meter::Traffic;
use crate::domain::names::ConnectionName;
use crate::domain::pool::{BreakerStatus, PoolRules, PoolStatus};
use crate::domain::upstream::{Connector, Identity, Login, LoginBasis, Upstream};

/// What the pool needs to know.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// How warm connections are kept.
    pub pool: PoolRules,
    /// When logins stop being tried.
    pub breaker: BreakerRules,
    /// Time limit of a login.
    pub login_timeout: Duration,
    /// Time limit of a logout.
    pub logout_timeout: Duration,
}

/// Logs in over another connector, one login at a time per connection, and keeps spares.
pub struct Pool {
    connector: Arc<dyn Connector>,
    options: Arc<PoolOptions>,
    clock: WallClock,
    /// Locked for a look-up or an entry, never while anything is waited for.
    table: Arc<Mutex<Table>>,
    stop: CancellationToken,
    keepers: TaskTracker,
    logouts: Logouts,
}

#[derive(Default)]
struct Table {
    keepers: BTreeMap<ConnectionName, Handle>,
    stopped: bool,
}

/// The way to a keeper.
struct Handle {
    mailbox: mpsc::Sender<Message>,
    status: watch::Receiver<PoolStatus>,
}

/// Requests that wait for a keeper; more wait at its door. Each comes from a session, and those are limited.
const MAILBOX_CAPACITY: usize = 64;

/// How often a login is asked for again because the keeper was just ending.
const TRIES: usize = 3;

impl Pool {
    /// A pool around `connector`; nothing is done before somebody logs in. `clock` tells whether the machine slept.
    pub fn new(connector: Arc<dyn Connector>, options: PoolOptions, clock: WallClock) -> Self {
        Self {
            connector,
            clock,
            logouts: Logouts::new(options.logout_timeout),
            options: Arc::new(options),
            table: Arc::default(),
            stop: CancellationToken::new(),
            keepers: TaskTracker::new(),
        }
    }

    /// The mailbox of the connection's keeper, who begins when there is none.
    fn keeper(&self, connection: &ConnectionName) -> Result<mpsc::Sender<Message>, Error> {
        let mut table = lock(&self.table);
        if table.stopped {
            return Err(draining());
        }
        if let Some(handle) = table.keepers.get(connection)
            && !handle.mailbox.is_closed()
        {
            return Ok(handle.mailbox.clone());
        }
        let handle = self.start(connection);
        let mailbox = handle.mailbox.clone();
        table.keepers.insert(connection.clone(), handle);
        Ok(mailbox)
    }

    fn start(&self, connection: &ConnectionName) -> Handle {
        let (mailbox, messages) = mpsc::channel(MAILBOX_CAPACITY);
        let (publish, status) = watch::channel(PoolStatus {
            connection: connection.clone(),
            spares: 0,
            logging_in: false,
            breaker: BreakerStatus::Closed,
        });
        let keeper = Keeper::new(
            connection.clone(),
            Arc::clone(&self.connector),
            Arc::clone(&self.options),
            Arc::clone(&self.clock),
            (mailbox.clone(), messages),
            publish,
            self.logouts.clone(),
        );
        let (table, stop) = (Arc::clone(&self.table), self.stop.clone());
        let ended = connection.clone();
        let life = async move {
            keeper.run(stop).await;
            // A keeper that came after this one is not closed.
            let mut table = lock(&table);
            if table
                .keepers
                .get(&ended)
                .is_some_and(|handle| handle.mailbox.is_closed())
            {
                table.keepers.remove(&ended);
            }
        };
        let span = tracing::info_span!(parent: None, "pool", %connection);
        self.keepers.spawn(life.instrument(span));
        Handle { mailbox, status }
    }
}

#[async_trait]
impl Connector for Pool {
    async fn default_connection(&self) -> Result<ConnectionName, Error> {
        self.connector.default_connection().await
    }

    async fn basis(&self, connection: &ConnectionName) -> Result<LoginBasis, Error> {
        self.connector.basis(connection).await
    }

    async fn login(&self, connection: &ConnectionName) -> Result<Login, Error> {
        for _ in 0..TRIES {
            let (reply, answer) = oneshot::channel();
            let mailbox = self.keeper(connection)?;
            if mailbox.send(Message::Take(reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return answer?.accept();
            }
        }
        Err(Error::internal(format!(
            "the pool of connection {connection} ended {TRIES} times before it heard the request"
        )))
    }

    async fn adopt(
        &self,
        connection: &ConnectionName,
        identity: &Identity,
        ticket: &Ticket,
    ) -> Result<Arc<dyn Upstream>, Error> {
        self.connector.adopt(connection, identity, ticket).await
    }

    fn emulator_address(&self) -> Option<String> {
        self.connector.emulator_address()
    }

    fn traffic(&self) -> Traffic {
        self.connector.traffic()
    }

    fn pools(&self) -> Vec<PoolStatus> {
        let table = lock(&self.table);
        let statuses = table
            .keepers
            .values()
            .map(|handle| handle.status.borrow().clone());
        statuses.collect()
    }

    /// Logs all spares out, each within the limit for a logout and all within twice that; a login that is on its
    /// way is waited for as long, so that it can be logged out too.
    async fn shutdown(&self) {
        lock(&self.table).stopped = true;
        self.stop.cancel();
        self.keepers.close();
        let limit = 2 * self.options.logout_timeout;
        let ended = async {
            self.keepers.wait().await;
            self.logouts.end().await;
        };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!(
                ?limit,
                "spare logins were not all logged out in time; left behind"
            );
        }
        self.connector.shutdown().await;
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // The table is whole between any two statements, so a panic elsewhere cannot have broken it.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

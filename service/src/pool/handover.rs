//! What becomes of a login: it is accepted, comes back, or is logged out. It is never just dropped.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::keeper::Message;
use crate::domain::error::Error;
use crate::domain::pool::Spare;
use crate::domain::upstream::Login;

/// A login on its way to somebody who may have stopped waiting.
pub(super) struct Handover {
    spare: Option<Spare<Box<Login>>>,
    home: mpsc::Sender<Message>,
    logouts: Logouts,
}

impl Handover {
    /// `home` takes it back when nobody accepts it.
    pub(super) fn new(spare: Spare<Box<Login>>, home: mpsc::Sender<Message>, logouts: Logouts) -> Self {
        Self {
            spare: Some(spare),
            home,
            logouts,
        }
    }

    /// Takes the login over for good.
    pub(super) fn accept(mut self) -> Result<Login, Error> {
        let spare = self.spare.take();
        spare
            .map(|spare| *spare.login)
            .ok_or_else(|| Error::internal("a login was handed over twice"))
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let Some(spare) = self.spare.take() else { return };
        if let Err(
            mpsc::error::TrySendError::Full(Message::Return(spare))
            | mpsc::error::TrySendError::Closed(Message::Return(spare)),
        ) = self.home.try_send(Message::Return(spare))
        {
            self.logouts.begin(spare.login);
        }
    }
}

/// Logs out in the background.
#[derive(Clone)]
pub(super) struct Logouts {
    tasks: TaskTracker,
    limit: Duration,
}

impl Logouts {
    /// Each logout may take as long as `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            tasks: TaskTracker::new(),
            limit,
        }
    }

    /// Begins a logout. Nobody waits for its success: Snowflake ends forgotten sessions by itself.
    pub(super) fn begin(&self, login: Box<Login>) {
        // A runtime that is ending drops values outside of itself; then there is nothing to log out with.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let limit = self.limit;
        let logout = async move {
            match tokio::time::timeout(limit, login.upstream.close()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "logout of a spare not confirmed"),
                Err(_) => tracing::debug!(?limit, "logout of a spare not confirmed in time"),
            }
        };
        self.tasks.spawn_on(logout.in_current_span(), &runtime);
    }

    /// Waits for all that have begun.
    pub(super) async fn end(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

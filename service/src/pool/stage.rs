//! What a keeper waits for: a look at the settings, a spare's answer, the end of a login.
//!
//! Each is a future that the keeper polls beside its mailbox. It owns what it needs and touches nothing of the
//! keeper's, who turns its result into what comes next.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::domain::error::{Error, Reason};
use crate::domain::names::ConnectionName;
use crate::domain::pool::Spare;
use crate::domain::upstream::{Connector, Fingerprint, Login, LoginBasis};

/// How far the first who waits has come.
pub(super) enum Serving {
    /// Nothing was done for it yet, or nobody waits.
    Fresh,
    /// The settings of the connection are looked at.
    Looking(BoxFuture<'static, Result<LoginBasis, Error>>),
    /// Every spare rests on the settings of now.
    Looked,
    /// A spare is asked whether it is well.
    Checking {
        spare: Spare<Box<Login>>,
        verdict: BoxFuture<'static, Result<(), Error>>,
    },
}

/// What came of a step for the first who waits.
pub(super) enum Served {
    Looked(Result<LoginBasis, Error>),
    Checked(Result<(), Error>),
}

impl Serving {
    /// Waits for the step that is on its way; for ever when there is none.
    pub(super) async fn served(&mut self) -> Served {
        match self {
            Self::Looking(basis) => Served::Looked(basis.await),
            Self::Checking { verdict, .. } => Served::Checked(verdict.await),
            Self::Fresh | Self::Looked => std::future::pending().await,
        }
    }
}

/// The one login that may be on its way.
pub(super) struct LoginOnItsWay {
    pub(super) ended: BoxFuture<'static, LoginEnd>,
    /// What was known of the settings when it began.
    pub(super) basis: Option<Fingerprint>,
    /// Somebody waited for it when it began.
    pub(super) attended: bool,
}

/// What came of a login.
pub(super) enum LoginEnd {
    Ended(Result<Box<Login>, Error>),
    /// It was not tried, because it needs somebody who waits for it.
    NeedsSomebody(LoginBasis),
}

/// Waits for the login that is on its way; for ever when there is none.
pub(super) async fn ended(login: &mut Option<LoginOnItsWay>) -> LoginEnd {
    match login {
        Some(login) => (&mut login.ended).await,
        None => std::future::pending().await,
    }
}

/// Looks at what a login would rest on, at most for `limit`.
pub(super) fn look(connector: Arc<dyn Connector>, connection: ConnectionName, limit: Duration) -> Serving {
    Serving::Looking(Box::pin(async move {
        let basis = connector.basis(&connection);
        within(limit, &connection, basis).await
    }))
}

/// Asks a spare whether it is well, at most for `limit`.
pub(super) fn check(spare: Spare<Box<Login>>, limit: Duration) -> Serving {
    let upstream = Arc::clone(&spare.login.upstream);
    let verdict = Box::pin(async move {
        let checked = timeout(limit, upstream.check()).await;
        checked.unwrap_or_else(|_| Err(Error::new(Reason::Timeout, format!("no answer within {limit:?}"))))
    });
    Serving::Checking { spare, verdict }
}

/// Logs in for somebody, at most for `limit`.
pub(super) fn log_in(
    connector: Arc<dyn Connector>,
    connection: ConnectionName,
    limit: Duration,
) -> BoxFuture<'static, LoginEnd> {
    Box::pin(async move {
        let login = within(limit, &connection, connector.login(&connection)).await;
        LoginEnd::Ended(login.map(Box::new))
    })
}

/// Logs in if that needs nobody, as the settings are now.
pub(super) fn log_in_for_stock(
    connector: Arc<dyn Connector>,
    connection: ConnectionName,
    limit: Duration,
) -> BoxFuture<'static, LoginEnd> {
    Box::pin(async move {
        match within(limit, &connection, connector.basis(&connection)).await {
            Ok(basis) if basis.unattended => log_in(connector, connection, limit).await,
            Ok(basis) => LoginEnd::NeedsSomebody(basis),
            Err(error) => LoginEnd::Ended(Err(error)),
        }
    })
}

async fn within<T>(
    limit: Duration,
    connection: &ConnectionName,
    login: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(limit, login).await.unwrap_or_else(|_| {
        Err(Error::new(
            Reason::Timeout,
            format!("login over connection {connection} took longer than {limit:?}"),
        )
        .with_hint("look at the network, or raise `login.timeout`"))
    })
}

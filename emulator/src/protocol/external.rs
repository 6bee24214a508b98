//! Sessions without a login: a programmatic access token and the id of a session that the client has elsewhere.
//!
//! Every request shows both, `Authorization: Bearer …` and [`HEADER`]. The first statement that comes with a pair opens
//! a session, which is the pair's from then on; nothing is renewed. Python's connector calls it
//! `PAT_WITH_EXTERNAL_SESSION`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::header::{AUTHORIZATION, USER_AGENT};
use tokio::sync::OnceCell;

use crate::session::SessionSpec;

use super::accounts::Credentials;
use super::connector::{ClientSession, Connector, ended};
use super::format::{ClientNeeds, Puts, ResultFormat};
use super::login::{self, seconds_since_1970};
use super::message::Exchange;
use super::refusal::Refusal;

/// The header with the id of the client's own session.
const HEADER: &str = "x-snowflake-external-session-id";
/// What stands before the token.
const SCHEME: &str = "Bearer ";
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 512;

/// A token and an id, by which a session is found. Has no `Debug`: the token is a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    token: Box<str>,
    id: Box<str>,
}

/// The sessions of such pairs; a cell is empty while its session is being opened.
#[derive(Default)]
pub(super) struct ExternalSessions {
    known: Mutex<HashMap<Key, Arc<OnceCell<Arc<ClientSession>>>>>,
}

impl Key {
    /// The pair that a request shows, if it has the header.
    pub(super) fn of(headers: &HeaderMap) -> Option<Result<Self, Refusal>> {
        let id = headers.get(HEADER)?.to_str().unwrap_or_default();
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = shown.and_then(|value| value.strip_prefix(SCHEME)).map(str::trim);
        Some(match token {
            Some(token) if !token.is_empty() && !id.is_empty() && id.len() <= ID_BYTES_MAX => Ok(Self {
                token: token.into(),
                id: id.into(),
            }),
            _ => Err(Refusal::new(
                "394400",
                "A request with an external session needs its id and a programmatic access token.",
            )),
        })
    }

    /// Who shows it, in upper case; the token is judged with every request.
    fn user(&self, connector: &Connector) -> Result<String, Refusal> {
        let credentials = Credentials {
            token: Some(&self.token),
            ..Credentials::default()
        };
        connector
            .accounts
            .access_token(&credentials, seconds_since_1970())
    }
}

impl ExternalSessions {
    /// Forgets a session that has ended.
    pub(super) fn forget(&self, session: &ClientSession) {
        if let Some(key) = session.external.get() {
            self.lock().remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<OnceCell<Arc<ClientSession>>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The session of a pair, which must be there.
pub(super) fn find(connector: &Connector, key: &Key) -> Result<Arc<ClientSession>, Refusal> {
    key.user(connector)?;
    let known = connector.external.lock().get(key).cloned();
    known.and_then(|cell| cell.get().cloned()).ok_or_else(ended)
}

/// The session of a pair, which is opened when it is not there. Of several requests that come first, one opens it.
pub(super) async fn find_or_open(
    connector: &Arc<Connector>,
    exchange: &Exchange,
    key: Key,
) -> Result<Arc<ClientSession>, Refusal> {
    let user = key.user(connector)?;
    let cell = Arc::clone(connector.external.lock().entry(key.clone()).or_default());
    let opened = cell
        .get_or_try_init(|| async {
            let needs = needs(exchange.headers());
            let session = login::open(connector, user.into(), SessionSpec::default(), needs).await?;
            let _ = session.external.set(key.clone());
            tracing::info!(session = session.id(), "opened for an external session");
            Ok(session)
        })
        .await;
    if opened.is_err() {
        let mut known = connector.external.lock();
        if known.get(&key).is_some_and(|cell| cell.get().is_none()) {
            known.remove(&key);
        }
    }
    opened.cloned()
}

/// What a client needs that says who it is in its `User-Agent` alone, as `PythonConnector/4.8.1 (…)`.
fn needs(headers: &HeaderMap) -> ClientNeeds {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    let first = agent.and_then(|agent| agent.split_whitespace().next());
    let (application, version) = first.and_then(|first| first.split_once('/')).unzip();
    ClientNeeds {
        format: ResultFormat::for_client(application),
        puts: Puts::for_client(application, version),
    }
}

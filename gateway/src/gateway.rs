//! The gateway as our side of the crate sees it: start, announce logins and queries, use sessions.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;
use uuid::Uuid;

use crate::abort::{AbortAnswer, abort_query, abort_request};
use crate::config::GatewayConfig;
use crate::error::{GatewayError, LoginFailure};
use crate::exchange::result_by_id;
use crate::http_client::HttpClient;
use crate::keeper::keep;
use crate::local;
use crate::login::{LoginFacts, LoginPlan, log_in, take_nonce};
use crate::metrics::GatewayMetrics;
use crate::monitor::{QueryReport, query_report};
use crate::query::{CapturedAnswer, Directive, PendingQuery, QueryProgress};
use crate::ticket::{Parts, SessionTicket};
use crate::upstream::Upstream;

/// A running gateway. Cheap to clone; it stops listening when the last clone and the last session are gone.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What the loopback side and our side share.
pub(crate) struct Shared {
    pub(crate) config: Arc<GatewayConfig>,
    http: Arc<HttpClient>,
    local_url: Url,
    /// Logins that were announced and have not arrived.
    logins: Mutex<HashMap<String, (Announced, LoginCell)>>,
    /// Sessions by local token. Weak: a session lives as long as our side or a running exchange holds it.
    sessions: Mutex<HashMap<String, Weak<Upstream>>>,
    _stop: DropGuard,
}

/// What an announced login is to become.
enum Announced {
    /// One at the server.
    Login(LoginPlan),
    /// None: the session is there already.
    Adoption(Box<Parts>),
}

/// Where a login leaves its outcome.
type LoginCell = Arc<Mutex<Option<Result<Arc<Upstream>, LoginFailure>>>>;

impl Gateway {
    /// Opens a loopback port and starts to serve it.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Configuration`] when no port can be opened or the HTTP client cannot be set up.
    pub async fn start(config: GatewayConfig) -> Result<Self, GatewayError> {
        let unusable = |error: std::io::Error| GatewayError::Configuration {
            message: format!("no loopback port can be opened: {error}"),
        };
        let config = Arc::new(config);
        let http = Arc::new(HttpClient::new(Arc::clone(&config))?);
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .map_err(unusable)?;
        let port = listener.local_addr().map_err(unusable)?.port();
        let local_url = Url::parse(&format!("http://127.0.0.1:{port}/")).map_err(|error| {
            GatewayError::Configuration {
                message: error.to_string(),
            }
        })?;
        let stop = CancellationToken::new();
        let connections_max = config.local_connections_max.max(1);
        let shared = Arc::new(Shared {
            config,
            http,
            local_url,
            logins: Mutex::default(),
            sessions: Mutex::default(),
            _stop: stop.clone().drop_guard(),
        });
        tokio::spawn(watch_for_sleep(Arc::downgrade(&shared.http), stop.clone()));
        tokio::spawn(local::serve(
            listener,
            Arc::downgrade(&shared),
            stop,
            connections_max,
        ));
        Ok(Self { shared })
    }

    /// What this gateway has done so far.
    pub fn metrics(&self) -> GatewayMetrics {
        self.shared.http.counters.read()
    }

    /// Where snowflake-connector-rs has to send its requests.
    pub fn local_url(&self) -> &Url {
        &self.shared.local_url
    }

    /// Announces a login. The crate must send the nonce as the session parameter [`NONCE_PARAMETER`](crate::NONCE_PARAMETER).
    pub fn announce_login(&self, plan: LoginPlan) -> PendingLogin {
        self.announce(Announced::Login(plan))
    }

    /// Announces a login that goes on with the session of `ticket` instead of making one: the crate logs in as it does
    /// elsewhere, with any credential, and nothing is sent to the server.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Configuration`] for what is no ticket of this version.
    pub fn announce_adoption(&self, ticket: &SessionTicket) -> Result<PendingLogin, GatewayError> {
        let parts = Box::new(ticket.read()?);
        Ok(self.announce(Announced::Adoption(parts)))
    }

    fn announce(&self, plan: Announced) -> PendingLogin {
        let nonce = random_token();
        let cell = LoginCell::default();
        lock(&self.shared.logins).insert(nonce.clone(), (plan, Arc::clone(&cell)));
        PendingLogin {
            shared: Arc::clone(&self.shared),
            nonce,
            cell,
        }
    }
}

/// An announced login. Dropping it forgets the announcement.
pub struct PendingLogin {
    shared: Arc<Shared>,
    nonce: String,
    cell: LoginCell,
}

impl PendingLogin {
    /// The nonce to send.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Takes the session after the crate has logged in, or why there is none.
    ///
    /// # Errors
    ///
    /// [`LoginFailure::NotSent`] when the crate has not logged in; otherwise what the server or the way to it said.
    pub fn finish(self) -> Result<GatewaySession, LoginFailure> {
        let outcome = lock(&self.cell).take().ok_or(LoginFailure::NotSent)?;
        outcome.map(|upstream| GatewaySession {
            shared: Arc::clone(&self.shared),
            upstream,
        })
    }
}

impl Drop for PendingLogin {
    fn drop(&mut self) {
        lock(&self.shared.logins).remove(&self.nonce);
    }
}

impl Shared {
    /// The session behind a local token.
    pub(crate) fn session(&self, local_token: &str) -> Option<Arc<Upstream>> {
        lock(&self.sessions).get(local_token)?.upgrade()
    }

    /// Carries out an announced login and returns the local token; `None` when nobody announced it.
    pub(crate) async fn log_in(
        self: &Arc<Self>,
        pairs: Vec<(String, String)>,
        body: &Bytes,
    ) -> Option<Result<String, ()>> {
        let (nonce, body) = take_nonce(body)?;
        let (announced, cell) = lock(&self.logins).remove(&nonce)?;
        let (http, config) = (Arc::clone(&self.http), Arc::clone(&self.config));
        let outcome = match announced {
            Announced::Adoption(parts) => Ok(Upstream::adopt(http, config, *parts)),
            Announced::Login(plan) => log_in(&http, &config.identity, &plan, pairs, body)
                .await
                .map(|login| Upstream::new(http, config, plan.endpoint, plan.keep_alive, login)),
        };
        let reply = match outcome {
            Err(failure) => {
                *lock(&cell) = Some(Err(failure));
                Err(())
            }
            Ok(upstream) => {
                let upstream = Arc::new(upstream);
                tokio::spawn(keep(Arc::downgrade(&upstream), upstream.keep_alive));
                let local_token = random_token();
                let mut sessions = lock(&self.sessions);
                sessions.retain(|_, session| session.strong_count() > 0);
                sessions.insert(local_token.clone(), Arc::downgrade(&upstream));
                drop(sessions);
                *lock(&cell) = Some(Ok(upstream));
                Ok(local_token)
            }
        };
        Some(reply)
    }
}

/// One upstream session as our side holds it. Cheap to clone.
#[derive(Clone)]
pub struct GatewaySession {
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
}

impl GatewaySession {
    /// What the server told at login.
    pub fn facts(&self) -> &LoginFacts {
        &self.upstream.facts
    }

    /// Scheme, host and port of the server.
    pub fn endpoint(&self) -> &Url {
        &self.upstream.endpoint
    }

    /// Announces a query by the request id under which the crate will send it.
    pub fn announce_query(&self, request_id: &str, directive: Directive) -> PendingQuery {
        PendingQuery::announce(Arc::clone(&self.upstream), request_id, directive)
    }

    /// Reads the result of a query by its id, waiting while it runs.
    ///
    /// # Errors
    ///
    /// Any [`GatewayError`]. An unknown id is the server's failure inside the answer.
    pub async fn result_of(&self, query_id: &str, timeout: Duration) -> Result<CapturedAnswer, GatewayError> {
        result_by_id(&self.upstream, query_id, timeout).await
    }

    /// Asks how a query is, without waiting for its end; `None` when the server knows no such query.
    ///
    /// # Errors
    ///
    /// Any [`GatewayError`].
    pub async fn query_report(&self, query_id: &str) -> Result<Option<QueryReport>, GatewayError> {
        query_report(&self.upstream, query_id).await
    }

    /// A view of a query that is announced or under way under this request id.
    pub fn progress(&self, request_id: &str) -> Option<QueryProgress> {
        self.upstream.slots.progress(request_id)
    }

    /// Aborts the query that was sent under this request id.
    ///
    /// # Errors
    ///
    /// Any [`GatewayError`]; then it is unknown whether the abort arrived.
    pub async fn abort_request(&self, request_id: &str) -> Result<AbortAnswer, GatewayError> {
        abort_request(&self.upstream, request_id)
            .await
            .map(|(answer, _)| answer)
    }

    /// Aborts a query by its id.
    ///
    /// # Errors
    ///
    /// Any [`GatewayError`]; then it is unknown whether the abort arrived.
    pub async fn abort_query(&self, query_id: &str) -> Result<AbortAnswer, GatewayError> {
        abort_query(&self.upstream, query_id).await
    }

    /// Downloads one part of a result, as transferred (usually gzip).
    ///
    /// # Errors
    ///
    /// [`GatewayError::Unreachable`] after all retries, [`GatewayError::Refused`] when the address is no longer good,
    /// [`GatewayError::Protocol`] for an address without encryption from an encrypted server, or a part that is too large.
    pub async fn download(&self, address: &str, headers: &HeaderMap) -> Result<Bytes, GatewayError> {
        let url =
            Url::parse(address).map_err(|_| GatewayError::protocol("a result part has no usable address"))?;
        let weaker = self.upstream.endpoint.scheme() == "https" && url.scheme() != "https";
        if weaker {
            return Err(GatewayError::protocol(
                "a result part is offered without encryption",
            ));
        }
        self.shared.http.download(&url, headers).await
    }

    /// Tells the server that the session is in use.
    ///
    /// # Errors
    ///
    /// Any [`GatewayError`].
    pub async fn heartbeat(&self) -> Result<(), GatewayError> {
        self.upstream.heartbeat().await
    }

    /// Gives `keeper` the session's ticket, now and again after each renewal of its tokens, before anything is sent with
    /// the new ones. It must not block. A later keeper takes the place of an earlier one.
    pub fn keep_ticket(&self, keeper: impl Fn(SessionTicket) + Send + Sync + 'static) {
        self.upstream.keep_ticket(Box::new(keeper));
    }

    /// Logs out; true when the server confirmed it or knew the session no more.
    pub async fn log_out(&self) -> bool {
        self.upstream.log_out().await
    }

    /// True when the session was found expired or was closed.
    pub fn is_over(&self) -> bool {
        self.upstream.is_over()
    }
}

/// Looks now and then whether the machine has slept, so that sessions are checked before somebody needs them.
async fn watch_for_sleep(http: Weak<HttpClient>, stop: CancellationToken) {
    while let Some(http) = http.upgrade() {
        http.look_after_sleep();
        let interval = http.config.sleep_check_interval;
        drop(http);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// 244 random bits as text.
fn random_token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The maps are consistent between any two statements, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

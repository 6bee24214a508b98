//! One upstream session: requests under its current token, renewal, heartbeat, logout.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::clock::Reading;
use crate::config::GatewayConfig;
use crate::envelope::{ControlAnswer, seconds, text};
use crate::error::{Fate, GatewayError};
use crate::http_client::{Answer, Call, CallLimits, HttpClient, endpoint_name};
use crate::login::{LoggedIn, LoginFacts};
use crate::query::QuerySlots;
use crate::secret::Secret;
use crate::ticket::{Parts, SessionTicket};
use crate::tokens::{TokenCell, Tokens, Verdict, verdict};

/// How often one request may be answered "token expired" in a row before we believe that renewing does not help.
const RENEWALS_IN_A_ROW_MAX: u32 = 3;

/// Small requests are answered at once by a healthy server, so a silent one is asked so many times within the limit.
const CONTROL_TRIES: u32 = 3;

/// By how much the numbers of statements are advanced when a session is adopted: its ticket may be older than its last
/// statement, and no number may be used twice.
const ADOPTED_SEQUENCE_STEP: u64 = 1 << 20;

/// Somebody who keeps the current ticket of a session.
pub(crate) type TicketKeeper = Box<dyn Fn(SessionTicket) + Send + Sync>;

/// One login at the server.
pub(crate) struct Upstream {
    pub(crate) http: Arc<HttpClient>,
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) endpoint: Url,
    pub(crate) facts: LoginFacts,
    /// Queries that our side announced.
    pub(crate) slots: QuerySlots,
    tokens: TokenCell,
    /// Only one renewal at a time; the others wait here and then find new tokens.
    renewal: tokio::sync::Mutex<()>,
    /// Why the session is over, once it is.
    over: OnceLock<GatewayError>,
    sequence: AtomicU64,
    /// Whether the session is to be kept alive while it is idle.
    pub(crate) keep_alive: bool,
    /// Who is given a new ticket after each renewal.
    ticket_keeper: Mutex<Option<TicketKeeper>>,
    born: Reading,
    /// Milliseconds after `born` of the last request that the server answered.
    answered_ms: AtomicU64,
    /// Generation of the tokens that a statement used last, plus one.
    used_generation: AtomicU64,
}

/// A request in this session, without its token.
#[expect(clippy::struct_field_names, reason = "request id is the protocol's word")]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) request_id: &'a str,
    pub(crate) body: Bytes,
    pub(crate) limits: CallLimits,
    /// What is known about the statement that the request belongs to: in doubt once it was sent.
    pub(crate) before: Fate,
}

/// What requests cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) requests: u32,
    pub(crate) retries: u32,
    pub(crate) renewals: u32,
}

impl Upstream {
    pub(crate) fn new(
        http: Arc<HttpClient>,
        config: Arc<GatewayConfig>,
        endpoint: Url,
        keep_alive: bool,
        login: LoggedIn,
    ) -> Self {
        let received = config.clock.read();
        let parts = Parts {
            endpoint,
            keep_alive,
            sequence: 0,
            tokens: Tokens::new(login.token, login.master_token, received, login.facts.validity),
            facts: login.facts,
        };
        Self::with(http, config, parts)
    }

    /// Goes on with the session of a ticket.
    pub(crate) fn adopt(http: Arc<HttpClient>, config: Arc<GatewayConfig>, ticket: Parts) -> Self {
        let sequence = ticket.sequence.saturating_add(ADOPTED_SEQUENCE_STEP);
        Self::with(http, config, Parts { sequence, ..ticket })
    }

    fn with(http: Arc<HttpClient>, config: Arc<GatewayConfig>, parts: Parts) -> Self {
        let born = config.clock.read();
        Self {
            http,
            config,
            endpoint: parts.endpoint,
            facts: parts.facts,
            slots: QuerySlots::default(),
            tokens: TokenCell::new(parts.tokens),
            renewal: tokio::sync::Mutex::new(()),
            over: OnceLock::new(),
            sequence: AtomicU64::new(parts.sequence),
            keep_alive: parts.keep_alive,
            ticket_keeper: Mutex::default(),
            born,
            answered_ms: AtomicU64::new(0),
            used_generation: AtomicU64::new(0),
        }
    }

    /// Number of the next statement in this session.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Gives `keeper` the session's ticket, now and whenever it changes.
    pub(crate) fn keep_ticket(&self, keeper: TicketKeeper) {
        let mut place = self.ticket_keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper(self.ticket());
        *place = Some(keeper);
    }

    /// The tokens have changed.
    fn tell_ticket_keeper(&self) {
        // Locked while the keeper is told, so that the newest ticket is the one that stays.
        let keeper = self.ticket_keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = keeper.as_ref() {
            keeper(self.ticket());
        }
    }

    fn ticket(&self) -> SessionTicket {
        SessionTicket::issue(&Parts {
            endpoint: self.endpoint.clone(),
            keep_alive: self.keep_alive,
            sequence: self.sequence.load(Ordering::Relaxed),
            tokens: self.tokens.current(),
            facts: self.facts.clone(),
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.get().is_some()
    }

    fn check(&self) -> Result<(), GatewayError> {
        self.over.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Ends the session for everybody who uses it, and returns the reason (the first one counts).
    fn end(&self, code: Option<String>, message: String) -> GatewayError {
        self.over
            .get_or_init(|| GatewayError::SessionExpired {
                code,
                message,
                fate: Fate::NotRun,
            })
            .clone()
    }

    /// Sends `request` under the current token. An expired token is renewed and the request sent again with the same
    /// request id, so the server runs a statement once.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: &Request<'_>,
        cost: &mut Cost,
    ) -> Result<Answer, GatewayError> {
        let mut renewals = 0;
        let mut fate = request.before;
        loop {
            self.check().map_err(|error| error.about(fate))?;
            let tokens = self.current_tokens(request, fate, cost).await?;
            let call = Call {
                before: fate,
                ..self.call(request, Some(&tokens.session))
            };
            let answer = self.http.call(&call).await?;
            cost.requests += answer.attempts;
            cost.retries += answer.attempts - 1;
            // An answer about tokens is a refusal: it leaves open only what was open before.
            fate = answer.before;
            let (code, message) = match verdict(&answer) {
                Verdict::Fine => {
                    self.touch();
                    return Ok(answer);
                }
                Verdict::Over { code, message } => return Err(self.end(code, message).about(fate)),
                Verdict::Renewable { code, message } => (code, message),
            };
            if renewals == RENEWALS_IN_A_ROW_MAX {
                return Err(self.end(code, message).about(fate));
            }
            self.renew_for(request, fate, tokens.generation, code, message)
                .await?;
            renewals += 1;
            cost.renewals += 1;
        }
    }

    /// The tokens to send `request` with: new ones when we know that the server would refuse the old.
    async fn current_tokens(
        self: &Arc<Self>,
        request: &Request<'_>,
        fate: Fate,
        cost: &mut Cost,
    ) -> Result<Tokens, GatewayError> {
        let tokens = self.tokens.current();
        self.used_generation
            .store(tokens.generation + 1, Ordering::Relaxed);
        if tokens.master.is_none() || !tokens.is_expired(self.config.clock.read()) {
            return Ok(tokens);
        }
        let message = "the session token has expired".to_owned();
        self.renew_for(request, fate, tokens.generation, None, message)
            .await?;
        cost.renewals += 1;
        Ok(self.tokens.current())
    }

    /// Renews the tokens on behalf of `request`, within its time. A failure is told as that of the request, of which
    /// `fate` is known.
    async fn renew_for(
        self: &Arc<Self>,
        request: &Request<'_>,
        fate: Fate,
        generation: u64,
        code: Option<String>,
        message: String,
    ) -> Result<(), GatewayError> {
        let deadline = tokio::time::Instant::from_std(request.limits.deadline);
        let renewal = tokio::time::timeout_at(deadline, self.renew(generation, code, message)).await;
        let after = request.limits.allowed;
        match renewal.unwrap_or(Err(GatewayError::TimedOut { after })) {
            Ok(()) => Ok(()),
            // What timed out is the renewal; the request itself has not been sent again.
            Err(GatewayError::TimedOut { after }) if fate == Fate::NotRun => Err(GatewayError::Unreachable {
                endpoint: endpoint_name(&self.endpoint),
                reason: format!(
                    "the session token was not renewed within {} s",
                    after.as_secs_f32()
                ),
                attempts: 1,
                fate,
            }),
            Err(error) => Err(error.about(fate)),
        }
    }

    /// Renews the tokens before their time is over.
    pub(crate) async fn renew_ahead(self: &Arc<Self>) -> Result<(), GatewayError> {
        let message = "the session token is about to expire".to_owned();
        self.renew(self.tokens.current().generation, None, message).await
    }

    /// Time until the tokens should be renewed, when that is known.
    pub(crate) fn renewal_due_in(&self) -> Option<Duration> {
        self.tokens
            .current()
            .renewal_due_in(self.config.clock.read(), self.config.renew_ahead)
    }

    /// True when a request was sent with the current tokens.
    pub(crate) fn is_in_use(&self) -> bool {
        self.used_generation.load(Ordering::Relaxed) > self.tokens.current().generation
    }

    fn call<'a>(&'a self, request: &'a Request<'a>, token: Option<&'a Secret>) -> Call<'a> {
        Call {
            method: request.method.clone(),
            endpoint: &self.endpoint,
            path: request.path,
            pairs: &request.pairs,
            request_id: request.request_id,
            token,
            body: request.body.clone(),
            limits: request.limits,
            before: request.before,
            lost_attempts_max: u32::MAX,
        }
    }

    /// Gets new tokens, unless somebody else did since `generation`. Runs in a task of its own: a renewal whose caller
    /// goes away must still be completed, because the server may already have dropped the old tokens.
    async fn renew(
        self: &Arc<Self>,
        generation: u64,
        code: Option<String>,
        message: String,
    ) -> Result<(), GatewayError> {
        let upstream = Arc::clone(self);
        let renewal = tokio::spawn(async move {
            let _only_one = upstream.renewal.lock().await;
            upstream.check()?;
            let tokens = upstream.tokens.current();
            if tokens.generation != generation {
                return Ok(());
            }
            let Some(master) = tokens.master else {
                return Err(upstream.end(code, message));
            };
            upstream.request_tokens(&tokens.session, &master).await
        });
        renewal.await.unwrap_or_else(|_| {
            Err(GatewayError::protocol(
                "the renewal of the session token was interrupted",
            ))
        })
    }

    async fn request_tokens(&self, session: &Secret, master: &Secret) -> Result<(), GatewayError> {
        let request_id = Uuid::new_v4().to_string();
        let body = json!({ "oldSessionToken": session.expose(), "requestType": "RENEW" }).to_string();
        let request = self.control(
            "session/token-request",
            Vec::new(),
            &request_id,
            Bytes::from(body),
        );
        let received = self.config.clock.read();
        let outcome = self.http.call(&self.call(&request, Some(master))).await;
        let counters = &self.http.counters;
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                counters.renewals_failed.increment();
                return Err(error);
            }
        };
        let parsed = ControlAnswer::parse(&answer.body).ok();
        let is_word_of_server = parsed.is_some();
        let parsed = parsed.unwrap_or_default();
        let token = |name: &str| {
            text(&parsed.data[name])
                .filter(|token| !token.is_empty())
                .map(Secret::from)
        };
        match token("sessionToken") {
            Some(session) if parsed.success && answer.status == 200 => {
                let validity = seconds(&parsed.data["validityInSecondsST"]).or(self.facts.validity);
                let renewed = Tokens::new(session, token("masterToken"), received, validity);
                self.tokens.replace(renewed);
                self.tell_ticket_keeper();
                counters.renewals.increment();
                tracing::debug!("renewed the session token");
                Ok(())
            }
            _ => {
                counters.renewals_failed.increment();
                let message = parsed.message_or("the answer has no new token");
                // Only what speaks of the tokens ends the session. A network policy, a proxy or a failing server says
                // nothing about the master token, and the next request asks again.
                if is_word_of_server && verdict(&answer) != Verdict::Fine {
                    return Err(self.end(parsed.code, message));
                }
                Err(GatewayError::Unreachable {
                    endpoint: endpoint_name(&self.endpoint),
                    reason: format!("the session token was not renewed: {message}"),
                    attempts: answer.attempts,
                    fate: Fate::NotRun,
                })
            }
        }
    }

    /// A small request with the limits of control requests.
    fn control<'a>(
        &self,
        path: &'a str,
        pairs: Vec<(String, String)>,
        request_id: &'a str,
        body: Bytes,
    ) -> Request<'a> {
        Request {
            method: Method::POST,
            path,
            pairs,
            request_id,
            body,
            limits: self.control_limits(),
            before: Fate::NotRun,
        }
    }

    pub(crate) fn control_limits(&self) -> CallLimits {
        let allowed = self.config.control_timeout;
        CallLimits::lasting(allowed, allowed / CONTROL_TRIES)
    }

    /// Sends a small request of the session and reads its answer.
    pub(crate) async fn command(
        self: &Arc<Self>,
        path: &str,
        pairs: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<ControlAnswer, GatewayError> {
        let request_id = Uuid::new_v4().to_string();
        let request = self.control(path, pairs, &request_id, body);
        let answer = self.send(&request, &mut Cost::default()).await?;
        ControlAnswer::parse(&answer.body)
    }

    /// Tells the server that the session is in use.
    pub(crate) async fn heartbeat(self: &Arc<Self>) -> Result<(), GatewayError> {
        let outcome = self.beat().await;
        let counters = &self.http.counters;
        match outcome {
            Ok(()) => counters.heartbeats.increment(),
            Err(_) => counters.heartbeats_failed.increment(),
        }
        outcome
    }

    async fn beat(self: &Arc<Self>) -> Result<(), GatewayError> {
        let answer = self
            .command("session/heartbeat", Vec::new(), Bytes::new())
            .await?;
        if answer.success {
            return Ok(());
        }
        Err(GatewayError::protocol(format!(
            "the heartbeat was refused: {}",
            answer.message_or("no reason given")
        )))
    }

    /// Logs out; true when the server confirmed it or knew the session no more.
    pub(crate) async fn log_out(self: &Arc<Self>) -> bool {
        if self.is_over() {
            return true;
        }
        let pairs = vec![("delete".to_owned(), "true".to_owned())];
        let outcome = self.command("session", pairs, Bytes::from_static(b"{}")).await;
        self.end(None, "the session was closed".to_owned());
        match outcome {
            Ok(answer) => answer.success,
            Err(GatewayError::SessionExpired { .. }) => true,
            Err(_) => false,
        }
    }

    fn age(&self) -> Duration {
        self.born.until(self.config.clock.read())
    }

    fn touch(&self) {
        self.answered_ms
            .store(self.age().as_millis() as u64, Ordering::Relaxed);
    }

    /// Time since the last answer of the server.
    pub(crate) fn idle_time(&self) -> Duration {
        self.age()
            .saturating_sub(Duration::from_millis(self.answered_ms.load(Ordering::Relaxed)))
    }
}

//! Calls of the connector protocol over the kept connections: attempts, time limits, size limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::sync::watch;
use url::{Host, Url};
use uuid::Uuid;

use crate::body::{decompress, read_body};
use crate::clock::SleepWatch;
use crate::config::GatewayConfig;
use crate::error::{Fate, GatewayError};
use crate::metrics::Counters;
use crate::pool::{Generation, Pool};
use crate::retry::{AttemptFailure, Backoff, Patience, is_busy_status, retry_after};
use crate::secret::Secret;

/// One request of the connector protocol, which may take several attempts.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) endpoint: &'a Url,
    /// Path without a leading slash; may carry a query string of its own.
    pub(crate) path: &'a str,
    /// Further query pairs.
    pub(crate) pairs: &'a [(String, String)],
    /// Stable over all attempts: the server recognises a replay by it.
    pub(crate) request_id: &'a str,
    pub(crate) token: Option<&'a Secret>,
    pub(crate) body: Bytes,
    pub(crate) limits: CallLimits,
    /// What is known about the statement before this call.
    pub(crate) before: Fate,
    /// Attempts in all whose answer may be lost; for what the server does not recognise as a repetition.
    pub(crate) lost_attempts_max: u32,
}

/// Time limits of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// All attempts together end here.
    pub(crate) deadline: Instant,
    /// The time from the start of the whole undertaking to `deadline`, for messages.
    pub(crate) allowed: Duration,
    /// Longest silence of the server; then it is asked again.
    pub(crate) silence: Duration,
}

/// Stands for "no limit" where an instant is needed.
const LONGEST: Duration = Duration::from_hours(24 * 365);

impl CallLimits {
    /// `allowed` in all from now on, and at most `silence` at a time without a sign of the server.
    pub(crate) fn lasting(allowed: Duration, silence: Duration) -> Self {
        let allowed = allowed.min(LONGEST);
        Self {
            deadline: Instant::now() + allowed,
            allowed,
            silence,
        }
    }

    /// No end, but at most `silence` at a time without a sign of the server.
    pub(crate) fn endless(silence: Duration) -> Self {
        Self::lasting(LONGEST, silence)
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) attempts: u32,
    /// What was known about the statement before this answer.
    pub(crate) before: Fate,
}

/// What one attempt can end with, besides an answer.
#[derive(Debug)]
pub(crate) enum AttemptEnd {
    Again(AttemptFailure),
    Final(GatewayError),
}

impl AttemptEnd {
    /// The answer did not arrive as it was sent.
    pub(crate) fn broken(message: &str) -> Self {
        Self::Again(AttemptFailure::Transport(message.to_owned()))
    }
}

/// The one client towards Snowflake and its storage.
pub(crate) struct HttpClient {
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) counters: Arc<Counters>,
    pool: Pool,
    sleep_watch: SleepWatch,
}

impl HttpClient {
    pub(crate) fn new(config: Arc<GatewayConfig>) -> Result<Self, GatewayError> {
        let counters = Arc::new(Counters::default());
        Ok(Self {
            pool: Pool::new(Arc::clone(&config), Arc::clone(&counters))?,
            sleep_watch: SleepWatch::new(config.clock.clone(), config.sleep_min),
            counters,
            config,
        })
    }

    /// Looks whether the machine slept since the last look, and if so, gives up all connections: their other ends have
    /// forgotten them.
    pub(crate) fn look_after_sleep(&self) {
        if self.sleep_watch.has_slept() {
            tracing::info!("the machine slept: opening new connections, checking sessions");
            self.counters.sleeps.increment();
            self.pool.give_up();
            self.sleep_watch.announce();
        }
    }

    /// Changes each time the machine has slept.
    pub(crate) fn wakes(&self) -> watch::Receiver<u64> {
        self.sleep_watch.wakes()
    }

    /// The connections to use now.
    pub(crate) fn connections(&self) -> Generation {
        self.look_after_sleep();
        self.pool.current()
    }

    /// Counts the attempts of a request that starts now.
    pub(crate) fn backoff(&self, endpoint: &Url, before: Fate) -> Backoff {
        self.look_after_sleep();
        let patience = if is_this_machine(endpoint) {
            Patience::Never
        } else if before == Fate::MayHaveRun || self.sleep_watch.woke_just_now() {
            Patience::Always
        } else {
            Patience::OnceInDoubt
        };
        Backoff::new(self.config.retry, patience)
    }

    /// Sends `call`, again where that is safe, and returns the first answer that is not "come back later".
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, GatewayError> {
        let started_ms = self.config.clock.unix_ms();
        let mut backoff = self.backoff(call.endpoint, call.before);
        let mut previous: Option<AttemptFailure> = None;
        let mut fate = call.before;
        let mut lost = 0;
        loop {
            let connections = self.connections();
            let url = call_url(call, backoff.attempts() - 1, previous.as_ref(), started_ms)?;
            let end = interruptible(&connections, self.attempt(&connections.client, call, url)).await;
            let failure = match end {
                Ok((status, body)) => {
                    return Ok(Answer {
                        status,
                        body,
                        attempts: backoff.attempts(),
                        before: fate,
                    });
                }
                Err(AttemptEnd::Final(error)) => {
                    let fate = fate.and(error.fate());
                    return Err(error.about(fate));
                }
                Err(AttemptEnd::Again(failure)) => failure,
            };
            fate = fate.and(failure.fate());
            let attempts = backoff.attempts();
            lost += u32::from(failure.fate() == Fate::MayHaveRun);
            let fits = |pause: &Duration| {
                lost < call.lost_attempts_max && Instant::now() + *pause < call.limits.deadline
            };
            let Some(pause) = backoff.after(&failure).filter(fits) else {
                return Err(GatewayError::Unreachable {
                    endpoint: endpoint_name(call.endpoint),
                    reason: failure.describe(),
                    attempts,
                    fate,
                });
            };
            tracing::debug!(
                request_id = call.request_id,
                reason = failure.describe(),
                "retrying a request"
            );
            self.counters.retried(&failure);
            tokio::time::sleep(pause).await;
            previous = Some(failure);
        }
    }

    /// One attempt: the status, if it is one of an answer, and the body.
    async fn attempt(
        &self,
        client: &reqwest::Client,
        call: &Call<'_>,
        url: Url,
    ) -> Result<(u16, Bytes), AttemptEnd> {
        let mut request = client
            .request(call.method.clone(), url)
            .headers(call_headers(call.token)?);
        if call.method == Method::POST {
            request = request
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(call.body.clone());
        }
        self.counters.requests.increment();
        self.counters.bytes_sent.add(call.body.len());
        let response = within(&call.limits, request.send()).await?;
        let status = response.status().as_u16();
        if is_busy_status(status) {
            return Err(self.busy(status, response.headers()));
        }
        if status != 401 && !(200..300).contains(&status) {
            return Err(refused(call.endpoint, status));
        }
        let bytes_max = self.config.answer_body_bytes_max;
        let is_gzip = response
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|coding| coding == "gzip");
        let body = read_body(response, bytes_max, &call.limits).await?;
        self.counters.bytes_received.add(body.len());
        if is_gzip {
            return Ok((status, decompress(body, bytes_max).await?));
        }
        Ok((status, body))
    }

    pub(crate) fn busy(&self, status: u16, headers: &HeaderMap) -> AttemptEnd {
        AttemptEnd::Again(AttemptFailure::Busy {
            status,
            retry_after: retry_after(headers, self.config.clock.read().wall),
        })
    }
}

/// The server does not accept this request, and did not carry it out.
pub(crate) fn refused(endpoint: &Url, status: u16) -> AttemptEnd {
    AttemptEnd::Final(GatewayError::Refused {
        endpoint: endpoint_name(endpoint),
        status,
        fate: Fate::NotRun,
    })
}

/// The media type all official drivers ask for; it does not choose the result format.
const ACCEPT: HeaderValue = HeaderValue::from_static("application/snowflake");

fn call_headers(token: Option<&Secret>) -> Result<HeaderMap, AttemptEnd> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::ACCEPT, ACCEPT);
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    if let Some(token) = token {
        let text = format!("Snowflake Token=\"{}\"", token.expose());
        let mut value = HeaderValue::try_from(text).map_err(|_| {
            AttemptEnd::Final(GatewayError::protocol(
                "the token has characters no header can carry",
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

fn call_url(
    call: &Call<'_>,
    retries: u32,
    previous: Option<&AttemptFailure>,
    started_ms: u64,
) -> Result<Url, GatewayError> {
    let mut url = call
        .endpoint
        .join(call.path)
        .ok()
        .filter(|url| url.origin() == call.endpoint.origin())
        .ok_or_else(|| GatewayError::protocol("the server names an address outside its own origin"))?;
    {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in call.pairs {
            pairs.append_pair(name, value);
        }
        pairs.append_pair("requestId", call.request_id);
        pairs.append_pair("request_guid", &Uuid::new_v4().to_string());
        if let Some(failure) = previous {
            pairs.append_pair("clientStartTime", &started_ms.to_string());
            pairs.append_pair("retryCount", &retries.to_string());
            pairs.append_pair("retryReason", &failure.reason_code().to_string());
        }
    }
    Ok(url)
}

/// Runs an attempt unless its connections are given up meanwhile.
pub(crate) async fn interruptible<T>(
    connections: &Generation,
    attempt: impl Future<Output = Result<T, AttemptEnd>>,
) -> Result<T, AttemptEnd> {
    tokio::select! {
        biased;
        end = attempt => end,
        () = connections.given_up.cancelled() => {
            Err(AttemptEnd::broken("the connection was given up because the machine slept"))
        }
    }
}

/// Runs `future` within the silence limit and the deadline, whichever ends first.
pub(crate) async fn within<T, F>(limits: &CallLimits, future: F) -> Result<T, AttemptEnd>
where
    F: Future<Output = Result<T, reqwest::Error>>,
{
    let remaining = limits.deadline.saturating_duration_since(Instant::now());
    match tokio::time::timeout(remaining.min(limits.silence), future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(AttemptEnd::Again(classify(error))),
        Err(_) if remaining <= limits.silence => Err(AttemptEnd::Final(GatewayError::TimedOut {
            after: limits.allowed,
        })),
        Err(_) => Err(AttemptEnd::Again(AttemptFailure::Silence(limits.silence))),
    }
}

fn classify(error: reqwest::Error) -> AttemptFailure {
    if error.is_connect() {
        AttemptFailure::Connect(describe(error))
    } else {
        AttemptFailure::Transport(describe(error))
    }
}

/// The innermost cause of an HTTP error in words, without the address, which may be signed.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let no_connection_in_time = error.is_connect() && error.is_timeout();
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if no_connection_in_time {
        "no connection in time".to_owned()
    } else {
        innermost.to_string()
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Scheme, host and port of an address, for messages.
pub(crate) fn endpoint_name(url: &Url) -> String {
    url.origin().ascii_serialization()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_several_names() {
        for (address, expected) in [
            ("http://127.0.0.1:8432/", true),
            ("http://[::1]:8432/", true),
            ("http://localhost/", true),
            ("https://acct.snowflakecomputing.com/", false),
            ("http://192.0.2.1/", false),
        ] {
            assert_eq!(
                is_this_machine(&Url::parse(address).unwrap()),
                expected,
                "{address}"
            );
        }
    }
}

//! The one pooled HTTP client towards Snowflake: attempts, time limits, size limits.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, header};
use url::Url;
use uuid::Uuid;

use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::retry::{AttemptFailure, Backoff, is_busy_status};
use crate::secret::Secret;

/// One request of the connector protocol, which may take several attempts.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) endpoint: &'a Url,
    /// Path without a leading slash; may carry a query string of its own.
    pub(crate) path: &'a str,
    /// Further query pairs.
    pub(crate) pairs: Vec<(String, String)>,
    /// Stable over all attempts: the server recognises a replay by it.
    pub(crate) request_id: &'a str,
    pub(crate) token: Option<&'a Secret>,
    pub(crate) body: Bytes,
    pub(crate) limits: CallLimits,
}

/// Time limits of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLimits {
    /// All attempts together end here.
    pub(crate) deadline: Instant,
    /// The time from the start of the whole undertaking to `deadline`, for messages.
    pub(crate) allowed: Duration,
    /// Longest silence of the server.
    pub(crate) silence: Duration,
    /// Whether to try again after such a silence. A silent statement may be running, so it is not sent again.
    pub(crate) retry_silence: bool,
}

/// Stands for "no limit" where an instant is needed.
const LONGEST: Duration = Duration::from_hours(24 * 365);

impl CallLimits {
    /// `allowed` in all from now on, and at most `silence` without a sign of the server, which then is not asked again.
    pub(crate) fn lasting(allowed: Duration, silence: Duration) -> Self {
        let allowed = allowed.min(LONGEST);
        Self {
            deadline: Instant::now() + allowed,
            allowed,
            silence,
            retry_silence: false,
        }
    }

    /// The same, but a silent server is asked again.
    pub(crate) fn retrying_silence(self) -> Self {
        Self {
            retry_silence: true,
            ..self
        }
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) attempts: u32,
}

/// What one attempt can end with, besides an answer.
enum AttemptEnd {
    Again(AttemptFailure),
    Final(GatewayError),
}

/// The pooled client. One for everything: a second one would load the trust roots again. It leaves gzip alone, because
/// result parts are decompressed by their reader, off the I/O threads.
pub(crate) struct HttpClient {
    client: reqwest::Client,
    config: Arc<GatewayConfig>,
}

impl HttpClient {
    pub(crate) fn new(config: Arc<GatewayConfig>) -> Result<Self, GatewayError> {
        let client = client_builder(&config)?
            .build()
            .map_err(|error| GatewayError::Configuration {
                message: format!("the HTTP client cannot be set up: {}", describe(error)),
            })?;
        Ok(Self { client, config })
    }

    /// Sends `call`, again where the protocol allows, and returns the first answer that is not "come back later".
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, GatewayError> {
        let started_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let mut backoff = Backoff::new(self.config.retry);
        let mut previous: Option<AttemptFailure> = None;
        loop {
            let url = call_url(call, backoff.attempts() - 1, previous.as_ref(), started_ms)?;
            match self.attempt(call, url).await {
                Ok(mut answer) => {
                    answer.attempts = backoff.attempts();
                    return Ok(answer);
                }
                Err(AttemptEnd::Final(error)) => return Err(error),
                Err(AttemptEnd::Again(failure)) => {
                    let pause = backoff.after(&failure);
                    let fits = |pause: &Duration| Instant::now() + *pause < call.limits.deadline;
                    let Some(pause) = pause.filter(fits) else {
                        return Err(GatewayError::Unreachable {
                            endpoint: endpoint_name(call.endpoint),
                            reason: failure.describe(),
                            attempts: backoff.attempts(),
                        });
                    };
                    tracing::debug!(
                        request_id = call.request_id,
                        reason = failure.describe(),
                        "retrying a request"
                    );
                    tokio::time::sleep(pause).await;
                    previous = Some(failure);
                }
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, url: Url) -> Result<Answer, AttemptEnd> {
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header(header::ACCEPT, ACCEPT)
            .header(header::ACCEPT_ENCODING, "gzip");
        if let Some(token) = call.token {
            let mut value = header::HeaderValue::try_from(format!("Snowflake Token=\"{}\"", token.expose()))
                .map_err(|_| {
                    AttemptEnd::Final(GatewayError::protocol(
                        "the token has characters no header can carry",
                    ))
                })?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if call.method == Method::POST {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(call.body.clone());
        }
        let response = within(&call.limits, request.send()).await?;
        let status = response.status().as_u16();
        if is_busy_status(status) {
            return Err(AttemptEnd::Again(AttemptFailure::Busy {
                status,
                retry_after: retry_after(response.headers()),
            }));
        }
        if status != 401 && !(200..300).contains(&status) {
            return Err(AttemptEnd::Final(GatewayError::Refused {
                endpoint: endpoint_name(call.endpoint),
                status,
            }));
        }
        let bytes_max = self.config.answer_body_bytes_max;
        let is_gzip = response
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|coding| coding == "gzip");
        let mut body = read_body(response, bytes_max, &call.limits).await?;
        if is_gzip {
            body = decompress(body, bytes_max).await.map_err(AttemptEnd::Final)?;
        }
        Ok(Answer {
            status,
            body,
            attempts: 1,
        })
    }

    /// Downloads one result part, as transferred (usually gzip).
    pub(crate) async fn download(&self, url: &Url, headers: &HeaderMap) -> Result<Bytes, GatewayError> {
        let mut backoff = Backoff::new(self.config.retry);
        loop {
            let limits = CallLimits::lasting(LONGEST, self.config.chunk_timeout).retrying_silence();
            match self.download_once(url, headers, &limits).await {
                Ok(body) => return Ok(body),
                Err(AttemptEnd::Final(error)) => return Err(error),
                Err(AttemptEnd::Again(failure)) => {
                    let Some(pause) = backoff.after(&failure) else {
                        return Err(GatewayError::Unreachable {
                            endpoint: endpoint_name(url),
                            reason: failure.describe(),
                            attempts: backoff.attempts(),
                        });
                    };
                    tracing::debug!(
                        host = url.host_str(),
                        reason = failure.describe(),
                        "retrying a result part"
                    );
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn download_once(
        &self,
        url: &Url,
        headers: &HeaderMap,
        limits: &CallLimits,
    ) -> Result<Bytes, AttemptEnd> {
        let request = self.client.get(url.clone()).headers(headers.clone());
        let response = within(limits, request.send()).await?;
        let status = response.status().as_u16();
        if is_busy_status(status) {
            return Err(AttemptEnd::Again(AttemptFailure::Busy {
                status,
                retry_after: retry_after(response.headers()),
            }));
        }
        if !(200..300).contains(&status) {
            return Err(AttemptEnd::Final(GatewayError::Refused {
                endpoint: endpoint_name(url),
                status,
            }));
        }
        read_body(response, self.config.chunk_body_bytes_max, limits).await
    }
}

/// The media type all official drivers ask for; it does not choose the result format.
const ACCEPT: &str = "application/snowflake";

fn client_builder(config: &GatewayConfig) -> Result<reqwest::ClientBuilder, GatewayError> {
    let agent = format!(
        "{}/{} ({})",
        config.identity.application,
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS
    );
    let mut builder = reqwest::Client::builder()
        .user_agent(agent)
        .http1_only()
        .no_gzip()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(config.pool_idle_timeout)
        .pool_max_idle_per_host(config.pool_idle_per_host_max)
        .no_proxy();
    if let Some(settings) = &config.proxy {
        let mut proxy =
            reqwest::Proxy::all(settings.url.clone()).map_err(|error| GatewayError::Configuration {
                message: format!("the proxy cannot be used: {}", describe(error)),
            })?;
        if let Some((user, password)) = &settings.credentials {
            proxy = proxy.basic_auth(user, password.expose());
        }
        let except = settings.except.as_deref().and_then(reqwest::NoProxy::from_string);
        builder = builder.proxy(proxy.no_proxy(except));
    }
    Ok(builder)
}

fn call_url(
    call: &Call<'_>,
    retries: u32,
    previous: Option<&AttemptFailure>,
    started_ms: u128,
) -> Result<Url, GatewayError> {
    let mut url = call
        .endpoint
        .join(call.path)
        .ok()
        .filter(|url| url.origin() == call.endpoint.origin())
        .ok_or_else(|| GatewayError::protocol("the server names an address outside its own origin"))?;
    {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in &call.pairs {
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

/// Runs `future` within the silence limit and the deadline, whichever ends first.
async fn within<T, F>(limits: &CallLimits, future: F) -> Result<T, AttemptEnd>
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
        Err(_) if limits.retry_silence => Err(AttemptEnd::Again(AttemptFailure::Transport(format!(
            "no answer within {} s",
            limits.silence.as_secs_f32()
        )))),
        Err(_) => Err(AttemptEnd::Final(GatewayError::TimedOut {
            after: limits.silence,
        })),
    }
}

async fn read_body(
    mut response: reqwest::Response,
    bytes_max: usize,
    limits: &CallLimits,
) -> Result<Bytes, AttemptEnd> {
    let too_large = || {
        AttemptEnd::Final(GatewayError::protocol(format!(
            "the answer is larger than the limit of {bytes_max} bytes"
        )))
    };
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(too_large());
    }
    let Some(first) = within(limits, response.chunk()).await? else {
        return Ok(Bytes::new());
    };
    if first.len() >= announced && announced > 0 {
        // The whole body came in one piece, as small answers do; the end has still to be read to reuse the connection.
        if within(limits, response.chunk()).await?.is_none() {
            return Ok(first);
        }
        return Err(AttemptEnd::Final(GatewayError::protocol(
            "the answer is longer than announced",
        )));
    }
    let mut body = BytesMut::with_capacity(announced.max(first.len()));
    body.extend_from_slice(&first);
    while let Some(piece) = within(limits, response.chunk()).await? {
        if body.len() + piece.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// Bodies above this size are decompressed on the blocking pool, so that they do not delay other sessions.
const DECOMPRESS_IN_PLACE_BYTES_MAX: usize = 64 * 1024;

async fn decompress(body: Bytes, bytes_max: usize) -> Result<Bytes, GatewayError> {
    let in_place = body.len() <= DECOMPRESS_IN_PLACE_BYTES_MAX;
    let work = move || {
        let mut plain = Vec::with_capacity(body.len() * 4);
        let mut decoder = flate2::read::MultiGzDecoder::new(&body[..]).take(bytes_max as u64 + 1);
        decoder
            .read_to_end(&mut plain)
            .map_err(|_| GatewayError::protocol("an answer is not valid gzip"))?;
        if plain.len() > bytes_max {
            return Err(GatewayError::protocol(format!(
                "the answer is larger than the limit of {bytes_max} bytes"
            )));
        }
        Ok(Bytes::from(plain))
    };
    if in_place {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(GatewayError::protocol("decompressing an answer was interrupted")))
}

fn classify(error: reqwest::Error) -> AttemptFailure {
    if error.is_connect() {
        AttemptFailure::Connect(describe(error))
    } else {
        AttemptFailure::Transport(describe(error))
    }
}

/// The innermost cause of an HTTP error in words, without the address, which may be signed.
fn describe(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if timed_out {
        "no connection in time".to_owned()
    } else {
        innermost.to_string()
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// Scheme, host and port of an address, for messages.
pub(crate) fn endpoint_name(url: &Url) -> String {
    url.origin().ascii_serialization()
}

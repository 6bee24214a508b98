//! The collector at the other end: OTLP over HTTP, as protocol buffers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::redirect::Policy;

use crate::domain::error::Chain;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The collector.
pub(super) struct Collector {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
}

/// Why spans were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Worth another attempt, not before this time if the collector named one.
    #[error("{0}")]
    Temporary(String, Option<Duration>),
    /// They will never be taken.
    #[error("{0}")]
    Final(String),
}

impl Collector {
    /// Goes to `url` as it stands, with these headers, and waits so long for each answer.
    pub(super) fn new(url: &str, mut headers: HeaderMap, timeout: Duration) -> Result<Self, String> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/x-protobuf"));
        let client = reqwest::Client::builder()
            .user_agent(concat!("snowflake-session/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            // Headers with a key in them go where they were meant for, and nowhere else.
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| Chain(&error).to_string())?;
        Ok(Self {
            client,
            url: url.to_owned(),
            headers,
        })
    }

    /// Posts spans; returns how many of them the collector did not want.
    pub(super) async fn post(&self, spans: Bytes) -> Result<u64, Refusal> {
        let request = self
            .client
            .post(&self.url)
            .headers(self.headers.clone())
            .body(spans);
        let answer = request.send().await;
        let mut answer =
            answer.map_err(|error| Refusal::Temporary(Chain(&error.without_url()).to_string(), None))?;
        let status = answer.status();
        if !status.is_success() {
            let why = format!("the collector answered {status}");
            return Err(match status {
                StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => Refusal::Temporary(why, retry_after(answer.headers())),
                _ => Refusal::Final(why),
            });
        }
        let mut body = Vec::new();
        while let Ok(Some(part)) = answer.chunk().await {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                break;
            }
            body.extend_from_slice(&part);
        }
        // Whoever took the spans and says nothing that can be read has taken them all.
        let said = ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
        let rejected = said.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or(0))
    }
}

/// The pause that a collector asks for, in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

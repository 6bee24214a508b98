//! Downloads of result parts, which go on where a broken one stopped.
//!
//! A part may be hundreds of megabytes, and its storage far away. So a broken, silent or crawling download is continued
//! by a range request, and its attempts are counted anew as long as they bring something: the limit is on attempts
//! without progress. A storage that does not know ranges sends the whole part again; that is no progress.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::Instant;
use url::Url;

use crate::body::{reserve, too_large};
use crate::error::{Fate, GatewayError};
use crate::http_client::{AttemptEnd, CallLimits, HttpClient, endpoint_name, interruptible, refused, within};
use crate::retry::{AttemptFailure, is_busy_status};

/// What has come of a part so far.
#[derive(Default)]
struct Partial {
    body: BytesMut,
    /// Length of the whole part, once it is known.
    total: Option<u64>,
    /// What the storage calls this version of the part; a continuation asks for no other.
    version: Option<HeaderValue>,
}

impl HttpClient {
    /// Downloads one result part, as transferred (usually gzip).
    pub(crate) async fn download(&self, url: &Url, headers: &HeaderMap) -> Result<Bytes, GatewayError> {
        let mut partial = Partial::default();
        let mut backoff = self.backoff(url, Fate::MayHaveRun);
        let mut attempts = 0;
        let mut farthest = 0;
        loop {
            attempts += 1;
            let connections = self.connections();
            let attempt = self.download_some(&connections.client, url, headers, &mut partial);
            let failure = match interruptible(&connections, attempt).await {
                Ok(()) => return Ok(partial.body.freeze()),
                // The statement has run; only its rows are missing.
                Err(AttemptEnd::Final(error)) => return Err(error.about(Fate::MayHaveRun)),
                Err(AttemptEnd::Again(failure)) => failure,
            };
            if partial.body.len() >= farthest + self.config.chunk_progress_bytes_min {
                backoff = self.backoff(url, Fate::MayHaveRun);
            }
            farthest = farthest.max(partial.body.len());
            let Some(pause) = backoff.after(&failure) else {
                return Err(GatewayError::Unreachable {
                    endpoint: endpoint_name(url),
                    reason: failure.describe(),
                    attempts,
                    fate: Fate::MayHaveRun,
                });
            };
            tracing::debug!(
                host = url.host_str(),
                reason = failure.describe(),
                received = partial.body.len(),
                "retrying a result part"
            );
            self.counters.retried(&failure);
            tokio::time::sleep(pause).await;
        }
    }

    /// One attempt: asks for what is missing and adds what comes.
    async fn download_some(
        &self,
        client: &reqwest::Client,
        url: &Url,
        headers: &HeaderMap,
        partial: &mut Partial,
    ) -> Result<(), AttemptEnd> {
        let limits = CallLimits::endless(self.config.chunk_timeout);
        let mut request = client.get(url.clone()).headers(headers.clone());
        if !partial.body.is_empty() {
            request = request.header(header::RANGE, format!("bytes={}-", partial.body.len()));
            if let Some(version) = &partial.version {
                request = request.header(header::IF_RANGE, version);
            }
        }
        self.counters.requests.increment();
        let response = within(&limits, request.send()).await?;
        let status = response.status();
        if is_busy_status(status.as_u16()) {
            return Err(self.busy(status.as_u16(), response.headers()));
        }
        match status {
            StatusCode::PARTIAL_CONTENT => partial.check_continuation(response.headers())?,
            StatusCode::RANGE_NOT_SATISFIABLE if !partial.body.is_empty() => {
                *partial = Partial::default();
                return Err(AttemptEnd::broken("a result part cannot be continued"));
            }
            _ if status.is_success() => partial.start(&response),
            _ => return Err(refused(url, status.as_u16())),
        }
        let bytes_max = self.config.chunk_body_bytes_max;
        if partial.total.is_some_and(|total| total > bytes_max as u64) {
            return Err(AttemptEnd::Final(too_large(bytes_max)));
        }
        self.receive(response, partial, &limits).await
    }

    /// Adds the body of `response`. Each `chunk_timeout` has to bring a little: who sends a byte now and then is not
    /// silent, but no use either.
    async fn receive(
        &self,
        mut response: reqwest::Response,
        partial: &mut Partial,
        limits: &CallLimits,
    ) -> Result<(), AttemptEnd> {
        let bytes_max = self.config.chunk_body_bytes_max;
        let mut measured_from = (Instant::now(), partial.body.len());
        while let Some(piece) = within(limits, response.chunk()).await? {
            if partial.body.len() + piece.len() > bytes_max {
                return Err(AttemptEnd::Final(too_large(bytes_max)));
            }
            self.counters.bytes_received.add(piece.len());
            partial.body.extend_from_slice(&piece);
            let (since, bytes) = measured_from;
            if since.elapsed() >= self.config.chunk_timeout {
                if partial.body.len() - bytes < self.config.chunk_progress_bytes_min {
                    return Err(AttemptEnd::Again(AttemptFailure::Silence(
                        self.config.chunk_timeout,
                    )));
                }
                measured_from = (Instant::now(), partial.body.len());
            }
        }
        match partial.total {
            Some(total) if total != partial.body.len() as u64 => {
                *partial = Partial::default();
                Err(AttemptEnd::broken(
                    "a result part does not have its announced length",
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Partial {
    /// The whole part comes, from its beginning.
    fn start(&mut self, response: &reqwest::Response) {
        self.body.clear();
        self.total = response.content_length();
        self.body.reserve(reserve(self.total));
        let version = response.headers().get(header::ETAG);
        // A weak one does not promise the same bytes.
        self.version = version
            .filter(|version| !version.as_bytes().starts_with(b"W/"))
            .cloned();
    }

    /// Checks that what comes is what was asked for: the rest of the same part.
    fn check_continuation(&mut self, headers: &HeaderMap) -> Result<(), AttemptEnd> {
        let range = headers
            .get(header::CONTENT_RANGE)
            .and_then(|value| value.to_str().ok())
            .and_then(continuation);
        // A storage that does not know `If-Range` may continue a part that was replaced meanwhile.
        let is_same = match (&self.version, headers.get(header::ETAG)) {
            (Some(known), Some(told)) => known == told,
            _ => true,
        };
        let fits = is_same
            && range.is_some_and(|(start, total)| {
                start == self.body.len() as u64 && self.total.is_none_or(|known| known == total)
            });
        if !fits {
            *self = Self::default();
            return Err(AttemptEnd::broken(
                "a result part was continued at another place or from another version",
            ));
        }
        self.total = range.map(|(_, total)| total);
        Ok(())
    }
}

/// Start and length of the whole in a `Content-Range` that reaches to the end.
fn continuation(range: &str) -> Option<(u64, u64)> {
    let (places, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (start, last) = places.split_once('-')?;
    let (start, last, total): (u64, u64, u64) =
        (start.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (start <= last && last.checked_add(1) == Some(total)).then_some((start, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_to_the_end_continues_a_part() {
        for (range, expected) in [
            ("bytes 10-99/100", Some((10, 100))),
            ("bytes 0-0/1", Some((0, 1))),
            ("bytes 10-98/100", None),
            ("bytes 10-99/*", None),
            ("bytes */100", None),
            ("bytes 99-10/11", None),
            ("bytes 0-18446744073709551615/5", None),
            ("rows 10-99/100", None),
        ] {
            assert_eq!(continuation(range), expected, "{range}");
        }
    }
}

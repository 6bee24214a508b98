//! `GET /metrics`: what was asked of each endpoint and how long it took, as Prometheus reads it.
//!
//! There only with `--metrics`, and only for this machine: how much is done, and when, is nobody else's business.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response, StatusCode};

use super::connector::Connector;
use super::fault_control::names_this_machine;
use super::message::{Exchange, Reply, ReplyBody};
use super::query_context::Sent;
use super::refusal::Refusal;

/// Where it is.
pub(super) const PATH: &str = "/metrics";

/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0, 60.0,
];

/// What was counted.
#[derive(Debug, Default)]
pub struct Metrics {
    endpoints: Mutex<BTreeMap<&'static str, Endpoint>>,
    /// Statements by what came with them of query contexts, in the order of [`CONTEXTS`].
    contexts: [AtomicU64; CONTEXTS.len()],
}

/// What may come with a statement of query contexts, and its word.
const CONTEXTS: [(Sent, &str); 4] = [
    (Sent::Nothing, "nothing"),
    (Sent::Current, "current"),
    (Sent::Incomplete, "incomplete"),
    (Sent::Other, "other"),
];

#[derive(Debug, Default)]
struct Endpoint {
    /// Answers by method and status.
    answers: BTreeMap<(&'static str, u16), u64>,
    /// Answers by bucket; those that took longer than the last are in none.
    buckets: [u64; BUCKETS.len()],
    seconds: f64,
    count: u64,
}

impl Metrics {
    /// Counts nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Counts an answer.
    pub(super) fn count(
        &self,
        endpoint: &'static str,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = endpoints.entry(endpoint).or_default();
        *counted
            .answers
            .entry((method_name(method), status.as_u16()))
            .or_default() += 1;
        let seconds = elapsed.as_secs_f64();
        if let Some(index) = BUCKETS.iter().position(|end| seconds <= *end) {
            counted.buckets[index] += 1;
        }
        counted.seconds += seconds;
        counted.count += 1;
    }

    /// Counts a statement by what came with it of query contexts.
    pub(super) fn count_contexts(&self, sent: Sent) {
        for ((counted, _), count) in CONTEXTS.iter().zip(&self.contexts) {
            if *counted == sent {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Answers `GET /metrics` of this machine.
    pub(super) fn answer(
        &self,
        connector: &Connector,
        exchange: &Exchange,
        peer: SocketAddr,
    ) -> Result<Reply, Refusal> {
        if !peer.ip().to_canonical().is_loopback() || !names_this_machine(exchange.headers()) {
            return Err(Refusal::http(
                StatusCode::FORBIDDEN,
                "Metrics are shown to the same machine only.",
            ));
        }
        if *exchange.method() != Method::GET {
            return Err(Refusal::http(StatusCode::METHOD_NOT_ALLOWED, "Metrics take GET."));
        }
        let mut reply = Response::new(ReplyBody::from(self.write(connector).into_bytes()));
        reply.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        );
        Ok(reply)
    }

    fn write(&self, connector: &Connector) -> String {
        let mut out = String::new();
        gauge(
            &mut out,
            "sessions",
            "Sessions that are logged in.",
            connector.session_count() as u64,
        );
        gauge(
            &mut out,
            "statements_running",
            "Statements that run.",
            connector.statements.len() as u64,
        );
        gauge(
            &mut out,
            "result_memory_bytes",
            "Bytes of result chunks in memory.",
            connector.spool.memory_bytes(),
        );
        gauge(
            &mut out,
            "result_disk_bytes",
            "Bytes of result chunks in files.",
            connector.spool.disk_bytes(),
        );
        self.write_contexts(&mut out);
        self.write_endpoints(&mut out);
        out
    }

    fn write_contexts(&self, out: &mut String) {
        const NAME: &str = "snowflake_emulator_query_contexts_total";
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "# HELP {NAME} Statements by the query contexts that came with them: those of the last answer, or others.\n\
             # TYPE {NAME} counter"
        );
        for ((_, sent), count) in CONTEXTS.iter().zip(&self.contexts) {
            let _ = writeln!(out, "{NAME}{{sent=\"{sent}\"}} {}", count.load(Ordering::Relaxed));
        }
    }

    fn write_endpoints(&self, out: &mut String) {
        const NAME: &str = "snowflake_emulator_http_request_duration_seconds";
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "# HELP snowflake_emulator_http_requests_total Answers by endpoint, method and status.\n\
             # TYPE snowflake_emulator_http_requests_total counter"
        );
        for (endpoint, counted) in endpoints.iter() {
            for ((method, status), count) in &counted.answers {
                let _ = writeln!(
                    out,
                    "snowflake_emulator_http_requests_total{{endpoint=\"{endpoint}\",method=\"{method}\",status=\"{status}\"}} {count}"
                );
            }
        }
        let _ = writeln!(
            out,
            "# HELP {NAME} Time from a request's arrival to its answer.\n# TYPE {NAME} histogram"
        );
        for (endpoint, counted) in endpoints.iter() {
            let mut within = 0;
            for (end, count) in BUCKETS.iter().zip(counted.buckets) {
                within += count;
                let _ = writeln!(
                    out,
                    "{NAME}_bucket{{endpoint=\"{endpoint}\",le=\"{end}\"}} {within}"
                );
            }
            let Endpoint { count, seconds, .. } = counted;
            let _ = writeln!(
                out,
                "{NAME}_bucket{{endpoint=\"{endpoint}\",le=\"+Inf\"}} {count}\n\
                 {NAME}_sum{{endpoint=\"{endpoint}\"}} {seconds}\n\
                 {NAME}_count{{endpoint=\"{endpoint}\"}} {count}"
            );
        }
    }
}

fn gauge(out: &mut String, name: &str, help: &str, value: u64) {
    let _ = writeln!(
        out,
        "# HELP snowflake_emulator_{name} {help}\n# TYPE snowflake_emulator_{name} gauge\n\
         snowflake_emulator_{name} {value}"
    );
}

/// A method's name; whatever clients invent is one.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}

/// Name of a connector endpoint: ids and keys in paths do not count.
pub(super) fn endpoint(path: &str) -> &'static str {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let route: [&str; 4] = std::array::from_fn(|_| segments.next().unwrap_or_default());
    match route {
        ["session", "v1", "login-request", ""] => "login",
        ["session", "token-request", ..] => "renew",
        ["session", "heartbeat", ..] => "heartbeat",
        ["session", "", ..] => "logout",
        ["session", "authenticator-request", ..] => "authenticator",
        ["queries", "v1", "query-request", ""] => "query",
        ["queries", _, "abort-request", ""] => "abort",
        ["queries", _, "result", ""] => "result",
        ["monitoring", "queries", _, ""] => "status",
        ["results", _, _, ""] => "chunk",
        ["telemetry", ..] => "telemetry",
        ["health", "", ..] => "health",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_its_ends() {
        let metrics = Metrics::default();
        for milliseconds in [1, 2, 70_000] {
            metrics.count(
                endpoint("/queries/v1/query-request"),
                &Method::POST,
                StatusCode::OK,
                Duration::from_millis(milliseconds),
            );
        }
        let mut text = String::new();
        metrics.write_endpoints(&mut text);
        for line in [
            "snowflake_emulator_http_requests_total{endpoint=\"query\",method=\"POST\",status=\"200\"} 3",
            "snowflake_emulator_http_request_duration_seconds_bucket{endpoint=\"query\",le=\"0.001\"} 1",
            "snowflake_emulator_http_request_duration_seconds_bucket{endpoint=\"query\",le=\"0.0025\"} 2",
            "snowflake_emulator_http_request_duration_seconds_bucket{endpoint=\"query\",le=\"60\"} 2",
            "snowflake_emulator_http_request_duration_seconds_bucket{endpoint=\"query\",le=\"+Inf\"} 3",
            "snowflake_emulator_http_request_duration_seconds_count{endpoint=\"query\"} 3",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in\n{text}");
        }
    }

    #[test]
    fn statements_are_counted_by_their_query_contexts() {
        let metrics = Metrics::default();
        for sent in [Sent::Nothing, Sent::Current, Sent::Current] {
            metrics.count_contexts(sent);
        }
        let mut text = String::new();
        metrics.write_contexts(&mut text);
        for (sent, count) in [("nothing", 1), ("current", 2), ("incomplete", 0), ("other", 0)] {
            let line = format!("snowflake_emulator_query_contexts_total{{sent=\"{sent}\"}} {count}\n");
            assert!(text.contains(&line), "{line} in\n{text}");
        }
    }

    #[test]
    fn ids_in_paths_make_no_endpoints() {
        assert_eq!(endpoint("/queries/abc/result"), "result");
        assert_eq!(endpoint("/monitoring/queries//abc"), "status");
        assert_eq!(endpoint("/whatever/comes"), "other");
    }
}

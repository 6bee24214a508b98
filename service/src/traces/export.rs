//! Takes spans out of the queue and brings them to the collector, some at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, Refusal};
use super::queue::{Counts, Waiting};

/// How spans get to the collector.
#[derive(Debug, Clone)]
pub struct ExportRules {
    /// Where they are posted.
    pub url: String,
    /// Headers that the collector wants; their values are marked as sensitive.
    pub headers: HeaderMap,
    /// Most spans in one request.
    pub batch_max: usize,
    /// How long a span waits for others to go with.
    pub batch_wait: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Most attempts of one request.
    pub attempts_max: u32,
    /// How long the end may take.
    pub flush_timeout: Duration,
}

/// Pause before a second attempt; it doubles with each further one ...
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// ... up to this, which is also the longest that a collector may ask for.
const RETRY_LONGEST: Duration = Duration::from_secs(30);

/// What will bring spans to the collector.
pub struct Exporter {
    waiting: Waiting,
    resource: ResourceAttributesWithSchema,
    rules: ExportRules,
    counts: Arc<Counts>,
}

impl Exporter {
    pub(super) fn new(
        waiting: Waiting,
        resource: &Resource,
        rules: ExportRules,
        counts: Arc<Counts>,
    ) -> Self {
        Self {
            waiting,
            resource: resource.into(),
            rules,
            counts,
        }
    }

    /// Begins, on the runtime that runs this. Nothing is sent before there is a span.
    ///
    /// # Errors
    ///
    /// Why the way to the collector cannot be set up.
    pub fn start(self) -> Result<Exporting, String> {
        let collector = Collector::new(&self.rules.url, self.rules.headers.clone(), self.rules.timeout)?;
        let ending = CancellationToken::new();
        let flush_timeout = self.rules.flush_timeout;
        let work = Work {
            collector,
            resource: self.resource,
            rules: self.rules,
            counts: self.counts,
            is_failing: false,
        };
        Ok(Exporting {
            task: tokio::spawn(work.run(self.waiting, ending.clone())),
            ending,
            flush_timeout,
        })
    }
}

/// What brings spans to the collector.
pub struct Exporting {
    task: JoinHandle<()>,
    ending: CancellationToken,
    flush_timeout: Duration,
}

impl Exporting {
    /// The longest that [`finish`](Self::finish) takes.
    pub fn flush_timeout(&self) -> Duration {
        self.flush_timeout
    }

    /// Sends what waits, and ends; what the collector does not take in time is lost.
    pub async fn finish(mut self) {
        self.ending.cancel();
        if timeout(self.flush_timeout, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!(
                limit = ?self.flush_timeout,
                "the collector did not take the last spans in time (`traces.flush_timeout`)"
            );
        }
    }
}

struct Work {
    collector: Collector,
    resource: ResourceAttributesWithSchema,
    rules: ExportRules,
    counts: Arc<Counts>,
    /// The last request was not taken, and that was logged.
    is_failing: bool,
}

impl Work {
    async fn run(mut self, mut waiting: Waiting, ending: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                first = waiting.spans.recv() => match first {
                    Some(first) => batch.push(first),
                    None => return,
                },
                () = ending.cancelled() => {}
            }
            waiting.fill(&mut batch, self.rules.batch_max);
            if batch.len() < self.rules.batch_max {
                // Nobody is woken for each span: either time passes, or there are enough.
                tokio::select! {
                    () = sleep(self.rules.batch_wait) => {}
                    () = waiting.enough.notified() => {}
                    () = ending.cancelled() => {}
                }
                waiting.fill(&mut batch, self.rules.batch_max);
            }
            if batch.is_empty() && ending.is_cancelled() {
                return;
            }
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        match self.attempts(request.encode_to_vec().into()).await {
            Ok(rejected) => {
                let rejected = rejected.min(spans);
                self.counts.exported(spans - rejected);
                self.counts.failed(rejected);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(refusal) => {
                self.counts.failed(spans);
                // Once, not for each request: the rest is in the metrics.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(error = %refusal, spans, "the collector did not take spans; they are dropped and counted");
                }
            }
        }
    }

    async fn attempts(&self, request: Bytes) -> Result<u64, Refusal> {
        let mut pause = RETRY_FIRST;
        let mut attempt = 1;
        loop {
            match self.collector.post(request.clone()).await {
                Err(Refusal::Temporary(_, asked)) if attempt < self.rules.attempts_max => {
                    sleep(asked.unwrap_or(pause).min(RETRY_LONGEST)).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                    attempt += 1;
                }
                done => return done,
            }
        }
    }
}

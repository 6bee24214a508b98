//! The spans: one for each call, below that of its caller, and one for each statement, below its call.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceId,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::field::{DisplayValue, display};

use super::queue::Counts;
use super::sampling::Ratio;
use crate::domain::audit::{AuditRecord, Caller};
use crate::domain::history::QueryState;
use crate::domain::trace::{StatementTrace, Step, TraceFigures, Tracer};

/// The trace that the running call belongs to, for the log; `None` when it is not told. Costs next to nothing where nothing
/// is traced.
pub fn current() -> Option<DisplayValue<TraceId>> {
    Context::map_current(|context| {
        let span = context.span();
        let told = Some(span.span_context()).filter(|context| context.is_sampled());
        told.map(|context| display(context.trace_id()))
    })
}

/// Makes spans. Cheap to clone.
#[derive(Clone)]
pub struct Traces {
    tracer: SdkTracer,
    ratio: Ratio,
    counts: Arc<Counts>,
}

impl Traces {
    pub(super) fn new(tracer: SdkTracer, ratio: Ratio, counts: Arc<Counts>) -> Self {
        Self {
            tracer,
            ratio,
            counts,
        }
    }

    /// Another share of calls is told from now on.
    pub fn set_sample_ratio(&self, ratio: f64) {
        self.ratio.set(ratio);
    }

    /// What became of the spans.
    pub fn figures(&self) -> TraceFigures {
        self.counts.figures()
    }

    /// Begins the span of a call of `service/method`, below the one that `headers` name by W3C's `traceparent`.
    pub fn call(&self, service: &str, method: &str, headers: &HeaderMap, caller: Caller) -> Call {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let mut attributes = vec![
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", method.to_owned()),
        ];
        if !caller.client.is_empty() {
            attributes.push(KeyValue::new("user_agent.original", caller.client));
        }
        if !caller.agent.is_empty() {
            attributes.push(KeyValue::new("snowflake.agent", caller.agent));
        }
        let span = self
            .tracer
            .span_builder(format!("{service}/{method}"))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &parent);
        Call {
            context: parent.with_span(span),
            is_open: true,
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Traces").finish_non_exhaustive()
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// The span of a call. Dropped before it ended, the call was left by its caller.
pub struct Call {
    context: Context,
    is_open: bool,
}

/// gRPC's number for a call that its caller left.
const CANCELLED: i32 = 1;

/// gRPC's numbers for what is the server's fault, by OpenTelemetry's conventions: unknown, deadline exceeded,
/// unimplemented, internal, unavailable, data loss.
const OURS: [i32; 6] = [2, 4, 12, 13, 14, 15];

impl Call {
    /// Does something for this call: statements that begin meanwhile are below it.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _current = self.context.clone().attach();
        work()
    }

    /// The same for something that waits.
    pub fn run_future<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.with_context(self.context.clone())
    }

    /// The call ended with this number of gRPC's.
    pub fn end(mut self, code: i32) {
        self.close(code);
    }

    fn close(&mut self, code: i32) {
        if !std::mem::replace(&mut self.is_open, false) {
            return;
        }
        let span = self.context.span();
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(code)));
        if OURS.contains(&code) {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.close(CANCELLED);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Call").finish_non_exhaustive()
    }
}

impl Tracer for Traces {
    fn begin(&self) -> Option<Box<dyn StatementTrace>> {
        let parent = Context::map_current(|context| context.span().span_context().clone());
        // The call decides for what is done for it.
        if parent.is_valid() && !parent.is_sampled() {
            return None;
        }
        Some(Box::new(Statement {
            tracer: self.tracer.clone(),
            parent,
            steps: Vec::new(),
        }))
    }
}

/// A statement on its way. Its span is made at the end, when all is known of it.
struct Statement {
    tracer: SdkTracer,
    parent: SpanContext,
    steps: Vec<(Step, Duration)>,
}

/// Most steps that are kept; a statement that is asked about again and again reaches one more than once.
const STEPS_MAX: usize = 8;

impl StatementTrace for Statement {
    fn reached(&mut self, step: Step, after: Duration) {
        if self.steps.len() < STEPS_MAX {
            self.steps.push((step, after));
        }
    }

    fn ended(self: Box<Self>, record: &AuditRecord) {
        let parent = Context::new().with_remote_span_context(self.parent);
        let builder = SpanBuilder::from_name(record.class.clone())
            .with_kind(SpanKind::Client)
            .with_start_time(record.time)
            .with_attributes(attributes(record));
        let mut span = builder.start_with_context(&self.tracer, &parent);
        for (step, after) in self.steps {
            span.add_event_with_timestamp(step.as_str(), record.time + after, Vec::new());
        }
        if record.state != QueryState::Succeeded {
            let why = record.failure.as_ref().map(|failure| failure.reason.as_str());
            span.set_status(Status::error(Cow::Borrowed(why.unwrap_or_default())));
        }
        span.end_with_timestamp(record.time + record.elapsed);
    }
}

/// What is said of a statement: names of ours and of Snowflake's, numbers, and nothing that somebody wrote.
fn attributes(record: &AuditRecord) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("db.system.name", "snowflake"),
        KeyValue::new("db.operation.name", record.class.clone()),
        KeyValue::new("snowflake.session", record.session.to_string()),
        KeyValue::new("snowflake.connection", record.connection.to_string()),
        KeyValue::new("snowflake.request_id", record.request_id.to_string()),
        KeyValue::new("snowflake.status", record.status()),
        KeyValue::new("snowflake.verdict", record.verdict.as_str()),
        KeyValue::new("snowflake.rows", count(record.row_count)),
        KeyValue::new("snowflake.bytes", count(record.byte_count)),
    ];
    if !record.query_id.is_empty() {
        attributes.push(KeyValue::new("snowflake.query_id", record.query_id.clone()));
    }
    if let Some(failure) = &record.failure {
        attributes.push(KeyValue::new("error.type", failure.reason.as_str()));
        if !failure.code.is_empty() {
            attributes.push(KeyValue::new("db.response.status_code", failure.code.clone()));
        }
    }
    attributes
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

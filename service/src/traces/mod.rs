//! Tells a collector of OpenTelemetry what the service does: a span for each call and for each statement.
//!
//! Spans are made here and nowhere else, of what the gRPC server and the trails of statements say ([`spans`]); they are
//! not made of log records, so that nothing gets into them that was meant for the log. They wait in a queue of limited
//! size that nobody ever waits for ([`mod@queue`]); a task takes them out and posts them to the collector ([`export`],
//! [`collector`]). A collector that is slow or away costs spans, which are counted, and nothing else.
//!
//! Where no collector is configured, nothing of this room exists. This room alone names OpenTelemetry; it knows nothing
//! of gRPC but names, nothing of sessions, and reads no environment: variables of OpenTelemetry's in the shell that
//! started the service are about another program.

mod collector;
mod export;
mod queue;
mod sampling;
mod spans;

pub use export::{ExportRules, Exporter, Exporting};
pub use spans::{Call, Traces, current};

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanLimits};

use self::queue::{Counts, queue};
use self::sampling::Ratio;

/// Who the service is to the collector, and how much of its work is told.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// Name of the service.
    pub service_name: String,
    /// What else is said of it.
    pub attributes: Vec<(String, String)>,
    /// Share of calls that are told, from 0 to 1.
    pub sample_ratio: f64,
    /// Most spans that wait.
    pub queue_max: usize,
    /// How they get to the collector.
    pub export: ExportRules,
}

/// Spans can be made from now on; they wait until the exporter is started.
pub fn begin(options: TraceOptions) -> (Traces, Exporter) {
    let counts = Arc::new(Counts::default());
    let ratio = Ratio::new(options.sample_ratio);
    let (processor, waiting) = queue(options.queue_max, options.export.batch_max, Arc::clone(&counts));
    // Not the builder that reads the environment.
    let resource = Resource::builder_empty()
        .with_service_name(options.service_name)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .with_attributes(
            options
                .attributes
                .into_iter()
                .map(|(name, value)| KeyValue::new(name, value)),
        )
        .build();
    let provider = SdkTracerProvider::builder()
        // What the builder has by itself it takes from the environment.
        .with_sampler(Sampler::ParentBased(Box::new(ratio.clone())))
        .with_span_limits(SpanLimits::default())
        .with_span_processor(processor)
        .with_resource(resource.clone())
        .build();
    let tracer = provider.tracer("snowflake-session");
    let traces = Traces::new(tracer, ratio, Arc::clone(&counts));
    (traces, Exporter::new(waiting, &resource, options.export, counts))
}

#[cfg(test)]
mod tests;

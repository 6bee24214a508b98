//! Brings together what tells of calls and statements, and who wants to know.

use std::sync::Arc;

use crate::config::TracesSettings;
use crate::domain::trace::{NoTracer, Tracer};
use crate::traces::{self, ExportRules, Exporter, TraceOptions, Traces};

/// Spans are made from now on.
pub(super) fn begin(settings: &TracesSettings) -> (Traces, Exporter) {
    traces::begin(TraceOptions {
        service_name: settings.service_name.clone(),
        attributes: settings.attributes.clone(),
        sample_ratio: settings.sample_ratio,
        queue_max: settings.queue_max,
        export: ExportRules {
            url: settings.url.clone(),
            headers: settings.headers.clone(),
            batch_max: settings.batch_max,
            batch_wait: settings.batch_wait,
            timeout: settings.timeout,
            attempts_max: u32::try_from(settings.attempts_max).unwrap_or(u32::MAX),
            flush_timeout: settings.flush_timeout,
        },
    })
}

/// Who hears of statements.
pub(super) fn tracer(traces: Option<&(Traces, Exporter)>) -> Arc<dyn Tracer> {
    match traces {
        Some((traces, _)) => Arc::new(traces.clone()),
        None => Arc::new(NoTracer),
    }
}

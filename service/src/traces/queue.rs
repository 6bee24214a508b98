//! Spans that wait for the collector.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::domain::trace::TraceFigures;

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct Counts {
    exported: AtomicU64,
    dropped_full: AtomicU64,
    dropped_failed: AtomicU64,
}

impl Counts {
    pub(super) fn exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, spans: u64) {
        self.dropped_failed.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> TraceFigures {
        TraceFigures {
            exported: self.exported.load(Ordering::Relaxed),
            dropped_full: self.dropped_full.load(Ordering::Relaxed),
            dropped_failed: self.dropped_failed.load(Ordering::Relaxed),
        }
    }
}

/// The end of the queue at which spans come in, as the SDK calls it. It never waits.
#[derive(Debug)]
pub(super) struct Inlet {
    sender: Sender<SpanData>,
    enough: Arc<Notify>,
    batch_max: usize,
    counts: Arc<Counts>,
}

/// The other end.
pub(super) struct Waiting {
    pub(super) spans: Receiver<SpanData>,
    /// Told when a whole batch waits.
    pub(super) enough: Arc<Notify>,
}

impl Waiting {
    /// Adds what waits, until there are `max`.
    pub(super) fn fill(&mut self, batch: &mut Vec<SpanData>, max: usize) {
        while batch.len() < max
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
    }
}

/// A queue for `max` spans.
pub(super) fn queue(max: usize, batch_max: usize, counts: Arc<Counts>) -> (Inlet, Waiting) {
    let (sender, spans) = channel(max);
    let enough = Arc::new(Notify::new());
    let inlet = Inlet {
        sender,
        enough: Arc::clone(&enough),
        batch_max,
        counts,
    };
    (inlet, Waiting { spans, enough })
}

impl SpanProcessor for Inlet {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.sender.try_send(span).is_err() {
            self.counts.dropped_full.fetch_add(1, Ordering::Relaxed);
        } else if self.sender.max_capacity() - self.sender.capacity() >= self.batch_max {
            self.enough.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

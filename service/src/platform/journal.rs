//! Sends log records to journald without ever waiting for it.
//!
//! `tracing-journald` writes to journald's socket in the thread that logs, and that write blocks while
//! journald does not read: a stopped journal would stop the service. So its layer is not put into our
//! subscriber. The layer here copies each record, with the fields of its spans, into a bounded queue and
//! never waits; a thread of its own takes them out and plays them to `tracing-journald`, which may block
//! that thread as long as it likes. What does not fit the queue is counted, and the count is logged when
//! there is room again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_core::field::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Longest value of a field in bytes; what is longer is cut.
const VALUE_BYTES_MAX: usize = 2048;

/// A layer over journald.
#[cfg(target_os = "linux")]
pub fn journald(queue_max: usize) -> std::io::Result<(QueueLayer, Flusher)> {
    use tracing_journald::{Priority, PriorityMappings};
    let layer = tracing_journald::layer()?
        .with_syslog_identifier("snowflake-session".to_owned())
        .with_field_prefix(Some("SNOWFLAKE".to_owned()))
        .with_priority_mappings(PriorityMappings {
            error: Priority::Error,
            warn: Priority::Warning,
            info: Priority::Informational,
            debug: Priority::Debug,
            trace: Priority::Debug,
        });
    queued(layer, queue_max)
}

/// journald is Linux's.
#[cfg(not(target_os = "linux"))]
pub fn journald(_queue_max: usize) -> std::io::Result<(QueueLayer, Flusher)> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// A layer that queues records for `inner`, which works on a thread of its own.
pub fn queued<L>(inner: L, queue_max: usize) -> std::io::Result<(QueueLayer, Flusher)>
where
    L: Layer<Inner> + Send + Sync + 'static,
{
    let (sender, receiver) = sync_channel(queue_max);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    // The level is a hint to the macros of the whole process: records are handed over past it.
    let player = Dispatch::new(Registry::default().with(LevelFilter::WARN).with(inner));
    std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || play(&receiver, &player, &counter))?;
    Ok((
        QueueLayer {
            sender: sender.clone(),
            dropped,
        },
        Flusher { sender },
    ))
}

/// The subscriber on the other side of the queue.
pub type Inner = tracing_subscriber::layer::Layered<LevelFilter, Registry>;

/// Copies records into the queue.
pub struct QueueLayer {
    sender: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

/// Waits for the queue to be played.
#[derive(Debug, Clone)]
pub struct Flusher {
    sender: SyncSender<Item>,
}

impl Flusher {
    /// Waits until all that was logged so far has been handed to the journal, at most for `limit`.
    pub fn flush(&self, limit: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.sender.try_send(Item::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(limit);
        }
    }
}

#[derive(Debug)]
enum Item {
    /// A record: the fields of its spans from the root on, then its own.
    Event {
        spans: Vec<Arc<Fields>>,
        event: Fields,
    },
    Flush(SyncSender<()>),
}

/// Copied fields of one span or event.
#[derive(Debug, Clone)]
struct Fields {
    metadata: &'static Metadata<'static>,
    values: Vec<(Field, Owned)>,
}

#[derive(Debug, Clone)]
enum Owned {
    Text(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Truth(bool),
}

impl Owned {
    fn as_value(&self) -> &dyn Value {
        match self {
            Self::Text(text) => text,
            Self::Signed(number) => number,
            Self::Unsigned(number) => number,
            Self::Float(number) => number,
            Self::Truth(truth) => truth,
        }
    }

    fn text(text: &str) -> Self {
        let cut = text.floor_char_boundary(VALUE_BYTES_MAX);
        Self::Text(text[..cut].to_owned())
    }
}

impl Fields {
    fn new(metadata: &'static Metadata<'static>) -> Self {
        Self {
            metadata,
            values: Vec::new(),
        }
    }

    fn put(&mut self, field: &Field, value: Owned) {
        match self.values.iter_mut().find(|(known, _)| known == field) {
            Some((_, old)) => *old = value,
            None => self.values.push((field.clone(), value)),
        }
    }

    /// Calls `use_them` with the fields in the form that subscribers take.
    fn with_values<T>(&self, use_them: impl FnOnce(&tracing::field::ValueSet<'_>) -> T) -> T {
        let fields = self.metadata.fields();
        let values: Vec<Option<&dyn Value>> = fields
            .iter()
            .map(|field| {
                self.values
                    .iter()
                    .find(|(known, _)| *known == field)
                    .map(|(_, value)| value.as_value())
            })
            .collect();
        use_them(&fields.value_set_all(&values))
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Owned::text(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Owned::text(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Owned::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Owned::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Owned::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Owned::Truth(value));
    }
}

impl<S> Layer<S> for QueueLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::new(span.metadata());
            attributes.record(&mut fields);
            span.extensions_mut().insert(Arc::new(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Arc<Fields>>()
        {
            let fields: &mut Fields = Arc::make_mut(fields);
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let scope = context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root);
        let spans = scope
            .filter_map(|span| span.extensions().get::<Arc<Fields>>().cloned())
            .collect();
        let mut fields = Fields::new(event.metadata());
        event.record(&mut fields);
        if self
            .sender
            .try_send(Item::Event { spans, event: fields })
            .is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            super::dropped::count();
        }
    }
}

/// Takes records out of the queue until nobody can put any in.
fn play(receiver: &Receiver<Item>, player: &Dispatch, dropped: &AtomicU64) {
    let _default = tracing::dispatcher::set_default(player);
    while let Ok(item) = receiver.recv() {
        match item {
            Item::Flush(done) => drop(done.send(())),
            Item::Event { spans, event } => {
                play_one(player, &spans, &event);
                // After it: what waited in the queue is older than what found no room.
                let count = dropped.swap(0, Ordering::Relaxed);
                if count > 0 {
                    tracing::warn!(
                        count,
                        "log records were dropped because the journal did not take them"
                    );
                }
            }
        }
    }
}

fn play_one(player: &Dispatch, spans: &[Arc<Fields>], event: &Fields) {
    let mut entered: Vec<Id> = Vec::with_capacity(spans.len());
    for span in spans {
        let id = span.with_values(|values| {
            let attributes = match entered.last() {
                Some(parent) => Attributes::child_of(parent.clone(), span.metadata, values),
                None => Attributes::new_root(span.metadata, values),
            };
            player.new_span(&attributes)
        });
        player.enter(&id);
        entered.push(id);
    }
    event.with_values(|values| player.event(&Event::new(event.metadata, values)));
    for id in entered.into_iter().rev() {
        player.exit(&id);
        player.try_close(id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Writes down what it sees, and waits at a gate before it does.
    struct Gated {
        gate: Mutex<Receiver<()>>,
        seen: Arc<Mutex<Vec<String>>>,
    }

    #[derive(Default)]
    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            use fmt::Write as _;
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }

    struct SpanLine(String);

    impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Gated {
        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
            let mut line = Line::default();
            attributes.record(&mut line);
            context
                .span(id)
                .unwrap()
                .extensions_mut()
                .insert(SpanLine(line.0));
        }

        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            // A closed gate stays open for ever.
            let _ = self.gate.lock().unwrap().recv();
            let mut line = Line(event.metadata().level().to_string());
            for span in context
                .event_scope(event)
                .into_iter()
                .flat_map(tracing_subscriber::registry::Scope::from_root)
            {
                line.0.push_str(&span.extensions().get::<SpanLine>().unwrap().0);
            }
            event.record(&mut line);
            self.seen.lock().unwrap().push(line.0);
        }
    }

    #[test]
    fn a_journal_that_does_not_read_stops_nobody_and_losses_are_counted() {
        let (open, gate) = sync_channel(0);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (layer, flusher) = queued(
            Gated {
                gate: Mutex::new(gate),
                seen: Arc::clone(&seen),
            },
            4,
        )
        .unwrap();
        let subscriber = Registry::default().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("session", session = "etl", query = tracing::field::Empty);
            span.record("query", 7);
            let _entered = span.enter();
            for number in 0..20 {
                tracing::info!(number, flag = true, "record {number}");
            }
        });
        assert!(
            seen.lock().unwrap().is_empty(),
            "the journal has read nothing yet"
        );
        drop(open);
        flusher.flush(Duration::from_secs(20));
        // The queue was full, so the wish to flush may not have fitted; another one will.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !seen.lock().unwrap().iter().any(|line| line.contains("dropped")) {
            assert!(std::time::Instant::now() < deadline, "{:?}", seen.lock().unwrap());
            tracing::subscriber::with_default(Registry::default(), || flusher.flush(Duration::from_secs(20)));
            std::thread::yield_now();
        }
        let seen = seen.lock().unwrap();
        assert_eq!(
            seen[0],
            "INFO session=\"etl\" query=7 message=\"record 0\" number=0 flag=true"
        );
    }
}

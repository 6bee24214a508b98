//! Where the log goes: to the journal when stderr is the journal, to files of limited size when nobody
//! reads stderr, as text to a terminal, else as JSON lines to stderr. Never to two places, and but for a terminal
//! never so that anybody waits for it.

use std::io::IsTerminal as _;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use super::journal::{self, Flusher};
use super::log_files::{LogFiles, LogRules};
use super::log_queue::{LineQueue, Stderr};
use super::{PlatformError, Result};

/// What to log, and what stderr is.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Level or filter.
    pub level: String,
    /// Device and inode of the journal's stream, as systemd gives it.
    pub journal_stream: Option<String>,
    /// Records that wait for the journal or the disk.
    pub queue_max: usize,
    /// Bytes of them that wait for the disk.
    pub queue_bytes_max: usize,
    /// File to log to instead of stderr.
    pub file: Option<PathBuf>,
    /// When that file ends, and when those before it go.
    pub file_rules: LogRules,
}

/// The running log.
pub struct Logger {
    level: reload::Handle<Targets, Registry>,
    flusher: Option<Flusher>,
    lines: Option<LineQueue>,
}

/// Longest wait for the journal or the disk at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// Starts the log of this process.
///
/// # Errors
///
/// When the file cannot be opened or the level is none.
pub fn start(options: &LogOptions) -> Result<Logger> {
    let (filter, level) = reload::Layer::new(parse(&options.level)?);
    let (mut flusher, mut lines) = (None, None);
    let queued = |queue: std::io::Result<LineQueue>| queue.map_err(PlatformError::io("start the log"));
    let (lines_max, bytes_max) = (options.queue_max, options.queue_bytes_max);
    let output: BoxedLayer<_> = if let Some(path) = &options.file {
        let files = LogFiles::open(path, options.file_rules.clone())
            .map_err(PlatformError::io(format!("open log file {}", path.display())))?;
        json(lines.insert(queued(LineQueue::start(files, lines_max, bytes_max))?))
    } else if is_journal(options.journal_stream.as_deref(), std::io::stderr())
        && let Ok((layer, running)) = journal::journald(options.queue_max)
    {
        flusher = Some(running);
        layer.boxed()
    } else if std::io::stderr().is_terminal() {
        fmt::layer()
            .with_target(false)
            .with_writer(std::io::stderr)
            .boxed()
    } else {
        json(lines.insert(queued(LineQueue::start(Stderr, lines_max, bytes_max))?))
    };
    // A test may have started one already; then that one stays.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(output)
        .try_init();
    Ok(Logger {
        level,
        flusher,
        lines,
    })
}

/// A layer that puts records into the queue as lines of JSON.
fn json<S>(lines: &LineQueue) -> BoxedLayer<S>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_writer(lines.clone())
        .boxed()
}

impl Logger {
    /// Changes what is logged.
    pub fn set_level(&self, level: &str) -> Result<()> {
        let filter = parse(level)?;
        self.level
            .reload(filter)
            .map_err(|error| PlatformError::io("change the log level")(std::io::Error::other(error)))
    }

    /// The queue of what is written to files or to a pipe; `None` where the journal or a terminal is.
    pub fn lines(&self) -> Option<LineQueue> {
        self.lines.clone()
    }

    /// Opens the files anew by their names, so that they can be moved away, under these rules from now on.
    pub fn reopen(&self, rules: LogRules) {
        if let Some(lines) = &self.lines {
            lines.reopen(rules);
        }
    }
}

/// Waits until what was logged has left the process, but not for ever.
impl Drop for Logger {
    fn drop(&mut self) {
        if let Some(flusher) = &self.flusher {
            flusher.flush(FLUSH_LIMIT);
        }
        if let Some(lines) = &self.lines {
            lines.flush(FLUSH_LIMIT);
        }
    }
}

fn parse(level: &str) -> Result<Targets> {
    level
        .parse()
        .map_err(|error| PlatformError::io(format!("read log level {level:?}"))(std::io::Error::other(error)))
}

/// True when `stream` is the one that systemd connected to the journal.
fn is_journal(journal_stream: Option<&str>, stream: impl AsFd) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|text| text.split_once(':')) else {
        return false;
    };
    let Ok(found) = rustix::fs::fstat(stream) else {
        return false;
    };
    device == found.st_dev.to_string() && inode == found.st_ino.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_journal_is_told_by_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let found = file.metadata().unwrap();
        let stream = format!("{}:{}", found.dev(), found.ino());
        assert!(is_journal(Some(&stream), &file));
        for other in [
            None,
            Some(""),
            Some("1"),
            Some("1:2"),
            Some(&*format!("{stream}0")),
        ] {
            assert!(!is_journal(other, &file), "{other:?}");
        }
    }

    #[test]
    fn levels_and_filters_are_read() {
        for good in ["info", "warn,snowflake_session=debug", "off"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        assert!(parse("a=b=c").is_err());
    }
}

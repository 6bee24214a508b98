//! Lines of the log on their way to a disk or a pipe that nobody waits for.
//!
//! Whoever logs puts a line into a bounded queue and goes on; a thread of its own writes. A disk that is slow holds up
//! that thread alone, one that is full costs the lines that do not fit. Either is counted, and the log itself says how
//! many lines are missing as soon as it can be written again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tracing_subscriber::fmt::MakeWriter;

use super::log_files::LogRules;

/// Where lines go in the end. May block.
pub trait Output: Send + 'static {
    /// Writes a line with its end.
    fn write(&mut self, line: &[u8], now: SystemTime) -> io::Result<()>;

    /// Opens files anew by their names, under these rules from now on.
    fn reopen(&mut self, rules: LogRules);

    /// Does what time alone asks for; called now and then while nothing is written.
    fn tend(&mut self, now: SystemTime);
}

/// How long nothing is written before files are tended. Their ages are a day and more.
const TEND_INTERVAL: Duration = Duration::from_hours(1);

/// The standard error stream.
pub(super) struct Stderr;

impl Output for Stderr {
    fn write(&mut self, line: &[u8], _: SystemTime) -> io::Result<()> {
        std::io::stderr().write_all(line)
    }

    fn reopen(&mut self, _: LogRules) {}

    fn tend(&mut self, _: SystemTime) {}
}

/// The queue, as those see it who log.
#[derive(Clone)]
pub struct LineQueue {
    shared: Arc<Shared>,
}

struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
    lines_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Pending {
    items: VecDeque<Item>,
    lines: usize,
    bytes: usize,
    /// Lines that found no room since the thread last looked.
    dropped: u64,
}

enum Item {
    Line(Vec<u8>),
    Reopen(LogRules),
    /// Everything before this was handed over.
    Mark(SyncSender<()>),
}

impl LineQueue {
    /// Begins to write what is put in. At most so many lines and bytes wait.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(output: impl Output, lines_max: usize, bytes_max: usize) -> io::Result<Self> {
        Self::start_tending(output, (lines_max, bytes_max), TEND_INTERVAL)
    }

    fn start_tending(
        mut output: impl Output,
        (lines_max, bytes_max): (usize, usize),
        interval: Duration,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            changed: Condvar::new(),
            lines_max,
            bytes_max,
        });
        let taken = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || taken.run(&mut output, interval))?;
        Ok(Self { shared })
    }

    fn put(&self, line: &[u8]) {
        let mut pending = self.shared.pending();
        if pending.lines >= self.shared.lines_max || pending.bytes + line.len() > self.shared.bytes_max {
            pending.dropped += 1;
            super::dropped::count();
            return;
        }
        pending.lines += 1;
        pending.bytes += line.len();
        pending.items.push_back(Item::Line(line.to_vec()));
        drop(pending);
        self.shared.changed.notify_one();
    }

    /// Opens files anew by their names once what waits is written, under these rules from then on.
    pub fn reopen(&self, rules: LogRules) {
        let mut pending = self.shared.pending();
        // The last one counts, and so there is one at most.
        pending.items.retain(|item| !matches!(item, Item::Reopen(_)));
        pending.items.push_back(Item::Reopen(rules));
        drop(pending);
        self.shared.changed.notify_one();
    }

    /// Waits until all that was logged so far is written, at most for `limit`.
    pub fn flush(&self, limit: Duration) {
        let (mark, written) = sync_channel(1);
        self.shared.pending().items.push_back(Item::Mark(mark));
        self.shared.changed.notify_one();
        // Who ends does not wait for a disk that hangs.
        let _ = written.recv_timeout(limit);
    }
}

/// Takes what is written at once as one line, as the layers of the log do it.
impl Write for &LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = &'a LineQueue;

    fn make_writer(&'a self) -> &'a LineQueue {
        self
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // The queue is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, `None` when there is nothing for so long. What is taken is no longer counted, so one line
    /// more than the limit may exist.
    fn next(&self, interval: Duration) -> Option<(Item, u64)> {
        let mut pending = self.pending();
        loop {
            if let Some(item) = pending.items.pop_front() {
                if let Item::Line(line) = &item {
                    pending.lines -= 1;
                    pending.bytes -= line.len();
                }
                return Some((item, std::mem::take(&mut pending.dropped)));
            }
            let waited = self.changed.wait_timeout(pending, interval);
            let (still, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            pending = still;
            if timeout.timed_out() && pending.items.is_empty() {
                return None;
            }
        }
    }

    /// Writes until the process ends.
    fn run(&self, output: &mut impl Output, interval: Duration) {
        let mut missing = 0;
        loop {
            let Some((item, dropped)) = self.next(interval) else {
                output.tend(SystemTime::now());
                continue;
            };
            missing += dropped;
            match item {
                Item::Reopen(rules) => output.reopen(rules),
                Item::Mark(mark) => drop(mark.send(())),
                Item::Line(line) => match output.write(&line, SystemTime::now()) {
                    // After it: what waited in the queue is older than what found no room.
                    Ok(()) if missing > 0 => {
                        if output.write(&gap(missing), SystemTime::now()).is_ok() {
                            missing = 0;
                        }
                    }
                    Ok(()) => {}
                    Err(_) => missing += 1,
                },
            }
        }
    }
}

/// The line that says how many are missing, in the form of the others.
fn gap(count: u64) -> Vec<u8> {
    let line = serde_json::json!({
        "timestamp": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        "level": "WARN",
        "message": "log records were dropped because they could not be written",
        "count": count,
        "target": module_path!(),
    });
    format!("{line}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A disk that takes a line when it is let, or refuses it.
    struct Disk {
        allowed: Receiver<bool>,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Output for Disk {
        fn write(&mut self, line: &[u8], _: SystemTime) -> io::Result<()> {
            // A test that lets nothing through any more has seen enough.
            if !self.allowed.recv().unwrap_or(true) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.lines
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        }

        fn reopen(&mut self, _: LogRules) {}

        fn tend(&mut self, _: SystemTime) {}
    }

    fn put(queue: &LineQueue, line: &str) {
        let mut writer = queue;
        writer.write_all(line.as_bytes()).unwrap();
    }

    fn missing(line: &str) -> Option<u64> {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["count"].as_u64()
    }

    #[test]
    fn a_disk_that_hangs_holds_nobody_up_and_the_log_says_what_is_missing() {
        let (allow, allowed) = channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let disk = Disk {
            allowed,
            lines: Arc::clone(&lines),
        };
        let queue = LineQueue::start(disk, 4, 1 << 20).unwrap();
        for number in 0..100 {
            put(&queue, &format!("{number}\n"));
        }
        assert_eq!(lines.lock().unwrap().len(), 0);
        drop(allow);
        queue.flush(PATIENCE);
        let lines = lines.lock().unwrap();
        assert_eq!(lines[0], "0\n");
        let written = lines.iter().filter(|line| missing(line).is_none()).count() as u64;
        let told: u64 = lines.iter().filter_map(|line| missing(line)).sum();
        // Four waited; the first may have left the queue before the others came.
        assert!((4..=5).contains(&written), "{lines:?}");
        assert_eq!(written + told, 100, "{lines:?}");
    }

    #[test]
    fn a_full_disk_costs_the_lines_that_do_not_fit() {
        let (allow, allowed) = channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let disk = Disk {
            allowed,
            lines: Arc::clone(&lines),
        };
        let queue = LineQueue::start(disk, 100, 1 << 20).unwrap();
        for (line, fits) in [
            ("one\n", true),
            ("two\n", false),
            ("three\n", false),
            ("four\n", true),
        ] {
            allow.send(fits).unwrap();
            put(&queue, line);
        }
        drop(allow);
        queue.flush(PATIENCE);
        let lines = lines.lock().unwrap();
        assert_eq!((&*lines[0], &*lines[1]), ("one\n", "four\n"));
        assert_eq!(missing(&lines[2]), Some(2));
    }

    #[test]
    fn what_waits_is_limited_in_bytes_too() {
        let (allow, allowed) = channel();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let disk = Disk {
            allowed,
            lines: Arc::clone(&lines),
        };
        let queue = LineQueue::start(disk, 100, 10).unwrap();
        put(&queue, "much too long for the queue\n");
        put(&queue, "short\n");
        drop(allow);
        queue.flush(PATIENCE);
        let lines = lines.lock().unwrap();
        assert_eq!((&*lines[0], missing(&lines[1])), ("short\n", Some(1)));
    }

    /// Says when it is tended.
    struct Tended(SyncSender<()>);

    impl Output for Tended {
        fn write(&mut self, _: &[u8], _: SystemTime) -> io::Result<()> {
            Ok(())
        }

        fn reopen(&mut self, _: LogRules) {}

        fn tend(&mut self, _: SystemTime) {
            // Whoever listened has heard enough.
            let _ = self.0.try_send(());
        }
    }

    #[test]
    fn files_are_tended_though_nobody_logs() {
        let (tended, told) = sync_channel(1);
        let queue = LineQueue::start_tending(Tended(tended), (4, 1 << 10), Duration::from_millis(1)).unwrap();
        for _ in 0..2 {
            told.recv_timeout(PATIENCE).unwrap();
        }
        put(&queue, "still written\n");
        queue.flush(PATIENCE);
    }
}

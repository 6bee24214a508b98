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

use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

use super::log_files::LogRules;

/// Where lines go in the end. May block.
pub trait Output: Send + 'static {
    /// Writes a line with its end.
    fn write(&mut self, line: &[u8], now: SystemTime) -> io::Result<()>;

    /// Opens files anew by their names, under these rules from now on.
    fn reopen(&mut self, rules: LogRules);

    /// Does what time alone asks for.
    fn tend(&mut self, now: SystemTime);

    /// When that is next; `None` while there is nothing.
    fn due(&self) -> Option<SystemTime>;
}

/// The standard error stream.
pub(super) struct Stderr;

impl Output for Stderr {
    fn write(&mut self, line: &[u8], _: SystemTime) -> io::Result<()> {
        std::io::stderr().write_all(line)
    }

    fn reopen(&mut self, _: LogRules) {}

    fn tend(&mut self, _: SystemTime) {}

    fn due(&self) -> Option<SystemTime> {
        None
    }
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
    /// When time alone will have something to do for the thread.
    due: watch::Sender<Option<SystemTime>>,
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
    /// It is this time.
    Tend(SystemTime),
    /// Everything before this was handed over.
    Mark(SyncSender<()>),
}

impl LineQueue {
    /// Begins to write what is put in. At most so many lines and bytes wait.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(mut output: impl Output, lines_max: usize, bytes_max: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            changed: Condvar::new(),
            lines_max,
            bytes_max,
            due: watch::Sender::new(output.due()),
        });
        let taken = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || taken.run(&mut output))?;
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

    /// When [`tend`](Self::tend) is to be called next.
    pub fn due(&self) -> watch::Receiver<Option<SystemTime>> {
        self.shared.due.subscribe()
    }

    /// Does what time alone asks for, once what waits is written.
    pub fn tend(&self, now: SystemTime) {
        let mut pending = self.shared.pending();
        pending.items.retain(|item| !matches!(item, Item::Tend(_)));
        pending.items.push_back(Item::Tend(now));
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

    /// Waits for something to do. What is taken is no longer counted, so one line more than the limit may exist.
    fn next(&self) -> (Item, u64) {
        let mut pending = self.pending();
        loop {
            if let Some(item) = pending.items.pop_front() {
                if let Item::Line(line) = &item {
                    pending.lines -= 1;
                    pending.bytes -= line.len();
                }
                return (item, std::mem::take(&mut pending.dropped));
            }
            pending = self.changed.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes until the process ends.
    fn run(&self, output: &mut impl Output) {
        let mut missing = 0;
        loop {
            let (item, dropped) = self.next();
            missing += dropped;
            match item {
                Item::Reopen(rules) => output.reopen(rules),
                Item::Tend(now) => output.tend(now),
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
            let due = output.due();
            self.due
                .send_if_modified(|known| std::mem::replace(known, due) != due);
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

        fn due(&self) -> Option<SystemTime> {
            None
        }
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

    /// Is due again an hour after it was tended.
    struct Aging(Option<SystemTime>);

    impl Output for Aging {
        fn write(&mut self, _: &[u8], now: SystemTime) -> io::Result<()> {
            self.0 = Some(now);
            Ok(())
        }

        fn reopen(&mut self, _: LogRules) {}

        fn tend(&mut self, now: SystemTime) {
            self.0 = Some(now + Duration::from_hours(1));
        }

        fn due(&self) -> Option<SystemTime> {
            self.0
        }
    }

    #[test]
    fn what_is_due_is_told_and_done_though_nobody_logs() {
        let queue = LineQueue::start(Aging(None), 4, 1 << 10).unwrap();
        let due = queue.due();
        assert_eq!(*due.borrow(), None);
        put(&queue, "one\n");
        queue.flush(PATIENCE);
        let written = due.borrow().unwrap();
        queue.tend(written);
        queue.flush(PATIENCE);
        assert_eq!(*due.borrow(), Some(written + Duration::from_hours(1)));
    }
}

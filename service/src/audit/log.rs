//! The queue of the log, and the thread that writes it.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::files::{self, FileRules, Files};
use super::format::{self, Phase};
use super::search::{self, Place};
use crate::domain::audit::{
    AuditFailure, AuditFilter, AuditLog, AuditPage, AuditRecord, AuditSearch, SqlTrace,
};
use crate::domain::error::{Error, Reason};
use crate::domain::history::QueryState;
use crate::domain::statement;

/// How much of the texts is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepSql {
    /// Nothing.
    None,
    /// The first [`HEAD_MAX`] characters.
    Head,
    /// All.
    Full,
}

/// Characters of a head.
const HEAD_MAX: usize = 200;

/// How the log is kept.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The folder, which exists and is private.
    pub folder: PathBuf,
    /// How much of the texts is kept.
    pub sql: KeepSql,
    /// Size at which a file ends.
    pub file_bytes_max: u64,
    /// Age at which a file ends.
    pub file_age_max: Duration,
    /// Size of all files.
    pub total_bytes_max: u64,
    /// How long a file is kept after its last line.
    pub keep: Duration,
    /// Records that wait for the disk.
    pub queue_max: usize,
    /// Bytes of texts among them.
    pub queue_bytes_max: usize,
    /// How long one search may take.
    pub search_time_max: Duration,
}

/// The log in files. Dropping it waits until everything is written.
pub struct AuditFiles {
    shared: Arc<Shared>,
    options: AuditOptions,
    /// Makes hashes useless outside this folder.
    key: [u8; 32],
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
    /// When time alone will have something to do for the thread.
    due: watch::Sender<Option<SystemTime>>,
}

#[derive(Default)]
struct Pending {
    queue: VecDeque<Item>,
    text_bytes: usize,
    /// Records that found no room since the last that did.
    lost: u64,
    stop: bool,
}

enum Item {
    Record(Phase, Box<AuditRecord>),
    /// It is this time.
    Tend(SystemTime),
    /// Everything before this is written.
    Mark(oneshot::Sender<()>),
}

/// How long a search waits for what is on its way to the disk.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

impl AuditFiles {
    /// Opens the log and begins to write.
    ///
    /// # Errors
    ///
    /// When the key cannot be read or made, or no thread can be started.
    pub fn open(options: AuditOptions) -> io::Result<Self> {
        let key = key(&options.folder.join("key"))?;
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            changed: Condvar::new(),
            due: watch::Sender::new(None),
        });
        let rules = FileRules {
            bytes_max: options.file_bytes_max,
            age_max: options.file_age_max,
            total_bytes_max: options.total_bytes_max,
            keep: options.keep,
        };
        let writer = Writer {
            shared: Arc::clone(&shared),
            files: Files::new(&options.folder, rules),
            folder: options.folder.clone(),
            lost: 0,
        };
        let thread = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            shared,
            options,
            key,
            thread: Some(thread),
        })
    }

    /// When [`tend`](Self::tend) is to be called next.
    pub fn due(&self) -> watch::Receiver<Option<SystemTime>> {
        self.shared.due.subscribe()
    }

    /// Does what time alone asks for, once what waits is written.
    pub fn tend(&self, now: SystemTime) {
        let mut pending = self.shared.pending();
        pending.queue.retain(|item| !matches!(item, Item::Tend(_)));
        pending.queue.push_back(Item::Tend(now));
        drop(pending);
        self.shared.changed.notify_one();
    }

    fn push(&self, phase: Phase, record: AuditRecord) {
        let mut pending = self.shared.pending();
        let bytes = record.sql.text.len();
        let is_full = pending.queue.len() >= self.options.queue_max
            || pending.text_bytes + bytes > self.options.queue_bytes_max;
        if is_full {
            pending.lost += 1;
        } else {
            pending.text_bytes += bytes;
            pending.queue.push_back(Item::Record(phase, Box::new(record)));
        }
        drop(pending);
        self.shared.changed.notify_one();
    }

    /// Waits until what was logged before is on its way to the disk, but not for ever.
    async fn flush(&self) {
        let (mark, written) = oneshot::channel();
        self.shared.pending().queue.push_back(Item::Mark(mark));
        self.shared.changed.notify_one();
        // A search that finds a little less is better than none.
        let _ = timeout(FLUSH_LIMIT, written).await;
    }
}

impl AuditLog for AuditFiles {
    fn trace(&self, sql: &str) -> SqlTrace {
        let digest = Sha256::new().chain_update(self.key).chain_update(sql).finalize();
        let mut hash = String::with_capacity(32);
        for byte in &digest[..16] {
            let _ = write!(hash, "{byte:02x}");
        }
        let text = match self.options.sql {
            KeepSql::None => String::new(),
            KeepSql::Head => head(&statement::shown(sql)),
            KeepSql::Full => statement::shown(sql).into_owned(),
        };
        SqlTrace { hash, text }
    }

    fn keeps_texts(&self) -> bool {
        self.options.sql != KeepSql::None
    }

    fn sent(&self, record: &AuditRecord) {
        self.push(Phase::Sent, record.clone());
    }

    fn ended(&self, record: AuditRecord) {
        self.push(Phase::Ended, record);
    }
}

fn head(text: &str) -> String {
    if text.chars().count() <= HEAD_MAX {
        return text.to_owned();
    }
    text.chars().take(HEAD_MAX).chain(['…']).collect()
}

#[async_trait]
impl AuditSearch for AuditFiles {
    async fn search(
        &self,
        filter: AuditFilter,
        before: Option<String>,
        max: usize,
    ) -> Result<AuditPage, Error> {
        let before = before.map(|token| token.parse::<Place>()).transpose()?;
        self.flush().await;
        let (folder, limit) = (self.options.folder.clone(), self.options.search_time_max);
        let found = tokio::task::spawn_blocking(move || search::search(&folder, &filter, before, max, limit));
        found
            .await
            .map_err(|error| Error::internal("the search of the audit log failed").with_source(error))?
            .map_err(|error| Error::internal("the audit log cannot be read").with_source(error))
    }
}

impl Drop for AuditFiles {
    fn drop(&mut self) {
        self.shared.pending().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // The queue is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, and how many records found no room; `None` at the end.
    fn next(&self) -> Option<(VecDeque<Item>, u64)> {
        let mut pending = self.pending();
        while pending.queue.is_empty() && pending.lost == 0 {
            if pending.stop {
                return None;
            }
            pending = self.changed.wait(pending).unwrap_or_else(PoisonError::into_inner);
        }
        pending.text_bytes = 0;
        Some((
            std::mem::take(&mut pending.queue),
            std::mem::take(&mut pending.lost),
        ))
    }
}

/// The thread's side.
struct Writer {
    shared: Arc<Shared>,
    files: Files,
    folder: PathBuf,
    /// Records that are missing and of which the log does not say so yet.
    lost: u64,
}

impl Writer {
    fn run(mut self) {
        self.finish_unfinished();
        self.tend(SystemTime::now());
        while let Some((items, lost)) = self.shared.next() {
            let mut lines = String::new();
            let mut marks = Vec::new();
            let mut count = 0;
            let mut tended = None;
            for item in items {
                match item {
                    Item::Record(phase, record) => {
                        lines.push_str(&format::write(phase, &record));
                        lines.push('\n');
                        count += 1;
                        if phase == Phase::Ended {
                            tell(&record);
                        }
                    }
                    Item::Tend(now) => tended = Some(now),
                    Item::Mark(mark) => marks.push(mark),
                }
            }
            self.append(lines, count, lost);
            match tended {
                Some(now) => self.tend(now),
                None => self.tell_due(),
            }
            for mark in marks {
                let _ = mark.send(());
            }
        }
    }

    fn tend(&mut self, now: SystemTime) {
        if let Err(error) = self.files.tend(now) {
            tracing::warn!(folder = %self.folder.display(), %error, "old audit files cannot be looked at");
        }
        self.tell_due();
    }

    fn tell_due(&self) {
        let due = self.files.due();
        let told = &self.shared.due;
        told.send_if_modified(|known| std::mem::replace(known, due) != due);
    }

    /// Writes lines, and how many are missing before them or because they could not be written.
    fn append(&mut self, mut lines: String, count: u64, lost: u64) {
        let now = SystemTime::now();
        let missing = self.lost + lost;
        if missing > 0 {
            lines.insert_str(0, &(format::gap(now, missing) + "\n"));
        }
        if lines.is_empty() {
            return;
        }
        match self.files.append(&lines, now) {
            Ok(()) => {
                if lost > 0 {
                    tracing::error!(
                        lost,
                        "audit records were lost: they came faster than they could be written"
                    );
                }
                self.lost = 0;
            }
            Err(error) => {
                if self.lost == 0 {
                    tracing::error!(folder = %self.folder.display(), %error, "the audit log cannot be written");
                }
                self.lost = missing + count;
            }
        }
    }

    /// Ends the records of statements whose end an earlier run of the service did not see.
    fn finish_unfinished(&mut self) {
        let mut unfinished: Vec<AuditRecord> = match unfinished(&self.folder) {
            Ok(unfinished) => unfinished.into_values().collect(),
            Err(error) => {
                tracing::warn!(%error, "the audit log of earlier runs cannot be read");
                return;
            }
        };
        unfinished.sort_by_key(|record| record.time);
        let mut lines = String::new();
        for record in &mut unfinished {
            record.state = QueryState::Unknown;
            record.failure = Some(AuditFailure {
                reason: Reason::Unreachable,
                code: String::new(),
                sql_state: String::new(),
                message: "the service ended before it saw the end of the statement".to_owned(),
            });
            lines.push_str(&format::write(Phase::Ended, record));
            lines.push('\n');
        }
        self.append(lines, unfinished.len() as u64, 0);
    }
}

/// Files in which statements without an end are looked for.
const UNFINISHED_FILES: usize = 2;

/// Statements that were sent and did not end, in the newest files.
fn unfinished(folder: &Path) -> io::Result<HashMap<String, AuditRecord>> {
    let mut open = HashMap::new();
    let all = files::list(folder)?;
    for begun in &all[all.len().saturating_sub(UNFINISHED_FILES)..] {
        let text = fs::read(files::path(folder, *begun))?;
        for line in text.split(|byte| *byte == b'\n') {
            match format::head(line) {
                Some(head) if head.phase == Phase::Sent => {
                    open.extend(format::read(line).map(|record| (head.request_id, record)));
                }
                Some(head) if head.phase == Phase::Ended => drop(open.remove(&head.request_id)),
                _ => {}
            }
        }
    }
    Ok(open)
}

/// Tells the service's own log, and so the journal.
fn tell(record: &AuditRecord) {
    let caller = &record.caller;
    tracing::info!(
        target: "audit",
        session = %record.session,
        connection = %record.connection,
        request_id = %record.request_id,
        query_id = record.query_id,
        class = record.class,
        targets = record.targets.join(", "),
        decision = %record.verdict,
        rule = record.rule,
        state = format::state_name(record.state),
        row_count = record.row_count,
        byte_count = record.byte_count,
        elapsed_us = u64::try_from(record.elapsed.as_micros()).unwrap_or(u64::MAX),
        code = record.failure.as_ref().map(|failure| failure.code.as_str()),
        uid = caller.uid,
        pid = caller.pid,
        client = caller.client,
        agent = caller.agent,
        sql_hash = record.sql.hash,
        "statement"
    );
}

/// The key of the hashes, made when there is none.
fn key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} does not hold 32 bytes", path.display()),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            key[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
            key[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
            let file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            io::Write::write_all(&mut file?, &key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

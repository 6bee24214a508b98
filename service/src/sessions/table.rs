//! The names of sessions, and what is behind each: a task that runs it, or a record at rest.
//!
//! The table is the only thing that requests share; it is locked for a look or an entry and never while anything
//! is waited for. A session goes to rest, or comes back, in one such moment: at no time does its name mean nothing.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};

use super::WallClock;
use super::history::Memory;
use super::live::Live;
use super::mailbox::{Handle, Message};
use super::oversight::Oversight;
use super::snapshot::Snapshot;
use super::writes::book::WriteBook;
use crate::domain::carry::Carrier;
use crate::domain::error::{Error, Reason};
use crate::domain::journal::record::{JournalStore, Kept, Record, Written};
use crate::domain::limits::Limits;
use crate::domain::names::{ConnectionName, SessionName};
use crate::domain::policy::Level;

/// The table and what belongs to it.
pub(super) struct Book {
    table: Mutex<Table>,
    /// Number of sessions that run, for those who wait for it to change.
    pub(super) count: watch::Sender<usize>,
    store: Arc<dyn JournalStore>,
    /// Where upstream sessions wait for the next process, if they can.
    pub(super) carrier: OnceLock<Arc<dyn Carrier>>,
    /// The service ends, but its upstream sessions stay for the next process.
    pub(super) handing_over: AtomicBool,
    /// What is remembered of queries.
    pub(super) memory: Arc<Memory>,
    /// What is remembered of writes.
    pub(super) writes: WriteBook,
    pub(super) limits: Live<Limits>,
    pub(super) clock: WallClock,
    pub(super) oversight: Live<Oversight>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) running: BTreeMap<SessionName, Handle>,
    pub(super) resting: BTreeMap<SessionName, Record>,
    pub(super) serial: u64,
    pub(super) draining: bool,
}

/// How a session leaves its task.
pub(super) enum Farewell {
    /// It rests, and comes back when it is used again.
    Rest(Box<Record>),
    /// Nothing was there to keep.
    Forget,
    /// It is closed: what is kept of it goes.
    Remove,
    /// The service stops: the name stays taken.
    Stay,
}

/// Why things are lost when a journal speaks of them and nobody put the session to rest.
const CRASHED: &str = "the service ended unexpectedly";

impl Book {
    /// A table with the sessions that were kept.
    pub(super) fn open(kept: Kept, limits: Limits, clock: WallClock, oversight: Oversight) -> Self {
        let book = Self {
            table: Mutex::default(),
            count: watch::Sender::new(0),
            store: kept.store,
            carrier: OnceLock::new(),
            handing_over: AtomicBool::new(false),
            memory: Memory::new(&limits, Arc::clone(&clock)),
            writes: WriteBook::new(&limits),
            limits: Live::new(limits),
            clock,
            oversight: Live::new(oversight),
        };
        let mut table = book.table();
        for mut record in kept.records {
            record.journal.lose(CRASHED);
            table.resting.insert(record.name.clone(), record);
        }
        book.prune(&mut table);
        drop(table);
        book
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        // The table is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the number of running sessions may have changed.
    pub(super) fn counted(&self, table: &Table) {
        self.count.send_replace(table.running.len());
    }

    /// Forgets resting sessions that are too old or too many, the oldest first.
    fn prune(&self, table: &mut Table) {
        let (now, limits) = ((self.clock)(), self.limits.now());
        let mut by_age: Vec<(SystemTime, SessionName)> = table
            .resting
            .values()
            .map(|record| (record.last_use_time, record.name.clone()))
            .collect();
        by_age.sort();
        let too_many = by_age.len().saturating_sub(limits.kept_max);
        for (index, (last_use, name)) in by_age.into_iter().enumerate() {
            let age = now.duration_since(last_use).unwrap_or(Duration::ZERO);
            if index < too_many || age > limits.keep {
                tracing::info!(session = %name, "kept session forgotten: it was not used for long, or there are too many");
                table.resting.remove(&name);
                drop(self.store.remove(&name));
            }
        }
    }

    /// Shows a session that rests.
    pub(super) fn show(&self, record: &Record) -> Snapshot {
        let limit = self.oversight.now().limit(record.policy, &record.connection);
        Snapshot::of_record(record, self.limits.now().session_idle, limit)
    }

    /// Replaces a session that rests.
    pub(super) fn rest(&self, table: &mut Table, record: Record) {
        drop(self.store.save(record.clone()));
        table.resting.insert(record.name.clone(), record);
        self.prune(table);
    }

    /// Forgets a session that rests; `None` when there is none.
    pub(super) fn remove_resting(&self, name: &SessionName) -> Option<Written> {
        let mut table = self.table();
        table.resting.remove(name)?;
        Some(self.store.remove(name))
    }
}

impl Table {
    pub(super) fn refuse_when_draining(&self) -> Result<(), Error> {
        if self.draining {
            return Err(Error::new(Reason::Draining, "the service is stopping")
                .with_hint("run the command again in a moment"));
        }
        Ok(())
    }

    /// The way to a session that runs.
    pub(super) fn handle(&self, name: &SessionName) -> Option<Handle> {
        self.running
            .get(name)
            .filter(|handle| !handle.mailbox.is_closed())
            .cloned()
    }

    /// The connection of a session, whether it runs or rests.
    pub(super) fn connection(&self, name: &SessionName) -> Option<ConnectionName> {
        let running = self.handle(name).map(|handle| handle.connection);
        running.or_else(|| self.resting.get(name).map(|record| record.connection.clone()))
    }

    /// The most that a session's statements may do by its own level, whether it runs or rests.
    pub(super) fn policy(&self, name: &SessionName) -> Option<Level> {
        match self.handle(name) {
            Some(handle) => handle.policy,
            None => self.resting.get(name).and_then(|record| record.policy),
        }
    }

    /// Takes an ended session out, unless the name has a new one.
    fn forget(&mut self, name: &SessionName, serial: u64) {
        if self
            .running
            .get(name)
            .is_some_and(|handle| handle.serial == serial)
        {
            self.running.remove(name);
        }
    }
}

/// Where a session's task keeps its journal and takes its leave.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) book: Arc<Book>,
    pub(super) name: SessionName,
    /// Tells two sessions of one name apart.
    pub(super) serial: u64,
}

impl Desk {
    /// Keeps the session as it is now.
    pub(super) fn keep(&self, record: Record) -> Written {
        self.book.store.save(record)
    }

    /// Forgets what is kept of the session.
    pub(super) fn remove(&self) -> Written {
        self.book.store.remove(&self.name)
    }

    /// Closes the mailbox and says what the name means from now on, in one moment. Returns what is to be waited for
    /// when something was removed.
    pub(super) fn leave(&self, mailbox: &mut mpsc::Receiver<Message>, farewell: Farewell) -> Option<Written> {
        let mut table = self.book.table();
        mailbox.close();
        let removed = match farewell {
            Farewell::Rest(record) => {
                table.forget(&self.name, self.serial);
                self.book.rest(&mut table, *record);
                None
            }
            Farewell::Forget => {
                table.forget(&self.name, self.serial);
                None
            }
            Farewell::Remove => {
                table.forget(&self.name, self.serial);
                Some(self.book.store.remove(&self.name))
            }
            Farewell::Stay => None,
        };
        self.book.counted(&table);
        removed
    }

    /// Takes the session out of the table when its task has ended, however it did.
    pub(super) fn forget(&self) {
        let mut table = self.book.table();
        table.forget(&self.name, self.serial);
        self.book.counted(&table);
    }
}

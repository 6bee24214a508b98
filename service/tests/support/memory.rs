//! Keeps sessions in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use snowflake_session::domain::journal::record::{JournalStore, Kept, Record, Written};
use snowflake_session::domain::names::SessionName;

/// Keeps sessions in memory; clones are the same memory.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) records: Arc<Mutex<BTreeMap<SessionName, Record>>>,
    pub(crate) writes: Arc<AtomicUsize>,
}

impl Memory {
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            store: Arc::new(self.clone()),
            records: self.records.lock().unwrap().values().cloned().collect(),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        records.keys().map(ToString::to_string).collect()
    }

    pub(crate) fn record(&self, name: &str) -> Record {
        self.records.lock().unwrap()[&name.parse().unwrap()].clone()
    }
}

impl JournalStore for Memory {
    fn save(&self, record: Record) -> Written {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.records.lock().unwrap().insert(record.name.clone(), record);
        Box::pin(std::future::ready(()))
    }

    fn remove(&self, name: &SessionName) -> Written {
        self.records.lock().unwrap().remove(name);
        Box::pin(std::future::ready(()))
    }
}

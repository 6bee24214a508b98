//! Keeps sessions in memory: their records, and the tickets of their upstream sessions.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use snowflake_session::domain::carry::Arrived;
use snowflake_session::domain::journal::record::{JournalStore, Kept, Record, Written};
use snowflake_session::domain::names::SessionName;
use snowflake_session::journal::CarriedSessions;

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

    /// What is there now.
    pub(crate) fn copy(&self) -> Self {
        Self {
            records: Arc::new(Mutex::new(self.records.lock().unwrap().clone())),
            writes: Arc::default(),
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

/// What a service manager holds while a service is away; clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Luggage(Arc<Mutex<BTreeMap<usize, Vec<u8>>>>);

impl Luggage {
    /// What a service finds that starts now, and where it leaves things itself.
    pub(crate) fn arrived(&self, records: &mut Vec<Record>) -> Arrived {
        let found = self.0.lock().unwrap().clone().into_iter().collect();
        let places = Arc::clone(&self.0);
        let write = Box::new(move |place: usize, bytes: &[u8]| {
            let mut places = places.lock().unwrap();
            if bytes.is_empty() {
                places.remove(&place);
            } else {
                places.insert(place, bytes.to_owned());
            }
            Ok(())
        });
        let (carrier, carried) = CarriedSessions::open(write, 8, found);
        Arrived::new(Arc::new(carrier), carried, records)
    }

    /// What is there now, for a service that starts as if this one had been killed.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Replaces a word in everything that is there.
    pub(crate) fn spoil(&self, word: &str, by: &str) {
        for bytes in self.0.lock().unwrap().values_mut() {
            *bytes = String::from_utf8(bytes.clone())
                .unwrap()
                .replace(word, by)
                .into_bytes();
        }
    }
}

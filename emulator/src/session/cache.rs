//! Lowered queries kept for the next time the same text comes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::lower::Lowered;

/// Most queries a session keeps.
const ENTRIES_MAX: usize = 256;

/// Longest text that is kept, in bytes; longer ones are rarely sent twice.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Queries that mean the same every time while the session's context stays, by their text.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<String, Entry>,
    clock: u64,
}

struct Entry {
    lowered: Arc<Lowered>,
    /// Count of changed definitions before it was lowered: what its columns are may have changed with a later one.
    definitions: u64,
    used: u64,
}

impl Cache {
    /// The lowered form of a text, if no definition has changed since.
    pub(super) fn get(&mut self, sql: &str, definitions: u64) -> Option<Arc<Lowered>> {
        self.clock += 1;
        let entry = self.entries.get_mut(sql)?;
        if entry.definitions != definitions && !entry.lowered.tables.is_empty() {
            self.entries.remove(sql);
            return None;
        }
        entry.used = self.clock;
        Some(Arc::clone(&entry.lowered))
    }

    /// Keeps a lowered form; the one unused for longest makes room.
    pub(super) fn insert(&mut self, sql: &str, definitions: u64, lowered: Arc<Lowered>) {
        if sql.len() > TEXT_BYTES_MAX {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        self.entries.insert(
            sql.to_owned(),
            Entry {
                lowered,
                definitions,
                used: self.clock,
            },
        );
    }

    /// Forgets everything: the context, a variable or a temporary table has changed.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::names::{Name, ObjectPath};

    #[test]
    fn the_least_used_makes_room() {
        let mut cache = Cache::default();
        for number in 0..ENTRIES_MAX {
            cache.insert(&format!("select {number}"), 1, Arc::default());
        }
        assert!(cache.get("select 0", 1).is_some());
        cache.insert("select x", 1, Arc::default());
        assert!(cache.get("select 0", 1).is_some());
        assert!(cache.get("select 1", 1).is_none());
        cache.insert(&"x".repeat(TEXT_BYTES_MAX + 1), 1, Arc::default());
        assert!(cache.get(&"x".repeat(TEXT_BYTES_MAX + 1), 1).is_none());
        cache.clear();
        assert!(cache.get("select 0", 1).is_none());
    }

    #[test]
    fn a_changed_definition_ends_what_names_tables() {
        let mut cache = Cache::default();
        let table = ObjectPath::new(Name::exact("D"), Name::exact("S"), Name::exact("T"));
        let of_table = Lowered {
            tables: [table].into(),
            ..Lowered::default()
        };
        cache.insert("select 1", 1, Arc::default());
        cache.insert("select a from t", 1, Arc::new(of_table));
        assert!(cache.get("select 1", 2).is_some());
        assert!(cache.get("select a from t", 1).is_some());
        assert!(cache.get("select a from t", 2).is_none());
    }
}

//! Which committed state each table has: a counter per table, and one for all.
//!
//! The engine gives a transaction one snapshot; Snowflake shows each statement what is committed when it
//! begins. These counters tell whether a snapshot is stale, and whether the tables that a transaction
//! has read are still as it saw them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::catalog::names::ObjectPath;

/// Commits of an instance, counted.
#[derive(Default)]
pub(crate) struct Versions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    latest: u64,
    definitions: u64,
    tables: HashMap<ObjectPath, u64>,
}

impl Versions {
    /// Number of the latest commit that changed anything.
    pub(crate) fn latest(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).latest
    }

    /// Counts a commit that changed these tables.
    pub(crate) fn committed<'a>(&self, tables: impl IntoIterator<Item = &'a ObjectPath>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.latest += 1;
        let latest = state.latest;
        for table in tables {
            state.tables.insert(table.clone(), latest);
        }
    }

    /// Counts a statement that changed what tables are.
    pub(crate) fn redefined(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .definitions += 1;
    }

    /// Number of the latest statement that changed what tables are.
    pub(crate) fn definitions(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .definitions
    }

    /// True when a commit after `version` changed one of these tables.
    pub(crate) fn changed_since<'a>(
        &self,
        version: u64,
        tables: impl IntoIterator<Item = &'a ObjectPath>,
    ) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.latest <= version {
            return false;
        }
        tables
            .into_iter()
            .any(|table| state.tables.get(table).is_some_and(|changed| *changed > version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::names::Name;

    #[test]
    fn changes_are_seen_per_table() {
        let table = |name: &str| ObjectPath::new(Name::exact("D"), Name::exact("S"), Name::exact(name));
        let versions = Versions::default();
        let before = versions.latest();
        versions.committed([&table("A")]);
        assert!(versions.changed_since(before, [&table("A")]));
        assert!(!versions.changed_since(before, [&table("B")]));
        assert!(!versions.changed_since(versions.latest(), [&table("A")]));
    }
}

//! What must, may and must not be in the table in the end.
//!
//! Each row that is ever written has a number of its own. A number's fate follows from what the client was told: a write
//! that was acknowledged is there once, a write that was refused is not there, and of a write whose end nobody told,
//! all rows that belong together are there once or none is.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

/// What the client was told of some rows that were written together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are there.
    Written,
    /// They are not there.
    Absent,
    /// Nobody told.
    Unknown,
}

/// The rows of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    groups: Vec<(Vec<i64>, Fate)>,
}

impl Ledger {
    /// Notes what was told of rows that were written together.
    pub(super) fn note(&mut self, rows: Vec<i64>, fate: Fate) {
        self.groups.push((rows, fate));
    }

    /// Fewest and most rows that may be there.
    pub(super) fn bounds(&self) -> (usize, usize) {
        let count = |wanted: &[Fate]| -> usize {
            let chosen = self.groups.iter().filter(|(_, fate)| wanted.contains(fate));
            chosen.map(|(rows, _)| rows.len()).sum()
        };
        (count(&[Fate::Written]), count(&[Fate::Written, Fate::Unknown]))
    }

    /// Groups with this fate.
    pub(super) fn count(&self, wanted: Fate) -> usize {
        self.groups.iter().filter(|(_, fate)| *fate == wanted).count()
    }

    /// Compares with the table: how often each number is in it. Takes out what it has explained.
    ///
    /// # Errors
    ///
    /// The first row that is lost, doubled, there against what was told, or there without those it belongs to.
    pub(super) fn check(&self, found: &mut BTreeMap<i64, u64>) -> Result<()> {
        for (rows, fate) in &self.groups {
            let times: Vec<u64> = rows.iter().map(|row| found.remove(row).unwrap_or(0)).collect();
            let all = |wanted: u64| times.iter().all(|times| *times == wanted);
            let right = match fate {
                Fate::Written => all(1),
                Fate::Absent => all(0),
                Fate::Unknown => all(0) || all(1),
            };
            ensure!(
                right,
                "rows {rows:?} were told to be {fate:?} and are there {times:?} times"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.note(vec![1], Fate::Written);
        ledger.note(vec![2, 3], Fate::Absent);
        ledger.note(vec![4, 5], Fate::Unknown);
        ledger
    }

    #[test]
    fn what_was_told_is_held_against_the_table() {
        for (table, right) in [
            (vec![(1, 1)], true),
            (vec![(1, 1), (4, 1), (5, 1)], true),
            (vec![], false),
            (vec![(1, 2)], false),
            (vec![(1, 1), (3, 1)], false),
            (vec![(1, 1), (4, 1)], false),
            (vec![(1, 1), (4, 2), (5, 2)], false),
        ] {
            let mut found = BTreeMap::from_iter(table.clone());
            assert_eq!(ledger().check(&mut found).is_ok(), right, "{table:?}");
        }
        assert_eq!(ledger().bounds(), (1, 3));
    }

    #[test]
    fn rows_of_nobody_are_left_over() {
        let mut found = BTreeMap::from([(1, 1), (9, 1)]);
        ledger().check(&mut found).unwrap();
        assert_eq!(found, BTreeMap::from([(9, 1)]));
    }
}

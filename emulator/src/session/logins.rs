//! Where logins begin, kept for the next login that asks for the same.
//!
//! To find out whether a database, a schema, a warehouse and a role exist takes four queries of the catalog, longer
//! than a short statement itself: a request of the SQL API, which is a session for one statement, was mostly that.
//! What they found holds until somebody changes a definition.

use std::collections::HashMap;
use std::sync::Mutex;

use super::instance::lock;
use crate::catalog::names::Name;

/// Most logins that are known; beyond, all are forgotten and learned anew.
const KNOWN_MAX: usize = 256;

/// Longest names that are kept, in bytes together: Snowflake's have 255 characters each.
const NAME_BYTES_MAX: usize = 4 * 1024;

/// What a login asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) database: Option<Name>,
    pub(super) schema: Option<Name>,
    pub(super) warehouse: Option<Name>,
    pub(super) role: Option<Name>,
}

/// Where a session begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) database: Option<Name>,
    pub(super) schema: Option<Name>,
    pub(super) warehouse: Option<Name>,
    pub(super) role: Option<Name>,
}

/// What logins found, each with the count of changed definitions from before it looked.
#[derive(Default)]
pub(super) struct Logins {
    known: Mutex<HashMap<Asked, (u64, Beginning)>>,
}

impl Logins {
    /// Where such a login begins, if no definition has changed since one like it.
    pub(super) fn get(&self, asked: &Asked, definitions: u64) -> Option<Beginning> {
        let known = lock(&self.known);
        let (before, beginning) = known.get(asked)?;
        (*before == definitions).then(|| beginning.clone())
    }

    /// Keeps what a login found that looked after `definitions` changes of definitions.
    pub(super) fn keep(&self, asked: Asked, definitions: u64, beginning: Beginning) {
        if asked.name_bytes() > NAME_BYTES_MAX {
            return;
        }
        let mut known = lock(&self.known);
        if known.len() >= KNOWN_MAX && !known.contains_key(&asked) {
            known.clear();
        }
        known.insert(asked, (definitions, beginning));
    }
}

impl Asked {
    fn name_bytes(&self) -> usize {
        [&self.database, &self.schema, &self.warehouse, &self.role]
            .into_iter()
            .flatten()
            .map(|name| name.as_str().len())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(database: &str) -> Asked {
        Asked {
            database: Some(Name::exact(database)),
            schema: None,
            warehouse: None,
            role: None,
        }
    }

    #[test]
    fn what_was_found_holds_until_a_definition_changes() {
        let logins = Logins::default();
        let beginning = Beginning {
            database: Some(Name::exact("D")),
            ..Beginning::default()
        };
        logins.keep(asked("D"), 1, beginning.clone());
        assert_eq!(logins.get(&asked("D"), 1), Some(beginning));
        assert_eq!(logins.get(&asked("D"), 2), None);
        assert_eq!(logins.get(&asked("d"), 1), None);
    }

    #[test]
    fn what_is_kept_has_limits() {
        let logins = Logins::default();
        for number in 0..=KNOWN_MAX {
            logins.keep(asked(&number.to_string()), 1, Beginning::default());
        }
        assert_eq!(lock(&logins.known).len(), 1);
        logins.keep(asked(&"D".repeat(NAME_BYTES_MAX + 1)), 1, Beginning::default());
        assert_eq!(lock(&logins.known).len(), 1);
    }
}

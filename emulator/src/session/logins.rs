//! Where logins begin, kept for the next login that asks for the same, and who has logged in.
//!
//! To find out whether a database, a schema, a warehouse and a role exist takes four queries of the catalog, longer
//! than a short statement itself: a request of the SQL API, which is a session for one statement, was mostly that.
//! What they found holds until somebody changes a definition.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use super::instance::lock;
use crate::catalog::names::Name;
use crate::plan::KnownUser;

/// Most logins that are known; beyond, all are forgotten and learned anew.
const KNOWN_MAX: usize = 256;

/// Longest names that are kept, in bytes together: Snowflake's have 255 characters each.
const NAME_BYTES_MAX: usize = 4 * 1024;

/// Most users that are remembered: where anyone may log in, there is no end of names.
const USERS_MAX: usize = 10_000;

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
    users: Mutex<BTreeMap<String, KnownUser>>,
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

    /// Remembers a user that logs in; beyond the limit no further ones.
    pub(super) fn seen(&self, user: &str, now_ms: i64) {
        self.remember(user, now_ms, Some(now_ms));
    }

    /// Remembers a user that may log in.
    pub(super) fn expected(&self, user: &str, now_ms: i64) {
        self.remember(user, now_ms, None);
    }

    fn remember(&self, user: &str, known_ms: i64, login_ms: Option<i64>) {
        let mut users = lock(&self.users);
        if let Some(known) = users.get_mut(user) {
            known.login_ms = login_ms.or(known.login_ms);
        } else if users.len() < USERS_MAX && user.len() <= NAME_BYTES_MAX {
            let known = KnownUser {
                name: user.to_owned(),
                known_ms,
                login_ms,
            };
            users.insert(user.to_owned(), known);
        }
    }

    /// The users, by name.
    pub(super) fn users(&self) -> Vec<KnownUser> {
        lock(&self.users).values().cloned().collect()
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
    fn users_are_remembered_with_their_last_login() {
        let logins = Logins::default();
        logins.expected("ANN", 1);
        logins.seen("BOB", 2);
        logins.seen("BOB", 3);
        logins.expected("BOB", 4);
        let found: Vec<_> = logins
            .users()
            .into_iter()
            .map(|user| (user.name, user.known_ms, user.login_ms))
            .collect();
        assert_eq!(
            found,
            [("ANN".to_owned(), 1, None), ("BOB".to_owned(), 2, Some(3))]
        );
        for number in 0..=USERS_MAX {
            logins.seen(&number.to_string(), 5);
        }
        assert_eq!(logins.users().len(), USERS_MAX);
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

//! What the Snowflake in memory was asked, and what it is told to do about it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use snowflake_session::domain::query::StatementKind;
use snowflake_session::domain::write::shape::Texts;

use super::queries::FakeQueries;
use super::snowflake::FakeUpstream;

/// What the fake Snowflake saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) logins: AtomicUsize,
    pub(crate) closes: AtomicUsize,
    pub(crate) cancels: AtomicUsize,
    pub(crate) batches: AtomicU64,
    pub(crate) sql: Mutex<Vec<String>>,
    /// The tags of the statements.
    pub(crate) tags: Mutex<Vec<Option<String>>>,
    /// Statements that were to be described.
    pub(crate) described: Mutex<Vec<String>>,
    /// Beginnings of statements, in lower case, and what they are said to be; `None` waits for its cancellation.
    pub(crate) kinds: Mutex<Vec<(String, Option<StatementKind>)>>,
    /// The queries by their ids.
    pub(crate) queries: FakeQueries,
    /// Beginnings of statements, in lower case, that are rejected.
    pub(crate) refused: Mutex<Vec<String>>,
    /// Beginnings of statements, in lower case, whose answers get lost.
    pub(crate) unheard: Mutex<Vec<String>>,
    /// Beginnings of statements, in lower case, that are never answered.
    pub(crate) deaf_to: Mutex<Vec<String>>,
    /// Beginnings of statements, in lower case, with which the upstream session ends: what is sent to it is lost.
    pub(crate) fatal: Mutex<Vec<String>>,
    /// What queries of the service itself are answered, by the beginnings of their texts.
    pub(crate) tables: Mutex<Vec<(String, Texts)>>,
    /// Rows that the next statements change, in their order; 2 when nothing is said.
    pub(crate) changes: Mutex<Vec<u64>>,
    /// Upstream sessions of logins up to this number are found expired by the next statement.
    pub(crate) expired: AtomicUsize,
    /// Upstream sessions of logins up to this number are known to have ended.
    pub(crate) dead: AtomicUsize,
    /// The upstream sessions by their tickets.
    pub(super) tickets: Mutex<BTreeMap<String, Arc<FakeUpstream>>>,
}

impl Seen {
    pub(crate) fn sql(&self) -> Vec<String> {
        self.sql.lock().unwrap().clone()
    }

    /// What was seen since the last look.
    pub(crate) fn take_sql(&self) -> Vec<String> {
        std::mem::take(&mut *self.sql.lock().unwrap())
    }

    /// From now on all upstream sessions so far are known to have ended, as a heartbeat finds out.
    pub(crate) fn kill(&self) {
        self.dead
            .store(self.logins.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Ends the open transactions without telling anybody.
    pub(crate) fn end_transactions(&self) {
        for upstream in self.tickets.lock().unwrap().values() {
            upstream.transaction.store(false, Ordering::SeqCst);
        }
    }

    /// From now on all upstream sessions so far are expired.
    pub(crate) fn expire(&self) {
        self.expired
            .store(self.logins.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

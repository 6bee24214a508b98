//! The memory of writes as all tasks share it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::error::Error;
use crate::domain::history::QueryRef;
use crate::domain::limits::Limits;
use crate::domain::names::{ConnectionName, RequestId, SessionName};
use crate::domain::write::memory::{Fate, WriteMemory, Written};
use crate::domain::write::token::Token;
use crate::domain::write::{Report, State};

/// The memory of writes.
pub(in crate::sessions) struct WriteBook(Mutex<WriteMemory>);

impl WriteBook {
    pub(in crate::sessions) fn new(limits: &Limits) -> Self {
        // As many sessions that exist as that are over, as with queries.
        Self(Mutex::new(WriteMemory::new(
            limits.history_max,
            2 * limits.sessions_max,
        )))
    }

    /// Makes a token for a write that waits from now on.
    pub(in crate::sessions) fn draw(&self, session: &SessionName, connection: &ConnectionName) -> Token {
        let token = Token::new(uuid::Uuid::new_v4().as_u128());
        self.lock()
            .wait(token.clone(), session.clone(), connection.clone());
        token
    }

    /// A token does not count any more.
    pub(in crate::sessions) fn end(&self, token: &Token, fate: Fate) {
        self.lock().end(token, fate);
    }

    /// The session in which a token's write waits.
    pub(in crate::sessions) fn session_of(
        &self,
        token: &str,
    ) -> Result<(SessionName, ConnectionName), Error> {
        self.lock().session_of(token)
    }

    /// Sessions in which a write waits.
    pub(in crate::sessions) fn waiting(&self) -> usize {
        self.lock().waiting()
    }

    /// What came of a request is not known any more.
    pub(in crate::sessions) fn forget(&self, session: &SessionName, request: RequestId) {
        self.lock().forget(session, request);
    }

    pub(in crate::sessions) fn remember(&self, written: Written) {
        self.lock().remember(written);
    }

    /// A write that waited does not count: says so to those who ask for it again.
    pub(in crate::sessions) fn given_up(
        &self,
        session: &SessionName,
        request: RequestId,
        ran: bool,
        notice: &str,
    ) {
        self.lock().update(session, request, |written| {
            let report = &mut written.report;
            report.state = if ran { State::RolledBack } else { State::Abandoned };
            (report.token, report.expire_time) = (None, None);
            report.notices.push(notice.to_owned());
            *report = report.without_samples();
        });
    }

    pub(in crate::sessions) fn transaction_ended(&self, session: &SessionName, committed_by: Option<&str>) {
        self.lock().transaction_ended(session, committed_by);
    }

    /// What came of a request, as it is remembered.
    pub(in crate::sessions) fn of_request(
        &self,
        session: &SessionName,
        request: RequestId,
    ) -> Option<Report> {
        let memory = self.lock();
        memory
            .of_request(session, request)
            .map(|written| written.report.clone())
    }

    /// The write that somebody names.
    pub(in crate::sessions) fn find(
        &self,
        session: Option<&SessionName>,
        query: &QueryRef,
    ) -> Option<Written> {
        let memory = self.lock();
        let found = match query {
            QueryRef::Last => memory.find(session, None),
            QueryRef::Id(id) => memory.find(session, Some(id)),
        };
        found.cloned()
    }

    fn lock(&self) -> MutexGuard<'_, WriteMemory> {
        // The memory is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

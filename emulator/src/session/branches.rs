//! Statements that run beside their session.
//!
//! Snowflake runs the asynchronous statements of a session side by side, and goes on with them when the session
//! is closed. Here a session is one thread with one connection, so such a statement gets a session of its own, a
//! branch: it begins where the session is, shows the session's number, and ends with its statement. What a
//! branch cannot have is what only one connection has: an open transaction and temporary tables. Statements that
//! need them, or that change the session, take their turn in it ([`Session::detach`] decides).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use snowflake_emulator_engine::EngineConnection;

use super::instance::lock;
use super::state::State;
use super::{ContextSnapshot, Parameters, QueryId, Session, SqlError, from_engine, told};
use crate::catalog::names::Name;
use crate::lower::Constant;

/// Where a session was when a branch was made.
pub(super) struct Standing {
    /// Number of the session.
    pub(super) session: u64,
    pub(super) user: String,
    pub(super) context: ContextSnapshot,
    pub(super) parameters: Parameters,
    pub(super) variables: BTreeMap<String, Constant>,
}

/// The branches of a session, each by its one statement.
#[derive(Default)]
pub(super) struct Branches {
    by_query: Mutex<HashMap<QueryId, Branch>>,
}

#[derive(Default)]
struct Branch {
    /// Until it begins.
    standing: Option<Standing>,
    /// As soon as it is open.
    session: Option<Arc<Session>>,
    cancelled: bool,
}

impl Standing {
    /// The state with which the branch of this number begins.
    pub(super) fn state(self, id: u64, connection: &mut dyn EngineConnection) -> Result<State, SqlError> {
        told::tell(connection, None, &self.parameters).map_err(|error| from_engine(&error))?;
        let name = |text: Option<String>| text.map(Name::exact);
        Ok(State {
            id,
            shown_id: self.session,
            user: self.user,
            database: name(self.context.database),
            schema: name(self.context.schema),
            warehouse: name(self.context.warehouse),
            role: name(self.context.role),
            // What changes its session does not run in a branch.
            role_is_fixed: true,
            parameters: self.parameters,
            variables: self.variables,
            temporary: BTreeMap::new(),
            temporary_paths: std::collections::BTreeSet::new(),
            files: crate::plan::TemporaryFiles::default(),
            temporary_loads: BTreeMap::new(),
            query_ids: Vec::new(),
        })
    }
}

impl Branches {
    /// A statement is to run in a branch.
    pub(super) fn decide(&self, query_id: QueryId, standing: Standing) {
        let branch = Branch {
            standing: Some(standing),
            ..Branch::default()
        };
        lock(&self.by_query).insert(query_id, branch);
    }

    /// Where the branch of a statement begins, if it is to run in one.
    pub(super) fn begin(&self, query_id: QueryId) -> Option<Standing> {
        lock(&self.by_query).get_mut(&query_id)?.standing.take()
    }

    /// The entry of a statement, forgotten when it is dropped.
    pub(super) fn entry(self: &Arc<Self>, query_id: QueryId) -> Entry {
        Entry {
            branches: Arc::clone(self),
            query_id,
        }
    }

    /// The branch of a statement, once it is open.
    pub(super) fn session(&self, query_id: QueryId) -> Option<Arc<Session>> {
        lock(&self.by_query).get(&query_id)?.session.clone()
    }

    /// Stops a branch's statement; none when the statement has no branch, false when it has ended or not begun.
    pub(super) fn cancel(&self, query_id: QueryId) -> Option<bool> {
        let session = {
            let mut branches = lock(&self.by_query);
            let branch = branches.get_mut(&query_id)?;
            branch.cancelled = true;
            branch.session.clone()
        };
        // A branch that is still opening finds out by itself.
        Some(session.is_none_or(|session| session.cancel(query_id)))
    }
}

/// A statement's place among the branches.
pub(super) struct Entry {
    branches: Arc<Branches>,
    query_id: QueryId,
}

impl Entry {
    /// The branch is open. Fails when its statement was cancelled before.
    pub(super) fn begun(&self, session: &Arc<Session>) -> Result<(), SqlError> {
        let mut branches = lock(&self.branches.by_query);
        let Some(branch) = branches.get_mut(&self.query_id) else {
            return Err(SqlError::internal("a branch that nobody decided on"));
        };
        branch.session = Some(Arc::clone(session));
        if branch.cancelled {
            Err(SqlError::canceled())
        } else {
            Ok(())
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let ended = lock(&self.branches.by_query).remove(&self.query_id);
        // Outside the lock: the last reference to a session closes it.
        drop(ended);
    }
}

//! What a session knows: where it is, its parameters, variables and temporary tables.

use std::collections::{BTreeMap, BTreeSet};

use super::facts;
use super::{Binding, ContextSnapshot, Parameters, QueryId};
use crate::catalog::names::{Name, NameScope, ObjectPath};
use crate::catalog::tables::ACCOUNTADMIN;
use crate::lower::{Constant, Facts, NO_COLUMNS, NO_SOURCES, Scope};
use crate::plan::{Temporary, TemporaryFiles};

/// Account locator that `CURRENT_ACCOUNT()` answers.
const ACCOUNT: &str = "LOCAL";

/// Region that `CURRENT_REGION()` answers.
const REGION: &str = "LOCAL";

/// The Snowflake release whose behaviour is followed, as `CURRENT_VERSION()` and logins tell it; some tools refuse
/// older ones.
pub(crate) const VERSION: &str = "9.38.0";

/// Most queries that a session remembers.
const HISTORY_MAX: usize = 1000;

/// State of one session; owned by its thread.
pub(super) struct State {
    pub(super) id: u64,
    /// Number that the session shows; a branch shows that of the session that it belongs to.
    pub(super) shown_id: u64,
    pub(super) user: String,
    pub(super) database: Option<Name>,
    pub(super) schema: Option<Name>,
    pub(super) warehouse: Option<Name>,
    pub(super) role: Option<Name>,
    /// By whoever let the user in: no statement changes it.
    pub(super) role_is_fixed: bool,
    pub(super) parameters: Parameters,
    pub(super) variables: BTreeMap<String, Constant>,
    pub(super) temporary: BTreeMap<ObjectPath, Temporary>,
    /// Keys of `temporary`, in the form that names are resolved with.
    pub(super) temporary_paths: BTreeSet<ObjectPath>,
    /// Stages and file formats of its own.
    pub(super) files: TemporaryFiles,
    /// Files from which temporary tables were loaded, with their digests.
    pub(super) temporary_loads: BTreeMap<ObjectPath, BTreeSet<(String, String)>>,
    /// Queries so far, oldest first.
    pub(super) query_ids: Vec<String>,
}

/// Time of one statement in the session's zone.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    pub(super) ns: i64,
    pub(super) zone: String,
    pub(super) offset_minutes: i32,
}

impl Moment {
    pub(super) fn ms(&self) -> i64 {
        self.ns / 1_000_000
    }
}

impl State {
    /// The moment at which a statement begins.
    pub(super) fn moment(&self) -> Moment {
        let (ns, zone) = (facts::now_ns(), self.parameters.text("TIMEZONE"));
        let offset_minutes = facts::offset_minutes(&zone, ns);
        Moment {
            ns,
            zone,
            offset_minutes,
        }
    }

    /// Where names are looked for.
    pub(super) fn names(&self) -> NameScope<'_> {
        NameScope {
            database: self.database.as_ref(),
            schema: self.schema.as_ref(),
            temporary: &self.temporary_paths,
        }
    }

    /// What a statement's meaning depends on.
    pub(super) fn scope<'a>(
        &'a self,
        moment: &'a Moment,
        source: &'a str,
        bindings: &'a BTreeMap<String, Binding>,
        transaction: Option<u64>,
    ) -> Scope<'a> {
        Scope {
            names: self.names(),
            source: Some(source),
            sources: &NO_SOURCES,
            columns: &NO_COLUMNS,
            facts: Facts {
                user: &self.user,
                role: self.role.as_ref().map(Name::as_str),
                warehouse: self.warehouse.as_ref().map(Name::as_str),
                account: ACCOUNT,
                region: REGION,
                version: VERSION,
                session_id: self.shown_id,
                transaction_id: transaction,
                query_ids: &self.query_ids,
                statement_time_ns: moment.ns,
                zone: &moment.zone,
                zone_offset_minutes: moment.offset_minutes,
                client: "",
                ip_address: "127.0.0.1",
            },
            variables: &self.variables,
            bindings,
            target: &[],
            // Inside a transaction a statement may have to be run again with the same outcome.
            random_seed: transaction.map(|_| moment.ns),
        }
    }

    /// Role that owns what the session makes.
    pub(super) fn owner(&self) -> String {
        self.role
            .as_ref()
            .map_or_else(|| ACCOUNTADMIN.to_owned(), |role| role.as_str().to_owned())
    }

    /// Where the session is.
    pub(super) fn snapshot(&self, transaction_open: bool) -> ContextSnapshot {
        let text = |name: &Option<Name>| name.as_ref().map(|name| name.as_str().to_owned());
        ContextSnapshot {
            database: text(&self.database),
            schema: text(&self.schema),
            warehouse: text(&self.warehouse),
            role: text(&self.role),
            transaction_open,
        }
    }

    /// Remembers a query for `LAST_QUERY_ID`.
    pub(super) fn remember(&mut self, query_id: QueryId) {
        if self.query_ids.len() >= HISTORY_MAX {
            self.query_ids.drain(..HISTORY_MAX / 2);
        }
        self.query_ids.push(query_id.to_string());
    }

    pub(super) fn keep_temporary(&mut self, temporary: Temporary) {
        self.temporary_paths.insert(temporary.object.path.clone());
        self.temporary.insert(temporary.object.path.clone(), temporary);
    }

    pub(super) fn forget_temporary(&mut self, path: &ObjectPath) -> Option<Temporary> {
        self.temporary_paths.remove(path);
        self.temporary.remove(path)
    }
}

//! What the log of a transaction must know of the tables that a statement names.

use std::collections::BTreeSet;

use super::worker::Worker;
use super::{SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{INFORMATION_SCHEMA, ObjectPath, literal};
use crate::catalog::records::ObjectKind;

/// What gives another value the next time: functions of the engine, tables that are made for one statement, files.
/// `now()` is the time of the engine's transaction, and the session may be elsewhere by then.
pub(super) const VOLATILE: [&str; 6] = [
    "nextval(",
    "sf_uuid_string(",
    "now()",
    "sf_session_fact(",
    "\"stage#",
    "read_parquet(",
];

/// Most tables that are remembered.
const REMEMBERED_MAX: usize = 1000;

/// Facts about one table or view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableFacts {
    /// A column has a default that gives another value each time.
    pub(super) has_volatile_default: bool,
    /// It is a view: which tables it reads is not known here.
    pub(super) is_view: bool,
}

impl Worker {
    /// True when one of the names is a view's.
    pub(super) fn names_view(&mut self, paths: &BTreeSet<ObjectPath>) -> Result<bool, SqlError> {
        for path in paths {
            if self.table_facts(path)?.is_view {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Facts about a table, remembered until somebody commits anything.
    pub(super) fn table_facts(&mut self, path: &ObjectPath) -> Result<TableFacts, SqlError> {
        let latest = match &self.transaction {
            Some(transaction) => transaction.snapshot(),
            None => self.shared.versions.latest(),
        };
        if let Some((known, facts)) = self.table_facts.get(path)
            && *known == latest
        {
            return Ok(*facts);
        }
        let (schema, table) = self.engine_table(path);
        let schema = if schema == TEMPORARY {
            "main".to_owned()
        } else {
            schema
        };
        let defaults: Vec<String> = VOLATILE
            .iter()
            .map(|word| format!("contains(column_default, {})", literal(word)))
            .collect();
        let query = format!(
            "SELECT 1 FROM duckdb_columns() WHERE schema_name = {} AND table_name = {} AND ({})",
            literal(&schema),
            literal(&table),
            defaults.join(" OR ")
        );
        let mut catalog = Catalog::new(self.connection.as_mut());
        let volatile = catalog.rows(&query).map_err(|error| from_engine(&error))?;
        let object = catalog.object(path).map_err(|error| from_engine(&error))?;
        let temporary = self.state.temporary.get(path);
        let facts = TableFacts {
            has_volatile_default: !volatile.is_empty(),
            is_view: match temporary {
                Some(temporary) => temporary.object.kind == ObjectKind::View,
                None => {
                    path.schema.schema.as_str() == INFORMATION_SCHEMA
                        || object.is_some_and(|object| object.kind == ObjectKind::View)
                }
            },
        };
        if self.table_facts.len() >= REMEMBERED_MAX {
            self.table_facts.clear();
        }
        self.table_facts.insert(path.clone(), (latest, facts));
        Ok(facts)
    }

    /// Schema and table of the engine, without quotes.
    pub(super) fn engine_table(&self, path: &ObjectPath) -> (String, String) {
        if self.state.temporary_paths.contains(path) {
            (TEMPORARY.to_owned(), path.temporary_mangled())
        } else {
            (path.schema.mangled(), path.name.mangled())
        }
    }
}

/// Name by which the engine knows a connection's temporary tables.
const TEMPORARY: &str = "temp";

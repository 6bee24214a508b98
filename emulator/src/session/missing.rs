//! What exactly is missing when the engine does not find a table.

use std::collections::BTreeSet;

use super::SqlError;
use super::worker::Worker;
use crate::catalog::Catalog;
use crate::catalog::names::ObjectPath;

impl Worker {
    /// Names the database or schema that is not there, if that is why a table was not found.
    pub(super) fn explain_missing(&mut self, error: SqlError, tables: &BTreeSet<ObjectPath>) -> SqlError {
        if error.code != "002003" {
            return error;
        }
        let mut catalog = Catalog::new(self.connection.as_mut());
        for path in tables {
            let schema = &path.schema;
            let missing = match catalog.database(&schema.database) {
                Ok(None) => Ok(Some(SqlError::no_such("Database", &schema.database))),
                Ok(Some(_)) => catalog
                    .schema(schema)
                    .map(|found| found.is_none().then(|| SqlError::no_such("Schema", schema))),
                Err(failed) => Err(failed),
            };
            match missing {
                Ok(None) => {}
                Ok(Some(missing)) => return missing,
                // The first error is the one to report.
                Err(failed) => {
                    tracing::debug!(%failed, "the catalog could not be asked what is missing");
                    return error;
                }
            }
        }
        error
    }
}

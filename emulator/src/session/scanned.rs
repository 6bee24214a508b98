//! Results of earlier statements as tables of the connection, for RESULT_SCAN.
//!
//! The results lie where the wire keeps them; whoever keeps them tells the instance how to ask.

use std::collections::BTreeSet;

use super::worker::Worker;
use super::{QueryId, SqlError, from_engine};
use crate::catalog::names::{Name, TEMPORARY_SCHEMA, quote};
use crate::lower::result_table_name;

/// Results that stay as tables until others need the place.
const KEPT_MAX: usize = 16;

/// Name by which the engine knows the schema of a connection's temporary tables when rows are appended.
const APPEND_SCHEMA: &str = "temp";

impl Worker {
    /// Makes the tables of these results, anew: what was made before may have been rolled back.
    pub(super) fn scan_results(&mut self, ids: &BTreeSet<QueryId>) -> Result<(), SqlError> {
        for id in ids {
            let known = self.shared.earlier.get().and_then(std::sync::Weak::upgrade);
            let rows = match known {
                Some(known) => known.rows(*id, &self.state.user)?,
                None => return Err(SqlError::unsupported("RESULT_SCAN")),
            };
            let Some(rows) = rows else {
                return Err(SqlError::no_statement(&id.to_string()));
            };
            let name = result_table_name(*id);
            let mut taken = BTreeSet::new();
            let columns: Vec<String> = rows
                .columns
                .iter()
                .map(|column| {
                    let name = unused(&column.name, &mut taken);
                    format!(
                        "{} {}",
                        Name::exact(name).physical(),
                        column.sql_type.engine_type()
                    )
                })
                .collect();
            let engine = |error| from_engine(&error);
            let create = format!(
                "CREATE OR REPLACE TEMPORARY TABLE {TEMPORARY_SCHEMA}.{} ({})",
                quote(&name),
                columns.join(", ")
            );
            self.connection.execute(&create).map_err(engine)?;
            for batch in &rows.batches {
                self.connection
                    .append(APPEND_SCHEMA, &name, batch)
                    .map_err(engine)?;
            }
            self.scanned.retain(|known| known != id);
            self.scanned.push_back(*id);
        }
        while self.scanned.len() > KEPT_MAX.max(ids.len()) {
            if let Some(oldest) = self.scanned.pop_front() {
                let name = quote(&result_table_name(oldest));
                let drop = format!("DROP TABLE IF EXISTS {TEMPORARY_SCHEMA}.{name}");
                self.connection
                    .execute(&drop)
                    .map_err(|error| from_engine(&error))?;
            }
        }
        Ok(())
    }
}

/// The name, or with a number when a column before it has that name.
fn unused(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

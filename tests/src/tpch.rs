//! The 22 TPC-H queries as they are asked of Snowflake, and whether the answers are the published ones.

use std::fs;
use std::path::PathBuf;

use crate::answers::{difference, published};
use crate::config;
use crate::csv::Table;

/// How many queries there are.
pub const QUERIES: usize = 22;

/// Folder with `q01.sql` to `q22.sql`.
pub fn folder() -> PathBuf {
    config::repository().join("tests/tpch")
}

/// A query's file.
pub fn file(query: usize) -> PathBuf {
    folder().join(format!("q{query:02}.sql"))
}

/// Asks all 22 queries and collects what differs from the published answers.
///
/// `scale` is `sf1` or `sf001`; `ask` gets a query's number and SQL.
pub fn differences(scale: &str, mut ask: impl FnMut(usize, &str) -> Result<Table, String>) -> Vec<String> {
    let mut differences = Vec::new();
    for query in 1..=QUERIES {
        let path = file(query);
        let sql =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        let found = match ask(query, &sql) {
            Ok(table) => difference(&table, &published(scale, query)),
            Err(failure) => Some(failure),
        };
        differences.extend(found.map(|text| format!("q{query:02}: {text}")));
    }
    differences
}

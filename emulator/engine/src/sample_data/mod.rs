//! The rows of the schemas that every Snowflake account has in SNOWFLAKE_SAMPLE_DATA.
//!
//! Rows are generated here, from a published generator whose output is defined by its specification, and
//! go into tables that exist already; what those tables are called in Snowflake is the catalog's business.

mod tpch;

pub use tpch::{TpchTable, create_tpch_tables, fill_tpch_tables};

/// How far a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Table name, in upper case.
    pub table: &'static str,
    /// Rows in the table so far.
    pub rows_done: u64,
    /// Rows that it will have; of LINEITEM, whose number follows from its rows, about.
    pub rows_total: u64,
}

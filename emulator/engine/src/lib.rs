//! The engine under the emulator: DuckDB behind a small trait, with Snowflake's functions in it.
//!
//! This crate is the only one that names DuckDB. It knows nothing of Snowflake's wire, sessions or
//! catalog: it takes DuckDB SQL (made by the emulator's `lower` room), runs it with the `sf_*`
//! functions registered, and gives Arrow batches with Snowflake's types.
//!
//! Start at [`open`], [`Engine`] and [`EngineConnection`]; `duckdb/` implements them, [`functions`] holds
//! the `sf_*` functions, [`SqlType`] is the vocabulary of column types, [`sample_data`] fills the schemas
//! that every Snowflake account has.

mod config;
mod decfloat;
mod duckdb;
mod error;
pub mod functions;
mod geo;
mod plan;
pub mod sample_data;
mod types;
mod wide_integer;

pub use config::{EngineConfig, Storage};
pub use decfloat::{DECFLOAT_KEY_BYTES, DecFloat, DecFloatError};
pub use duckdb::open;
pub use error::{EngineError, EngineErrorKind, ErrorCode};
pub use geo::{Geo, GeoForm};
pub use plan::PlanNode;
pub use types::{DayTime, EngineColumn, SqlType, VectorElement, YearMonth};

use std::sync::Arc;

use arrow_array::RecordBatch;

/// An open database. Connections see one another's committed changes.
pub trait Engine: Send + Sync {
    /// Opens a connection; cheap (tens of microseconds).
    fn connect(&self) -> Result<Box<dyn EngineConnection>, EngineError>;
    /// Flushes the log into the database file.
    fn checkpoint(&self) -> Result<(), EngineError>;
}

/// One connection: one statement at a time, one transaction at a time, own temporary objects.
pub trait EngineConnection: Send {
    /// Runs one or more statements and gives the number of rows that the last one changed.
    fn execute(&mut self, sql: &str) -> Result<u64, EngineError>;

    /// Runs one statement and gives its rows as they are made, at most `batch_rows` a batch.
    fn query(&mut self, sql: &str, batch_rows: usize) -> Result<Box<dyn BatchReader + '_>, EngineError>;

    /// As [`EngineConnection::query`], for a statement that came before and may well come again: the work
    /// that is the same each time is done once and kept, as far as `repeat` allows.
    fn query_again(
        &mut self,
        sql: &str,
        batch_rows: usize,
        repeat: Repeat,
    ) -> Result<Box<dyn BatchReader + '_>, EngineError>;

    /// Binds one statement and gives its columns without running it.
    fn describe(&mut self, sql: &str) -> Result<Vec<EngineColumn>, EngineError>;

    /// Plans one statement as it would run, without running it. None of a plan that is too deep to be told.
    fn plan(&mut self, sql: &str) -> Result<Option<PlanNode>, EngineError>;

    /// Adds rows to a table; columns by position, in the physical types of [`SqlType`].
    ///
    /// Gives the number of rows added. Runs in the connection's transaction when one is open.
    fn append(&mut self, schema: &str, table: &str, batch: &RecordBatch) -> Result<u64, EngineError>;

    /// A handle with which another thread stops the running statement.
    fn interrupter(&self) -> Arc<dyn Interrupter>;
}

/// How much of a statement is the same when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Its syntax: what it names may have changed in between.
    Parsed,
    /// Its plan: it names no table, view or sequence and gives the same rows each time, as long as nothing
    /// passes through [`EngineConnection::execute`] of the same connection.
    Planned,
}

/// Rows of one running statement.
pub trait BatchReader {
    /// The columns, known before the first batch.
    fn columns(&self) -> &[EngineColumn];
    /// The next rows; `None` at the end.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, EngineError>;
}

/// Stops a running statement from another thread.
pub trait Interrupter: Send + Sync {
    /// Asks the connection's running statement to end with [`EngineErrorKind::Interrupted`].
    fn interrupt(&self);
}

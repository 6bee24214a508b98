//! DuckDB behind the traits.
//!
//! `type_map` is the dictionary between DuckDB's types and [`crate::SqlType`]; `failure` turns DuckDB's
//! errors into ours; `batches` brings rows out and `append` in; `prepared` keeps statements that come again.
//! Unsafe code is in `batches` (Arrow's C interface) and in `prepared` (plans beside their connection) only.
//! One DuckDB instance is one database; a connection belongs to one thread at a time.

mod append;
mod batches;
mod casts;
mod changes;
mod connection;
mod failure;
mod prepared;
mod type_map;
mod wide;

pub(crate) use append::huge;
pub(crate) use type_map::{DAY_TIME, DECFLOAT, YEAR_MONTH, function_type, logical_type};
pub(crate) use wide::{Filled, Slots, WideDecimal, Words, of_words, to_words, write_flat};

use std::sync::Arc;

use duckdb_neo::{
    Parameters,
    custom_type::CustomType,
    environment::{Environment, StorageLocation},
    instance::{AttachBuilder, Instance, InstanceBuilder},
    logical_type::LogicalType,
};

use crate::{Engine, EngineConfig, EngineConnection, EngineError, EngineErrorKind, Storage, functions};
use connection::DuckDbConnection;
use failure::failure;

/// Name under which the database is attached.
const DATABASE: &str = "snowflake";

/// Opens a database, with Snowflake's types and functions in it.
///
/// Fails with [`EngineErrorKind::Resources`] when the file cannot be opened or another process has it.
pub fn open(config: &EngineConfig) -> Result<Arc<dyn Engine>, EngineError> {
    let environment = Environment::new().map_err(|error| failure(error, ""))?;
    let instance = InstanceBuilder::new()
        .options(options(config))
        .build(&environment)
        .map_err(|error| failure(error, ""))?;
    let location = match &config.storage {
        Storage::InMemory => StorageLocation::InMemory,
        Storage::OnDisk(path) => {
            let text = path.to_str().ok_or_else(|| {
                EngineError::new(
                    EngineErrorKind::Resources,
                    "the database file's path is not UTF-8",
                )
            })?;
            StorageLocation::OnDisk(text.to_owned())
        }
    };
    instance
        .attach(AttachBuilder::new(location).alias(DATABASE).make_default())
        .map_err(|error| EngineError {
            kind: EngineErrorKind::Resources,
            ..failure(error, "")
        })?;
    let engine = DuckDbEngine { instance };
    engine.prepare().map_err(|error| failure(error, ""))?;
    Ok(Arc::new(engine))
}

/// The settings that make DuckDB behave as the lowering expects.
fn options(config: &EngineConfig) -> Vec<(&'static str, String)> {
    let temp_directory = config
        .temp_directory
        .as_deref()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    vec![
        ("memory_limit", format!("{}B", config.memory_bytes_max)),
        ("threads", config.threads.max(1).to_string()),
        // They wait for reads and writes; unasked, the engine starts four for each processor.
        ("async_threads", config.threads.max(1).to_string()),
        ("temp_directory", temp_directory),
        // Nothing is ever fetched from a network; functions outside the built-in set do not exist.
        ("autoinstall_known_extensions", "false".to_owned()),
        ("autoload_known_extensions", "false".to_owned()),
        // Snowflake's order: NULL is larger than every value.
        ("default_null_order", "nulls_last_on_asc_first_on_desc".to_owned()),
        // A statement that does not compile leaves its transaction alive, as in Snowflake.
        (
            "default_transaction_invalidation_policy",
            "SYNTACTIC_ERRORS_DO_NOT_INVALIDATE".to_owned(),
        ),
        ("preserve_insertion_order", "true".to_owned()),
        // What statements have freed goes back to the system while nothing runs, not with the next statement.
        ("allocator_background_threads", "true".to_owned()),
        // Arrow: plain 32-bit offsets, no views, decimals for 128-bit integers.
        ("arrow_large_buffer_size", "false".to_owned()),
        ("produce_arrow_string_view", "false".to_owned()),
        ("arrow_lossless_conversion", "false".to_owned()),
    ]
}

struct DuckDbEngine {
    instance: Instance,
}

impl DuckDbEngine {
    /// Types and functions are not stored in the file; they come before anything that uses them.
    fn prepare(&self) -> duckdb_neo::Result<()> {
        let connection = self.instance.connect()?;
        for (name, base) in type_map::CUSTOM_TYPES {
            let base = LogicalType::from_text(&connection, base)?;
            CustomType::new(*name, base).register(&connection)?;
        }
        casts::register(&connection)?;
        changes::register(&connection)?;
        functions::register_all(&connection)
    }
}

impl Engine for DuckDbEngine {
    fn connect(&self) -> Result<Box<dyn EngineConnection>, EngineError> {
        let connection = self.instance.connect().map_err(|error| failure(error, ""))?;
        Ok(Box::new(DuckDbConnection::new(connection)))
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        let run = || self.instance.connect()?.execute("CHECKPOINT", Parameters::None);
        run().map(|_| ()).map_err(|error| failure(error, ""))
    }
}

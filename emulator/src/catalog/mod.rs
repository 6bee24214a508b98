//! The catalog: what Snowflake knows of objects, kept in tables of ours in the engine's database file.
//!
//! DuckDB's own catalog forgets what Snowflake remembers: declared types, comments, owners, when something
//! was made, what was dropped. So every object has a row here, written in the same transaction as the
//! object itself; SHOW, DESCRIBE and INFORMATION_SCHEMA read these rows and nothing else.
//!
//! Start at [`names`] (how a Snowflake name becomes an engine name without any lookup), then [`tables`]
//! (the shape of our tables), [`records`] and [`files`] (rows and the SQL that writes them), [`Catalog`] (reading).
//! [`information_schema`] writes the views of a database, [`sample`] knows the sample database. Nothing here
//! knows a session.

pub mod files;
pub mod information_schema;
mod mangle;
pub mod names;
pub mod privileges;
mod read;
pub mod records;
pub mod sample;
pub mod tables;
pub mod types;

pub use read::{Catalog, Row};

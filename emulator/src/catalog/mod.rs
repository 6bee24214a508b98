//! The catalog: what Snowflake knows of objects, kept in tables of ours in the engine's database file.
//!
//! Start at [`names`]: how a Snowflake name becomes an engine name without any lookup.

pub mod names;

//! Sessions: who is logged in, where they are, what they have open.
//!
//! `protocol` and `sql_api` see only this room's surface: [`Instance`] opens sessions, [`Session`] runs
//! statements. Nothing here knows HTTP, JSON or tokens; nothing above knows the engine's SQL.

mod contract;
mod errors;

pub use contract::*;
pub use errors::from_engine;

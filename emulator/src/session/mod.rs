//! Sessions: who is logged in, where they are, what they have open.
//!
//! `protocol` and `sql_api` see only this room's surface: [`Instance`] opens sessions, [`Session`] runs
//! statements. Nothing here knows HTTP, JSON or tokens; nothing above knows the engine's SQL.

mod cache;
mod contract;
mod errors;
mod facts;
mod locks;
mod parameters;
mod transaction;
mod versions;

pub use contract::*;
pub use errors::from_engine;
pub use parameters::{Parameter, Parameters};

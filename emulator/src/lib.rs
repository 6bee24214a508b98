//! A Snowflake that runs on this machine.
//!
//! A request enters through `protocol` (the connector protocol's HTTP), which calls `session` (context,
//! variables, transaction, history), which reads the text with `front`, turns it into a plan with
//! `plan`, rewrites Snowflake's SQL into the engine's with `lower`, and runs it on the engine crate.
//! `catalog` keeps what Snowflake knows of objects, in the same database file. `contract` holds the words
//! that all rooms share; it is the lowest one. `sql_api` answers on the same port as `protocol`, and runs statements with it. `faults` decides, when asked to, what goes wrong on the wire. `folder` knows the data
//! folder, and `life` starts, stops and resets emulators from outside.
//!
//! The emulator shares no code with the gateway or the driver: they meet on the wire only.

pub mod app;
pub mod catalog;
pub mod config;
pub mod contract;
pub mod faults;
pub mod folder;
pub mod front;
pub mod life;
pub mod lower;
pub mod plan;
pub mod protocol;
pub mod results;
pub mod session;
pub mod sql_api;
pub mod stages;

//! Sessions: who is logged in, where they are, what they have open.
//!
//! The rooms above see only this room's surface: [`Instance`] opens sessions, [`Session`] runs
//! [`Submission`]s. Nothing here knows HTTP, JSON or tokens; nothing above knows the engine's SQL.
//!
//! A session is a thread ([`worker`]) that owns its engine connection, its state and its transaction; a
//! mailbox ([`handle`]) stands before it, and [`control`] stops what it runs; detached statements that need
//! nothing of their session run beside it ([`branches`]). A statement goes through `front`
//! and `plan` and is carried out by [`query`], [`dml`], [`ddl`] or [`settings`]. What makes the engine
//! behave like Snowflake between statements is in [`transaction`] (an error undoes its own statement only),
//! [`locks`] (writers wait), [`turns`] (users take turns) and [`versions`] (what has been committed since).

mod array_binds;
mod branches;
mod bulk_binds;
mod cache;
mod control;
mod copy_columns;
mod copy_faults;
mod copy_in;
mod copy_job;
mod copy_options;
mod copy_out;
mod copy_outcome;
mod ddl;
mod described;
mod dml;
mod errors;
mod explain;
mod facts;
mod get_ddl;
mod handle;
mod history;
mod immediate;
mod infer_schema;
mod instance;
mod keep_rows;
mod literal_rows;
mod locate;
mod locks;
mod login;
mod logins;
mod missing;
mod multi_insert;
mod number_ranges;
mod parameters;
mod parquet;
mod past;
mod query;
mod replay;
mod samples;
mod settings;
mod several;
mod sources;
mod stage_files;
mod stage_place;
mod stage_read;
mod state;
mod table_facts;
mod template;
mod told;
mod transaction;
mod turns;
mod unload_files;
mod unload_text;
mod versions;
mod worker;
mod written_out;

pub use crate::contract::*;
pub use crate::front::{Needs, needs};
pub use errors::from_engine;
pub use handle::{Progress, Session};
pub use history::HistoryLimits;
pub use instance::{Instance, InstanceConfig, InstanceError};
pub(crate) use login::VALIDATES;
pub use parameters::{Parameter, Parameters};
pub(crate) use state::VERSION;

#[cfg(test)]
mod tests;

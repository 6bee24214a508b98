//! What a function is, apart from any one function.
//!
//! `definition` is what a group file writes down; `value` and `number` are what rows are made of; `error` is
//! how a function refuses; `batch` is arithmetic on whole columns and `judge` conditions on them; `coerce` holds Snowflake's implicit casts; `adapter`, `input` and `output` carry
//! all that to the engine's vectors and are the only files here that see the engine's types.

mod adapter;
mod batch;
mod coerce;
mod definition;
mod error;
mod input;
mod judge;
mod number;
mod output;
mod settings;
mod value;

pub(crate) use adapter::{engine_error, register};
pub(crate) use batch::{NumberColumns, number_of_pair, numbers};
pub(crate) use coerce::hex_text;
pub(crate) use definition::{
    Argument, Bind, Bound, Call, FunctionType, Inputs, Nulls, ScalarFunction, Stability, rows,
};
pub(crate) use error::FunctionError;
pub use error::storage_class;
pub(crate) use input::{StoredDuration, StoredMonths, ZonedInstant};
pub(crate) use judge::{JudgedColumn, truths};
pub(crate) use number::{Number, POWERS_OF_TEN, multiply_divide};
pub use settings::{SETTINGS, session_facts_statement};
pub(crate) use settings::{Settings, register_settings, time_zone};
pub(crate) use value::Value;

/// What every fallible thing in `functions/` returns.
pub(crate) type Result<T> = std::result::Result<T, FunctionError>;

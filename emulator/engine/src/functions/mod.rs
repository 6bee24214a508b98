//! Snowflake's functions, in Rust.
//!
//! Function `X` of Snowflake is registered in the engine as `sf_x`; operators are `sf_add`, `sf_sub`,
//! `sf_mul`, `sf_div`, `sf_mod`. A function decides its result type from the types of its arguments when
//! a statement is bound, so the lowering needs no types. What a function refuses, it refuses with
//! Snowflake's code and text ([`crate::EngineErrorKind::Function`]).
//!
//! To add one: write a [`framework::ScalarFunction`] in the file of its group and name it in that file's
//! `FUNCTIONS`. A new group file is named in [`GROUPS`]. Twenty lines do:
//!
//! ```text
//! pub(super) const FUNCTIONS: &[ScalarFunction] = &[ScalarFunction::new("sf_repeat", 2..=2, repeat)];
//!
//! fn repeat(_arguments: &[Argument]) -> Result<Bound> {
//!     rows(FunctionType::text(), |row| {
//!         let count = usize::try_from(row[1].to_integer()?).unwrap_or(0);
//!         Ok(Value::owned_text(row[0].to_text()?.repeat(count)))
//!     })
//! }
//! ```
//!
//! - `bind` gets each argument's type ([`framework::Argument::sql_type`]) and, for constants, its value;
//!   it may return an error, and captures in the closure what it learned.
//! - The closure runs for each row. NULL arguments never reach it unless the function says
//!   [`framework::ScalarFunction::sees_nulls`]; functions without a fixed result say `volatile`.
//! - `to_text`, `to_number`, `to_integer`, `to_float`, `to_boolean`, `to_bytes` of [`framework::Value`] are
//!   Snowflake's implicit casts. VARIANT, OBJECT and ARRAY arrive as [`framework::Value::Text`] holding
//!   canonical JSON; the argument's type tells them from text, the result type marks them on the way out.
//! - Aggregates of Snowflake that the engine lacks are written as a scalar function over the engine's
//!   `list(...)` of texts ([`framework::FunctionType::TextList`]), table functions as a scalar function that gives
//!   such a list, which the lowering unnests.
//! - A function that depends on session parameters (time zone, formats, first day of the week) is made with
//!   `of_session` and asks [`framework::Settings`]. The parameters are settings of the connection, see
//!   [`SETTINGS`]; the session room keeps them.

mod arithmetic;
mod bitmaps;
mod bits;
mod chains;
mod conversion;
mod decimal_floats;
mod divisor;
pub(crate) mod framework;
mod geospatial;
mod hashes;
mod numeric;
mod random;
mod regex;
mod remainders;
mod semi_structured;
mod session;
mod strings;
mod temporal;
#[cfg(test)]
pub(crate) mod testing;

use duckdb_neo::connection::Connection;

pub(crate) use framework::{FunctionError, FunctionType, ScalarFunction};
pub use framework::{SETTINGS, session_facts_statement, storage_class};
pub(crate) use semi_structured::float_json;
pub use temporal::OutputFormat;

/// The group files.
const GROUPS: &[&[ScalarFunction]] = &[
    arithmetic::FUNCTIONS,
    remainders::FUNCTIONS,
    chains::FUNCTIONS,
    bits::FUNCTIONS,
    bitmaps::FUNCTIONS,
    numeric::FUNCTIONS,
    decimal_floats::FUNCTIONS,
    geospatial::FUNCTIONS,
    conversion::GROUPS[0],
    conversion::GROUPS[1],
    conversion::GROUPS[2],
    conversion::GROUPS[3],
    temporal::PARTS,
    temporal::SHIFTING,
    temporal::DIFFERENCES,
    temporal::CONSTRUCTION,
    temporal::INTERVALS,
    hashes::FUNCTIONS,
    random::FUNCTIONS,
    session::FUNCTIONS,
];

/// The statement that tells a connection's functions the value of a session parameter (`TIMEZONE`), in any
/// case; none for parameters that no function reads.
pub fn setting_statement(parameter: &str, value: &str) -> Option<String> {
    let wanted = format!("sf_{}", parameter.to_ascii_lowercase());
    let (setting, _) = SETTINGS.iter().find(|(setting, _)| *setting == wanted)?;
    Some(format!("SET {setting} = '{}'", value.replace('\'', "''")))
}

/// Names of the engine's own functions that every build of it has, one a line: without those that extensions
/// bring, ICU's among them, which a library made for development may contain and a release does not.
pub const BUNDLED_FUNCTIONS: &str = include_str!("../../bundled_functions.txt");

/// Names of all functions registered, for the lowering's tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name)
}

/// Every function of every group.
fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    let rooms = strings::GROUPS
        .iter()
        .chain(&regex::GROUPS)
        .chain(&semi_structured::GROUPS);
    GROUPS.iter().chain(rooms).flat_map(|group| group.iter())
}

/// Registers every function; for all connections of the database.
pub(crate) fn register_all(connection: &Connection) -> duckdb_neo::Result<()> {
    framework::register_settings(connection)?;
    all().try_for_each(|function| framework::register(connection, function))
}

//! Regular expressions: RE2's class of patterns, as in Snowflake.
//!
//! A constant pattern is compiled once, when the statement is bound.

mod compiled;
mod replace;
mod search;

use super::ScalarFunction;

/// The groups of pattern functions.
pub(super) const GROUPS: [&[ScalarFunction]; 2] = [search::FUNCTIONS, replace::FUNCTIONS];

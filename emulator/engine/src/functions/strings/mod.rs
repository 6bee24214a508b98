//! Text functions: cutting, padding, searching, comparing, encoding.
//!
//! Positions and lengths count characters, of BINARY bytes. A VARIANT argument is the text it holds.

mod addresses;
mod arguments;
mod case;
mod codes;
mod compare;
mod cut;
mod join;
mod pieces;
mod search;

pub(super) use arguments::{optional_integer, plain};

use super::ScalarFunction;

/// The groups of text functions.
pub(super) const GROUPS: [&[ScalarFunction]; 8] = [
    addresses::FUNCTIONS,
    case::FUNCTIONS,
    codes::FUNCTIONS,
    compare::FUNCTIONS,
    cut::FUNCTIONS,
    join::FUNCTIONS,
    pieces::FUNCTIONS,
    search::FUNCTIONS,
];

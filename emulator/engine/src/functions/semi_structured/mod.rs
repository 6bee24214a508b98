//! VARIANT, OBJECT and ARRAY: JSON text in canonical form.
//!
//! Canonical: keys sorted, no blanks, numbers without needless zeros, floating-point numbers that are whole
//! in Snowflake's scientific form. JSON null is the text `null`; SQL NULL is NULL.

mod aggregates;
mod array_sets;
mod arrays;
mod flatten;
mod higher_order;
mod inspect;
mod json;
mod objects;
mod parse;
mod path;

use super::ScalarFunction;
pub(crate) use json::{float_text as float_json, write as write_json};

/// The groups of semi-structured functions.
pub(super) const GROUPS: [&[ScalarFunction]; 9] = [
    aggregates::FUNCTIONS,
    array_sets::FUNCTIONS,
    arrays::FUNCTIONS,
    flatten::FUNCTIONS,
    higher_order::FUNCTIONS,
    inspect::FUNCTIONS,
    objects::FUNCTIONS,
    parse::FUNCTIONS,
    path::FUNCTIONS,
];

//! What SQL texts are understood to be: the corpus of `tests/statements`, and properties that hold for any
//! text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod corpus;
mod mutations;
mod pieces;
mod properties;
mod robustness;

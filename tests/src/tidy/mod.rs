//! The repository's own rules, as functions that return what breaks them.
//!
//! Each rule reads the working tree as text and knows nothing of cargo or of how the code is built, so a run takes
//! milliseconds. `tests/tidy.rs` calls the rules; every rule has a test here that shows it can fail. To add one:
//! write `fn(&Tree) -> Vec<Finding>`, say in the message what to do, and add a test to `tests/tidy.rs`.

mod agents;
mod code;
mod docs;
mod files;
mod floors;
mod proto;
mod rooms;
mod tree;

pub use agents::agents;
pub use docs::{foreign_names, links};
pub use files::{environment, essays, length, unfinished};
pub use floors::crates;
pub use proto::comments;
pub use rooms::rooms;
pub use tree::{Finding, Tree};

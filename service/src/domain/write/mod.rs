//! Writes that can be looked at before they count.
//!
//! What a statement is and in which state the session is decides the [`Way`](staging::Way) that it goes: refused, asked
//! about before it runs, or run. [`Staging`](staging::Staging) is that way as a state machine: which statement comes
//! next, and what is certain when one of them fails. What a write shows of the rows is composed in [`sample`], what
//! takes it back in [`undo`]. A write that waits for a confirmation is named by a [`Token`](token::Token); what came
//! of each is a [`Report`], and [`memory`] remembers the latest of them.
//!
//! Nothing here runs anything: the task that owns the session does, and tells what came of it.

pub mod memory;
pub mod report;
pub mod sample;
pub mod shape;
pub mod staging;
pub mod terms;
pub mod token;
pub mod undo;

pub use report::{Held, Report, Sample, State};
pub use terms::{Handling, Mode, RowsMax, Terms};

//! Journeys with the compiled `sfctl` against a stand-in for the service.
//!
//! The stand-in speaks the real contract over a real socket; what it answers is the test's. `harness` runs
//! the program with a cleared environment.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrow;
mod fake;
mod harness;

mod budgets;
mod confirmations;
mod failures;
mod history;
mod interrupts;
mod jobs;
mod launching;
mod losses;
mod outputs;
mod partings;
mod plugin;
mod policies;
mod queries;
mod sessions;
mod systemd;
mod terminal;
mod transactions;
mod writes;

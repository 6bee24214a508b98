//! Faults on request: what a network and an ill service do to a client, made to happen when a test wants it.
//!
//! A [`Rule`] is one line of text, read by [`Rule::parse`]: where it applies (`on=`, `method=`, `sql~=`,
//! `session=`), when (`times=`, `after=`, `every=`, `probability=`, `for=`) and what happens (a delay, a
//! status, a code, a connection cut, reset, stalled or throttled). [`Faults`] holds the rules that are in
//! force and decides for each connection and each request; the same seed and the same order of requests
//! give the same decisions.
//!
//! The room decides and counts, nothing more: it knows neither HTTP nor sockets nor a clock. The protocol
//! room shows it what arrives, tells it the time, and carries out what it says.

mod parse;
mod register;
mod rule;
mod schedule;
mod values;

pub use parse::RuleError;
pub use register::{Faults, Report};
pub use rule::{Action, ConnectFault, Phase, Request, RequestFault, Rule};

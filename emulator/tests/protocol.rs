//! The connector protocol on a real socket, in front of a double that knows a few made-up statements.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "protocol/client.rs"]
mod client;
#[path = "protocol/double.rs"]
mod double;
#[path = "protocol/external.rs"]
mod external;
#[path = "protocol/fault_words.rs"]
mod fault_words;
#[path = "protocol/faults.rs"]
mod faults;
#[path = "protocol/login.rs"]
mod login;
#[path = "protocol/queries.rs"]
mod queries;
#[path = "protocol/repeats.rs"]
mod repeats;
#[path = "protocol/results.rs"]
mod results;
#[path = "protocol/retention.rs"]
mod retention;
#[path = "protocol/stages.rs"]
mod stages;
#[path = "protocol/status.rs"]
mod status;

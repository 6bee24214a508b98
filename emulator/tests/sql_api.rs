//! The SQL API on a real socket, with a real instance behind it.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "sql_api/authentication.rs"]
mod authentication;
#[path = "sql_api/bad_input.rs"]
mod bad_input;
#[path = "sql_api/bindings.rs"]
mod bindings;
#[path = "sql_api/client.rs"]
mod client;
#[path = "sql_api/faults.rs"]
mod faults;
#[path = "sql_api/limits.rs"]
mod limits;
#[path = "sql_api/oauth.rs"]
mod oauth;
#[path = "sql_api/partitions.rs"]
mod partitions;
#[path = "sql_api/result_scan.rs"]
mod result_scan;
#[path = "sql_api/running.rs"]
mod running;
#[path = "sql_api/several.rs"]
mod several;
#[path = "sql_api/statements.rs"]
mod statements;
#[path = "sql_api/values.rs"]
mod values;

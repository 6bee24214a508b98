//! The SQL API, version 2: statements by plain HTTP requests, without a driver and without a session.
//!
//! The room is mounted beside the connector protocol ([`Mounted`](crate::protocol::Mounted)) and runs its statements
//! with the same machinery, so that a statement handle is a query id: either protocol reads, and stops, what the
//! other one has started. What is its own: who asks ([`authenticate`]), what a request's body says ([`order`]),
//! a session for each statement that ends with it ([`lone`]), limits ([`limits`]), repeats by request id
//! ([`repeats`]), and the forms of answers ([`answer`], [`refusal`]).
//!
//! It knows no SQL but what the session tells of a text's first words.
//!
//! Start at [`SqlApi`], then `submit`.

mod answer;
mod api;
mod authenticate;
mod bindings;
mod fetch;
mod limits;
mod lone;
mod order;
mod parameters;
mod refusal;
mod repeats;
mod settings;
mod submit;

pub use api::SqlApi;
pub use settings::{RateLimit, SqlApiSettings};

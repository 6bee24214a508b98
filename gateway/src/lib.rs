//! The one way to Snowflake: an in-process HTTP gateway that speaks the connector protocol on both sides.
//!
//! snowflake-connector-rs builds credentials and statements well, but it forgets the master token, opens a connection for
//! each request, and drops most of what an answer says. It has no hooks, but it accepts a base URL. So it talks to this
//! gateway on a loopback port, and the gateway talks to Snowflake:
//!
//! ```text
//! driver ── snowflake-connector-rs ──http──► local ──► login │ query │ abort ──► upstream ──► http_client ──https──► Snowflake
//!    │                                                                              ▲
//!    └── announce (login plan, directive by request id) ── take the answer ─────────┘
//! ```
//!
//! A login goes through with our identity added; the crate gets an opaque local token, which is worth nothing outside this
//! process. A statement is announced by its request id, gets its directive on the way out, and leaves its answer here;
//! the crate only hears that it succeeded. Rows never pass the crate: they stay slices of the received body, and parts are
//! downloaded with [`GatewaySession::download`].
//!
//! A session can also be gone on with in another process: its ticket ([`SessionTicket`]) says all that is needed. The crate
//! then logs in as ever, and hears that it succeeded, but nothing is sent upstream.
//!
//! # When the network fails
//!
//! - A request is repeated under its request id, by which the server recognises it, so a statement runs once however
//!   often its answer is lost. Attempts, pauses and silence have limits (`retry.rs`).
//! - A statement without an answer has a [`Fate`]: it certainly did not run, or it may have. Doubt is never cleared by a
//!   later failure, and an expired session raises none: the server looks at the session first.
//! - A connection whose other end vanished is found by probes, by what stays unacknowledged, and by the longest silence
//!   allowed (`pool.rs`). A server that answers nothing is asked again on another connection.
//! - A machine that slept has dead connections and old tokens: all connections are given up, what waited on one asks
//!   again on a new one, and sessions are checked at once (`clock.rs`).
//! - Tokens are renewed ahead of their end, and heartbeats keep the master token alive (`keeper.rs`).
//! - A result part goes on where its download stopped (`download.rs`).
//!
//! # Where to start
//!
//! [`Gateway`] and [`GatewaySession`] are the whole surface. Inside, `upstream.rs` is a session with its tokens and
//! `query.rs` is one statement's way, with `exchange.rs` for what goes over the wire and `http_client.rs` for the
//! attempts at it. [`GatewayMetrics`] says what all of this came to. [`probe()`] looks at a server without a login.
//!
//! # What this crate must not know
//!
//! Arrow, settings files, sessions with names, policies. It never logs a body, a token or an address of a result part.

mod abort;
mod answer;
mod body;
mod clock;
mod config;
mod download;
mod envelope;
mod error;
mod exchange;
#[cfg(test)]
mod fuzz;
mod gateway;
mod http_client;
mod issuer;
mod keeper;
mod local;
mod login;
mod metrics;
mod monitor;
mod pool;
mod probe;
mod proxy;
mod query;
mod raw;
mod retry;
mod secret;
mod ticket;
mod tokens;
mod upstream;

pub use abort::AbortAnswer;
pub use answer::{Chunk, ColumnType, DmlStats, InlineRows, QueryAnswer, ServerFailure};
pub use clock::{Clock, Reading};
pub use config::{ClientIdentity, GatewayConfig, RetryLimits};
pub use error::{Fate, GatewayError, LoginFailure};
pub use gateway::{Gateway, GatewaySession, PendingLogin};
pub use issuer::Issuer;
pub use login::{LoginFacts, LoginPlan, NONCE_PARAMETER};
pub use metrics::GatewayMetrics;
pub use monitor::QueryReport;
pub use probe::{Probe, probe};
pub use proxy::ProxySettings;
pub use query::{CapturedAnswer, Directive, PendingQuery, QueryProgress};
pub use secret::Secret;
pub use ticket::SessionTicket;

//! snowflake-session: the service that keeps Snowflake sessions alive.
//!
//! The rooms, from the inside out: [`domain`] is the pure rules, [`sessions`] drives one task per session,
//! [`backend`] reaches Snowflake through the driver and keeps the local emulator, [`pool`] keeps spare logins of
//! it, [`journal`] keeps sessions in files, [`audit`] the log of who ran what, [`metrics`] counts, [`traces`] tells
//! OpenTelemetry, [`rpc`] speaks gRPC, [`remote`] lets clients of other machines in over TCP and TLS, [`platform`] deals
//! with the operating system, [`config`] reads what the user configured, and [`app`] puts them together. `main` is one
//! page. The crate is a library only so that tests can compose it with
//! another listener, clock, configuration or Snowflake.

pub mod app;
pub mod audit;
pub mod backend;
pub mod config;
pub mod domain;
pub mod journal;
pub mod metrics;
pub mod platform;
pub mod pool;
pub mod remote;
pub mod rpc;
pub mod sessions;
pub mod traces;

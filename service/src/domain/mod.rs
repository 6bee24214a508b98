//! What sessions, statements and errors *are*: pure rules, no outside world.
//!
//! Nothing here can fail for outside reasons: there is no I/O, no clock, no runtime, no environment, no
//! transport. Time is passed in by the caller, effects are returned to the caller. Start with
//! [`session::Session`], the state machine that one task of `sessions` drives, then [`statement`], which
//! reads just enough SQL to know what a statement does to a session, and [`upstream`], the port through
//! which the outside world is reached.

pub mod audit;
pub mod breaker;
pub mod carry;
pub mod client_names;
pub mod context;
pub mod error;
pub mod hint;
pub mod history;
pub mod journal;
pub mod limits;
pub mod loss;
pub mod meter;
pub mod names;
pub mod network;
pub mod policy;
pub mod pool;
pub mod query;
pub mod session;
pub mod statement;
pub mod trace;
pub mod upstream;
pub mod write;

//! End-to-end tests: the shipped programs, started as a user starts them.
//!
//! No journey imports the crates under test: a test knows the command line, the wire and the files, as a user does,
//! so that no shared type can make both sides wrong together. (The measuring program, `bin/bench`, the endurance run,
//! [`soak`], and what prepares [`writes`] speak gRPC and so know the contract.) Start with [`stage::Stage`], the throw-away home in
//! which a test runs programs; [`emulator`], [`fakesnow`] and [`clients`] start what stands at the other end of the
//! wire, [`collector`] is what the service sends its spans to; [`plugin`] reads what Claude Code is told to type,
//! [`desk`] is where it is typed, and [`claude_code`] is the reader that it is written for; [`package`] packs the programs
//! for Debian; [`answers`] compares results with published ones; [`tidy`] holds the repository's own rules. The journeys
//! are in `tests/`.

pub mod answers;
pub mod authority;
pub mod claude_code;
pub mod clients;
pub mod collector;
pub mod config;
pub mod csv;
pub mod desk;
pub mod emulator;
pub mod fakesnow;
pub mod java;
pub mod kept;
pub mod machine;
pub mod node;
pub mod package;
pub mod plugin;
pub mod process;
pub mod python;
pub mod soak;
pub mod stage;
pub mod tidy;
pub mod tpch;
pub mod wait;
pub mod wire;
pub mod writes;

//! `sfctl`, the client of snowflake-session.
//!
//! It turns a command line into one call over the service's socket and the answer into text, and holds
//! no knowledge of Snowflake beyond two keys of column metadata. Start with [`app`]; then `arguments`
//! (what can be typed), `commands` (one file per verb), `client` and `launch` (the way to the service),
//! `render` (the only writer of stdout) and `ui` (the only writer of stderr).

mod app;
mod arguments;
mod client;
mod commands;
mod config;
mod excerpt;
mod exit_code;
mod failure;
mod interrupt;
mod launch;
mod render;
mod trace_context;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main(std::env::args_os()).into()
}

//! Named connections, read from Snowflake's own files and environment with Snowflake's own rules.
//!
//! Where a value may come from, highest first:
//!
//! 1. an [`Overrides`] given by the caller (command line),
//! 2. `SNOWFLAKE_CONNECTIONS_<NAME>_<KEY>` in the environment,
//! 3. `connections.toml` (each top-level table is one connection),
//! 4. `[connections.<name>]` in `config.toml`,
//! 5. `SNOWFLAKE_<KEY>` in the environment, which only fills what nothing above gave.
//!
//! The last place of the unqualified variables is the documented rule of the `snow` command: a `SNOWFLAKE_ACCOUNT` that
//! happens to be exported must not mix the account of one connection with the user of another. The files lie in
//! `SNOWFLAKE_HOME`, else in `~/.snowflake` if that folder exists, else in the platform's configuration folder.
//! Every value remembers its source.

mod connection;
mod lookup;

pub use connection::{ConnectionSettings, Credential, Overrides, ValueSource};
pub use lookup::{Connections, Lookup};

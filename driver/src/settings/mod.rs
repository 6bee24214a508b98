//! Named connections, read from Snowflake's own files and environment with Snowflake's own rules.
//!
//! Where a value may come from, highest first:
//!
//! 1. an [`Overrides`] given by the caller (command line),
//! 2. `SNOWFLAKE_CONNECTIONS_<NAME>_<KEY>` in the environment,
//! 3. `SNOWFLAKE_CONNECTIONS` in the environment, a TOML text like `connections.toml`,
//! 4. `connections.toml` (each top-level table is one connection),
//! 5. `[connections.<name>]` in `config.toml`,
//! 6. `SNOWFLAKE_<KEY>` in the environment, which only fills what nothing above gave.
//!
//! The last place of the unqualified variables is the documented rule of the `snow` command: a `SNOWFLAKE_ACCOUNT` that
//! happens to be exported must not mix the account of one connection with the user of another. The files lie in
//! `SNOWFLAKE_HOME`, else in `~/.snowflake` if that folder exists, else in the platform's configuration folder. Values
//! of one connection are merged key by key, and every value remembers its source.
//!
//! Reading goes in steps: `lookup.rs` finds and reads files, `connections.rs` knows which connections there are and
//! merges their values, `complete.rs` turns the values of one into [`ConnectionSettings`], with `account.rs` for the
//! rules from account to host and `credential.rs` for the way to log in. `fingerprint.rs` tells whether they changed.

mod account;
mod complete;
mod connection;
mod connections;
mod credential;
mod fingerprint;
mod keys;
mod lookup;
mod values;

pub use connection::{ConnectionSettings, Credential, Overrides, ShownValue, ValueSource};
pub use connections::Connections;
pub use lookup::Lookup;

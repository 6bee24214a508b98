//! The configuration file: TOML, every key optional, unknown keys refused.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::value::Datetime;

/// Has no `Debug`: passwords are in it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) listen: Option<SocketAddr>,
    pub(super) data: Option<PathBuf>,
    pub(super) allow_remote: Option<bool>,
    pub(super) compress: Option<bool>,
    /// The account that key pair tokens must be for.
    pub(super) account: Option<String>,
    #[serde(default)]
    pub(super) sql_api: SqlApiLimits,
    /// PEM files; relative to the configuration file.
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    #[serde(default)]
    pub(super) limits: Limits,
    /// Who may log in; none means anyone.
    #[serde(default)]
    pub(super) users: Vec<FileUser>,
    /// Whose OAuth tokens prove who a user is.
    #[serde(default)]
    pub(super) oauth: Vec<FileAuthority>,
}

/// An authority that issues OAuth tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileAuthority {
    /// What its tokens say in `iss`.
    pub(super) issuer: String,
    /// What tokens may say in `aud` beside the account.
    #[serde(default)]
    pub(super) audiences: Vec<String>,
    /// The claim that names the user.
    pub(super) user_claim: Option<String>,
    /// Whether users whose tokens have the scope `session:role-any` may take roles that these do not name.
    pub(super) any_role: Option<bool>,
    /// Files with RSA public keys in PEM; relative to the configuration file.
    #[serde(default)]
    pub(super) public_key_files: Vec<PathBuf>,
    /// Where to ask about its tokens.
    pub(super) introspection_url: Option<String>,
    /// As whom to ask.
    pub(super) client_id: Option<String>,
    /// A file with nothing but the secret; relative to the configuration file.
    pub(super) client_secret_file: Option<PathBuf>,
    /// How long an answer is believed; 0 asks each time.
    pub(super) introspection_seconds: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) session_token_seconds: Option<u64>,
    pub(super) master_token_seconds: Option<u64>,
    pub(super) idle_seconds: Option<u64>,
    pub(super) answer_seconds: Option<u64>,
    pub(super) result_seconds: Option<u64>,
    pub(super) result_memory_mib: Option<u64>,
    pub(super) result_disk_mib: Option<u64>,
    pub(super) result_inline_mib: Option<u64>,
    pub(super) results_kept: Option<usize>,
    pub(super) memory_mib: Option<u64>,
    pub(super) threads: Option<usize>,
    pub(super) body_mib: Option<u64>,
    pub(super) bodies_mib: Option<u64>,
    pub(super) body_seconds: Option<u64>,
    pub(super) connections: Option<usize>,
    pub(super) sessions: Option<usize>,
    pub(super) statements_running: Option<usize>,
    pub(super) stage_file_mib: Option<u64>,
    pub(super) stages_mib: Option<u64>,
    pub(super) history_states: Option<usize>,
    pub(super) history_seconds: Option<u64>,
    pub(super) history_rows: Option<u64>,
    pub(super) history_log_mib: Option<u64>,
}

/// Limits of the SQL API.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SqlApiLimits {
    pub(super) enabled: Option<bool>,
    pub(super) statements: Option<usize>,
    pub(super) statements_per_user: Option<usize>,
    pub(super) statement_seconds: Option<u64>,
    pub(super) result_rows: Option<u64>,
    pub(super) requests_per_second: Option<u32>,
    pub(super) burst: Option<u32>,
    pub(super) body_mib: Option<u64>,
    pub(super) requests_kept: Option<usize>,
    pub(super) partitions_packed: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileUser {
    pub(super) name: String,
    pub(super) password: Option<String>,
    /// OAuth and programmatic access tokens.
    #[serde(default)]
    pub(super) tokens: Vec<FileToken>,
    /// Files with RSA public keys in PEM; relative to the configuration file.
    #[serde(default)]
    pub(super) public_key_files: Vec<PathBuf>,
}

/// A token as text, or with the time at which it ends.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum FileToken {
    Lasting(String),
    Expiring { token: String, expires: Datetime },
}

//! The configuration file: TOML, every key optional, unknown keys refused.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// Has no `Debug`: passwords are in it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) listen: Option<SocketAddr>,
    pub(super) data: Option<PathBuf>,
    pub(super) allow_remote: Option<bool>,
    pub(super) compress: Option<bool>,
    /// PEM files; relative to the configuration file.
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    #[serde(default)]
    pub(super) limits: Limits,
    /// Who may log in; none means anyone.
    #[serde(default)]
    pub(super) users: Vec<FileUser>,
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
    pub(super) memory_mib: Option<u64>,
    pub(super) threads: Option<usize>,
    pub(super) body_mib: Option<u64>,
    pub(super) connections: Option<usize>,
    pub(super) sessions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileUser {
    pub(super) name: String,
    pub(super) password: Option<String>,
    /// OAuth and programmatic access tokens.
    #[serde(default)]
    pub(super) tokens: Vec<String>,
    /// Files with RSA public keys in PEM; relative to the configuration file.
    #[serde(default)]
    pub(super) public_key_files: Vec<PathBuf>,
}

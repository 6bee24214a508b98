//! The entry point: one gateway for the process, and logins through it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::session::UpstreamSession;
use crate::{ConnectionSettings, ParameterValue, Result, SessionContext};

/// Limits and identity of a [`Driver`]. Every wait, retry and buffer has its limit here.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Limits of the gateway: time, retries, sizes, pooling, heartbeat, proxy.
    pub gateway: snowflake_session_gateway::GatewayConfig,
    /// Longest time any query may take to its first answer, polling included.
    pub query_timeout_max: Duration,
    /// Longest time a login may take, retries included.
    pub login_timeout: Duration,
    /// Longest time to wait for the answer to an abort, and then again for the aborted query to end.
    pub cancel_timeout: Duration,
    /// Result parts downloaded at a time, per result. At least 1.
    pub prefetch_chunks_max: usize,
    /// Bytes of result parts (decompressed, as the server announced them) held ahead of the reader, per result. A
    /// single part larger than this is still fetched, alone.
    pub prefetch_bytes_max: u64,
    /// Size that larger batches are cut to, in bytes of Arrow data.
    pub batch_bytes_target: usize,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            gateway: snowflake_session_gateway::GatewayConfig::default(),
            query_timeout_max: Duration::from_secs(24 * 60 * 60),
            login_timeout: Duration::from_secs(60),
            cancel_timeout: Duration::from_secs(10),
            prefetch_chunks_max: 4,
            prefetch_bytes_max: 48 * 1024 * 1024,
            batch_bytes_target: 1024 * 1024,
        }
    }
}

/// What a login adds to its [`ConnectionSettings`].
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Context to log in with; a part that is set wins over the settings. Use it to restore a session's context.
    pub context: SessionContext,
    /// Session parameters to log in with, for example `QUERY_TAG` or `TIMEZONE`; they win over the settings.
    pub session_parameters: BTreeMap<String, ParameterValue>,
    /// Name of the application as Snowflake's history shows it. `None` says `snowflake-session`.
    pub application: Option<String>,
}

/// A running driver: the gateway of this process. Cheap to clone; the gateway stops when the last clone and the last
/// session are gone.
#[derive(Clone)]
pub struct Driver {
    _private: (),
}

impl Driver {
    /// Starts the gateway on a free loopback port.
    ///
    /// # Errors
    ///
    /// [`DriverError::Io`](crate::DriverError::Io) when no loopback socket can be opened,
    /// [`DriverError::Configuration`](crate::DriverError::Configuration) when a limit makes no sense.
    pub async fn start(config: DriverConfig) -> Result<Self> {
        let _ = config;
        unimplemented!("signatures first")
    }

    /// Logs in and returns the upstream session.
    ///
    /// # Errors
    ///
    /// [`LoginRefused`](crate::DriverError::LoginRefused) when Snowflake says no,
    /// [`Unreachable`](crate::DriverError::Unreachable) or [`Timeout`](crate::DriverError::Timeout) when it says nothing,
    /// [`Configuration`](crate::DriverError::Configuration) when the credential cannot be used (a key that is not PKCS#8).
    pub async fn connect(
        &self,
        settings: &ConnectionSettings,
        options: &ConnectOptions,
    ) -> Result<UpstreamSession> {
        let _ = (settings, options);
        unimplemented!("signatures first")
    }
}

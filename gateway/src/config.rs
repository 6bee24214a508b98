//! Limits and identity of the gateway: every wait, retry, buffer and pool is named here.

use std::time::Duration;

use crate::clock::Clock;
use crate::proxy::ProxySettings;

/// Limits and identity of a gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Who we say we are at login.
    pub identity: ClientIdentity,
    /// Longest time to open one TCP and TLS connection upstream.
    pub connect_timeout: Duration,
    /// Longest time for one login, renewal, heartbeat, logout or abort request, retries included.
    pub control_timeout: Duration,
    /// Longest silence of the server after a query request, per request; then it is asked again under the same request
    /// id. Must be longer than the server's long poll: Snowflake answers within about 45 s, with "still running" if need
    /// be.
    pub answer_timeout: Duration,
    /// Longest time in which the other end of a connection may leave what was sent unacknowledged, or probes of an
    /// otherwise quiet connection unanswered, before the connection counts as dead. On systems without
    /// `TCP_USER_TIMEOUT` (all but Linux) only probes are limited so.
    pub dead_peer_timeout: Duration,
    /// Longest silence during the download of a result part; then it is tried again.
    pub chunk_timeout: Duration,
    /// Bytes that a download must bring in each `chunk_timeout`; a slower one is continued on another connection.
    pub chunk_progress_bytes_min: usize,
    /// Retries of one request; see [`RetryLimits`].
    pub retry: RetryLimits,
    /// Largest request body accepted on the loopback side.
    pub request_body_bytes_max: usize,
    /// Largest answer body accepted from upstream, after decompression.
    pub answer_body_bytes_max: usize,
    /// Largest result part accepted, as transferred.
    pub chunk_body_bytes_max: usize,
    /// Loopback connections served at a time; more wait.
    pub local_connections_max: usize,
    /// How long an unused upstream connection is kept open.
    pub pool_idle_timeout: Duration,
    /// Unused upstream connections kept open per host.
    pub pool_idle_per_host_max: usize,
    /// Idle time after which a session that is kept alive sends a heartbeat; sooner when the server's master tokens
    /// live less than four times as long.
    pub heartbeat_interval: Duration,
    /// How long before the end of its validity the token of a session in use is renewed, at most. Tokens that live less
    /// than ten times as long are renewed after nine tenths of their life.
    pub renew_ahead: Duration,
    /// How often the gateway looks whether the machine has slept.
    pub sleep_check_interval: Duration,
    /// Time without a look after which the machine has slept: then all connections are given up and all sessions
    /// checked. Must be longer than `sleep_check_interval`.
    pub sleep_min: Duration,
    /// Where the time is read.
    pub clock: Clock,
    /// Proxy for what goes to other machines. The process environment is not consulted here; see
    /// [`ProxySettings::from_environment`].
    pub proxy: Option<ProxySettings>,
}

/// Limits of retrying one request.
#[derive(Clone, Copy, Debug)]
pub struct RetryLimits {
    /// Attempts of one request in all, the first one included.
    pub attempts_max: u32,
    /// Attempts in all when no connection can be opened, as long as nothing was sent, and always for a server on this
    /// machine: nobody listens there, so patience buys little. For a statement that may be running, `attempts_max`
    /// counts.
    pub connect_attempts_max: u32,
    /// Attempts in all when the server is silent, each of which waits for the longest silence allowed.
    pub silent_attempts_max: u32,
    /// First pause; each further one is twice as long, with jitter.
    pub pause_first: Duration,
    /// Longest pause.
    pub pause_max: Duration,
    /// Longest time from the first attempt to the start of the last; also the longest pause that a server may ask for.
    pub elapsed_max: Duration,
}

/// Who we say we are at login.
///
/// The server chooses the encoding of results by `app_id`, and only well-known drivers get Arrow. We want Arrow,
/// because results bypass snowflake-connector-rs (which says nothing and gets JSON), so we take the identity of the Go
/// driver, whose Arrow results other Rust clients have decoded in production for years; it accepts JSON too, as we do.
/// The truth is in `CLIENT_ENVIRONMENT`, where `APPLICATION` names us, and in the `User-Agent`.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// `CLIENT_APP_ID`.
    pub app_id: String,
    /// `CLIENT_APP_VERSION`: a version of that driver which the server still supports.
    pub app_version: String,
    /// `APPLICATION` in `CLIENT_ENVIRONMENT`, shown in Snowflake's session history.
    pub application: String,
}

impl Default for ClientIdentity {
    fn default() -> Self {
        Self {
            app_id: "Go".to_owned(),
            app_version: "1.19.0".to_owned(),
            application: "snowflake-session".to_owned(),
        }
    }
}

impl Default for RetryLimits {
    fn default() -> Self {
        Self {
            attempts_max: 7,
            connect_attempts_max: 3,
            silent_attempts_max: 3,
            pause_first: Duration::from_millis(200),
            pause_max: Duration::from_secs(8),
            elapsed_max: Duration::from_mins(2),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            identity: ClientIdentity::default(),
            connect_timeout: Duration::from_secs(10),
            control_timeout: Duration::from_mins(1),
            answer_timeout: Duration::from_mins(1),
            dead_peer_timeout: Duration::from_secs(20),
            chunk_timeout: Duration::from_secs(30),
            chunk_progress_bytes_min: 32 * 1024,
            retry: RetryLimits::default(),
            request_body_bytes_max: 128 * 1024 * 1024,
            answer_body_bytes_max: 1024 * 1024 * 1024,
            chunk_body_bytes_max: 512 * 1024 * 1024,
            local_connections_max: 1024,
            pool_idle_timeout: Duration::from_secs(90),
            pool_idle_per_host_max: 32,
            heartbeat_interval: Duration::from_mins(15),
            renew_ahead: Duration::from_mins(5),
            sleep_check_interval: Duration::from_secs(10),
            sleep_min: Duration::from_mins(2),
            clock: Clock::system(),
            proxy: None,
        }
    }
}

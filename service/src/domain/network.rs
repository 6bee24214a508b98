//! Limits of what goes over the network to Snowflake; their values are born in `config/defaults.toml`.

use std::time::Duration;

/// Limits of what goes over the network to Snowflake.
#[derive(Debug, Clone)]
pub struct NetworkLimits {
    /// Time limit to open a connection.
    pub connect_timeout: Duration,
    /// Time limit of a renewal, a heartbeat or an abort, repeats included.
    pub control_timeout: Duration,
    /// Longest silence after a statement, before it is asked for again under the same request id.
    pub answer_silence: Duration,
    /// Longest silence of a download, before it is continued on another connection.
    pub download_silence: Duration,
    /// How long the other end may leave what was sent unacknowledged.
    pub dead_peer_timeout: Duration,
    /// Most attempts of one request.
    pub attempts_max: u32,
    /// Most attempts when nobody listens and nothing was sent.
    pub connect_attempts_max: u32,
    /// Most attempts when the server is silent.
    pub silent_attempts_max: u32,
    /// First pause and longest pause between two attempts.
    pub pause: (Duration, Duration),
    /// Longest time from the first attempt to the last.
    pub attempts_time: Duration,
    /// How long an unused connection is kept open.
    pub unused_connection: Duration,
    /// Idle time after which a session sends a heartbeat.
    pub heartbeat_interval: Duration,
    /// How long before its end a token in use is renewed.
    pub renew_ahead: Duration,
    /// Largest answer in bytes.
    pub answer_bytes_max: usize,
    /// Parts of one result that are downloaded at a time.
    pub downloads_max: usize,
    /// Bytes of one result that are held ahead of its reader.
    pub ahead_bytes_max: u64,
}

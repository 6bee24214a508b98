//! The section `[network]`.

use std::time::Duration;

use super::read::Reader;
use crate::domain::network::NetworkLimits;

/// Shorter waits are no waits.
const LEAST: Duration = Duration::from_millis(10);
/// Linux waits at most nine hours before it asks whether the other end is there, and that is half of the time.
const DEAD_PEER_TIMEOUT_MAX: Duration = Duration::from_hours(12);
const MEBIBYTE: u64 = 1 << 20;

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>) -> NetworkLimits {
    let count = |reader: &mut Reader<'_>, key| u32::try_from(reader.count(key, 1)).unwrap_or(u32::MAX);
    NetworkLimits {
        connect_timeout: reader.duration("network.connect_timeout", LEAST),
        control_timeout: reader.duration("network.control_timeout", LEAST),
        answer_silence: reader.duration("network.answer_silence", LEAST),
        download_silence: reader.duration("network.download_silence", LEAST),
        dead_peer_timeout: reader.duration_within("network.dead_peer_timeout", LEAST, DEAD_PEER_TIMEOUT_MAX),
        attempts_max: count(reader, "network.attempts_max"),
        connect_attempts_max: count(reader, "network.connect_attempts_max"),
        silent_attempts_max: count(reader, "network.silent_attempts_max"),
        pause: (
            reader.duration("network.pause_first", LEAST),
            reader.duration("network.pause_longest", LEAST),
        ),
        attempts_time: reader.duration("network.attempts_time", LEAST),
        unused_connection: reader.duration("network.unused_connection", LEAST),
        heartbeat_interval: reader.duration("network.heartbeat_interval", LEAST),
        renew_ahead: reader.duration("network.renew_ahead", Duration::ZERO),
        answer_bytes_max: usize::try_from(reader.size("network.answer_bytes_max", MEBIBYTE, 64 << 30))
            .unwrap_or(usize::MAX),
        downloads_max: reader.count("network.downloads_max", 1),
        ahead_bytes_max: reader.size("network.ahead_bytes_max", 0, 64 << 30),
    }
}

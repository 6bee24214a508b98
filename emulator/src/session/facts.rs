//! Time and zone, as a statement sees them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    now_ns() / 1_000_000
}

/// A zone by its name in the time zone database.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Minutes that a zone is ahead of UTC at a time.
pub(crate) fn offset_minutes(zone_name: &str, at_ns: i64) -> i32 {
    let (Some(zone), Ok(at)) = (zone(zone_name), Timestamp::from_nanosecond(i128::from(at_ns))) else {
        return 0;
    };
    zone.to_offset(at).seconds() / 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_know_summer() {
        let january = 1_704_067_200_000_000_000;
        let july = 1_719_792_000_000_000_000;
        assert_eq!(offset_minutes("Europe/Berlin", january), 60);
        assert_eq!(offset_minutes("Europe/Berlin", july), 120);
        assert_eq!(offset_minutes("America/Los_Angeles", january), -480);
        assert_eq!(offset_minutes("UTC", july), 0);
        assert!(zone("Mars/Olympus").is_none());
    }
}

//! The wall clock and the user's time zone: moments and durations as people write them.
//!
//! Programs get moments in UTC and whole; this file is for people only. The zone is the system's, or that of
//! `TZ`, which every program on the machine heeds alike.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

use super::temporal::{Offset, write_timestamp};

/// The moment at which a verb shows things, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Time since 1970.
    now: Duration,
    zone: Zone,
}

#[derive(Clone, Copy, Debug)]
enum Zone {
    /// The user's, looked up when it is needed.
    System,
    /// East of UTC by so many minutes.
    #[cfg(test)]
    Fixed(i32),
}

impl Clock {
    /// Reads the clock.
    pub(crate) fn read() -> Self {
        Self {
            now: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            zone: Zone::System,
        }
    }

    /// A clock that stands still.
    #[cfg(test)]
    pub(crate) fn stopped(seconds: u64, zone_minutes: i32) -> Self {
        Self {
            now: Duration::from_secs(seconds),
            zone: Zone::Fixed(zone_minutes),
        }
    }

    /// The moment in the user's zone, to the second.
    pub(crate) fn local(self, moment: &Timestamp) -> String {
        let offset = match self.offset_minutes(moment.seconds) {
            0 => Offset::Utc,
            minutes => Offset::Minutes(minutes),
        };
        let mut out = Vec::new();
        write_timestamp(moment.seconds, 1, offset, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// How long ago the moment was, coarsely: `3m`. Nothing is older than now: clocks differ a little.
    pub(crate) fn age(self, moment: &Timestamp) -> String {
        coarse(self.since(moment))
    }

    /// The moment as seen from now: `3m ago`, `in 15m`.
    pub(crate) fn relative(self, moment: &Timestamp) -> String {
        let ahead = self.until(moment);
        if ahead.is_zero() {
            format!("{} ago", self.age(moment))
        } else {
            format!("in {}", coarse(ahead))
        }
    }

    /// Time until the moment, rounded up to a second: a lease of 15 minutes that was just given has 15 minutes
    /// left, not 14. Zero for one in the past.
    pub(crate) fn until(self, moment: &Timestamp) -> Duration {
        let ahead = since_1970(moment).saturating_sub(self.now);
        Duration::from_secs(ahead.as_secs() + u64::from(ahead.subsec_nanos() > 0))
    }

    /// Time since the moment; zero for one in the future.
    pub(crate) fn since(self, moment: &Timestamp) -> Duration {
        self.now.saturating_sub(since_1970(moment))
    }

    /// The moment so long ago.
    pub(crate) fn before(self, ago: Duration) -> Timestamp {
        let then = self.now.saturating_sub(ago);
        Timestamp {
            seconds: i64::try_from(then.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(then.subsec_nanos()).unwrap_or(0),
        }
    }

    fn offset_minutes(self, seconds: i64) -> i32 {
        match self.zone {
            Zone::System => jiff::Timestamp::from_second(seconds).map_or(0, |moment| {
                jiff::tz::TimeZone::system().to_offset(moment).seconds() / 60
            }),
            #[cfg(test)]
            Zone::Fixed(minutes) => minutes,
        }
    }
}

/// Time from 1970 to the moment; zero for one before.
pub(crate) fn since_1970(moment: &Timestamp) -> Duration {
    match (u64::try_from(moment.seconds), u32::try_from(moment.nanos)) {
        (Ok(seconds), Ok(nanos)) => Duration::from_secs(seconds) + Duration::from_nanos(nanos.into()),
        _ => Duration::ZERO,
    }
}

/// A duration in one unit: `12s`, `3m`, `2h`, `5d`.
fn coarse(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration as it was measured: `340 ms`, `2.14 s`, `3m 20s`, `2h 5m`, `1d 4h`.
pub(crate) fn measured(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        // Cut, not rounded, so that a minute is never `60.00 s`.
        seconds @ 1..60 => format!("{seconds}.{:02} s", duration.subsec_millis() / 10),
        _ => running(duration),
    }
}

/// A duration that is still growing: `12s`, `3m 20s`, `2h 5m`, `1d 4h`.
pub(crate) fn running(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, large_unit, small, small_unit) = match seconds {
        0..60 => return format!("{seconds}s"),
        60..3_600 => (seconds / 60, 'm', seconds % 60, 's'),
        3_600..86_400 => (seconds / 3_600, 'h', seconds / 60 % 60, 'm'),
        _ => (seconds / 86_400, 'd', seconds / 3_600 % 24, 'h'),
    };
    match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn moment(plus: i64) -> Timestamp {
        Timestamp {
            seconds: NOW as i64 + plus,
            nanos: 0,
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let clock = Clock::stopped(NOW, 0);
        for (seconds, age) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (40 * 86_400, "40d"),
            (-5, "0s"),
        ] {
            assert_eq!(clock.age(&moment(-seconds)), age);
        }
    }

    #[test]
    fn moments_lie_before_or_ahead() {
        let clock = Clock::stopped(NOW, 0);
        assert_eq!(clock.relative(&moment(-180)), "3m ago");
        assert_eq!(clock.relative(&moment(0)), "0s ago");
        assert_eq!(clock.relative(&moment(900)), "in 15m");
        let mut nearly = moment(899);
        nearly.nanos = 600_000_000;
        assert_eq!(clock.relative(&nearly), "in 15m");
    }

    #[test]
    fn moments_are_shown_where_the_user_is() {
        assert_eq!(Clock::stopped(NOW, 0).local(&moment(0)), "2023-11-14T22:13:20Z");
        assert_eq!(
            Clock::stopped(NOW, 330).local(&moment(0)),
            "2023-11-15T03:43:20+05:30"
        );
    }

    #[test]
    fn durations_have_the_precision_that_matters() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.00 s"),
            (59_999, "59.99 s"),
            (60_000, "1m"),
            (200_000, "3m 20s"),
            (7_500_000, "2h 5m"),
            (100_800_000, "1d 4h"),
        ] {
            assert_eq!(measured(Duration::from_millis(millis)), text);
        }
        assert_eq!(running(Duration::from_millis(12_700)), "12s");
    }
}

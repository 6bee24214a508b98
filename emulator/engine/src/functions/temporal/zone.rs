//! Wall clocks and instants of a time zone.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

use super::calendar::{SECOND, civil, split};

/// Minutes east of UTC at an instant, given in nanoseconds since 1970.
pub(crate) fn offset_minutes(zone: &TimeZone, instant: i64) -> i32 {
    match Timestamp::from_nanosecond(i128::from(instant)) {
        Ok(timestamp) => zone.to_offset(timestamp).seconds() / 60,
        // Every 64-bit count of nanoseconds is within the years that timestamps cover.
        Err(_) => 0,
    }
}

/// What a clock on the wall shows at an instant.
pub(crate) fn wall_of_instant(zone: &TimeZone, instant: i64) -> i64 {
    instant.saturating_add(i64::from(offset_minutes(zone, instant)) * 60 * SECOND)
}

/// The instant at which a clock on the wall shows this; in a gap the one after it, when twice the first.
pub(crate) fn instant_of_wall(zone: &TimeZone, wall: i64) -> i64 {
    let find = || {
        let (days, of_day) = split(wall);
        let (year, month, day) = civil(days);
        let date = Date::new(year as i16, month as i8, day as i8).ok()?;
        let seconds = of_day / SECOND;
        let time = Time::new(
            (seconds / 3600) as i8,
            (seconds / 60 % 60) as i8,
            (seconds % 60) as i8,
            (of_day % SECOND) as i32,
        );
        let timestamp = zone
            .to_ambiguous_timestamp(DateTime::from_parts(date, time.ok()?))
            .compatible()
            .ok()?;
        i64::try_from(timestamp.as_nanosecond()).ok()
    };
    find().unwrap_or(wall)
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{timestamp_text, zoned_timestamp_text};
    use super::*;
    use crate::functions::framework::time_zone;

    #[test]
    fn daylight_saving() {
        let zone = time_zone("America/Los_Angeles").unwrap();
        let wall = |text: &str| {
            super::super::Reading::Auto
                .timestamp(text)
                .unwrap()
                .wall()
                .unwrap()
        };
        let shown = |instant| zoned_timestamp_text(instant, offset_minutes(&zone, instant));
        assert_eq!(
            shown(instant_of_wall(&zone, wall("2024-01-15 12:00:00"))),
            "2024-01-15 12:00:00.000 -0800"
        );
        assert_eq!(
            shown(instant_of_wall(&zone, wall("2024-07-15 12:00:00"))),
            "2024-07-15 12:00:00.000 -0700"
        );
        assert_eq!(
            shown(instant_of_wall(&zone, wall("2024-03-10 02:30:00"))),
            "2024-03-10 03:30:00.000 -0700"
        );
        assert_eq!(
            timestamp_text(wall_of_instant(&zone, 0)),
            "1969-12-31 16:00:00.000"
        );
    }
}

//! How values are written in JSON: the connector protocol has one way, the SQL API another with choices.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use snowflake_emulator_engine::SqlType;
use snowflake_emulator_engine::functions::OutputFormat;

const NANOSECONDS_PER_DAY: i128 = 86_400_000_000_000;
const NANOSECONDS_PER_MINUTE: i128 = 60_000_000_000;

/// How values are written in JSON; the default is the connector protocol's way.
#[derive(Clone, Debug, Default)]
pub struct JsonStyle {
    /// NULL is the text `null`, not JSON's null.
    pub null_as_text: bool,
    /// Truths are `true` and `false`, not `1` and `0`.
    pub booleans_as_words: bool,
    /// Seconds have nine digits after the point whatever the column's scale.
    pub nine_digits: bool,
    /// How binary values are written.
    pub binary: BinaryForm,
    /// Formats of dates and times; what has none is written as a number.
    pub formats: TimeFormats,
}

/// How binary values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BinaryForm {
    /// Two upper-case digits a byte.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
    /// As text; what is not UTF-8 becomes U+FFFD.
    Utf8,
}

/// Formats of dates and times.
#[derive(Clone, Debug, Default)]
pub struct TimeFormats {
    /// `DATE`.
    pub date: Option<OutputFormat>,
    /// `TIME`.
    pub time: Option<OutputFormat>,
    /// `TIMESTAMP_NTZ`.
    pub timestamp_ntz: Option<OutputFormat>,
    /// `TIMESTAMP_LTZ`.
    pub timestamp_ltz: Option<OutputFormat>,
    /// `TIMESTAMP_TZ`.
    pub timestamp_tz: Option<OutputFormat>,
    /// Where the clock of `TIMESTAMP_LTZ` hangs; UTC when not said.
    pub zone: Option<TimeZone>,
}

impl TimeFormats {
    /// The format of a type's values, if they are formatted.
    pub(super) fn of(&self, sql_type: &SqlType) -> Option<&OutputFormat> {
        match sql_type {
            SqlType::Date => self.date.as_ref(),
            SqlType::Time { .. } => self.time.as_ref(),
            SqlType::TimestampNtz { .. } => self.timestamp_ntz.as_ref(),
            SqlType::TimestampLtz { .. } => self.timestamp_ltz.as_ref(),
            SqlType::TimestampTz { .. } => self.timestamp_tz.as_ref(),
            _ => None,
        }
    }

    /// Minutes that the session's clock is ahead of UTC at an instant.
    pub(super) fn offset_minutes(&self, instant: i128) -> i32 {
        match (&self.zone, Timestamp::from_nanosecond(instant)) {
            (Some(zone), Ok(timestamp)) => zone.to_offset(timestamp).seconds() / 60,
            _ => 0,
        }
    }
}

/// Writes a moment: nanoseconds since 1970 on a clock on the wall (`offset_minutes` is none), or of an instant that
/// a clock so far ahead of UTC shows.
pub(super) fn formatted(format: &OutputFormat, nanoseconds: i128, offset_minutes: Option<i32>) -> String {
    let wall = nanoseconds + i128::from(offset_minutes.unwrap_or(0)) * NANOSECONDS_PER_MINUTE;
    let day = wall.div_euclid(NANOSECONDS_PER_DAY) as i32;
    format.write(day, wall.rem_euclid(NANOSECONDS_PER_DAY) as i64, offset_minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_1970_have_their_day() {
        let format = OutputFormat::new("YYYY-MM-DD HH24:MI:SS.FF9 TZHTZM");
        assert_eq!(
            formatted(&format, -1, Some(0)),
            "1969-12-31 23:59:59.999999999 +0000"
        );
        assert_eq!(
            formatted(&format, 0, Some(-480)),
            "1969-12-31 16:00:00.000000000 -0800"
        );
    }

    #[test]
    fn the_zone_decides_by_the_season() {
        let formats = TimeFormats {
            zone: TimeZone::get("Europe/Berlin").ok(),
            ..TimeFormats::default()
        };
        assert_eq!(formats.offset_minutes(1_705_000_000_000_000_000), 60);
        assert_eq!(formats.offset_minutes(1_720_000_000_000_000_000), 120);
        assert_eq!(TimeFormats::default().offset_minutes(0), 0);
    }
}

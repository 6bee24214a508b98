//! Output formats for those who write values outside of SQL.

use super::format::{Format, Moment};

/// A date and time format of Snowflake's, such as `YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFormat(Format);

impl OutputFormat {
    /// Reads a format; every text is one, as what is no element stands for itself.
    pub fn new(format: &str) -> Self {
        Self(Format::new(format))
    }

    /// Writes what a clock on the wall shows: the day since 1970-01-01, the nanosecond of the day, and the
    /// clock's minutes east of UTC, if it is known where it hangs.
    pub fn write(&self, days: i32, nanosecond_of_day: i64, offset_minutes: Option<i32>) -> String {
        self.0.write(Moment {
            days,
            of_day: nanosecond_of_day,
            offset_minutes,
        })
    }
}

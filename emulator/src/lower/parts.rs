//! Date and time parts: the many spellings Snowflake takes for each.

/// A part that can be added, differed and truncated to.
pub(super) fn addable(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "year" | "y" | "yy" | "yyy" | "yyyy" | "yr" | "years" | "yrs" => "year",
        "quarter" | "q" | "qtr" | "qtrs" | "quarters" => "quarter",
        "month" | "mm" | "mon" | "mons" | "months" => "month",
        "week" | "w" | "wk" | "weekofyear" | "woy" | "wy" | "weeks" => "week",
        "day" | "d" | "dd" | "days" | "dayofmonth" => "day",
        "hour" | "h" | "hh" | "hr" | "hours" | "hrs" => "hour",
        "minute" | "m" | "mi" | "min" | "minutes" | "mins" => "minute",
        "second" | "s" | "sec" | "seconds" | "secs" => "second",
        "millisecond" | "ms" | "msec" | "milliseconds" => "millisecond",
        "microsecond" | "us" | "usec" | "microseconds" => "microsecond",
        "nanosecond" | "ns" | "nsec" | "nanosec" | "nsecond" | "nanoseconds" | "nanosecs" | "nseconds" => {
            "nanosecond"
        }
        _ => return None,
    })
}

/// A part that can be taken out of a date or time.
pub(super) fn extractable(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "dayofweek" | "weekday" | "dow" | "dw" => "dayofweek",
        "dayofweekiso" | "weekday_iso" | "dow_iso" | "dw_iso" | "dayofweek_iso" => "dayofweekiso",
        "dayofyear" | "yearday" | "doy" | "dy" => "dayofyear",
        "weekiso" | "week_iso" | "weekofyeariso" | "weekofyear_iso" => "weekiso",
        "yearofweek" => "yearofweek",
        "yearofweekiso" => "yearofweekiso",
        "epoch_second" | "epoch" | "epoch_seconds" => "epoch_second",
        "epoch_millisecond" | "epoch_milliseconds" => "epoch_millisecond",
        "epoch_microsecond" | "epoch_microseconds" => "epoch_microsecond",
        "epoch_nanosecond" | "epoch_nanoseconds" => "epoch_nanosecond",
        "timezone_hour" | "tzh" => "timezone_hour",
        "timezone_minute" | "tzm" => "timezone_minute",
        other => return addable(other),
    })
}

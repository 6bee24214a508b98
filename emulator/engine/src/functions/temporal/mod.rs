//! Dates, times and timestamps.

mod calendar;

pub(crate) use calendar::{
    DAY, SECOND, civil, date_text, days_from_civil, days_in_month, split, time_text, timestamp_text, weekday,
    zoned_timestamp_text,
};

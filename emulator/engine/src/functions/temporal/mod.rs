//! Dates, times and timestamps.
//!
//! `calendar` counts days, `format` and `detect` read and write texts, `zone` knows wall clocks; they know
//! nothing of functions. `clock` makes one wall clock of every type of time, on which `parts`, `shifting`,
//! `differences` and `construction` compute. Time is kept in 64-bit nanoseconds since 1970: the years 1677 to
//! 2262.

mod calendar;
mod clock;
mod construction;
mod detect;
mod differences;
mod format;
mod interval_text;
mod intervals;
mod output;
mod parts;
mod shifting;
mod zone;

pub(super) use construction::FUNCTIONS as CONSTRUCTION;
pub(super) use differences::FUNCTIONS as DIFFERENCES;
pub(super) use intervals::{FUNCTIONS as INTERVALS, arithmetic as interval_arithmetic};
pub(super) use parts::FUNCTIONS as PARTS;
pub(super) use shifting::FUNCTIONS as SHIFTING;

pub(crate) use calendar::{
    DAY, SECOND, civil, date_text, days_from_civil, split, time_text, timestamp_text, weekday,
    zoned_timestamp_text,
};
pub(crate) use detect::Reading;
pub(crate) use format::{Format, Moment};
pub(crate) use interval_text::{duration_text, months_text};
pub use output::OutputFormat;
pub(crate) use zone::{instant_of_wall, offset_minutes, wall_of_instant};

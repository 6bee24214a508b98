//! Intervals as texts: `+1-02` for years and months, `+12 03:04:05.678` for days and times.

use super::calendar::{DAY, SECOND};
use crate::{DayTime, YearMonth};

const MONTHS_PER_YEAR: i64 = 12;
/// Digits of a nanosecond.
const NANOSECOND_DIGITS: usize = 9;

/// Years and months, with a sign.
pub(crate) fn months_text(months: i64) -> String {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.unsigned_abs();
    format!("{sign}{}-{:02}", months / 12, months % 12)
}

/// Days and time, with a sign and as many digits of a second as are needed.
pub(crate) fn duration_text(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { '-' } else { '+' };
    let nanoseconds = nanoseconds.unsigned_abs();
    let (days, of_day) = (nanoseconds / DAY as u128, nanoseconds % DAY as u128);
    let (seconds, fraction) = (of_day / SECOND as u128, of_day % SECOND as u128);
    let clock = format!(
        "{sign}{days} {:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction == 0 {
        return clock;
    }
    let fraction = format!("{fraction:09}");
    format!("{clock}.{}", fraction.trim_end_matches('0'))
}

/// The months of a text with these fields; none when it has others, or a first one of more digits.
pub(super) fn read_months(text: &str, fields: YearMonth, precision: u8) -> Option<i64> {
    let (negative, text) = signed(text);
    let months = match (fields, text.split_once('-')) {
        // A whole interval may stand for one of its fields: the others are cut.
        (_, Some((years, months))) => {
            let months = number(months, 2).filter(|months| *months < MONTHS_PER_YEAR)?;
            let years = number(years, precision)?;
            match fields {
                YearMonth::Year => years * MONTHS_PER_YEAR,
                _ => years * MONTHS_PER_YEAR + months,
            }
        }
        (YearMonth::Month, None) => number(text, precision)?,
        (YearMonth::Year, None) => number(text, precision)? * MONTHS_PER_YEAR,
        (YearMonth::YearToMonth, None) => return None,
    };
    Some(if negative { -months } else { months })
}

/// The nanoseconds of a text with these fields; none when it has others, or a first one of more digits.
pub(super) fn read_duration(text: &str, first: DayTime, last: DayTime, precision: u8) -> Option<i128> {
    let (negative, text) = signed(text);
    let is_whole = text.contains(' ') && text.matches(':').count() == 2;
    let (first, last) = if is_whole {
        (DayTime::Day, DayTime::Second)
    } else {
        (first, last)
    };
    let (days, clock) = match (first, text.split_once(' ')) {
        (DayTime::Day, Some((days, clock))) if last > DayTime::Day => (Some(days), clock.trim_start()),
        (DayTime::Day, None) if last == DayTime::Day => (Some(text), ""),
        (DayTime::Day, _) | (_, Some(_)) => return None,
        (_, None) => (None, text),
    };
    let mut total = match days {
        Some(days) => i128::from(number(days, precision)?) * i128::from(DAY),
        None => 0,
    };
    let clock_first = first.max(DayTime::Hour);
    if last > DayTime::Day {
        let fields = [DayTime::Hour, DayTime::Minute, DayTime::Second];
        let wanted = fields
            .into_iter()
            .filter(|field| (clock_first..=last).contains(field));
        let mut parts = clock.split(':');
        for field in wanted {
            let part = parts.next()?;
            let digits = if field == first { precision } else { 2 };
            let (whole, fraction) = match (field, part.split_once('.')) {
                (DayTime::Second, Some((whole, fraction))) => (whole, nanoseconds(fraction)?),
                (_, Some(_)) => return None,
                (_, None) => (part, 0),
            };
            let (length, limit) = match field {
                DayTime::Hour => (3600, 24),
                DayTime::Minute => (60, 60),
                _ => (1, 60),
            };
            let whole = number(whole, digits).filter(|whole| field == first || *whole < limit)?;
            total += i128::from(whole) * length * i128::from(SECOND) + i128::from(fraction);
        }
        if parts.next().is_some() {
            return None;
        }
    }
    Some(if negative { -total } else { total })
}

fn signed(text: &str) -> (bool, &str) {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(text) => (true, text.trim_start()),
        None => (false, text.strip_prefix('+').map_or(text, str::trim_start)),
    }
}

/// A whole number of at most so many digits.
fn number(text: &str, digits: u8) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    if significant.len() > usize::from(digits) {
        return None;
    }
    Some(significant.parse().unwrap_or(0))
}

/// A fraction of a second.
fn nanoseconds(digits: &str) -> Option<i64> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.is_empty() || digits.len() > NANOSECOND_DIGITS {
        return None;
    }
    format!("{digits:0<9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_read_and_written() {
        for (text, fields, expected) in [
            ("1-2", YearMonth::YearToMonth, Some("+1-02")),
            ("-999999999-11", YearMonth::YearToMonth, Some("-999999999-11")),
            ("+0-0", YearMonth::YearToMonth, Some("+0-00")),
            ("3", YearMonth::Year, Some("+3-00")),
            ("15", YearMonth::Month, Some("+1-03")),
            ("1-2", YearMonth::Year, Some("+1-00")),
            ("1-12", YearMonth::YearToMonth, None),
            ("1", YearMonth::YearToMonth, None),
            ("1234567890-0", YearMonth::YearToMonth, None),
            ("x", YearMonth::Year, None),
        ] {
            let found = read_months(text, fields, 9).map(months_text);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        use DayTime::{Day, Hour, Minute, Second};
        for (text, first, last, expected) in [
            ("12 3:4:5.678", Day, Second, Some("+12 03:04:05.678")),
            ("-1 2:3:4.567", Day, Second, Some("-1 02:03:04.567")),
            (
                "999999999 23:59:59.999999999",
                Day,
                Second,
                Some("+999999999 23:59:59.999999999"),
            ),
            ("3", Day, Day, Some("+3 00:00:00")),
            ("3 4", Day, Hour, Some("+3 04:00:00")),
            ("3 4:05", Day, Minute, Some("+3 04:05:00")),
            ("100:30", Hour, Minute, Some("+4 04:30:00")),
            ("90.5", Second, Second, Some("+0 00:01:30.5")),
            ("1:2.5", Minute, Second, Some("+0 00:01:02.5")),
            ("+1 02:00:00", Hour, Minute, Some("+1 02:00:00")),
            ("1 24:00:00", Day, Second, None),
            ("1 2:3", Day, Second, None),
            ("1:2:3:4", Hour, Second, None),
            ("1.5", Day, Day, None),
            ("1 2:3:4.1234567891", Day, Second, None),
            ("", Day, Day, None),
        ] {
            let found = read_duration(text, first, last, 9).map(duration_text);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!(read_duration("100", Day, Day, 2), None);
    }
}

//! Dates and times as ISO 8601 text, without allocation.
//!
//! A fraction is left out when it is zero and else has 3, 6 or 9 digits, whichever says all of it.

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Offset of a time stamp from UTC, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offset {
    /// A time without a zone.
    None,
    /// UTC, shown as `Z`.
    Utc,
    /// East of UTC by so many minutes.
    Minutes(i32),
}

/// Appends a date: days since 1970-01-01.
pub(super) fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    write_year(year, out);
    out.push(b'-');
    write_pair(month, out);
    out.push(b'-');
    write_pair(day, out);
}

/// Appends a time of day: nanoseconds since midnight.
pub(super) fn write_time(nanos: i64, out: &mut Vec<u8>) {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    write_pair((seconds / 3600) as u32, out);
    out.push(b':');
    write_pair((seconds / 60 % 60) as u32, out);
    out.push(b':');
    write_pair((seconds % 60) as u32, out);
    write_fraction(nanos.rem_euclid(NANOS_PER_SECOND) as u32, out);
}

/// Appends a time stamp: `value` units since 1970-01-01T00:00 UTC, `per_second` of them a second.
pub(super) fn write_timestamp(value: i64, per_second: i64, offset: Offset, out: &mut Vec<u8>) {
    let minutes = match offset {
        Offset::None | Offset::Utc => 0,
        Offset::Minutes(minutes) => i64::from(minutes),
    };
    let seconds = value.div_euclid(per_second) + minutes * 60;
    let nanos = value.rem_euclid(per_second) * (NANOS_PER_SECOND / per_second);
    write_date(seconds.div_euclid(SECONDS_PER_DAY), out);
    out.push(b'T');
    write_time(
        seconds.rem_euclid(SECONDS_PER_DAY) * NANOS_PER_SECOND + nanos,
        out,
    );
    match offset {
        Offset::None => {}
        Offset::Utc => out.push(b'Z'),
        Offset::Minutes(minutes) => {
            out.push(if minutes < 0 { b'-' } else { b'+' });
            let minutes = minutes.unsigned_abs();
            write_pair(minutes / 60, out);
            out.push(b':');
            write_pair(minutes % 60, out);
        }
    }
}

fn write_pair(value: u32, out: &mut Vec<u8>) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

fn write_year(year: i64, out: &mut Vec<u8>) {
    if (0..=9999).contains(&year) {
        write_pair(year as u32 / 100, out);
        write_pair(year as u32 % 100, out);
    } else {
        // Outside of four digits ISO 8601 wants a sign.
        out.push(if year < 0 { b'-' } else { b'+' });
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(year.unsigned_abs()).as_bytes();
        out.resize(out.len() + 4usize.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(digits);
    }
}

fn write_fraction(nanos: u32, out: &mut Vec<u8>) {
    let (mut value, digits) = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    out.push(b'.');
    let start = out.len();
    out.resize(start + digits, b'0');
    for digit in out[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of the proleptic Gregorian calendar.
///
/// Counts from 0000-03-01, so that the leap day is the last of its year, in cycles of 400 years.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_PER_CYCLE: i64 = 146_097;
    let shifted = days + DAYS_TO_1970;
    let cycle = shifted.div_euclid(DAYS_PER_CYCLE);
    let day_of_cycle = shifted.rem_euclid(DAYS_PER_CYCLE);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month as u32, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates() {
        let check = |days: i64, expected: &str| assert_eq!(text(|out| write_date(days, out)), expected);
        check(0, "1970-01-01");
        check(-1, "1969-12-31");
        check(11_016, "2000-02-29");
        check(11_017, "2000-03-01");
        check(-25_509, "1900-02-28");
        check(-25_508, "1900-03-01");
        check(2_932_896, "9999-12-31");
        check(2_932_897, "+10000-01-01");
        check(-719_528, "0000-01-01");
        check(-719_529, "-0001-12-31");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = civil_from_days(-1);
        for days in 0..146_097 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (day == length, month == 12) {
                (false, _) => (year, month, day + 1),
                (true, false) => (year, month + 1, 1),
                (true, true) => (year + 1, 1, 1),
            };
            assert_eq!(civil_from_days(days), (year, month, day));
        }
    }

    #[test]
    fn times() {
        let check = |nanos: i64, expected: &str| assert_eq!(text(|out| write_time(nanos, out)), expected);
        check(0, "00:00:00");
        check(86_399_999_999_999, "23:59:59.999999999");
        check(1_000_000, "00:00:00.001");
        check(1_500_000, "00:00:00.001500");
    }

    #[test]
    fn timestamps() {
        let check = |value: i64, per_second: i64, offset: Offset, expected: &str| {
            assert_eq!(
                text(|out| write_timestamp(value, per_second, offset, out)),
                expected
            );
        };
        check(0, 1, Offset::None, "1970-01-01T00:00:00");
        check(-1, 1_000_000, Offset::None, "1969-12-31T23:59:59.999999");
        check(1_700_000_000_123, 1_000, Offset::Utc, "2023-11-14T22:13:20.123Z");
        check(
            1_700_000_000_000_000_001,
            NANOS_PER_SECOND,
            Offset::None,
            "2023-11-14T22:13:20.000000001",
        );
        check(
            1_700_000_000,
            1,
            Offset::Minutes(330),
            "2023-11-15T03:43:20+05:30",
        );
        check(
            1_700_000_000,
            1,
            Offset::Minutes(-480),
            "2023-11-14T14:13:20-08:00",
        );
    }
}

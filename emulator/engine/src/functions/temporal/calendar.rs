//! The proleptic Gregorian calendar in whole days, and wall-clock values as text.

/// Nanoseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a day.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// Year, month (1 to 12) and day of the month of a day count since 1970-01-01.
pub(crate) fn civil(days: i32) -> (i32, u32, u32) {
    // Years begin in March here, so that the leap day is a year's last; eras are 400 years.
    let shifted = i64::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, day as u32)
}

/// Days since 1970-01-01 of a date; month and day may lie outside their usual range and carry over.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i32> {
    let months = year.checked_mul(12)?.checked_add(month)?.checked_sub(1)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era
        .checked_mul(146_097)?
        .checked_add(day_of_era)?
        .checked_sub(719_468)?;
    i32::try_from(days.checked_add(day)?.checked_sub(1)?).ok()
}

/// Days in a month.
pub(crate) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day of the week, 0 for Sunday.
pub(crate) fn weekday(days: i32) -> u32 {
    (days + 4).rem_euclid(7) as u32
}

/// The day and the nanosecond of the day of a wall-clock timestamp.
pub(crate) fn split(nanoseconds: i64) -> (i32, i64) {
    (nanoseconds.div_euclid(DAY) as i32, nanoseconds.rem_euclid(DAY))
}

/// `YYYY-MM-DD`.
pub(crate) fn date_text(days: i32) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `HH24:MI:SS`.
pub(crate) fn time_text(nanoseconds: i64) -> String {
    let seconds = nanoseconds / SECOND;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// `YYYY-MM-DD HH24:MI:SS.FF3`.
pub(crate) fn timestamp_text(nanoseconds: i64) -> String {
    let (days, of_day) = split(nanoseconds);
    format!(
        "{} {}.{:03}",
        date_text(days),
        time_text(of_day),
        of_day % SECOND / 1_000_000
    )
}

/// `YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM`.
pub(crate) fn zoned_timestamp_text(instant: i64, offset_minutes: i32) -> String {
    let local = instant + i64::from(offset_minutes) * 60 * SECOND;
    let (sign, minutes) = if offset_minutes < 0 {
        ('-', -offset_minutes)
    } else {
        ('+', offset_minutes)
    };
    format!(
        "{} {sign}{:02}{:02}",
        timestamp_text(local),
        minutes / 60,
        minutes % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-1_000_000..1_000_000).step_by(97) {
            let (year, month, day) = civil(days);
            assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
            assert_eq!(days_from_civil(year.into(), month.into(), day.into()), Some(days));
        }
    }

    #[test]
    fn known_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(date_text(-719_528), "0000-01-01");
        assert_eq!(date_text(19_782), "2024-02-29");
        assert_eq!(days_from_civil(2024, 14, 0), days_from_civil(2025, 1, 31));
        assert_eq!(weekday(0), 4);
        assert_eq!(weekday(-4), 0);
    }

    #[test]
    fn texts() {
        assert_eq!(timestamp_text(-1), "1969-12-31 23:59:59.999");
        assert_eq!(zoned_timestamp_text(0, -450), "1969-12-31 16:30:00.000 -0730");
    }
}

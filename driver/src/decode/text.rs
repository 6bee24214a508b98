//! Values between their wire text and numbers, and values that are text in the normal form.

use std::fmt::Write as _;

pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;
pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;

/// Powers of ten up to 38 digits.
const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1; 39];
    let mut digits = 1;
    while digits < 39 {
        powers[digits] = powers[digits - 1] * 10;
        digits += 1;
    }
    powers
};

/// 10 to the power of `digits`, which is at most 38.
pub(crate) fn power_of_ten(digits: u8) -> i128 {
    POWERS_OF_TEN[usize::from(digits.min(38))]
}

/// Reads plain decimal text as an integer count of 10^-`scale`. `None` when it is not a number, has more fraction digits
/// than `scale` (zeros excepted), or more than 38 digits.
pub(crate) fn parse_decimal(text: &[u8], scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i128 = 0;
    // Digits are gathered in machine words, because multiplying 128 bits for each would be slow.
    let (mut word, mut word_digits) = (0_u64, 0_u8);
    let mut fraction_digits: Option<u8> = None;
    let mut any = false;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                any = true;
                if fraction_digits == Some(scale) {
                    if byte != b'0' {
                        return None;
                    }
                    continue;
                }
                word = word * 10 + u64::from(byte - b'0');
                word_digits += 1;
                fraction_digits = fraction_digits.map(|count| count + 1);
                if word_digits == WORD_DIGITS_MAX {
                    value = append_digits(value, word, word_digits)?;
                    (word, word_digits) = (0, 0);
                }
            }
            b'.' if fraction_digits.is_none() => fraction_digits = Some(0),
            _ => return None,
        }
    }
    let value = append_digits(value, word, word_digits)?;
    let value = value.checked_mul(power_of_ten(scale - fraction_digits.unwrap_or(0)))?;
    any.then_some(if negative { -value } else { value })
}

/// Decimal digits that always fit 64 bits.
const WORD_DIGITS_MAX: u8 = 18;

fn append_digits(value: i128, word: u64, word_digits: u8) -> Option<i128> {
    if value == 0 {
        return Some(i128::from(word));
    }
    value
        .checked_mul(power_of_ten(word_digits))?
        .checked_add(i128::from(word))
}

/// Reads a plain integer.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    // The common case by hand; everything else (a fraction of zeros, a sign) through the general way.
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return i64::try_from(parse_decimal(text, 0)?).ok();
    }
    Some(
        text.iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0')),
    )
}

/// Reads the ways servers write a truth value.
pub(crate) fn parse_boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"1" => Some(true),
        b"0" => Some(false),
        _ if text.eq_ignore_ascii_case(b"true") => Some(true),
        _ if text.eq_ignore_ascii_case(b"false") => Some(false),
        _ => None,
    }
}

/// Reads pairs of hexadecimal digits.
pub(crate) fn parse_hex(text: &[u8], into: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    into.clear();
    into.reserve(pairs.len());
    for [high, low] in pairs {
        into.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(())
}

/// A moment with its offset, as TIMESTAMP_TZ has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZonedMoment {
    /// Nanoseconds since the epoch; 128 bits because years go to 9999.
    pub(crate) nanos: i128,
    /// Offset from UTC in minutes, east positive.
    pub(crate) offset_minutes: i32,
}

/// What the wire adds to offsets to keep them positive.
pub(crate) const OFFSET_BIAS_MINUTES: i32 = 1440;

/// Reads `epochSeconds.fraction offset`.
pub(crate) fn parse_zoned(text: &[u8]) -> Option<ZonedMoment> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let offset = parse_integer(&text[space + 1..])?;
    Some(ZonedMoment {
        nanos: parse_decimal(&text[..space], 9)?,
        offset_minutes: i32::try_from(offset).ok()?.checked_sub(OFFSET_BIAS_MINUTES)?,
    })
}

/// Writes `moment` in ISO 8601 with `scale` fraction digits.
pub(crate) fn write_zoned(moment: ZonedMoment, scale: u8, into: &mut String) {
    let second = i128::from(NANOS_PER_SECOND);
    let local = moment.nanos + i128::from(moment.offset_minutes) * 60 * second;
    let seconds = local.div_euclid(second);
    let nanos = local.rem_euclid(second);
    let (year, month, day) = civil_date(seconds.div_euclid(86_400) as i64);
    let of_day = seconds.rem_euclid(86_400);
    into.clear();
    // Writing to a String cannot fail.
    let _ = write!(
        into,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    if scale > 0 {
        let digits = nanos / power_of_ten(9 - scale.min(9));
        let _ = write!(into, ".{digits:0width$}", width = usize::from(scale.min(9)));
    }
    let offset = moment.offset_minutes;
    let sign = if offset < 0 { '-' } else { '+' };
    let _ = write!(into, "{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
}

/// Year, month and day of a day count since 1970-01-01 in the Gregorian calendar, extended in both directions.
fn civil_date(days: i64) -> (i64, i64, i64) {
    // Days are counted from 0000-03-01, so that the leap day is the last of its year; 400 years are one period.
    const DAYS_PER_PERIOD: i64 = 146_097;
    let days = days + 719_468;
    let period = days.div_euclid(DAYS_PER_PERIOD);
    let day_of_period = days.rem_euclid(DAYS_PER_PERIOD);
    let year_of_period =
        (day_of_period - day_of_period / 1460 + day_of_period / 36_524 - day_of_period / 146_096) / 365;
    let day_of_year = day_of_period - (365 * year_of_period + year_of_period / 4 - year_of_period / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_period + period * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Writes a decimal floating-point number: plain while that is short, else with an exponent.
pub(crate) fn write_decfloat(significand: i128, exponent: i16, into: &mut String) {
    into.clear();
    let digits = significand.unsigned_abs().to_string();
    let sign = if significand < 0 { "-" } else { "" };
    let point = digits.len() as i32 + i32::from(exponent);
    let _ = match exponent {
        0 => write!(into, "{sign}{digits}"),
        1.. if point <= 38 => write!(
            into,
            "{sign}{digits}{}",
            "0".repeat(exponent.unsigned_abs().into())
        ),
        ..0 if point > 0 => write!(
            into,
            "{sign}{}.{}",
            &digits[..point as usize],
            &digits[point as usize..]
        ),
        ..0 if point > -6 => write!(
            into,
            "{sign}0.{}{digits}",
            "0".repeat(point.unsigned_abs() as usize)
        ),
        _ if digits.len() == 1 => write!(into, "{sign}{digits}E{}", point - 1),
        _ => write!(into, "{sign}{}.{}E{}", &digits[..1], &digits[1..], point - 1),
    };
}

/// Writes a count of months as `years-months`.
pub(crate) fn write_year_month(months: i64, into: &mut String) {
    into.clear();
    let sign = if months < 0 { "-" } else { "" };
    let _ = write!(
        into,
        "{sign}{}-{:02}",
        months.unsigned_abs() / 12,
        months.unsigned_abs() % 12
    );
}

/// Writes a count of nanoseconds as `days hours:minutes:seconds.fraction`.
pub(crate) fn write_day_time(nanos: i128, scale: u8, into: &mut String) {
    into.clear();
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let seconds = nanos / NANOS_PER_SECOND as u128;
    let _ = write!(
        into,
        "{sign}{} {:02}:{:02}:{:02}",
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    );
    if scale > 0 {
        let digits = nanos % NANOS_PER_SECOND as u128 / power_of_ten(9 - scale.min(9)).unsigned_abs();
        let _ = write!(into, ".{digits:0width$}", width = usize::from(scale.min(9)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        let check = |text: &str, scale, expected| {
            assert_eq!(parse_decimal(text.as_bytes(), scale), expected, "{text}");
        };
        check("1.50", 2, Some(150));
        check("-1.5", 3, Some(-1500));
        check("7", 2, Some(700));
        check("1.500", 2, Some(150));
        check("1.505", 2, None);
        check(".5", 1, Some(5));
        check(
            "99999999999999999999999999999999999999",
            0,
            Some(10_i128.pow(38) - 1),
        );
        check("-0.000000001", 9, Some(-1));
        for bad in ["", "-", ".", "1e5", "1.2.3", " 1", "NaN"] {
            check(bad, 2, None);
        }
    }

    #[test]
    fn integers_take_the_whole_range() {
        for value in [0, 7, -7, i64::MAX, i64::MIN, 999_999_999_999_999_999] {
            assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
        assert_eq!(parse_integer(b"9223372036854775808"), None);
        assert_eq!(parse_integer(b"12x"), None);
    }

    #[test]
    fn zoned_moments_keep_their_offset() {
        let check = |text: &str, scale, expected: &str| {
            let mut written = String::new();
            write_zoned(parse_zoned(text.as_bytes()).unwrap(), scale, &mut written);
            assert_eq!(written, expected, "{text}");
        };
        check("0.000000000 1440", 9, "1970-01-01T00:00:00.000000000+00:00");
        check(
            "1706704496.123456789 1500",
            9,
            "2024-01-31T13:34:56.123456789+01:00",
        );
        check("1706704496.120 1140", 3, "2024-01-31T07:34:56.120-05:00");
        check("-0.5 1440", 1, "1969-12-31T23:59:59.5+00:00");
        check("253402300799 1440", 0, "9999-12-31T23:59:59+00:00");
        check("-62135596800 1440", 0, "0001-01-01T00:00:00+00:00");
        check("951782400 1770", 0, "2000-02-29T05:30:00+05:30");
    }

    #[test]
    fn decimal_floats_are_written_without_loss() {
        let check = |significand, exponent, expected: &str| {
            let mut written = String::new();
            write_decfloat(significand, exponent, &mut written);
            assert_eq!(written, expected);
        };
        check(0, 0, "0");
        check(-12_345, -2, "-123.45");
        check(12, 3, "12000");
        check(5, -3, "0.005");
        check(123, -42, "1.23E-40");
        check(1, 40, "1E40");
        check(12_345, 100, "1.2345E104");
    }

    #[test]
    fn intervals_are_written() {
        let mut written = String::new();
        write_year_month(-14, &mut written);
        assert_eq!(written, "-1-02");
        write_day_time(90_061_500_000_000, 3, &mut written);
        assert_eq!(written, "1 01:01:01.500");
    }

    #[test]
    fn hex_reads_both_cases_and_refuses_halves() {
        let mut bytes = Vec::new();
        assert_eq!(parse_hex(b"00fFA1", &mut bytes), Some(()));
        assert_eq!(bytes, [0x00, 0xFF, 0xA1]);
        assert_eq!(parse_hex(b"0", &mut bytes), None);
        assert_eq!(parse_hex(b"0g", &mut bytes), None);
    }
}

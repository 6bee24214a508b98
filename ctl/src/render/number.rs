//! Numbers as text, exact, without allocation.

/// Appends an integer.
pub(super) fn write_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `value` x 10^-`scale` with exactly `scale` digits after the point.
pub(super) fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let magnitude = value.unsigned_abs();
    let mut buffer = itoa::Buffer::new();
    // Most values fit 64 bits, where a division costs a tenth.
    let digits = match u64::try_from(magnitude) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(magnitude),
    }
    .as_bytes();
    let places = usize::from(scale.unsigned_abs());
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if scale < 0 {
        out.extend_from_slice(digits);
        if magnitude != 0 {
            out.resize(out.len() + places, b'0');
        }
    } else if let Some(whole) = digits.len().checked_sub(places).filter(|whole| *whole > 0) {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + places - digits.len(), b'0');
        out.extend_from_slice(digits);
    }
}

/// Appends the shortest text that reads back as `value`; `NaN`, `inf` and `-inf` as Snowflake spells them.
pub(super) fn write_float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(special(value.is_nan(), value > 0.0));
    }
}

/// Appends the shortest text that reads back as the single-precision `value`.
pub(super) fn write_single(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(special(value.is_nan(), value > 0.0));
    }
}

fn special(nan: bool, positive: bool) -> &'static [u8] {
    match (nan, positive) {
        (true, _) => b"NaN",
        (false, true) => b"inf",
        (false, false) => b"-inf",
    }
}

/// Appends bytes as capital hexadecimal digits, Snowflake's own form of binary values.
pub(super) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        let check = |value: i128, scale: i8, text: &str| {
            let mut out = Vec::new();
            write_decimal(value, scale, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text, "{value} at scale {scale}");
        };
        check(0, 0, "0");
        check(0, 2, "0.00");
        check(5, 2, "0.05");
        check(-5, 2, "-0.05");
        check(-5, 1, "-0.5");
        check(123, 2, "1.23");
        check(123, 3, "0.123");
        check(-12345, 2, "-123.45");
        check(12, -3, "12000");
        check(0, -3, "0");
        check(i128::from(i64::MIN), 0, "-9223372036854775808");
        check(
            99_999_999_999_999_999_999_999_999_999_999_999_999,
            0,
            "99999999999999999999999999999999999999",
        );
        check(
            -99_999_999_999_999_999_999_999_999_999_999_999_999,
            37,
            "-9.9999999999999999999999999999999999999",
        );
        check(-1, 37, "-0.0000000000000000000000000000000000001");
    }

    #[test]
    fn floats_read_back() {
        let check = |value: f64, text: &str| {
            let mut out = Vec::new();
            write_float(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        };
        check(1.0, "1.0");
        check(0.1, "0.1");
        check(-2.5, "-2.5");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        for value in [1e300, 5e-324, 123_456_789.123, f64::MAX] {
            let mut out = Vec::new();
            write_float(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap().parse::<f64>(), Ok(value));
        }
    }
}

//! Single values as JSON text.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::style::BinaryForm;

/// Floats of this magnitude and above are written with an exponent.
const EXPONENT_FROM: f64 = 1e15;
/// Floats below this magnitude are written with an exponent.
const EXPONENT_BELOW: f64 = 1e-5;

/// Writes an integer with its decimal point `scale` digits from the end.
pub(super) fn write_decimal(unscaled: i128, scale: u32, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let text = match i64::try_from(unscaled) {
        Ok(small) => digits.format(small),
        Err(_) => digits.format(unscaled),
    };
    if scale == 0 {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let scale = scale as usize;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    out.extend_from_slice(sign.as_bytes());
    if let Some(whole) = digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
        out.extend_from_slice(&digits.as_bytes()[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits.as_bytes());
    }
}

/// Writes a float so that reading it back gives the same float.
pub(super) fn write_float(value: f64, out: &mut Vec<u8>) {
    let magnitude = value.abs();
    let plain = magnitude == 0.0 || (EXPONENT_BELOW..EXPONENT_FROM).contains(&magnitude);
    let written = if value.is_nan() {
        out.write_all(b"NaN")
    } else if value.is_infinite() {
        out.write_all(if value > 0.0 { b"inf" } else { b"-inf" })
    } else if plain {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
    written.expect("writing to a Vec cannot fail");
}

pub(super) fn write_binary(bytes: &[u8], form: BinaryForm, out: &mut Vec<u8>) {
    match form {
        BinaryForm::Hex => write_hex(bytes, out),
        BinaryForm::Base64 => out.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
        BinaryForm::Utf8 => write_escaped(&String::from_utf8_lossy(bytes), out),
    }
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 0x0f)]);
    }
}

/// Writes text as the inside of a JSON string.
pub(super) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x00..=0x1f => b"\\u00",
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..index]);
        out.extend_from_slice(escape);
        if escape == b"\\u00" {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 0x0f)]);
        }
        written = index + 1;
    }
    out.extend_from_slice(&bytes[written..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(unscaled: i128, scale: u32) -> String {
        let mut out = Vec::new();
        write_decimal(unscaled, scale, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(decimal(150, 2), "1.50");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(0, 3), "0.000");
        assert_eq!(decimal(-1234, 0), "-1234");
        assert_eq!(decimal(99, 2), "0.99");
        let widest = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
        assert_eq!(decimal(widest, 37), "9.9999999999999999999999999999999999999");
    }

    #[test]
    fn floats_read_back_the_same() {
        assert_eq!(float(1.0), "1");
        assert_eq!(float(-0.1), "-0.1");
        assert_eq!(float(f64::NAN), "NaN");
        assert_eq!(float(f64::NEG_INFINITY), "-inf");
        for value in [1e300, 5e-324, 123_456_789.125, 1e15, 1e-5, f64::MAX] {
            assert_eq!(float(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(float(1e300), "1e300");
    }

    #[test]
    fn text_is_escaped_as_json() {
        for text in [
            "plain",
            "a\"b\\c",
            "line\nend\r\t",
            "\u{0}\u{1f}",
            "snow ❄ \u{1f600}",
            "",
        ] {
            let mut out = b"\"".to_vec();
            write_escaped(text, &mut out);
            out.push(b'"');
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}

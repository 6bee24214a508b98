//! Base64 and hexadecimal.

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::{optional_integer, plain};
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, hex_text,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_base64_encode", 1..=3, base64_encode),
    ScalarFunction::new("sf_base64_decode_string", 1..=2, |arguments| {
        decode(arguments, base64_decode, true, false)
    }),
    ScalarFunction::new("sf_base64_decode_binary", 1..=2, |arguments| {
        decode(arguments, base64_decode, false, false)
    }),
    ScalarFunction::new("sf_try_base64_decode_string", 1..=2, |arguments| {
        decode(arguments, base64_decode, true, true)
    }),
    ScalarFunction::new("sf_try_base64_decode_binary", 1..=2, |arguments| {
        decode(arguments, base64_decode, false, true)
    }),
    ScalarFunction::new("sf_hex_encode", 1..=2, hex_encode),
    ScalarFunction::new("sf_hex_decode_string", 1..=1, |arguments| {
        decode(arguments, hex_decode, true, false)
    }),
    ScalarFunction::new("sf_hex_decode_binary", 1..=1, |arguments| {
        decode(arguments, hex_decode, false, false)
    }),
    ScalarFunction::new("sf_try_hex_decode_string", 1..=1, |arguments| {
        decode(arguments, hex_decode, true, true)
    }),
    ScalarFunction::new("sf_try_hex_decode_binary", 1..=1, |arguments| {
        decode(arguments, hex_decode, false, true)
    }),
];

/// The three characters that an alphabet argument sets: for 62, for 63, and for padding.
struct Dialect {
    codec: GeneralPurpose,
    padding: char,
}

fn dialect(argument: Option<&Value<'_>>) -> Result<Dialect> {
    let given: Vec<char> = match argument {
        Some(value) => value.to_text()?.chars().collect(),
        None => Vec::new(),
    };
    let sign = |position: usize, usual: char| given.get(position).copied().unwrap_or(usual);
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let alphabet = Alphabet::new(&format!("{letters}{}{}", sign(0, '+'), sign(1, '/')))
        .map_err(|_| FunctionError::new(100_048, "Invalid alphabet for base64"))?;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    Ok(Dialect {
        codec: GeneralPurpose::new(&alphabet, config),
        padding: sign(2, '='),
    })
}

/// `BASE64_ENCODE(value[, line length[, alphabet]])`.
fn base64_encode(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let dialect = dialect(row.get(2))?;
        let line = usize::try_from(optional_integer(row, 1, 0)?).unwrap_or(0);
        let encoded = dialect.codec.encode(row[0].to_bytes()?);
        let mut encoded = if dialect.padding == '=' {
            encoded
        } else {
            encoded.replace('=', &dialect.padding.to_string())
        };
        if line > 0 {
            let signs: Vec<char> = encoded.chars().collect();
            encoded = signs
                .chunks(line)
                .map(|line| line.iter().collect::<String>())
                .collect::<Vec<_>>()
                .join("\n");
        }
        Ok(Value::owned_text(encoded))
    })
}

fn base64_decode(row: &[Value<'_>]) -> Result<Option<Vec<u8>>> {
    let dialect = dialect(row.get(1))?;
    let text = row[0].to_text()?;
    let signs: String = text
        .chars()
        .filter(|sign| !sign.is_ascii_whitespace() && *sign != dialect.padding)
        .collect();
    Ok(dialect.codec.decode(signs).ok())
}

/// `HEX_ENCODE(value[, case])`: 1 for upper case, 0 for lower.
fn hex_encode(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let upper = optional_integer(row, 1, 1)? != 0;
        let text = hex_text(&row[0].to_bytes()?);
        Ok(Value::owned_text(if upper {
            text
        } else {
            text.to_ascii_lowercase()
        }))
    })
}

fn hex_decode(row: &[Value<'_>]) -> Result<Option<Vec<u8>>> {
    let text = row[0].to_text()?;
    if text.len() % 2 == 1 || !text.is_ascii() {
        return Ok(None);
    }
    Ok((0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect())
}

type Decoder = fn(&[Value<'_>]) -> Result<Option<Vec<u8>>>;

/// The decoded bytes as BINARY or text; what cannot be decoded is NULL or an error.
fn decode(arguments: &[Argument], decoder: Decoder, as_text: bool, attempt: bool) -> Result<Bound> {
    let returns = if as_text {
        FunctionType::text()
    } else {
        FunctionType::binary()
    };
    plain(arguments, returns, move |row| {
        let bytes = decoder(row)?;
        let decoded = match bytes {
            Some(bytes) if as_text => String::from_utf8(bytes).ok().map(Value::owned_text),
            Some(bytes) => Some(Value::from(bytes)),
            None => None,
        };
        match decoded {
            Some(value) => Ok(value),
            None if attempt => Ok(Value::Null),
            None => Err(FunctionError::new(
                100_115,
                format!(
                    "The following string is not a legal encoded value: '{}'",
                    row[0].to_text()?
                ),
            )),
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn encoding() {
        for (expression, expected) in [
            ("sf_base64_encode('Snowflake')", "U25vd2ZsYWtl"),
            (
                "sf_base64_encode('Snowflake ❄❄❄ Snowman ☃☃☃', 32, '$')",
                "U25vd2ZsYWtlIOKdhOKdhOKdhCBTbm93\nbWFuIOKYg$KYg$KYgw==",
            ),
            ("sf_base64_decode_string('U25vd2ZsYWtl')", "Snowflake"),
            ("sf_try_base64_decode_string('U25vd2ZsYWtl!')", "NULL"),
            ("sf_hex_encode('SNOW')", "534E4F57"),
            ("sf_hex_encode('SNOW', 0)", "534e4f57"),
            ("sf_hex_decode_string('534E4F57')", "SNOW"),
            ("sf_try_hex_decode_string('5')", "NULL"),
        ] {
            check(expression, expected);
        }
        check_error(
            "sf_hex_decode_string('xx')",
            100_115,
            "The following string is not a legal encoded value: 'xx'",
        );
    }
}

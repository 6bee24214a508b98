//! Conversions to BINARY.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::attempt;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Settings, Value, rows,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::of_session("sf_to_binary", 1..=2, to_binary),
    ScalarFunction::of_session("sf_try_to_binary", 1..=2, |arguments, settings| {
        attempt(to_binary(arguments, settings))
    }),
];

/// `(value[, format])` with HEX, BASE64 or UTF-8.
fn to_binary(_: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let default = settings.text("sf_binary_input_format")?;
    rows(FunctionType::binary(), move |row| {
        if let Value::Binary(bytes) = &row[0] {
            return Ok(Value::Binary(bytes.clone()));
        }
        let text = row[0].to_text()?;
        let format = match row.get(1) {
            Some(format) => format.to_text()?.to_ascii_uppercase(),
            None => default.to_ascii_uppercase(),
        };
        let wrong = |kind: &str| {
            FunctionError::new(
                100_115,
                format!("The following string is not a legal {kind}-encoded value: '{text}'"),
            )
        };
        Ok(Value::from(match format.as_str() {
            "HEX" => hex_bytes(&text).ok_or_else(|| wrong("hex"))?,
            "BASE64" => BASE64_STANDARD
                .decode(text.as_bytes())
                .map_err(|_| wrong("base64"))?,
            "UTF-8" | "UTF8" => text.as_bytes().to_vec(),
            other => {
                return Err(FunctionError::new(
                    100_124,
                    format!("Unsupported binary format '{other}'"),
                ));
            }
        }))
    })
}

pub(in crate::functions) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).map(|value| value as u8))
        .collect();
    let digits = digits?;
    (digits.len() % 2 == 0).then(|| {
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn binaries() {
        check("sf_to_varchar(sf_to_binary('536E6f77'))", "536E6F77");
        check("sf_to_varchar(sf_to_binary('SNOW', 'utf-8'))", "534E4F57");
        check(
            "sf_to_varchar(sf_to_binary('U05PVw==', 'base64'), 'UTF-8')",
            "SNOW",
        );
        check_error(
            "sf_to_binary('xyz')",
            100_115,
            "The following string is not a legal hex-encoded value: 'xyz'",
        );
        check("sf_try_to_binary('xyz')", "NULL");
    }
}

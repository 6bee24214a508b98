//! Digests and the hash function.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, hex_text, rows,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_md5", 1..=1, |_| {
        hex(|bytes, _| Ok(Md5::digest(bytes).to_vec()))
    }),
    ScalarFunction::new("sf_md5_binary", 1..=1, |_| {
        binary(|bytes, _| Ok(Md5::digest(bytes).to_vec()))
    }),
    ScalarFunction::new("sf_md5_number_lower64", 1..=1, |_| md5_half(8)),
    ScalarFunction::new("sf_md5_number_upper64", 1..=1, |_| md5_half(0)),
    ScalarFunction::new("sf_sha1", 1..=1, |_| {
        hex(|bytes, _| Ok(Sha1::digest(bytes).to_vec()))
    }),
    ScalarFunction::new("sf_sha1_binary", 1..=1, |_| {
        binary(|bytes, _| Ok(Sha1::digest(bytes).to_vec()))
    }),
    ScalarFunction::new("sf_sha2", 1..=2, |_| hex(sha2)),
    ScalarFunction::new("sf_sha2_binary", 1..=2, |_| binary(sha2)),
    ScalarFunction::new("sf_hash", 1..=usize::MAX, hash).sees_nulls(),
];

type Digester = fn(&[u8], i64) -> Result<Vec<u8>>;

fn digest(row: &[Value<'_>], digester: Digester) -> Result<Vec<u8>> {
    let size = row.get(1).map_or(Ok(256), Value::to_integer)?;
    digester(&row[0].to_bytes()?, size)
}

fn hex(digester: Digester) -> Result<Bound> {
    rows(FunctionType::text(), move |row| {
        Ok(Value::owned_text(
            hex_text(&digest(row, digester)?).to_ascii_lowercase(),
        ))
    })
}

fn binary(digester: Digester) -> Result<Bound> {
    rows(FunctionType::binary(), move |row| {
        digest(row, digester).map(Value::from)
    })
}

fn sha2(bytes: &[u8], size: i64) -> Result<Vec<u8>> {
    Ok(match size {
        224 => Sha224::digest(bytes).to_vec(),
        0 | 256 => Sha256::digest(bytes).to_vec(),
        384 => Sha384::digest(bytes).to_vec(),
        512 => Sha512::digest(bytes).to_vec(),
        other => {
            let message =
                format!("Invalid digest size {other} for function SHA2; it must be 224, 256, 384 or 512");
            return Err(FunctionError::new(100_047, message));
        }
    })
}

/// Eight bytes of the MD5 digest as an unsigned number.
fn md5_half(from: usize) -> Result<Bound> {
    rows(FunctionType::number(38, 0), move |row| {
        let digest = Md5::digest(&row[0].to_bytes()?);
        let half = digest[from..from + 8]
            .iter()
            .fold(0_i128, |number, byte| (number << 8) | i128::from(*byte));
        Ok(Value::integer(half))
    })
}

/// A signed 64-bit number of any values, NULLs included; not Snowflake's number, which is not published, but
/// like it in kind: numbers that are equal hash alike whatever their types.
fn hash(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::number(38, 0), |row| {
        let mut digest = Md5::new();
        for value in row {
            let (kind, text) = match value {
                Value::Null => (b'0', String::new()),
                Value::Number(_) | Value::Float(_) => (b'n', canonical_number(value)?),
                other => (b't', other.to_text()?.into_owned()),
            };
            digest.update([kind]);
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        let digest = digest.finalize();
        let mut half = [0; 8];
        half.copy_from_slice(&digest[..8]);
        Ok(Value::integer(i64::from_be_bytes(half)))
    })
}

/// `1`, `1.0` and the float 1 are one number.
fn canonical_number(value: &Value<'_>) -> Result<String> {
    let text = value.to_text()?;
    let text = if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn digests() {
        check("sf_md5('Snowflake')", "edf1439075a83a447fb8b630ddc9c8de");
        check("sf_sha1('Snowflake')", "fda76b0bcc1e87cf259b1d1e3271d76f590fb5dd");
        check(
            "sf_sha2('Snowflake', 224)",
            "6267d3d7a59929e6864dd4b737d98e3ef8569d9f88a7466647838532",
        );
        check("length(sf_sha2('Snowflake'))", "64");
        check("octet_length(sf_sha2_binary('Snowflake', 512))", "64");
        check("sf_md5_number_lower64('Snowflake')", "9203306159527282910");
        check("sf_md5_number_upper64('Snowflake')", "17145559544104499780");
        check_error(
            "sf_sha2('x', 100)",
            100_047,
            "Invalid digest size 100 for function SHA2; it must be 224, 256, 384 or 512",
        );
    }

    #[test]
    fn equal_values_hash_alike() {
        check(
            "sf_hash(1) = sf_hash(1.0) AND sf_hash(1) = sf_hash(1::DOUBLE)",
            "true",
        );
        check("sf_hash(1) = sf_hash('1')", "false");
        check("sf_hash('a', 'b') = sf_hash('ab', '')", "false");
        check("sf_hash(NULL) IS NULL", "false");
    }
}

//! Random values: a generator that a seed determines, and the operating system's numbers for seeds.
//!
//! With a seed the values follow the row's number within the call, as Snowflake's do: the same query gives
//! the same values while its rows keep their order.

use std::sync::atomic::{AtomicU64, Ordering};

use sha1::{Digest, Sha1};
use uuid::Uuid;

use super::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, Result, ScalarFunction, Value, rows,
};
use crate::SqlType;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_random", 0..=1, random).volatile(),
    ScalarFunction::new("sf_uniform", 3..=3, uniform).volatile(),
    ScalarFunction::new("sf_normal", 3..=3, normal).volatile(),
    ScalarFunction::new("sf_randstr", 2..=2, randstr).volatile(),
    ScalarFunction::new("sf_uuid_string", 0..=2, uuid_string).volatile(),
];

/// A number from the operating system's generator.
fn entropy() -> u64 {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    // Six bits of a UUID are always the same; the two halves have them in different places.
    high ^ low.rotate_left(17)
}

/// Scatters a counter (the finaliser of SplitMix64).
fn scattered(counter: u64) -> u64 {
    let mut bits = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn random(arguments: &[Argument]) -> Result<Bound> {
    let seed = match arguments.first() {
        Some(seed) => seed.constant_integer("sf_random", 1)? as u64,
        None => entropy(),
    };
    let rows_so_far = AtomicU64::new(0);
    rows(FunctionType::number(38, 0), move |_| {
        let row = rows_so_far.fetch_add(1, Ordering::Relaxed);
        Ok(Value::integer(scattered(scattered(seed).wrapping_add(row)) as i64))
    })
}

/// `UNIFORM(min, max, generator)`: whole numbers where both bounds are, else floats.
fn uniform(arguments: &[Argument]) -> Result<Bound> {
    let whole = |argument: &Argument| {
        matches!(
            argument.sql_type,
            FunctionType::Sql(SqlType::Number { scale: 0, .. })
        )
    };
    if whole(&arguments[0]) && whole(&arguments[1]) {
        return rows(FunctionType::number(38, 0), |row| {
            let (low, high) = (i128::from(row[0].to_integer()?), i128::from(row[1].to_integer()?));
            let bits = i128::from(scattered(row[2].to_integer()? as u64));
            if low > high {
                return Err(FunctionError::new(100_047, "Invalid range for function UNIFORM"));
            }
            Ok(Value::Number(Number::new(low + bits % (high - low + 1), 0)))
        });
    }
    rows(FunctionType::float(), |row| {
        let (low, high) = (row[0].to_float()?, row[1].to_float()?);
        Ok(Value::Float(
            low + (high - low) * fraction(row[2].to_integer()? as u64),
        ))
    })
}

/// From 0 to 1, without 1.
fn fraction(generated: u64) -> f64 {
    (scattered(generated) >> 11) as f64 / (1_u64 << 53) as f64
}

/// `NORMAL(mean, deviation, generator)`, by the method of Box and Muller.
fn normal(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::float(), |row| {
        let generated = row[2].to_integer()? as u64;
        let radius = (-2.0 * (1.0 - fraction(generated)).ln()).sqrt();
        let angle = std::f64::consts::TAU * fraction(scattered(generated) ^ 1);
        Ok(Value::Float(
            row[0].to_float()? + row[1].to_float()? * radius * angle.cos(),
        ))
    })
}

fn randstr(_: &[Argument]) -> Result<Bound> {
    const SIGNS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    rows(FunctionType::text(), |row| {
        let length = usize::try_from(row[0].to_integer()?).unwrap_or(0);
        let mut state = row[1].to_integer()? as u64;
        let text: String = (0..length)
            .map(|_| {
                state = scattered(state.wrapping_add(1));
                char::from(SIGNS[(state % SIGNS.len() as u64) as usize])
            })
            .collect();
        Ok(Value::owned_text(text))
    })
}

/// Version 4, or with a namespace and a name version 5.
fn uuid_string(arguments: &[Argument]) -> Result<Bound> {
    if arguments.len() == 2 {
        return rows(FunctionType::text(), |row| {
            let namespace = row[0].to_text()?;
            let namespace = Uuid::parse_str(&namespace).map_err(|_| {
                FunctionError::new(
                    100_047,
                    format!("Invalid UUID '{namespace}' for function UUID_STRING"),
                )
            })?;
            let digest = Sha1::new()
                .chain_update(namespace)
                .chain_update(row[1].to_bytes()?)
                .finalize();
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&digest[..16]);
            Ok(Value::owned_text(
                uuid::Builder::from_sha1_bytes(bytes).into_uuid().to_string(),
            ))
        });
    }
    rows(FunctionType::text(), |_| {
        Ok(Value::owned_text(Uuid::new_v4().to_string()))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, evaluate};

    #[test]
    fn a_seed_determines_the_numbers() {
        let seeded = || {
            evaluate("string_agg(r, ',') FROM (SELECT sf_random(42)::VARCHAR AS r FROM range(5))").unwrap()
        };
        assert_eq!(seeded(), seeded());
        check("count(DISTINCT sf_random(42)) FROM range(1000)", "1000");
        check("count(DISTINCT sf_random()) FROM range(1000)", "1000");
    }

    #[test]
    fn distributions_keep_their_bounds() {
        check(
            "bool_and(x BETWEEN 1 AND 6) AND count(DISTINCT x) = 6 FROM (SELECT sf_uniform(1, 6, sf_random(1)) AS x FROM range(1000))",
            "true",
        );
        check(
            "bool_and(x >= 0 AND x < 1) FROM (SELECT sf_uniform(0::DOUBLE, 1::DOUBLE, sf_random(1)) AS x FROM range(1000))",
            "true",
        );
        check(
            "avg(x) BETWEEN 9 AND 11 FROM (SELECT sf_normal(10, 2, sf_random(1)) AS x FROM range(1000))",
            "true",
        );
        check("length(sf_randstr(12, sf_random()))", "12");
    }

    #[test]
    fn uuids() {
        check(
            "sf_uuid_string('fe971b24-9572-4005-b22f-351e9c09274d', 'foo')",
            "dc0b6f65-fca6-5b4b-9d37-ccc3fde1f3e2",
        );
        check(
            "regexp_full_match(sf_uuid_string(), '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}')",
            "true",
        );
        check("count(DISTINCT sf_uuid_string()) FROM range(100)", "100");
    }
}

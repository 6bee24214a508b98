//! Values of a rule's keys, from text; a failure says what was expected.

use std::time::Duration;

/// What was expected instead.
pub(super) type Expected = String;

pub(super) fn whole(text: &str) -> Result<u64, Expected> {
    text.parse().map_err(|_| "a whole number".to_owned())
}

pub(super) fn positive(text: &str) -> Result<u64, Expected> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number from 1 on".to_owned()),
        Ok(number) => Ok(number),
    }
}

pub(super) fn probability(text: &str) -> Result<f64, Expected> {
    text.parse()
        .ok()
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// A length of time with its unit: `250ms`, `1.5s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, Expected> {
    let expected = || "a time such as 250ms, 1.5s, 2m or 1h".to_owned();
    let digits = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .ok_or_else(expected)?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())
}

/// Seconds for `Retry-After`, which has whole ones only: a bare number, or a time, rounded up.
pub(super) fn retry_after(text: &str) -> Result<u64, Expected> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let wait = duration(text).map_err(|_| "seconds, or a time such as 2m".to_owned())?;
    Ok(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

pub(super) fn status(text: &str) -> Result<u16, Expected> {
    text.parse()
        .ok()
        .filter(|status| (400..=599).contains(status))
        .ok_or_else(|| "an HTTP status from 400 to 599".to_owned())
}

pub(super) fn code(text: &str) -> Result<String, Expected> {
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("a Snowflake code of six digits, such as 390112".to_owned())
    }
}

pub(super) fn truth(text: &str) -> Result<bool, Expected> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let check = |text: &str, millis: u64| {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("250ms", 250);
        check("1.5s", 1500);
        check("2m", 120_000);
        check("1h", 3_600_000);
        check("0s", 0);
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "1 s",
            "1d",
            "1.2.3s",
            "99999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(retry_after("3"), Ok(3));
        assert_eq!(retry_after("1500ms"), Ok(2));
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        assert!(status("200").is_err() && status("600").is_err());
        assert!(code("39011").is_err() && code("39011x").is_err());
        assert!(probability("1.1").is_err() && probability("NaN").is_err());
        assert!(positive("0").is_err() && whole("-1").is_err());
        assert!(truth("yes").is_err());
    }
}

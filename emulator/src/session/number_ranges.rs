//! Numbers that a column has no room for: the engine's words and those of our checks as Snowflake's.

use snowflake_emulator_engine::functions::storage_class;

use super::SqlError;

/// How Snowflake's message begins.
pub(super) const BEGINNING: &str = "Number out of representable range";

/// What the engine said of a number that does not fit the type it is cast to; none where it said something else.
pub(super) fn of_engine(message: &str) -> Option<SqlError> {
    if let Some(rest) = message.strip_prefix("Could not convert string \"") {
        // A text that is no number is told so elsewhere.
        let (text, target) = rest.split_once("\" to ")?;
        let is_number = target.starts_with("DECIMAL") && text.trim().parse::<f64>().is_ok();
        return is_number.then(|| {
            let message = format!("Numeric value '{text}' is out of range");
            SqlError::new("100039", "22003", message)
        });
    }
    let (value, target) = if let Some(rest) = message.strip_prefix("Could not cast value ") {
        rest.split_once(" to ")?
    } else if let Some(rest) = message.strip_prefix("Casting value \"") {
        rest.split_once("\" to type ")?
    } else {
        let (_, rest) = message.split_once(" with value ")?;
        rest.split_once(" can't be cast")?
    };
    let is_number = value.starts_with(|sign: char| sign.is_ascii_digit() || sign == '-');
    if !is_number {
        return None;
    }
    // What is too large for a machine word is too large for all types that are stored as one.
    let (precision, scale) = signature(target).unwrap_or((18, 0));
    Some(refusal(value, precision, scale, "nullable"))
}

/// The message of a check of ours with the class of integers that holds the value.
pub(super) fn of_check(message: &str) -> Option<SqlError> {
    let (_, rest) = message.split_once("type FIXED(")?;
    let (digits, rest) = rest.split_once("){")?;
    let (null, value) = rest.split_once("}, value ")?;
    let (precision, scale) = signature(&format!("DECIMAL({digits})"))?;
    Some(refusal(value, precision, scale, null))
}

fn refusal(value: &str, precision: u8, scale: u8, null: &str) -> SqlError {
    let class = storage_class(unscaled(value, scale));
    let shown = match value.split_once('.') {
        Some(_) => value.trim_end_matches('0').trim_end_matches('.'),
        None => value,
    };
    let message = format!("{BEGINNING}: type FIXED[{class}]({precision},{scale}){{{null}}}, value {shown}");
    SqlError::new("100046", "22003", message)
}

/// Precision and scale of the `DECIMAL(4,2)` in a text.
fn signature(text: &str) -> Option<(u8, u8)> {
    let (_, rest) = text.split_once("DECIMAL(")?;
    let (digits, _) = rest.split_once(')')?;
    let (precision, scale) = digits.split_once(',')?;
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

/// The digits of a number with so many decimals, the largest there is when they are too many.
fn unscaled(value: &str, scale: u8) -> i128 {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let kept = fraction.len().min(usize::from(scale));
    let digits = format!("{whole}{:0<1$}", &fraction[..kept], usize::from(scale));
    digits.parse().unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_room() {
        for (engine, expected) in [
            (
                "Could not cast value 1234.5 to DECIMAL(4,2)",
                "Number out of representable range: type FIXED[SB4](4,2){nullable}, value 1234.5",
            ),
            (
                "Casting value \"123.450\" to type DECIMAL(4,2) failed: value is out of range!",
                "Number out of representable range: type FIXED[SB2](4,2){nullable}, value 123.45",
            ),
            (
                "Could not convert string \"1000\" to DECIMAL(2,1)",
                "Numeric value '1000' is out of range",
            ),
        ] {
            assert_eq!(of_engine(engine).unwrap().message, expected, "{engine}");
        }
        assert_eq!(of_engine("Could not convert string \"x\" to DECIMAL(2,1)"), None);
        let check = "Number out of representable range: type FIXED(2,0){not null}, value -1000";
        assert_eq!(
            of_check(check).unwrap().message,
            "Number out of representable range: type FIXED[SB2](2,0){not null}, value -1000"
        );
    }
}

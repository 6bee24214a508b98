//! How a function refuses.

use super::{Number, POWERS_OF_TEN};

/// Marks our errors inside the engine's error texts. No SQL text and no message of ours contains them.
const BEGIN: char = '\u{1e}';
const END: char = '\u{1f}';

/// Snowflake's name of the narrowest integer that holds a number: `SB1` for one byte to `SB16`.
pub fn storage_class(unscaled: i128) -> &'static str {
    if i8::try_from(unscaled).is_ok() {
        "SB1"
    } else if i16::try_from(unscaled).is_ok() {
        "SB2"
    } else if i32::try_from(unscaled).is_ok() {
        "SB4"
    } else if i64::try_from(unscaled).is_ok() {
        "SB8"
    } else {
        "SB16"
    }
}

/// Snowflake's code and text for a value or a call that a function refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct FunctionError {
    /// Snowflake's error code.
    pub(crate) code: u32,
    /// Snowflake's text.
    pub(crate) message: String,
}

impl FunctionError {
    /// An error with any of Snowflake's codes.
    pub(crate) fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// 100051.
    pub(crate) fn division_by_zero() -> Self {
        Self::new(100_051, "Division by zero")
    }

    /// 100038: a text is not a number.
    pub(crate) fn not_a_number(text: &str) -> Self {
        Self::new(100_038, format!("Numeric value '{text}' is not recognized"))
    }

    /// 100037: a text is not a truth value.
    pub(crate) fn not_a_boolean(text: &str) -> Self {
        Self::new(100_037, format!("Boolean value '{text}' is not recognized"))
    }

    /// 100039: a number does not fit its type.
    pub(crate) fn out_of_range(number: impl std::fmt::Display) -> Self {
        Self::new(100_039, format!("Numeric value '{number}' is out of range"))
    }

    /// 100046: an exact number that NUMBER(`precision`, `scale`) has no room for.
    pub(crate) fn not_representable(number: Number, precision: u8, scale: u8) -> Self {
        let unscaled = number.rescaled_widely(scale);
        Self::new(
            100_046,
            format!(
                "Number out of representable range: type FIXED[{}]({precision},{scale}){{nullable}}, value {}",
                storage_class(unscaled),
                number.trimmed()
            ),
        )
    }

    /// 100046 for a binary float, whose type is told by the target: it has no digits of its own.
    pub(crate) fn float_not_representable(value: f64, precision: u8, scale: u8) -> Self {
        let largest = POWERS_OF_TEN[usize::from(precision.min(38))] - 1;
        Self::new(
            100_046,
            format!(
                "Number out of representable range: type FIXED[{}]({precision},{scale}){{nullable}}, value {}",
                storage_class(largest),
                super::coerce::float_text(value)
            ),
        )
    }

    /// 100046 for the number in a VARIANT, whose own type is not told.
    pub(crate) fn variant_not_representable(value: impl std::fmt::Display) -> Self {
        Self::new(
            100_046,
            format!("Number out of representable range: type FIXED, value {value}"),
        )
    }

    /// The same where the value is a constant, which is never NULL.
    pub(crate) fn of_constant(mut self) -> Self {
        if let Some((start, end)) = self.message.split_once("{nullable}") {
            self.message = format!("{start}{{not null}}{end}");
        }
        self
    }

    /// 100046: the result of a calculation has more digits than a NUMBER can hold.
    pub(crate) fn overflow(scale: u8, value: impl std::fmt::Display) -> Self {
        let range = format!("FIXED[SB16](38,{scale}){{nullable}}");
        Self::new(
            100_046,
            format!("Number out of representable range: type {range}, value {value}"),
        )
    }

    /// What a decimal floating-point calculation refuses.
    pub(crate) fn decfloat(error: crate::DecFloatError) -> Self {
        match error {
            crate::DecFloatError::DivisionByZero => Self::division_by_zero(),
            crate::DecFloatError::OutOfRange => Self::new(
                100_046,
                "Number out of representable range: type DECFLOAT{nullable}",
            ),
        }
    }

    /// 100040: a text is not a date.
    pub(crate) fn not_a_date(text: &str) -> Self {
        Self::new(100_040, format!("Date '{text}' is not recognized"))
    }

    /// 100108: a text is not a time.
    pub(crate) fn not_a_time(text: &str) -> Self {
        Self::new(100_108, format!("Time '{text}' is not recognized"))
    }

    /// 100035: a text is not a timestamp.
    pub(crate) fn not_a_timestamp(text: &str) -> Self {
        Self::new(100_035, format!("Timestamp '{text}' is not recognized"))
    }

    /// 100096: a text does not follow the format given.
    pub(crate) fn cannot_parse(text: &str, format: &str) -> Self {
        Self::new(100_096, format!("Can't parse '{text}' as {format}"))
    }

    /// 001044: argument types that a function does not take; `types` as Snowflake writes them.
    pub(crate) fn argument_types(function: &str, types: &[&super::FunctionType]) -> Self {
        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
        Self::new(
            1_044,
            format!(
                "Invalid argument types for function '{}': ({})",
                public_name(function),
                types.join(", ")
            ),
        )
    }

    /// 001015: an argument that must be a constant is not.
    pub(crate) fn needs_constant(function: &str, position: usize) -> Self {
        Self::new(
            1_015,
            format!(
                "argument {position} to function {} needs to be constant",
                public_name(function)
            ),
        )
    }

    /// 000938 and 000939: too few or too many arguments.
    pub(super) fn argument_count(function: &str, expected: usize, got: usize) -> Self {
        let (code, which) = if got < expected {
            (938, "not enough")
        } else {
            (939, "too many")
        };
        let name = public_name(function);
        Self::new(
            code,
            format!("{which} arguments for function [{name}] expected {expected}, got {got}"),
        )
    }

    /// 300002: a defect here, never the user's.
    pub(crate) fn defect(what: impl std::fmt::Display) -> Self {
        Self::new(
            300_002,
            format!("Processing aborted by an internal error: {what}"),
        )
    }

    /// The text under which it travels through the engine.
    pub(super) fn to_engine_text(&self) -> String {
        format!("{BEGIN}{}{BEGIN}{}{END}", self.code, self.message)
    }

    /// Finds one of our errors in an error text of the engine.
    pub(crate) fn from_engine_text(text: &str) -> Option<Self> {
        let (_, after) = text.split_once(BEGIN)?;
        let (code, after) = after.split_once(BEGIN)?;
        let (message, _) = after.split_once(END)?;
        Some(Self {
            code: code.parse().ok()?,
            message: message.to_owned(),
        })
    }
}

/// The name a user knows: `sf_to_date` is TO_DATE.
fn public_name(function: &str) -> String {
    function.strip_prefix("sf_").unwrap_or(function).to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn travels_through_the_engine() {
        let error = FunctionError::division_by_zero();
        let text = format!("Invalid Input Error: {}\n\nLINE 1: x", error.to_engine_text());
        assert_eq!(FunctionError::from_engine_text(&text), Some(error));
        assert_eq!(FunctionError::from_engine_text("Binder Error: x"), None);
    }
}

//! Exact decimal numbers of up to 38 digits.

use std::{cmp::Ordering, fmt};

use super::{FunctionError, Result};
use crate::wide_integer::Wide;

/// 10⁰ to 10³⁸.
pub(crate) const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) unscaled: i128,
    pub(crate) scale: u8,
}

impl Number {
    pub(crate) const fn new(unscaled: i128, scale: u8) -> Self {
        Self { unscaled, scale }
    }

    /// The same number with another scale, rounded half away from zero as Snowflake does.
    pub(crate) fn rescaled(self, scale: u8) -> Result<Self> {
        let unscaled = match scale.cmp(&self.scale) {
            Ordering::Equal => return Ok(self),
            Ordering::Greater => POWERS_OF_TEN
                .get(usize::from(scale - self.scale))
                .and_then(|factor| self.unscaled.checked_mul(*factor))
                .filter(|unscaled| unscaled.unsigned_abs() < POWERS_OF_TEN[38].unsigned_abs())
                .ok_or_else(|| FunctionError::not_representable(self, 38, scale))?,
            Ordering::Less => divided_rounding(self.unscaled, POWERS_OF_TEN[usize::from(self.scale - scale)]),
        };
        Ok(Self { unscaled, scale })
    }

    /// The unscaled number at another scale, the largest there is where it does not fit.
    pub(super) fn rescaled_widely(self, scale: u8) -> i128 {
        match scale.checked_sub(self.scale) {
            Some(more) => POWERS_OF_TEN
                .get(usize::from(more))
                .map_or(i128::MAX, |factor| self.unscaled.saturating_mul(*factor)),
            None => divided_rounding(self.unscaled, POWERS_OF_TEN[usize::from(self.scale - scale)]),
        }
    }

    /// The same number in a type of `precision` digits and `scale`, or an error when it does not fit.
    pub(crate) fn fitted(self, precision: u8, scale: u8) -> Result<Self> {
        let number = self.rescaled(scale)?;
        if number.unscaled.unsigned_abs() >= POWERS_OF_TEN[usize::from(precision)].unsigned_abs() {
            return Err(FunctionError::not_representable(self, precision, scale));
        }
        Ok(number)
    }

    /// The same number without the zeros at its end.
    pub(crate) fn trimmed(self) -> Self {
        let mut number = self;
        while number.scale > 0 && number.unscaled % 10 == 0 {
            number.unscaled /= 10;
            number.scale -= 1;
        }
        number
    }

    /// The nearest whole number, half away from zero.
    pub(crate) fn rounded(self) -> i128 {
        divided_rounding(self.unscaled, POWERS_OF_TEN[usize::from(self.scale)])
    }

    /// The nearest binary number.
    pub(crate) fn to_f64(self) -> f64 {
        if self.unscaled.unsigned_abs() < 1 << 53 && self.scale <= 22 {
            // Both are exact, so the quotient is the nearest.
            return self.unscaled as f64 / POWERS_OF_TEN[usize::from(self.scale)] as f64;
        }
        format!("{}e-{}", self.unscaled, self.scale)
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// Reads `-12.5`, `.5`, `12.`, `1.2e3`; gives none for anything else and for more than 38 digits.
    ///
    /// Digits after the 37th decimal are rounded away.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let significant: String = [whole, fraction].concat();
        let number = Self::from_digits(significant.trim_start_matches('0'), scale)?;
        Some(if negative {
            Self::new(-number.unscaled, number.scale)
        } else {
            number
        })
    }

    /// `digits / 10^scale` for any scale, with its scale brought into 0 to 37.
    fn from_digits(digits: &str, scale: i32) -> Option<Self> {
        if digits.is_empty() {
            return Some(Self::new(0, u8::try_from(scale.clamp(0, 37)).ok()?));
        }
        if scale < 0 {
            let zeros = usize::try_from(-scale).ok()?;
            if digits.len() + zeros > 38 {
                return None;
            }
            let unscaled = digits.parse::<i128>().ok()?;
            return Some(Self::new(unscaled * POWERS_OF_TEN[zeros], 0));
        }
        // Digits that no NUMBER can hold are rounded away, those before the point are not.
        let whole = digits.len().saturating_sub(usize::try_from(scale).ok()?);
        let kept_scale = scale.min(37).min(38 - i32::try_from(whole.min(38)).ok()?);
        if whole > 38 {
            return None;
        }
        let dropped = usize::try_from(scale - kept_scale).ok()?;
        let scale = u8::try_from(kept_scale).ok()?;
        if dropped == 0 {
            return Some(Self::new(digits.parse().ok()?, scale));
        }
        let kept = digits.len().saturating_sub(dropped);
        let mut unscaled = if kept == 0 {
            0
        } else {
            digits[..kept].parse::<i128>().ok()?
        };
        let round_up = digits.len() >= dropped && digits.as_bytes()[kept] >= b'5';
        unscaled += i128::from(round_up);
        Some(Self::new(unscaled, scale))
    }

    /// The number nearest to a float, with `scale` decimals.
    pub(crate) fn from_f64(value: f64, scale: u8) -> Result<Self> {
        if !value.is_finite() {
            return Err(FunctionError::float_not_representable(value, 38, scale));
        }
        // The shortest text that gives the same float back is what a user means by it.
        Self::parse(&format!("{value:e}"))
            .ok_or_else(|| FunctionError::float_not_representable(value, 38, scale))?
            .rescaled(scale)
    }
}

/// `dividend / divisor`, half away from zero; the divisor is positive.
fn divided_rounding(dividend: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    if remainder.unsigned_abs() >= divisor.unsigned_abs() - remainder.unsigned_abs() {
        quotient + dividend.signum()
    } else {
        quotient
    }
}

/// `left * right / divisor`, half away from zero, without losing digits on the way.
///
/// None when the result does not fit; the divisor is not 0.
pub(crate) fn multiply_divide(left: i128, right: i128, divisor: i128) -> Option<i128> {
    let negative = (left < 0) ^ (right < 0) ^ (divisor < 0);
    let (left, right, divisor) = (left.unsigned_abs(), right.unsigned_abs(), divisor.unsigned_abs());
    let (quotient, remainder) = if let Some(product) = left.checked_mul(right) {
        (product / divisor, product % divisor)
    } else {
        let (quotient, remainder) = Wide::product(left, right).divided(divisor);
        (quotient.narrow()?, remainder)
    };
    let rounded = if remainder >= divisor - remainder {
        quotient.checked_add(1)?
    } else {
        quotient
    };
    let magnitude = i128::try_from(rounded).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.unscaled.unsigned_abs();
        if self.unscaled < 0 {
            f.write_str("-")?;
        }
        if self.scale == 0 {
            return write!(f, "{magnitude}");
        }
        let power = POWERS_OF_TEN[usize::from(self.scale)].unsigned_abs();
        write!(
            f,
            "{}.{:0width$}",
            magnitude / power,
            magnitude % power,
            width = usize::from(self.scale)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for (text, expected) in [
            ("12", "12"),
            (" -12.50 ", "-12.50"),
            (".5", "0.5"),
            ("12.", "12"),
            ("1.2e3", "1200"),
            ("1.2e1", "12"),
            ("15e-1", "1.5"),
            ("+7", "7"),
            (
                "99999999999999999999999999999999999999",
                "99999999999999999999999999999999999999",
            ),
            ("-0.0", "0.0"),
            ("1e-40", "0.0000000000000000000000000000000000000"),
            (
                "0.12345678901234567890123456789012345678",
                "0.1234567890123456789012345678901234568",
            ),
        ] {
            assert_eq!(
                Number::parse(text).map(|number| number.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in [
            "",
            "a",
            "1a",
            "1.2.3",
            "--1",
            "e5",
            "1e",
            ".",
            "1e39",
            "100000000000000000000000000000000000000",
        ] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (unscaled, expected) in [
            (125, 13),
            (124, 12),
            (-125, -13),
            (-124, -12),
            (4, 0),
            (5, 1),
            (-5, -1),
        ] {
            assert_eq!(
                Number::new(unscaled, 1).rescaled(0).unwrap().unscaled,
                expected,
                "{unscaled}"
            );
        }
    }

    #[test]
    fn multiplies_and_divides_without_losing_digits() {
        assert_eq!(multiply_divide(7, 10, 4), Some(18));
        assert_eq!(multiply_divide(-7, 10, 4), Some(-18));
        let large = POWERS_OF_TEN[37] * 9;
        assert_eq!(multiply_divide(large, large, large), Some(large));
        assert_eq!(multiply_divide(large, 1_000_000, 3_000_000), Some(large / 3));
        assert_eq!(multiply_divide(large, large, 1), None);
    }

    #[test]
    fn floats_come_as_their_shortest_text() {
        assert_eq!(Number::from_f64(0.1, 6).unwrap().to_string(), "0.100000");
        assert_eq!(
            Number::from_f64(1e20, 0).unwrap().to_string(),
            "100000000000000000000"
        );
        assert!(Number::from_f64(1e40, 0).is_err());
        assert!(Number::from_f64(f64::NAN, 0).is_err());
    }
}

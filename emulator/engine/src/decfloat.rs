//! Decimal floating-point numbers: Snowflake's DECFLOAT.
//!
//! A value is exact with up to 38 significant digits and a power of ten; what a calculation gives beyond them is
//! rounded half away from zero. The engine has no such type: it keeps each value as a key whose bytes sort as the
//! numbers do, so that comparing, grouping and joining are the engine's own.

use std::cmp::Ordering;
use std::fmt;

use crate::wide_integer::{Wide, digits};

/// Most significant digits.
const DIGITS_MAX: u32 = 38;
/// Powers of ten that the most significant digit may stand for.
const POWER_MIN: i32 = -16_383;
const POWER_MAX: i32 = 16_384;
/// Bytes of a key: sign, power, digits.
pub const DECFLOAT_KEY_BYTES: usize = 19;
/// Added to the power so that it is never negative.
const POWER_BIAS: i32 = 32_768;
const NEGATIVE: u8 = 0;
const ZERO: u8 = 1;
const POSITIVE: u8 = 2;
/// Zeros between point and digits up to which a number is written plainly.
const LEADING_ZEROS_MAX: i32 = 5;

/// A decimal floating-point number; equal numbers are equal values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecFloat {
    negative: bool,
    /// Its digits, below 10³⁸, without zeros at their end.
    coefficient: u128,
    /// The power of ten of the last digit.
    exponent: i32,
}

/// A number is too large for its type, or there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecFloatError {
    /// The power of ten is beyond what a DECFLOAT has.
    OutOfRange,
    /// The divisor is zero.
    DivisionByZero,
}

type Result<T> = std::result::Result<T, DecFloatError>;

impl DecFloat {
    /// `unscaled / 10^scale`, which always fits.
    pub fn from_unscaled(unscaled: i128, scale: u8) -> Self {
        Self::rounded(
            unscaled < 0,
            Wide::from(unscaled.unsigned_abs()),
            -i32::from(scale),
        )
        .unwrap_or_default()
    }

    /// Reads `-12.5`, `.5`, `1e-400`; none for anything else. Fails when the number is too large.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            // Saturating: what needs more than 32 bits is out of range or zero anyhow.
            Some((mantissa, power)) => match read_power(power) {
                Some(power) => (mantissa, power),
                None => return Ok(None),
            },
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Ok(None);
        }
        let mut coefficient = 0_u128;
        let (mut kept, mut dropped, mut round_up) = (0, 0_i32, false);
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = u128::from(byte - b'0');
            if kept < DIGITS_MAX {
                coefficient = coefficient * 10 + digit;
                kept += u32::from(coefficient > 0);
            } else {
                round_up |= dropped == 0 && digit >= 5;
                dropped = dropped.saturating_add(1);
            }
        }
        let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
        let exponent = power.saturating_sub(places).saturating_add(dropped);
        Self::rounded(negative, Wide::from(coefficient + u128::from(round_up)), exponent).map(Some)
    }

    /// Its sign, digits and the power of ten of the last digit: a whole number of up to 38 digits has the power 0.
    pub fn parts(&self) -> (i128, i16) {
        let mut magnitude = self.coefficient;
        let mut exponent = self.exponent;
        let room = DIGITS_MAX - digits(magnitude).max(1);
        if exponent > 0 && exponent.unsigned_abs() <= room {
            magnitude *= 10_u128.pow(exponent.unsigned_abs());
            exponent = 0;
        }
        // Below 10³⁸, and within the powers of the type.
        let magnitude = magnitude as i128;
        (
            if self.negative { -magnitude } else { magnitude },
            exponent as i16,
        )
    }

    /// The number that [`Self::parts`] tells; none when it is out of range or has too many digits.
    pub fn from_parts(significand: i128, exponent: i16) -> Option<Self> {
        let magnitude = significand.unsigned_abs();
        if digits(magnitude) > DIGITS_MAX {
            return None;
        }
        Self::rounded(significand < 0, Wide::from(magnitude), i32::from(exponent)).ok()
    }

    /// The bytes under which the engine keeps it.
    pub fn key(&self) -> [u8; DECFLOAT_KEY_BYTES] {
        let mut key = [0; DECFLOAT_KEY_BYTES];
        if self.coefficient == 0 {
            key[0] = ZERO;
            return key;
        }
        let count = digits(self.coefficient);
        let power = (self.power() + POWER_BIAS) as u16;
        let whole = self.coefficient * 10_u128.pow(DIGITS_MAX - count);
        key[1..3].copy_from_slice(&power.to_be_bytes());
        key[3..].copy_from_slice(&whole.to_be_bytes());
        if self.negative {
            key[0] = NEGATIVE;
            for byte in &mut key[1..] {
                *byte = !*byte;
            }
        } else {
            key[0] = POSITIVE;
        }
        key
    }

    /// The number that a key is of; none for bytes that are no key.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let mut key: [u8; DECFLOAT_KEY_BYTES] = key.try_into().ok()?;
        let negative = match key[0] {
            ZERO => return Some(Self::default()),
            NEGATIVE => true,
            POSITIVE => false,
            _ => return None,
        };
        if negative {
            for byte in &mut key[1..] {
                *byte = !*byte;
            }
        }
        let power = i32::from(u16::from_be_bytes([key[1], key[2]])) - POWER_BIAS;
        let whole = u128::from_be_bytes(key[3..].try_into().ok()?);
        Self::rounded(negative, Wide::from(whole), power + 1 - DIGITS_MAX as i32).ok()
    }

    /// True for the number 0.
    pub fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    /// True for numbers below 0.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self {
            negative: false,
            ..self
        }
    }

    /// With the other sign.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            negative: !self.negative && self.coefficient != 0,
            ..self
        }
    }

    /// `self + other`.
    pub fn plus(self, other: Self) -> Result<Self> {
        if self.is_zero() {
            return Ok(other);
        }
        if other.is_zero() {
            return Ok(self);
        }
        let (large, small) = if self.power() >= other.power() {
            (self, other)
        } else {
            (other, self)
        };
        // The larger number as one of 76 digits: whatever of the smaller is below its last is less than the rounding sees.
        let shift = 2 * DIGITS_MAX - digits(large.coefficient);
        let base = large.exponent - shift as i32;
        let left = Wide::scaled(large.coefficient, shift);
        let right = match small.exponent - base {
            up @ 0.. => Wide::scaled(small.coefficient, up.unsigned_abs()),
            down => Wide::from(small.coefficient).cut(down.unsigned_abs()),
        };
        if large.negative == small.negative {
            return Self::rounded(large.negative, left.plus(right), base);
        }
        match left.cmp(&right) {
            Ordering::Less => Self::rounded(small.negative, right.minus(left), base),
            _ => Self::rounded(large.negative, left.minus(right), base),
        }
    }

    /// `self - other`.
    pub fn subtract(self, other: Self) -> Result<Self> {
        self.plus(other.negated())
    }

    /// `self * other`.
    pub fn multiply(self, other: Self) -> Result<Self> {
        Self::rounded(
            self.negative != other.negative,
            Wide::product(self.coefficient, other.coefficient),
            self.exponent + other.exponent,
        )
    }

    /// `self / other`.
    pub fn divide(self, other: Self) -> Result<Self> {
        if other.is_zero() {
            return Err(DecFloatError::DivisionByZero);
        }
        // Digits enough that the quotient has 38 or 39, and what is cut from it decides no rounding but a tie.
        let shift = DIGITS_MAX + digits(other.coefficient) - digits(self.coefficient).max(1);
        let dividend = Wide::scaled(self.coefficient, shift);
        let (quotient, remainder) = dividend.divided(other.coefficient);
        // One more digit, so that the last is rounded and not cut.
        let next = Wide::product(remainder, 10).divided(other.coefficient).0;
        let quotient = quotient.times_ten().plus(next);
        Self::rounded(
            self.negative != other.negative,
            quotient,
            self.exponent - other.exponent - shift as i32 - 1,
        )
    }

    /// What is left of `self` when `other` is taken from it as often as possible, with the sign of `self`.
    pub fn remainder(self, other: Self) -> Result<Self> {
        if other.is_zero() {
            return Err(DecFloatError::DivisionByZero);
        }
        let down = self.exponent - other.exponent;
        let (rest, exponent) = if down >= 0 {
            // The zeros behind the dividend's digits in steps, so that no quotient is too long.
            let divisor = other.coefficient;
            let (mut rest, mut zeros) = (self.coefficient % divisor, down.unsigned_abs());
            while zeros > 0 && rest > 0 {
                let step = zeros.min(DIGITS_MAX);
                rest = Wide::product(rest, 10_u128.pow(step)).divided(divisor).1;
                zeros -= step;
            }
            (rest, other.exponent)
        } else {
            let zeros = down.unsigned_abs();
            if digits(other.coefficient) + zeros > DIGITS_MAX {
                // The divisor has more digits before the point than the dividend.
                return Ok(self);
            }
            let divisor = other.coefficient * 10_u128.pow(zeros);
            (self.coefficient % divisor, self.exponent)
        };
        Self::rounded(self.negative, Wide::from(rest), exponent)
    }

    /// With `places` digits after the point, half away from zero; fewer than none round before the point.
    pub fn round(self, places: i32) -> Result<Self> {
        let Some(drop) = self.below(places) else {
            return Ok(self);
        };
        if drop > DIGITS_MAX {
            return Ok(Self::default());
        }
        let half = 5 * 10_u128.pow(drop - 1);
        self.replaced((self.coefficient + half) / 10_u128.pow(drop), drop)
    }

    /// With `places` digits after the point, ties to the even digit.
    pub fn round_ties_even(self, places: i32) -> Result<Self> {
        if let Some(drop) = self.below(places).filter(|drop| *drop <= DIGITS_MAX) {
            let unit = 10_u128.pow(drop);
            let is_tie = self.coefficient % unit == unit / 2;
            let is_even = (self.coefficient / unit).is_multiple_of(2);
            if is_tie && is_even {
                return Ok(self.truncated(places));
            }
        }
        self.round(places)
    }

    /// With `places` digits after the point, the others cut.
    #[must_use]
    pub fn truncated(self, places: i32) -> Self {
        let Some(drop) = self.below(places) else {
            return self;
        };
        if drop > DIGITS_MAX {
            return Self::default();
        }
        // Nearer to zero than a number of the type, so that it always is one.
        self.replaced(self.coefficient / 10_u128.pow(drop), drop)
            .unwrap_or_default()
    }

    /// The nearest number with `places` digits after the point that is not smaller.
    pub fn ceil(self, places: i32) -> Result<Self> {
        let cut = self.truncated(places);
        if cut == self || self.negative {
            return Ok(cut);
        }
        cut.plus(Self::rounded(false, Wide::from(1), -places)?)
    }

    /// The nearest number with `places` digits after the point that is not larger.
    pub fn floor(self, places: i32) -> Result<Self> {
        Ok(self.negated().ceil(places)?.negated())
    }

    /// Digits below `places`, 39 for all beyond that it could have; none when there are none.
    fn below(&self, places: i32) -> Option<u32> {
        let drop = 0_i32.saturating_sub(places).saturating_sub(self.exponent);
        (drop > 0 && self.coefficient > 0).then(|| drop.unsigned_abs().min(DIGITS_MAX + 1))
    }

    fn replaced(self, coefficient: u128, dropped: u32) -> Result<Self> {
        Self::rounded(
            self.negative,
            Wide::from(coefficient),
            self.exponent + dropped as i32,
        )
    }

    /// The power of ten of the most significant digit.
    fn power(&self) -> i32 {
        self.exponent + digits(self.coefficient) as i32 - 1
    }

    /// A number of any digits brought into the type.
    fn rounded(negative: bool, magnitude: Wide, exponent: i32) -> Result<Self> {
        let (mut coefficient, dropped) = magnitude.to_digits(DIGITS_MAX);
        let mut exponent = exponent.saturating_add(dropped as i32);
        if coefficient == 0 {
            return Ok(Self::default());
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent = exponent.saturating_add(1);
        }
        let number = Self {
            negative,
            coefficient,
            exponent,
        };
        match exponent.saturating_add(digits(coefficient) as i32 - 1) {
            power if power > POWER_MAX => Err(DecFloatError::OutOfRange),
            power if power < POWER_MIN => Ok(Self::default()),
            _ => Ok(number),
        }
    }
}

fn read_power(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let power = digits.parse::<i32>().unwrap_or(i32::MAX / 2);
    Some(if text.starts_with('-') { -power } else { power })
}

impl PartialOrd for DecFloat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DecFloat {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Plain while that is short, else with an exponent.
impl fmt::Display for DecFloat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (significand, exponent) = self.parts();
        let exponent = i32::from(exponent);
        if significand < 0 {
            f.write_str("-")?;
        }
        let digits = significand.unsigned_abs().to_string();
        let point = digits.len() as i32 + exponent;
        if exponent == 0 {
            return f.write_str(&digits);
        }
        if exponent < 0 && point > 0 {
            let (whole, fraction) = digits.split_at(point.unsigned_abs() as usize);
            return write!(f, "{whole}.{fraction}");
        }
        if exponent < 0 && point >= -LEADING_ZEROS_MAX {
            return write!(f, "0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
        }
        let (first, rest) = digits.split_at(1);
        let rest = rest.trim_end_matches('0');
        let dot = if rest.is_empty() { "" } else { "." };
        write!(f, "{first}{dot}{rest}E{}", point - 1)
    }
}

#[cfg(test)]
mod tests;

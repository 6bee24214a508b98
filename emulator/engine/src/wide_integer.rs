//! Whole numbers of 256 bits: enough for the product of two numbers of 38 digits.

use std::cmp::Ordering;

/// Digits that a [`Wide`] surely holds.
pub(crate) const WIDE_DIGITS: u32 = 76;

/// `high * 2^128 + low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    high: u128,
    low: u128,
}

impl From<u128> for Wide {
    fn from(low: u128) -> Self {
        Self { high: 0, low }
    }
}

impl Wide {
    /// `left * right`.
    pub(crate) fn product(left: u128, right: u128) -> Self {
        let halves = |number: u128| (number >> 64, number & u128::from(u64::MAX));
        let ((left_high, left_low), (right_high, right_low)) = (halves(left), halves(right));
        let low = left_low * right_low;
        let middle = left_high * right_low + (low >> 64);
        let (carry, middle_low) = halves(middle);
        let middle = left_low * right_high + middle_low;
        Self {
            high: left_high * right_high + carry + (middle >> 64),
            low: (middle << 64) | (low & u128::from(u64::MAX)),
        }
    }

    /// `digits * 10^power`, which together have no more than 76 digits.
    pub(crate) fn scaled(digits: u128, power: u32) -> Self {
        // What is beyond 38 zeros comes first: with the digits it has no more than 38 itself.
        let beyond = power.saturating_sub(38);
        Self::product(digits * 10_u128.pow(beyond), 10_u128.pow(power - beyond))
    }

    /// Without its last `count` digits; a number of which something was cut is never zero or a tie.
    pub(crate) fn cut(self, count: u32) -> Self {
        if count > 38 {
            return Self::from(u128::from(self != Self::from(0)));
        }
        let (quotient, remainder) = self.divided(10_u128.pow(count));
        // The last digit stands for all that was cut: it is below what any rounding looks at but for being there.
        if remainder > 0 && quotient.low % 5 == 0 {
            return quotient.plus(Self::from(1));
        }
        quotient
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self {
            high: self.high.wrapping_add(other.high).wrapping_add(u128::from(carry)),
            low,
        }
    }

    /// `self - other`, which is not negative.
    pub(crate) fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self {
            high: self
                .high
                .wrapping_sub(other.high)
                .wrapping_sub(u128::from(borrow)),
            low,
        }
    }

    pub(crate) fn times_ten(self) -> Self {
        let low = Self::product(self.low, 10);
        Self {
            high: low.high.wrapping_add(self.high.wrapping_mul(10)),
            low: low.low,
        }
    }

    /// Quotient and remainder; the divisor is not 0.
    pub(crate) fn divided(self, divisor: u128) -> (Self, u128) {
        if self.high == 0 {
            return (Self::from(self.low / divisor), self.low % divisor);
        }
        let (high, mut remainder) = (self.high / divisor, self.high % divisor);
        let mut low = 0_u128;
        for bit in (0..128).rev() {
            let carry = remainder >> 127 == 1;
            remainder = (remainder << 1) | ((self.low >> bit) & 1);
            low <<= 1;
            if carry || remainder >= divisor {
                remainder = remainder.wrapping_sub(divisor);
                low |= 1;
            }
        }
        (Self { high, low }, remainder)
    }

    /// As a number of 128 bits; none when it is larger.
    pub(crate) fn narrow(self) -> Option<u128> {
        (self.high == 0).then_some(self.low)
    }

    /// The number's first `count` digits, at most 38, rounded half up, and how many were dropped.
    pub(crate) fn to_digits(self, count: u32) -> (u128, u32) {
        let excess = self.length().saturating_sub(count);
        if excess == 0 {
            return (self.low, 0);
        }
        // 77 digits, of which 39 go: in two steps, of which only the second rounds.
        let (number, first) = match excess {
            39.. => (self.divided(10).0, 1),
            _ => (self, 0),
        };
        let unit = 10_u128.pow(excess - first);
        let (quotient, remainder) = number.divided(unit);
        let round_up = remainder >= unit - remainder;
        (quotient.low + u128::from(round_up), excess)
    }

    /// How many digits it has; 0 for zero.
    fn length(self) -> u32 {
        if self.high == 0 {
            return digits(self.low);
        }
        // A high half means 39 digits at least.
        (39..=WIDE_DIGITS)
            .find(|count| self.cmp(&Self::power(*count)) == Ordering::Less)
            .unwrap_or(WIDE_DIGITS + 1)
    }

    /// `10^count` for 38 to 76.
    fn power(count: u32) -> Self {
        Self::product(10_u128.pow(38), 10_u128.pow(count - 38))
    }
}

/// How many digits a number has; 0 for zero.
pub(crate) fn digits(number: u128) -> u32 {
    number.checked_ilog10().map_or(0, |power| power + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_divide_back() {
        let large = 10_u128.pow(38) - 1;
        let product = Wide::product(large, large);
        assert_eq!(product.divided(large), (Wide::from(large), 0));
        assert_eq!(product.plus(Wide::from(7)).divided(large), (Wide::from(large), 7));
        assert_eq!(product.minus(product), Wide::from(0));
        assert_eq!(Wide::scaled(3, 70).length(), 71);
        assert_eq!(Wide::scaled(3, 70).to_digits(38), (3 * 10_u128.pow(37), 33));
        assert_eq!(Wide::scaled(large, 38).length(), 76);
    }

    #[test]
    fn digits_are_rounded_once() {
        assert_eq!(
            Wide::from(10_u128.pow(38) + 5).to_digits(38),
            (10_u128.pow(37) + 1, 1)
        );
        assert_eq!(
            Wide::from(10_u128.pow(38) + 4).to_digits(38),
            (10_u128.pow(37), 1)
        );
        assert_eq!(Wide::from(0).to_digits(38), (0, 0));
    }
}

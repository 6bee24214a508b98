//! Division by a number that is known beforehand.

/// A divisor that divides many numbers: multiplications find the remainder in a third of a division's time.
///
/// The way is that of Lemire, Kaser and Kurz, "Faster remainder by direct computation" (2019): with twice as many bits of
/// the divisor's inverse as the numbers have it is exact.
#[derive(Clone, Copy, Debug)]
pub(super) enum Divisor {
    /// Of 32 bits, as most are.
    Short(ShortDivisor),
    /// Any other.
    Long(LongDivisor),
}

/// A divisor of 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortDivisor {
    by: u32,
    /// 2⁶⁴ over the divisor, rounded up; 0 for the divisor 1. It serves dividends of 32 bits.
    inverse: u64,
    /// For the other dividends.
    long: LongDivisor,
}

/// A divisor of 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongDivisor {
    by: u64,
    /// 2¹²⁸ over the divisor, rounded up; 0 for the divisor 1.
    inverse: u128,
}

impl Divisor {
    /// None for zero.
    pub(super) fn new(divisor: u64) -> Option<Self> {
        let long = LongDivisor {
            by: divisor,
            inverse: u128::MAX.checked_div(u128::from(divisor))?.wrapping_add(1),
        };
        Some(match u32::try_from(divisor) {
            Ok(by) => Self::Short(ShortDivisor {
                by,
                inverse: (u64::MAX / divisor).wrapping_add(1),
                long,
            }),
            Err(_) => Self::Long(long),
        })
    }
}

impl ShortDivisor {
    /// The remainder, with the sign of the dividend.
    #[inline]
    pub(super) fn remainder(self, dividend: i64) -> i64 {
        let magnitude = dividend.unsigned_abs();
        if magnitude >> 32 != 0 {
            return self.long.remainder(dividend);
        }
        let fraction = self.inverse.wrapping_mul(magnitude);
        let remainder = ((u128::from(fraction) * u128::from(self.by)) >> 64) as i64;
        signed_like(dividend, remainder)
    }
}

impl LongDivisor {
    /// The remainder, with the sign of the dividend.
    #[inline]
    pub(super) fn remainder(self, dividend: i64) -> i64 {
        let divisor = u128::from(self.by);
        let fraction = self.inverse.wrapping_mul(u128::from(dividend.unsigned_abs()));
        let low = (u128::from(fraction as u64) * divisor) >> 64;
        signed_like(dividend, (((fraction >> 64) * divisor + low) >> 64) as i64)
    }
}

#[inline]
fn signed_like(dividend: i64, remainder: i64) -> i64 {
    if dividend < 0 {
        remainder.wrapping_neg()
    } else {
        remainder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remainder_by(divisor: u64) -> impl Fn(i64) -> i64 {
        let known = Divisor::new(divisor).expect("the divisor is not zero");
        move |dividend| match known {
            Divisor::Short(short) => short.remainder(dividend),
            Divisor::Long(long) => long.remainder(dividend),
        }
    }

    #[test]
    fn a_known_divisor_gives_the_same_remainders() {
        let edges = [
            0,
            1,
            2,
            3,
            7,
            10,
            50,
            999_999_937,
            1 << 32,
            (1 << 53) + 1,
            i64::MAX - 1,
            i64::MAX,
        ];
        let negative = edges.iter().map(|edge| -edge);
        let dividends: Vec<i64> = edges.iter().copied().chain(negative).chain([i64::MIN]).collect();
        for divisor in edges.into_iter().filter(|divisor| *divisor != 0) {
            let known = remainder_by(divisor.unsigned_abs());
            for near in -2..=2 {
                for dividend in dividends.iter().map(|dividend| dividend.saturating_add(near)) {
                    assert_eq!(known(dividend), dividend % divisor, "{dividend} % {divisor}");
                }
            }
        }
        assert_eq!(remainder_by(u64::MAX)(i64::MIN), i64::MIN);
        assert!(Divisor::new(0).is_none());
    }
}

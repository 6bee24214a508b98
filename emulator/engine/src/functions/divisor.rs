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
    /// The divisor itself.
    pub(super) fn number(self) -> i128 {
        i128::from(self.by)
    }

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

impl ShortDivisor {
    /// Tells of dividends of 32 bits whether they leave that remainder; none for what no dividend leaves, and for
    /// divisors whose inverse is too short for it.
    ///
    /// The inverse is rounded up, by `excess` parts of the divisor. A dividend's product with it wraps round to as many
    /// inverses as the remainder, and one excess more for each time that the divisor went into it.
    pub(super) fn leaves(self, remainder: u32) -> Option<impl Fn(u32) -> bool> {
        let least = self.inverse.wrapping_mul(u64::from(remainder));
        let excess = self.inverse.wrapping_mul(u64::from(self.by));
        let most_above = u64::from(u32::MAX / self.by) * excess;
        // Beyond that, one more excess could reach the next inverse.
        let is_exact = self.by <= 1 << 31;
        (is_exact && remainder < self.by).then_some(move |dividend: u32| {
            let product = u64::from(dividend).wrapping_mul(self.inverse);
            product.wrapping_sub(least) <= most_above
        })
    }
}

impl LongDivisor {
    /// The divisor itself.
    pub(super) fn number(self) -> i128 {
        i128::from(self.by)
    }

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
    #[test]
    fn a_known_divisor_leaves_what_it_leaves() {
        let edges = [
            0,
            1,
            2,
            3,
            7,
            49,
            50,
            51,
            99,
            1 << 16,
            999_999_937,
            1 << 31,
            u32::MAX - 1,
            u32::MAX,
        ];
        for by in edges.into_iter().filter(|by| *by != 0) {
            let Some(Divisor::Short(known)) = Divisor::new(u64::from(by)) else {
                unreachable!("{by} has 32 bits")
            };
            for dividend in edges {
                for remainder in edges.into_iter().chain([dividend % by]) {
                    let leaves = known.leaves(remainder);
                    let is_told = remainder < by && by <= 1 << 31;
                    assert_eq!(leaves.is_some(), is_told, "{by} {remainder}");
                    if let Some(leaves) = leaves {
                        let same = dividend % by == remainder;
                        assert_eq!(leaves(dividend), same, "{dividend} % {by} = {remainder}");
                    }
                }
            }
        }
    }
}

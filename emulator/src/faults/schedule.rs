//! When a rule fires, out of all the times that it applies.

use std::time::Duration;

/// The conditions; all of them must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schedule {
    /// Matches that are let through first.
    pub(super) skip: u64,
    /// Of the others, each so-manieth fires; 1 or more.
    pub(super) every: u64,
    /// Fires at most so often.
    pub(super) times: Option<u64>,
    /// Fires with this probability, from 0 to 1.
    pub(super) probability: f64,
    /// Fires only so long after it was set.
    pub(super) life: Option<Duration>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            skip: 0,
            every: 1,
            times: None,
            probability: 1.0,
            life: None,
        }
    }
}

impl Schedule {
    /// True when the rule will never fire again.
    pub(super) fn is_spent(&self, fired: u64, age: Duration) -> bool {
        self.times.is_some_and(|times| fired >= times) || self.life.is_some_and(|life| age >= life)
    }

    /// True when the match with this number, from 1, fires; `dice` is from 0 up to but not including 1.
    pub(super) fn fires(&self, number: u64, dice: f64) -> bool {
        number > self.skip && (number - self.skip).is_multiple_of(self.every) && dice < self.probability
    }
}

/// A number from 0 up to but not including 1 that depends on nothing but the arguments: the decisions for a
/// rule must not change because another rule was asked more or less often.
pub(super) fn dice(seed: u64, setting: u64, rule: u64, number: u64) -> f64 {
    let mixed = [setting, rule, number]
        .into_iter()
        .fold(mix(seed), |state, part| mix(state ^ part));
    // The 53 bits that a float of this size holds exactly.
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// The finaliser of SplitMix64, which turns neighbouring numbers into unrelated ones.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_skipped_and_then_each_so_manieth_fires() {
        let schedule = Schedule {
            skip: 2,
            every: 3,
            ..Schedule::default()
        };
        let fired: Vec<u64> = (1..=12).filter(|number| schedule.fires(*number, 0.0)).collect();
        assert_eq!(fired, [5, 8, 11]);
    }

    #[test]
    fn dice_are_fair_and_repeatable() {
        let schedule = Schedule {
            probability: 0.1,
            ..Schedule::default()
        };
        let fired = |seed: u64| -> Vec<u64> {
            (1..=10_000)
                .filter(|number| schedule.fires(*number, dice(seed, 1, 0, *number)))
                .collect()
        };
        let first = fired(7);
        assert!((900..=1100).contains(&first.len()), "{}", first.len());
        assert_eq!(first, fired(7));
        assert_ne!(first, fired(8));
        assert!((0..1000).all(|number| (0.0..1.0).contains(&dice(number, 0, 0, 0))));
    }

    #[test]
    fn a_rule_is_spent_by_use_or_by_time() {
        let schedule = Schedule {
            times: Some(2),
            life: Some(Duration::from_secs(5)),
            ..Schedule::default()
        };
        let second = Duration::from_secs(1);
        assert!(!schedule.is_spent(1, second));
        assert!(schedule.is_spent(2, second));
        assert!(schedule.is_spent(0, 5 * second));
        assert!(!Schedule::default().is_spent(u64::MAX, Duration::MAX));
    }
}

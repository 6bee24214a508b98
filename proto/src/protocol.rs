//! Which versions of the contract a peer speaks, and which one two peers agree on.

use std::fmt;
use std::str::FromStr;

/// A range of protocol versions. A message that an older peer would misread makes a new version; one that it may ignore
/// does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolRange {
    /// The oldest that is spoken.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

/// What this build speaks.
pub const PROTOCOL: ProtocolRange = ProtocolRange { min: 1, max: 1 };

impl ProtocolRange {
    /// The protocol that both speak: the lower of the newest ones. `None` when the ranges do not meet.
    pub fn agreed_with(self, other: Self) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }

    /// True when everything that `self` speaks is older than what `other` does.
    pub fn is_older_than(self, other: Self) -> bool {
        self.max < other.min
    }
}

impl fmt::Display for ProtocolRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.min, self.max)
    }
}

impl FromStr for ProtocolRange {
    type Err = String;

    /// Reads `MIN-MAX`, or one number for both.
    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        match (min.parse(), max.parse()) {
            (Ok(min), Ok(max)) if min <= max => Ok(Self { min, max }),
            _ => Err(format!("{text:?} is no range of protocols such as `1-2`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_the_newest_is_agreed_on() {
        let range = |text: &str| text.parse::<ProtocolRange>().unwrap();
        for (one, other, agreed) in [
            ("1-3", "2-5", Some(3)),
            ("2-5", "1-3", Some(3)),
            ("1", "1-9", Some(1)),
            ("1-2", "3-4", None),
            ("3-4", "1-2", None),
        ] {
            assert_eq!(range(one).agreed_with(range(other)), agreed, "{one} {other}");
        }
        assert!(range("1-2").is_older_than(range("3")) && !range("1-3").is_older_than(range("3")));
    }

    #[test]
    fn ranges_are_read_as_they_are_written() {
        assert_eq!(PROTOCOL.to_string().parse(), Ok(PROTOCOL));
        for wrong in ["", "-", "2-1", "a", "1-", "-1", "1-2-3"] {
            assert!(wrong.parse::<ProtocolRange>().is_err(), "{wrong}");
        }
    }
}

//! How much statements may do, and who says so.

use std::fmt;
use std::str::FromStr;

use super::decision::Refusal;

/// How much statements may do. Later ones may do more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Reads, and changes of the session itself.
    ReadOnly,
    /// Writes too, under guards.
    Guarded,
    /// Whatever no rule denies.
    Open,
}

impl Level {
    /// Its name, as in the configuration and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Guarded => "guarded",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::ReadOnly, Self::Guarded, Self::Open]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| {
                format!("{text:?} is not a policy; it is one of \"read-only\", \"guarded\", \"open\"")
            })
    }
}

/// The level that is in force for a statement, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The level.
    pub level: Level,
    /// Whose it is: the first that would have to be raised.
    pub held_by: HeldBy,
}

/// Who holds a level where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBy {
    /// The request, or what it means when it does not say.
    Request,
    /// The session.
    Session,
    /// The configuration of the connection.
    Connection,
}

impl Limit {
    /// The most that the statements of a session may do: the lower of its own level and its connection's.
    pub fn of_session(session: Option<Level>, connection: Level) -> Self {
        match session {
            Some(level) if level < connection => Self {
                level,
                held_by: HeldBy::Session,
            },
            _ => Self {
                level: connection,
                held_by: HeldBy::Connection,
            },
        }
    }

    /// The level for one request in a session with this limit. What is asked for must not be above it; who asks
    /// for nothing gets `default` or the session's, whichever is lower.
    pub fn for_request(self, requested: Option<Level>, default: Level) -> Result<Self, Refusal> {
        if let Some(level) = requested
            && level > self.level
        {
            return Err(self.too_high(level));
        }
        let level = requested.unwrap_or(default);
        Ok(if level < self.level {
            Self {
                level,
                held_by: HeldBy::Request,
            }
        } else {
            self
        })
    }

    /// The level that a session may be given; `self` is its connection's.
    pub fn for_session(self, requested: Option<Level>) -> Result<Option<Level>, Refusal> {
        match requested {
            Some(level) if level > self.level => Err(self.too_high(level)),
            requested => Ok(requested),
        }
    }

    fn too_high(self, asked: Level) -> Refusal {
        let whose = match self.held_by {
            HeldBy::Request => "the request",
            HeldBy::Session => "the session",
            HeldBy::Connection => "the connection",
        };
        Refusal {
            rule: "level".to_owned(),
            message: format!(
                "policy {asked} is asked for, and {whose} allows no more than {}; nothing was run",
                self.level
            ),
            hint: self.held_by.how_to_raise(),
        }
    }
}

impl HeldBy {
    /// What to do about a level that is too low.
    pub(super) fn how_to_raise(self) -> String {
        match self {
            Self::Request => "ask for more with --policy guarded or --policy open".to_owned(),
            Self::Session => {
                "use another session with --session: one's policy cannot be raised after it was made".to_owned()
            }
            Self::Connection => {
                "`policy.level`, or `level` under `policy.connections.<name>`, in the service's configuration says what a connection allows"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level::{Guarded, Open, ReadOnly};
    use super::*;

    #[test]
    fn the_lowest_level_is_in_force() {
        for (requested, default, session, connection, expected) in [
            (None, ReadOnly, None, Open, Ok((ReadOnly, HeldBy::Request))),
            (None, Guarded, None, Open, Ok((Guarded, HeldBy::Request))),
            (
                None,
                Guarded,
                Some(ReadOnly),
                Open,
                Ok((ReadOnly, HeldBy::Session)),
            ),
            (None, Guarded, None, ReadOnly, Ok((ReadOnly, HeldBy::Connection))),
            (None, ReadOnly, None, ReadOnly, Ok((ReadOnly, HeldBy::Connection))),
            (Some(Open), ReadOnly, None, Open, Ok((Open, HeldBy::Connection))),
            (
                Some(Guarded),
                ReadOnly,
                Some(Guarded),
                Open,
                Ok((Guarded, HeldBy::Session)),
            ),
            (Some(Open), ReadOnly, None, Guarded, Err("the connection")),
            (Some(Guarded), ReadOnly, Some(ReadOnly), Open, Err("the session")),
            // A session's level from before its connection's was lowered.
            (Some(Open), ReadOnly, Some(Open), Guarded, Err("the connection")),
            (
                None,
                Guarded,
                Some(Open),
                Guarded,
                Ok((Guarded, HeldBy::Connection)),
            ),
        ] {
            let limit = Limit::of_session(session, connection).for_request(requested, default);
            match (limit, expected) {
                (Ok(limit), Ok(expected)) => assert_eq!((limit.level, limit.held_by), expected),
                (Err(refusal), Err(whose)) => {
                    assert!(refusal.message.contains(whose), "{}", refusal.message);
                    assert_eq!(refusal.rule, "level");
                }
                (limit, expected) => panic!("{limit:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn levels_are_read_as_they_are_written() {
        for level in [ReadOnly, Guarded, Open] {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!("Open".parse::<Level>().is_err());
    }
}

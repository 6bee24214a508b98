//! Names that cross borders, validated when they are made.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::error::Error;

/// Name of a session: 1 to 64 letters, digits, `.`, `_` or `-`, the first a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName(Arc<str>);

impl SessionName {
    const LENGTH_MAX: usize = 64;

    /// The session that is meant when none is named.
    pub fn default_name() -> Self {
        Self("default".into())
    }

    /// The session that is meant when only a connection is named, and not the default one: it has the
    /// connection's name where that is a session's name too, else one made from it. Two connections never mean
    /// one session, and never the default one.
    pub fn of_connection(connection: &ConnectionName) -> Self {
        const KEPT_MAX: usize = 48;
        match connection.as_str().parse::<Self>() {
            Ok(name) if name != Self::default_name() => name,
            _ => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
                let kept: String = connection.as_str().chars().map(plain).take(KEPT_MAX).collect();
                // FNV-1a: the same in every build, and nobody attacks their own connection names.
                let hash = connection.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
                });
                Self(format!("c{kept}.{hash:08x}").into())
            }
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let well_formed = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
            && text.len() <= Self::LENGTH_MAX;
        if well_formed {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid(format!("bad session name {:?}", shorten(text)))
            .with_hint("a session name is 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit"))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Name of a connection, as in Snowflake's `connections.toml`: 1 to 255 characters, none of them a control
/// character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionName(Arc<str>);

impl ConnectionName {
    const LENGTH_MAX: usize = 255;

    /// The built-in connection: the emulator on this machine.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// True for the built-in connection.
    pub fn is_local(&self) -> bool {
        &*self.0 == "local"
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() || text.len() > Self::LENGTH_MAX || text.chars().any(char::is_control) {
            return Err(Error::invalid(format!("bad connection name {:?}", shorten(text)))
                .with_hint("a connection is named by a table of connections.toml, for example [dev]"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Identity of one request, a UUID in its usual lowercase form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// Wraps a UUID that the caller drew.
    pub fn new(uuid: uuid::Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID itself.
    pub fn uuid(self) -> uuid::Uuid {
        self.0
    }
}

impl FromStr for RequestId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        uuid::Uuid::parse_str(text)
            .map(Self)
            .map_err(|_| Error::invalid(format!("bad request id {:?}: not a UUID", shorten(text))))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Name of a role, warehouse, database or schema as it may stand in SQL, possibly of several parts.
///
/// Kept as written; the parts were checked, so that it can stand in a `USE` statement and nothing else can
/// ride along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName(String);

impl ObjectName {
    /// Checks a name of at most `parts_max` dotted parts, each a plain or a double-quoted identifier.
    pub fn parse(text: &str, parts_max: usize) -> Result<Self, Error> {
        let trimmed = text.trim();
        let mut rest = trimmed;
        for _ in 0..parts_max {
            let Some(length) = identifier_length(rest) else {
                break;
            };
            rest = &rest[length..];
            if rest.is_empty() {
                return Ok(Self(trimmed.to_owned()));
            }
            let Some(next) = rest.strip_prefix('.') else { break };
            rest = next;
        }
        Err(Error::invalid(format!("bad object name {:?}", shorten(text))).with_hint(
            "a name begins with a letter or '_' and goes on with letters, digits, '_' or '$'; put any other name in double quotes",
        ))
    }

    /// Makes a name from the form in which Snowflake reports it, quoting it where its case or characters
    /// need that.
    pub fn from_stored(stored: &str) -> Self {
        let plain = stored.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && stored
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '$'));
        if plain {
            Self(stored.to_owned())
        } else {
            Self(format!("\"{}\"", stored.replace('"', "\"\"")))
        }
    }

    /// The name as it stands in SQL.
    pub fn as_sql(&self) -> &str {
        &self.0
    }
}

/// Length in bytes of the identifier at the start of `text`.
fn identifier_length(text: &str) -> Option<usize> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut characters = quoted.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            if character.is_control() {
                return None;
            }
            if character == '"' {
                if characters.peek().is_some_and(|(_, next)| *next == '"') {
                    characters.next();
                    continue;
                }
                return (at > 0).then_some(at + 2);
            }
        }
        return None;
    }
    let starts_well = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let length = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$')))
        .unwrap_or(text.len());
    starts_well.then_some(length)
}

/// Cuts user text for a message.
fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    if text.chars().count() <= SHOWN_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_are_short_and_plain() {
        for good in ["default", "a", "etl-2.night_run", "9lives"] {
            assert_eq!(good.parse::<SessionName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<SessionName>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn connections_have_a_session_each() {
        let of = |text: &str| SessionName::of_connection(&text.parse().unwrap());
        assert_eq!(of("prod").as_str(), "prod");
        let odd = [
            "my prod",
            "my-prod",
            "my\u{fc}prod",
            "default",
            "-x",
            &"x".repeat(255),
            &"x".repeat(254),
        ];
        let mut names: Vec<SessionName> = odd.into_iter().map(of).collect();
        for name in &names {
            assert!(name.as_str().parse::<SessionName>().is_ok(), "{name}");
            assert_ne!(*name, SessionName::default_name());
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), odd.len());
    }

    #[test]
    fn connection_names_are_toml_table_names() {
        for good in ["dev", "my prod", "Ü"] {
            assert!(good.parse::<ConnectionName>().is_ok(), "{good:?} was refused");
        }
        for bad in ["", "a\u{7}b", &"x".repeat(256)] {
            assert!(bad.parse::<ConnectionName>().is_err(), "{bad:?} was taken");
        }
        assert!(ConnectionName::local().is_local());
    }

    #[test]
    fn object_names_let_nothing_ride_along() {
        for (good, parts) in [
            ("dev", 1),
            ("\"my wh\"", 1),
            ("db.public", 2),
            ("\"a.b\".\"c\"\"d\"", 2),
            ("_x$1", 1),
        ] {
            assert_eq!(ObjectName::parse(good, parts).unwrap().as_sql(), good);
        }
        for (bad, parts) in [
            ("", 1),
            ("a;drop table x", 1),
            ("a b", 1),
            ("a.b", 1),
            ("a.b.c", 2),
            ("\"a", 1),
            ("\"\"", 1),
            ("a.", 2),
            ("my-wh", 1),
            ("a--", 1),
            ("\"a\" b", 1),
            ("1a", 1),
        ] {
            assert!(ObjectName::parse(bad, parts).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn stored_names_are_quoted_where_needed() {
        for (stored, sql) in [
            ("PUBLIC", "PUBLIC"),
            ("my wh", "\"my wh\""),
            ("a\"b", "\"a\"\"b\""),
            ("1A", "\"1A\""),
        ] {
            assert_eq!(ObjectName::from_stored(stored).as_sql(), sql);
        }
    }

    #[test]
    fn request_ids_are_uuids() {
        let id: RequestId = "6F9619FF-8B86-D011-B42D-00C04FC964FF".parse().unwrap();
        assert_eq!(id.to_string(), "6f9619ff-8b86-d011-b42d-00c04fc964ff");
        assert!("last".parse::<RequestId>().is_err());
    }
}

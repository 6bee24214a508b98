//! Where files are: a stage and the beginning of names in it.

use crate::catalog::names::{Name, parse_dotted};
use crate::contract::SqlError;

/// A stage with what stands after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The stage.
    pub place: Place,
    /// What follows, without the first `/`: a name or the beginning of names.
    pub path: String,
}

/// Whose stage it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `@~`.
    User,
    /// `@%t`, with the parts of the table's name.
    Table(Vec<Name>),
    /// `@s`, with the parts of its name.
    Named(Vec<Name>),
}

impl Location {
    /// Reads `@stage/path`.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let invalid = || {
            let detail = format!("invalid stage location '{text}'");
            SqlError::compilation("001003", "42000", detail)
        };
        let written = text.trim().strip_prefix('@').ok_or_else(invalid)?;
        let (name, path) = cut(written);
        let path = path.to_owned();
        if name == "~" {
            return Ok(Self {
                place: Place::User,
                path,
            });
        }
        let place = match name
            .rfind('%')
            .filter(|_| !name.ends_with('"') || name.contains("%\""))
        {
            Some(at) if at == 0 || name[..at].ends_with('.') => {
                let mut parts = match name[..at].strip_suffix('.') {
                    Some(before) => parse_dotted(before)?,
                    None => Vec::new(),
                };
                parts.extend(parse_dotted(&name[at + 1..])?);
                Place::Table(parts)
            }
            _ => Place::Named(parse_dotted(name)?),
        };
        Ok(Self { place, path })
    }
}

/// The stage's name, and what follows its `/`; names in quotes may hold one.
fn cut(written: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, character) in written.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '/' if !quoted => return (&written[..at], &written[at + 1..]),
            _ => {}
        }
    }
    (written, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        let Location { place, path } = Location::parse(text).unwrap();
        let shown = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(".");
        let place = match place {
            Place::User => "~".to_owned(),
            Place::Table(names) => format!("%{}", shown(&names)),
            Place::Named(names) => shown(&names),
        };
        (place, path)
    }

    #[test]
    fn locations_are_read() {
        for (text, place, path) in [
            ("@s", "S", ""),
            ("@~/a/b.csv", "~", "a/b.csv"),
            ("@db.sc.\"my/Stage\"/x", "DB.SC.my/Stage", "x"),
            ("@%t/p/", "%T", "p/"),
            ("@db.sc.%\"t\"", "%DB.SC.t", ""),
            ("@\"A%\"/x", "A%", "x"),
            ("@SYSTEM$BIND/1", "SYSTEM$BIND", "1"),
        ] {
            assert_eq!(read(text), (place.to_owned(), path.to_owned()), "{text}");
        }
        assert!(Location::parse("s3://bucket").is_err());
        assert!(Location::parse("@").is_err());
    }
}

//! Patterns of object names: `prod.*.*`, `admin.public.refresh`, `tmp_*`, `s3://bucket/*`.

use std::fmt;
use std::str::FromStr;

/// Most parts of a pattern: database, schema, object.
const PARTS_MAX: usize = 3;

/// Which objects a rule is about. Its parts are read from the outermost on: `prod` is the database, or an
/// object of the account, of this name; `prod.*` its schemas and all that is in them, because a last part `*`
/// goes on; `prod.*.*` what is in its schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

/// One part: what is between the `*`, and whether its case counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    pieces: Vec<String>,
}

/// What is known of one part of an object's name; `None` is nothing.
pub(super) type Known<'a> = Option<&'a str>;

impl Pattern {
    /// True when an object of this name is certainly one of those that are meant.
    pub(super) fn covers(&self, name: &[Known<'_>]) -> bool {
        let goes_on = self.parts.last().is_some_and(Part::is_any);
        (name.len() == self.parts.len() || goes_on && name.len() > self.parts.len())
            && self
                .parts
                .iter()
                .zip(name)
                .all(|(part, known)| part.is_any() || known.is_some_and(|known| part.matches(known)))
    }

    /// True unless it is certain that nothing of what is meant is this object, is in it, or is what it is in.
    /// Case does not count: with `QUOTED_IDENTIFIERS_IGNORE_CASE` it does not count for Snowflake either.
    pub(super) fn may_touch(&self, name: &[Known<'_>]) -> bool {
        self.parts
            .iter()
            .zip(name)
            .all(|(part, known)| known.is_none_or(|known| part.may_match(known)))
    }

    /// Number of its parts.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }
}

impl Part {
    fn is_any(&self) -> bool {
        self.pieces.len() == 2 && self.pieces.iter().all(String::is_empty)
    }

    fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|piece| piece == name);
        };
        let Some(mut rest) = name
            .strip_prefix(first.as_str())
            .and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        // The leftmost place for each is as good as any other.
        for piece in middle {
            let Some(at) = rest.find(piece.as_str()) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        true
    }

    fn may_match(&self, name: &str) -> bool {
        let folded = Self {
            pieces: self.pieces.iter().map(|piece| piece.to_uppercase()).collect(),
        };
        folded.matches(&name.to_uppercase())
    }
}

impl FromStr for Pattern {
    type Err = String;

    /// Plain parts are folded to upper case and may hold `*`; what is in double quotes stands for itself. A
    /// location outside Snowflake is one part, as it stands.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is not a pattern of names; write for example prod.*.* or \"My Db\".public.t")
        };
        if text.contains("://") {
            let pieces = text.split('*').map(str::to_owned).collect();
            return Ok(Self {
                parts: vec![Part { pieces }],
            });
        }
        let mut parts = Vec::new();
        let mut rest = text.strip_prefix('@').unwrap_or(text);
        loop {
            let (part, behind) = part(rest).ok_or_else(wrong)?;
            parts.push(part);
            match behind.strip_prefix('.') {
                Some(next) => rest = next,
                None if behind.is_empty() => break,
                None => return Err(wrong()),
            }
        }
        if parts.len() > PARTS_MAX {
            return Err(format!("{text:?} has more than {PARTS_MAX} parts"));
        }
        Ok(Self { parts })
    }
}

/// The part at the start of a text, and what is behind it.
fn part(text: &str) -> Option<(Part, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = quoted;
        loop {
            let (before, behind) = rest.split_once('"')?;
            name.push_str(before);
            match behind.strip_prefix('"') {
                Some(next) => {
                    name.push('"');
                    rest = next;
                }
                None if name.is_empty() => return None,
                None => return Some((Part { pieces: vec![name] }, behind)),
            }
        }
    }
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '*' | '~');
    let length = text.find(|c| !is_plain(c)).unwrap_or(text.len());
    let pieces = text[..length].split('*').map(str::to_uppercase).collect();
    (length > 0).then_some((Part { pieces }, &text[length..]))
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(formatter, "{dot}{}", part.pieces.join("*"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_names_and_touch_what_is_around_them() {
        for (pattern, name, covers, touches) in [
            ("prod.*.*", "PROD.S.T", true, true),
            ("prod.*.*", "PROD.S", false, true),
            ("prod.*.*", "PROD", false, true),
            ("prod.*.*", "DEV.S.T", false, false),
            ("prod.*.*", "?.S.T", false, true),
            ("prod.*.*", "PROD.?.T", true, true),
            ("prod.hr.*", "PROD.?.T", false, true),
            ("prod", "PROD", true, true),
            ("prod", "PROD.S.T", false, true),
            ("prod.*", "PROD.S", true, true),
            ("prod.*", "PROD.S.T", true, true),
            ("prod.*", "PROD", false, true),
            ("*", "ANY.THING", true, true),
            ("*", "?", true, true),
            ("a.b.c", "A.B.C", true, true),
            ("a.b.c", "A.B.D", false, false),
            ("*.*.tmp_*", "A.B.TMP_1", true, true),
            ("*.*.tmp_*", "A.B.TMP", false, false),
            ("*.*.*_tmp_*x", "A.B.A_TMP_B_TMP_X", true, true),
            ("aa*aa", "AAA", false, false),
            ("\"prod\".*.*", "PROD.S.T", false, true),
            ("\"prod\".*.*", "prod.S.T", true, true),
            ("prod.*.*", "prod.S.T", false, true),
            ("\"a*b\".x", "a*b.X", true, true),
            ("\"a*b\".x", "acb.X", false, false),
            ("\"a\"\"b\"", "a\"b", true, true),
            ("s3://bucket/*", "s3://bucket/x", true, true),
            ("s3://bucket/*", "s3://other/x", false, false),
            ("@~", "~", true, true),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            let name: Vec<Known<'_>> = if name.contains("://") {
                vec![Some(name)]
            } else {
                name.split('.')
                    .map(|part| (part != "?").then_some(part))
                    .collect()
            };
            let found = (parsed.covers(&name), parsed.may_touch(&name));
            assert_eq!(found, (covers, touches), "{pattern} and {name:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_not_taken() {
        for text in [
            "", "a.", ".a", "a..b", "a b", "a.b.c.d", "\"a", "\"\"", "a\"b\"", "a-b",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?} was taken");
        }
    }
}

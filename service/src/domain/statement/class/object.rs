//! What a statement names: objects with Snowflake's rules of case, stages, and names made at run time.

use std::fmt;
use std::ops::Range;

use super::tokens::{Kind, Text};

/// Something that a statement touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// An object, by a name of one or more parts.
    Name(Name),
    /// A stage, or a path in it.
    Stage(Stage),
    /// A name that is known only when the statement runs: `IDENTIFIER($x)`, `TABLE(?)`.
    Dynamic,
}

/// A name as Snowflake stores it: plain parts in upper case, quoted parts as they are, without the quotes.
///
/// It is not resolved: `T` may be any table of that name, whatever the session's schema is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    parts: Vec<String>,
}

/// A stage and a path in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage {
    /// Which stage.
    pub place: Place,
    /// The path behind the `/`, exactly as written; empty for the whole stage.
    pub path: String,
}

/// Which stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// `@~`: the user's own.
    User,
    /// `@%table`: a table's own.
    Table(Name),
    /// `@name`
    Named(Name),
}

impl Stage {
    /// Reads what stands behind an `@`.
    fn parse(text: &str) -> Option<Self> {
        let mut quoted = false;
        let slash = text.find(|character| {
            quoted ^= character == '"';
            character == '/' && !quoted
        });
        let (place, path) = slash.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
        let place = match place.split_once('%') {
            _ if place == "~" => Place::User,
            Some((schema, table)) if !schema.contains('"') => {
                Place::Table(Name::parse(&format!("{schema}{table}"))?)
            }
            _ => Place::Named(Name::parse(place)?),
        };
        Some(Self {
            place,
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::User => formatter.write_str("@~")?,
            Place::Table(name) => write!(formatter, "@%{name}")?,
            Place::Named(name) => write!(formatter, "@{name}")?,
        }
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(formatter, "/{}", self.path)
        }
    }
}

impl Name {
    /// The parts, outermost first. A part is empty where the text has `db..table`.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The innermost part.
    pub fn last(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// Reads a name from a text that holds nothing else, such as the argument of `IDENTIFIER('…')`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = Text::read(text);
        let within = 0..text.tokens.len();
        let (name, end) = name_at(&text, 0, &within)?;
        (end == within.end && text.doubt.is_none()).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            let plain = part
                .chars()
                .all(|c| c.is_alphanumeric() && !c.is_lowercase() || matches!(c, '_' | '$'))
                && !part.starts_with(|c: char| c.is_numeric() || c == '$');
            if plain {
                formatter.write_str(part)?;
            } else {
                write!(formatter, "\"{}\"", part.replace('"', "\"\""))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(formatter),
            Self::Stage(stage) => stage.fmt(formatter),
            Self::Dynamic => formatter.write_str("?"),
        }
    }
}

/// The name that begins at token `at`, and the token behind it.
pub(super) fn name_at(text: &Text<'_>, at: usize, within: &Range<usize>) -> Option<(Name, usize)> {
    let end = name_end(text, at, within)?;
    let mut parts = Vec::with_capacity(2);
    let mut separated = true;
    for index in at..end {
        let token = text.tokens[index];
        if token.kind == Kind::Mark('.') {
            if separated && index > at {
                parts.push(String::new());
            }
            separated = true;
        } else {
            parts.push(part(token.kind, text.str(token)));
            separated = false;
        }
    }
    Some((Name { parts }, end))
}

/// The token behind the name that begins at token `at`.
pub(super) fn name_end(text: &Text<'_>, at: usize, within: &Range<usize>) -> Option<usize> {
    let is_part = |index: usize| {
        text.at(index, within)
            .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Identifier))
    };
    if !is_part(at) {
        return None;
    }
    let mut end = at + 1;
    loop {
        let mut next = end;
        while text.is_mark(next, within, '.') {
            next += 1;
        }
        if next == end || !is_part(next) {
            return Some(end);
        }
        end = next + 1;
    }
}

fn part(kind: Kind, text: &str) -> String {
    if kind == Kind::Identifier {
        let inner = text.strip_prefix('"').unwrap_or(text);
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        inner.replace("\"\"", "\"")
    } else {
        text.to_uppercase()
    }
}

/// The object that begins at token `at`, where the grammar has the name of one, and the token behind it.
pub(super) fn object_at(text: &Text<'_>, at: usize, within: &Range<usize>) -> Option<(Object, usize)> {
    let token = text.at(at, within)?;
    match token.kind {
        Kind::Stage => Some((from_stage(&text.sql[token.start + 1..token.end]), at + 1)),
        Kind::Text => Some((from_literal(text.str(token)), at + 1)),
        // `$1` is a result of the chain, which is no object; `$name`, `:name`, `?` and `%s` are values.
        Kind::Mark('$' | ':') => Some((Object::Dynamic, at + 2)),
        Kind::Mark('?' | '%') => Some((Object::Dynamic, at + 1)),
        Kind::Word if computes_name(text, at, within) => computed(text, at, within),
        Kind::Word | Kind::Identifier => {
            name_at(text, at, within).map(|(name, end)| (Object::Name(name), end))
        }
        _ => None,
    }
}

/// True for `IDENTIFIER (` and `TABLE (`.
fn computes_name(text: &Text<'_>, at: usize, within: &Range<usize>) -> bool {
    text.is_any(at, within, &["IDENTIFIER", "TABLE"]) && text.is_mark(at + 1, within, '(')
}

/// Tokens of the argument of `IDENTIFIER(…)` that are looked at: looking on to the end of the text for each
/// of them would take time that grows with its square.
const ARGUMENT_TOKENS_MAX: usize = 64;

/// `IDENTIFIER('name')`, `IDENTIFIER($x)`, `TABLE('name')`: what it names, and the token behind it.
fn computed(text: &Text<'_>, at: usize, within: &Range<usize>) -> Option<(Object, usize)> {
    let argument = at + 2;
    let token = text.at(argument, within)?;
    if token.kind == Kind::Text && text.is_mark(argument + 1, within, ')') {
        return Some((from_literal(text.str(token)), argument + 2));
    }
    // Whatever is computed, it ends at the matching parenthesis.
    let within = within.start..within.end.min(argument + ARGUMENT_TOKENS_MAX);
    let mut depth = 1;
    let mut end = argument;
    while depth > 0 {
        match text.at(end, &within)?.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth -= 1,
            _ => {}
        }
        end += 1;
    }
    Some((Object::Dynamic, end))
}

fn from_stage(text: &str) -> Object {
    Stage::parse(text).map_or(Object::Dynamic, Object::Stage)
}

/// What a string names: a stage, a name, or nothing that can be told.
fn from_literal(literal: &str) -> Object {
    let inner = literal.strip_prefix('\'').unwrap_or(literal);
    let inner = inner.strip_suffix('\'').unwrap_or(inner);
    if inner.contains(['\\', '\'']) {
        return Object::Dynamic;
    }
    if let Some(stage) = inner.strip_prefix('@') {
        return from_stage(stage);
    }
    // A location outside Snowflake, `s3://bucket/path`, is kept as it is: it is where data goes to.
    if inner.contains("://") {
        return Object::Name(Name {
            parts: vec![inner.to_owned()],
        });
    }
    Name::parse(inner).map_or(Object::Dynamic, Object::Name)
}

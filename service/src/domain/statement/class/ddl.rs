//! Statements that change objects and grants: the verb, the kind of the object, its name, and whether
//! something is lost.

use std::ops::Range;

use super::kinds::kind_at;
use super::object::{Object, name_at, object_at};
use super::scan::{Start, scan};
use super::tokens::Text;
use super::write::{if_exists, option_is, read, target};
use super::{Class, Link};

/// A change of an object or of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ddl {
    /// What is done.
    pub verb: Verb,
    /// The kind of the object, in singular and upper case: `TABLE`, `ROW ACCESS POLICY`. `None` for a kind
    /// that is not known here.
    pub kind: Option<&'static str>,
}

/// What DDL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `CREATE`, also `CREATE OR REPLACE` and `CREATE OR ALTER`.
    Create,
    /// `ALTER`.
    Alter,
    /// `DROP`.
    Drop,
    /// `UNDROP`.
    Undrop,
    /// `COMMENT`.
    Comment,
    /// `GRANT`.
    Grant,
    /// `REVOKE`.
    Revoke,
}

/// Words between `CREATE` and the kind that say how, not what.
const MODIFIERS: [&str; 12] = [
    "OR",
    "REPLACE",
    "ALTER",
    "LOCAL",
    "GLOBAL",
    "TEMP",
    "TEMPORARY",
    "VOLATILE",
    "TRANSIENT",
    "SECURE",
    "RECURSIVE",
    "FORCE",
];

/// Words with which an `ALTER` takes something away.
const LOSING: [&str; 4] = ["DROP", "SWAP", "REMOVE", "PURGE"];

/// The verb that a word is.
pub(super) fn verb(word: &str) -> Option<Verb> {
    const VERBS: [(&str, Verb); 7] = [
        ("CREATE", Verb::Create),
        ("ALTER", Verb::Alter),
        ("DROP", Verb::Drop),
        ("UNDROP", Verb::Undrop),
        ("COMMENT", Verb::Comment),
        ("GRANT", Verb::Grant),
        ("REVOKE", Verb::Revoke),
    ];
    VERBS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, verb)| *verb)
}

/// Understands a statement that begins with `verb` at token `at`.
pub(super) fn understand(text: &Text<'_>, verb: Verb, at: usize, within: &Range<usize>, link: &mut Link) {
    // A verb alone is no statement.
    if at + 1 >= within.end {
        return;
    }
    let kind = match verb {
        Verb::Create => create(text, at + 1, within, link),
        Verb::Alter => alter(text, at + 1, within, link),
        Verb::Drop | Verb::Undrop => {
            link.destroys = verb == Verb::Drop;
            named(text, at + 1, within, link)
        }
        Verb::Comment => {
            let on = text.find(at, within, "ON").map_or(within.end, |on| on + 1);
            named(text, on, within, link)
        }
        Verb::Grant | Verb::Revoke => grant(text, at + 1, within, link),
    };
    link.class = Class::Ddl(Ddl { verb, kind });
}

/// A kind and a name; says the kind.
fn named(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) -> Option<&'static str> {
    let Some((kind, next)) = kind_or_class(text, at, within) else {
        link.targets.push(Object::Dynamic);
        return None;
    };
    if kind != "ACCOUNT" || !text.is_any(next, within, &["SET", "UNSET"]) {
        target(text, if_exists(text, next, within), within, link);
    }
    Some(kind)
}

/// A kind, or the name of a class, as in `CREATE SNOWFLAKE.ML.FORECAST f(…)`, whose objects are instances.
fn kind_or_class(text: &Text<'_>, at: usize, within: &Range<usize>) -> Option<(&'static str, usize)> {
    if text.is_mark(at + 1, within, '.') {
        return name_at(text, at, within).map(|(_, next)| ("INSTANCE", next));
    }
    kind_at(text, at, within)
}

fn create(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) -> Option<&'static str> {
    let mut next = at;
    while text.is_any(next, within, &MODIFIERS) {
        next += 1;
    }
    let modified = at..next;
    let replaces = text.is(at, within, "OR") && text.find(at, &modified, "REPLACE").is_some();
    let alters = text.is(at, within, "OR") && text.find(at, &modified, "ALTER").is_some();
    let kind = named(text, next, within, link);
    // Columns that the new definition of a table does not name are dropped.
    link.destroys = replaces || alters && kind.is_none_or(|kind| kind.ends_with("TABLE"));
    definition(text, next, within, kind, link);
    kind
}

/// What a `CREATE` reads: the query behind `AS`, the original of a clone, the table of a stream.
fn definition(text: &Text<'_>, from: usize, within: &Range<usize>, kind: Option<&str>, link: &mut Link) {
    let holds_query = kind.is_none_or(|kind| kind.ends_with("TABLE") || kind.ends_with("VIEW"));
    let mut at = from;
    while at < within.end {
        if holds_query && text.is_any(at, within, &["AS", "TEMPLATE"]) && is_query(text, at + 1, within) {
            return read(link, scan(text, at + 1, within, Start::Query));
        }
        let original = text.is_any(at, within, &["CLONE"])
            || kind.is_some_and(|kind| kind.ends_with("TABLE")) && text.is(at, within, "LIKE");
        if original && let Some((object, _)) = object_at(text, at + 1, within) {
            link.sources.push(object);
            return;
        }
        if kind == Some("STREAM") && text.is(at, within, "ON") {
            let source = kind_at(text, at + 1, within).and_then(|(_, next)| object_at(text, next, within));
            link.sources.extend(source.map(|(object, _)| object));
            return;
        }
        at += 1;
    }
}

/// True where a query begins, perhaps in parentheses.
fn is_query(text: &Text<'_>, mut at: usize, within: &Range<usize>) -> bool {
    while text.is_mark(at, within, '(') {
        at += 1;
    }
    text.is_any(at, within, &["SELECT", "WITH", "VALUES"])
}

fn alter(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) -> Option<&'static str> {
    let kind = named(text, at, within, link);
    link.destroys = (at..within.end).any(|index| loses(text, index, within))
        // Without Time Travel, what is dropped later cannot be had back.
        || option_is(text, at, within, "DATA_RETENTION_TIME_IN_DAYS", "0");
    let behind = [("SWAP", "WITH"), ("RENAME", "TO")]
        .into_iter()
        .find_map(|(first, second)| {
            let at = text.find(at, within, first)?;
            text.is(at + 1, within, second).then_some(at + 2)
        });
    if let Some((object, _)) = behind.and_then(|other| object_at(text, other, within)) {
        link.targets.push(object);
    }
    kind
}

/// True at a word with which an `ALTER` takes something away that is more than a property of a column.
fn loses(text: &Text<'_>, at: usize, within: &Range<usize>) -> bool {
    text.is_any(at, within, &LOSING)
        && !(text.is(at, within, "DROP") && text.is_any(at + 1, within, &["NOT", "DEFAULT"]))
}

/// What is granted or revoked on: `ON kind name`, `ON ALL kinds IN kind name`, or a role.
fn grant(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) -> Option<&'static str> {
    let ends = |at: usize| text.is_any(at, within, &["TO", "FROM"]);
    let end = (at..within.end).find(|at| ends(*at)).unwrap_or(within.end);
    let granted = at..end;
    let Some(on) = text.find(at, &granted, "ON") else {
        return named(text, at, &granted, link);
    };
    let kind = if text.is_any(on + 1, &granted, &["ALL", "FUTURE"]) {
        text.find(on, &granted, "IN").map_or(on + 2, |at| at + 1)
    } else {
        on + 1
    };
    let (kind, next) = kind_or_class(text, kind, &granted)?;
    if next < end {
        target(text, next, &granted, link);
    }
    Some(kind)
}

//! Completes the names of a statement by the session's context, as far as it is known.

use super::pattern::{Known, Pattern};
use crate::domain::statement::class::{Class, Ddl, File, Link, Name, Object, Place, Read};

/// What is known of the session in which a statement will run.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionFacts<'a> {
    /// Its database, as Snowflake reports it.
    pub database: Option<&'a str>,
    /// Its schema, as Snowflake reports it.
    pub schema: Option<&'a str>,
    /// It has a search path of its own, so that a name without a schema may be found anywhere.
    pub search_path: bool,
}

/// Where objects live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// In the account, and it is no database.
    Account,
    /// It is a database.
    Top,
    Database,
    Schema,
    /// The kind is not known, so the name can be any.
    Unknown,
}

/// How names that are not qualified are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// In the session's schema.
    Current,
    /// Along the search path, whose default is the session's schema and then `PUBLIC`.
    Path,
}

/// What an object may be.
pub(super) struct Resolved<'a> {
    /// Full names, one of which it has; none when nothing is known.
    candidates: Vec<Vec<Known<'a>>>,
    /// It is certainly an object of the account and no database.
    of_account: bool,
}

impl Resolved<'_> {
    /// True when it is certainly one of those that the pattern means.
    pub(super) fn is_covered(&self, pattern: &Pattern) -> bool {
        !self.candidates.is_empty() && self.candidates.iter().all(|name| pattern.covers(name))
    }

    /// True unless it is certain that it has nothing to do with those that the pattern means.
    pub(super) fn may_be_touched(&self, pattern: &Pattern) -> bool {
        if self.of_account && pattern.len() > 1 {
            return false;
        }
        self.candidates.is_empty() || self.candidates.iter().any(|name| pattern.may_touch(name))
    }
}

/// What a link changes, or runs, or takes away to the client.
pub(super) fn acted_on<'a>(link: &'a Link, facts: &SessionFacts<'a>) -> Vec<Resolved<'a>> {
    let home = match link.class {
        Class::Ddl(ddl) => home(ddl),
        Class::Use => Home::Unknown,
        _ => Home::Schema,
    };
    let objects = match link.class {
        Class::File(File::Get) => &link.sources,
        _ => &link.targets,
    };
    objects
        .iter()
        .map(|object| resolve(object, home, Search::Current, facts))
        .collect()
}

/// What a link reads.
pub(super) fn read<'a>(link: &'a Link, facts: &SessionFacts<'a>) -> Vec<Resolved<'a>> {
    // What SHOW and DESCRIBE name can be a database or a schema.
    let home = match link.class {
        Class::Read(Read::Show) => Home::Unknown,
        _ => Home::Schema,
    };
    let sources = link.sources.iter();
    sources
        .map(|object| resolve(object, home, Search::Path, facts))
        .collect()
}

/// A user's function or procedure.
pub(super) fn called<'a>(name: &'a Name, facts: &SessionFacts<'a>) -> Resolved<'a> {
    by_name(name, Home::Schema, Search::Path, facts)
}

/// A function that acts: Snowflake's own, and methods of instances, are known by their name alone.
pub(super) fn effect<'a>(name: &'a Name, facts: &SessionFacts<'a>) -> Resolved<'a> {
    let home = match name.parts().len() {
        1 => Home::Account,
        _ => Home::Schema,
    };
    by_name(name, home, Search::Path, facts)
}

/// True when the context decides what an object of this link is.
pub(super) fn depends_on_context(link: &Link) -> bool {
    let is_short = |name: &Name| name.parts().len() < 3 && !name.last().contains("://");
    let objects = link.targets.iter().chain(&link.sources);
    objects
        .filter_map(|object| match object {
            Object::Name(name) => Some(name),
            Object::Stage(stage) => match &stage.place {
                Place::Named(name) | Place::Table(name) => Some(name),
                Place::User => None,
            },
            Object::Dynamic => None,
        })
        .chain(&link.functions)
        .any(is_short)
}

fn resolve<'a>(object: &'a Object, home: Home, search: Search, facts: &SessionFacts<'a>) -> Resolved<'a> {
    match object {
        Object::Name(name) => by_name(name, home, search, facts),
        Object::Stage(stage) => match &stage.place {
            Place::Named(name) | Place::Table(name) => by_name(name, Home::Schema, search, facts),
            Place::User => Resolved {
                candidates: vec![vec![Some("~")]],
                of_account: true,
            },
        },
        Object::Dynamic => Resolved {
            candidates: Vec::new(),
            of_account: false,
        },
    }
}

fn by_name<'a>(name: &'a Name, home: Home, search: Search, facts: &SessionFacts<'a>) -> Resolved<'a> {
    let parts: Vec<Known<'a>> = name
        .parts()
        .iter()
        // `db..t` is in the schema PUBLIC.
        .map(|part| Some(if part.is_empty() { "PUBLIC" } else { part.as_str() }))
        .collect();
    if parts.len() == 1 && name.last().contains("://") {
        return Resolved {
            candidates: vec![parts],
            of_account: true,
        };
    }
    let within = |outer: &[Known<'a>]| outer.iter().chain(&parts).copied().collect::<Vec<_>>();
    let of_account = home == Home::Account;
    let candidates = match (home, parts.len()) {
        (Home::Account | Home::Top, _) => vec![parts],
        (Home::Database, 1) => vec![within(&[facts.database])],
        (Home::Schema, 1) => match search {
            Search::Current => vec![within(&[facts.database, facts.schema])],
            Search::Path if facts.search_path => vec![within(&[None, None])],
            Search::Path if facts.schema == Some("PUBLIC") => {
                vec![within(&[facts.database, facts.schema])]
            }
            Search::Path => vec![
                within(&[facts.database, facts.schema]),
                within(&[facts.database, Some("PUBLIC")]),
            ],
        },
        (Home::Schema, 2) => vec![within(&[facts.database])],
        // A database, a schema of this one, or something in this schema.
        (Home::Unknown, 1) => vec![
            parts.clone(),
            within(&[facts.database]),
            within(&[facts.database, facts.schema]),
        ],
        (Home::Unknown, 2) => vec![parts.clone(), within(&[facts.database])],
        (Home::Database | Home::Schema | Home::Unknown, _) => vec![parts],
    };
    Resolved {
        candidates,
        of_account,
    }
}

/// Where objects of this kind live.
fn home(ddl: Ddl) -> Home {
    const OF_ACCOUNT: [&str; 24] = [
        "ACCOUNT",
        "APPLICATION",
        "APPLICATION PACKAGE",
        "COMPUTE POOL",
        "CONNECTION",
        "EXTERNAL VOLUME",
        "FAILOVER GROUP",
        "INTERACTIVE WAREHOUSE",
        "LISTING",
        "MANAGED ACCOUNT",
        "NETWORK POLICY",
        "ORGANIZATION ACCOUNT",
        "ORGANIZATION LISTING",
        "ORGANIZATION PROFILE",
        "ORGANIZATION USER",
        "ORGANIZATION USER GROUP",
        "POSTGRES INSTANCE",
        "REPLICATION GROUP",
        "RESOURCE MONITOR",
        "ROLE",
        "SHARE",
        "TRUST CENTER EXTENSION",
        "USER",
        "WAREHOUSE",
    ];
    match ddl.kind {
        None => Home::Unknown,
        Some("DATABASE") => Home::Top,
        Some("SCHEMA" | "DATABASE ROLE") => Home::Database,
        Some(kind) if kind.ends_with("INTEGRATION") || OF_ACCOUNT.contains(&kind) => Home::Account,
        Some(_) => Home::Schema,
    }
}

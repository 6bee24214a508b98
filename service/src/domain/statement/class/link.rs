//! Understands one link of a chain, beginning with its first word.

use std::hash::Hash;
use std::ops::Range;

use super::kinds::kind_at;
use super::object::{Object, object_at};
use super::scan::{Found, Start, scan};
use super::tokens::{Kind, Text};
use super::write::read;
use super::{Call, Class, Ddl, Doubt, File, Link, Read, Transaction, Verb, Write, ddl, split, write};

impl Link {
    /// Nothing but a class.
    pub(super) fn of(span: Range<usize>, class: Class) -> Self {
        Self {
            span,
            class,
            destroys: false,
            unconditional: false,
            targets: Vec::new(),
            sources: Vec::new(),
            effects: Vec::new(),
            functions: Vec::new(),
            table_functions: Vec::new(),
            procedure: None,
            doubt: None,
        }
    }
}

/// A scripting block: never shown to be a read.
pub(super) fn block(text: &Text<'_>, within: Range<usize>) -> Link {
    let mut link = Link::of(split::span(text, &within), Class::Call(Call::Block));
    let mut found = scan(text, within.start, &within, Start::Query);
    // A name in a block may be a variable or a cursor, so what it reads is not told.
    found.sources.clear();
    read(&mut link, found);
    finish(&mut link);
    link
}

/// Understands the link in these tokens.
pub(super) fn understand(text: &Text<'_>, within: Range<usize>) -> Link {
    let mut link = Link::of(split::span(text, &within), Class::Unknown);
    statement(text, within.start, &within, &mut link);
    if matches!(link.class, Class::Read(_) | Class::Use | Class::Session) && !link.effects.is_empty() {
        link.class = Class::Call(Call::Function);
    }
    if matches!(link.class, Class::Read(_)) && link.doubt.is_some() {
        link.class = Class::Unknown;
    }
    finish(&mut link);
    link
}

/// Understands the statement that begins at token `at`.
fn statement(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    if text.is_mark(at, within, '(') {
        return query(text, at, within, link);
    }
    let Some(word) = text.word(at, within) else {
        return;
    };
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
    if is("SELECT") || is("WITH") || is("VALUES") {
        query(text, at, within, link);
    } else if is("SHOW") {
        telling(text, at, within, link, Read::Show);
    } else if is("DESCRIBE") || is("DESC") {
        telling(text, at, within, link, Read::Describe);
    } else if is("EXPLAIN") {
        explain(text, at, within, link);
    } else if is("LIST") || is("LS") {
        list(text, at, within, link);
    } else if is("USE") {
        use_context(text, at, within, link);
    } else if is("SET") || is("UNSET") {
        session(text, at + 1, within, link);
    } else if is("ALTER")
        && text.is(at + 1, within, "SESSION")
        && text.is_any(at + 2, within, &["SET", "UNSET"])
    {
        session(text, at + 3, within, link);
    } else if is("BEGIN") || is("START") || is("COMMIT") || is("ROLLBACK") {
        transaction(text, at, within, link);
    } else if is("PUT") {
        write::file(text, at, within, link, File::Put);
    } else if is("GET") {
        write::file(text, at, within, link, File::Get);
    } else if is("REMOVE") || is("RM") {
        write::file(text, at, within, link, File::Remove);
    } else if is("CALL") {
        call(text, at, within, link);
    } else if is("EXECUTE") {
        execute(text, at, within, link);
    } else if let Some(verb) = ddl::verb(word) {
        ddl::understand(text, verb, at, within, link);
    } else if is("INSERT") || is("UPDATE") || is("DELETE") || is("MERGE") || is("TRUNCATE") || is("COPY") {
        write::understand(text, at, within, link);
    }
}

/// True when nothing was found that a read does not have.
fn is_clean(found: &Found, link: &mut Link) -> bool {
    if found.unbalanced {
        link.doubt = Some(Doubt::Unbalanced);
    }
    found.writing.is_none() && !found.odd && !found.unbalanced && !found.procedure && found.main.is_none()
}

fn query(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let mut first = at;
    while text.is_mark(first, within, '(') {
        first += 1;
    }
    let found = scan(text, at, within, Start::Query);
    if text.is_any(first, within, &["SELECT", "WITH", "VALUES"]) && is_clean(&found, link) {
        link.class = Class::Read(Read::Query);
    } else if found.procedure {
        link.class = Class::Call(Call::Procedure);
    } else if let Some(main) = found.main
        && text.is_any(main, within, &["INSERT", "UPDATE", "DELETE", "MERGE"])
    {
        // `WITH … DELETE`: what it does to the rows is said behind the list.
        write::understand(text, main, within, link);
    }
    read(link, found);
}

/// A command that tells about objects.
fn telling(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link, how: Read) {
    let found = scan(text, at + 1, within, Start::Query);
    if within.end > at + 1 && is_clean(&found, link) {
        link.class = Class::Read(how);
    }
    // Behind FROM stands where the list begins, not what is read.
    link.effects.extend(found.effects);
    let object = match how {
        Read::Describe => Some(at + 1),
        _ => text.find(at + 1, within, "IN").map(|at| at + 1),
    };
    if let Some((kind, next)) = object.and_then(|at| kind_at(text, at, within))
        && kind != "ACCOUNT"
        && let Some((object, _)) = object_at(text, next, within)
    {
        link.sources.push(object);
    }
}

/// `EXPLAIN` plans a statement and does not run it. Functions of constants may be run when planning.
fn explain(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let mut next = at + 1;
    if text.is(next, within, "USING") && text.is_any(next + 1, within, &["TABULAR", "JSON", "TEXT"]) {
        next += 2;
    }
    if text.is(next, within, "EXPLAIN") {
        return;
    }
    let found = scan(text, next, within, Start::Query);
    statement(text, next, within, link);
    let planned = matches!(
        link.class,
        Class::Read(Read::Query)
            | Class::Write(Write::Insert | Write::InsertMulti | Write::Update | Write::Delete | Write::Merge)
            | Class::Ddl(Ddl {
                verb: Verb::Create,
                kind: Some("TABLE" | "VIEW"),
            })
    );
    link.class = if planned && !found.unbalanced {
        Class::Read(Read::Explain)
    } else {
        Class::Unknown
    };
    link.effects.extend(found.effects);
    link.destroys = false;
    link.unconditional = false;
    let named = std::mem::take(&mut link.targets);
    link.sources.splice(0..0, named);
}

fn list(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let is_place = text
        .at(at + 1, within)
        .is_some_and(|token| matches!(token.kind, Kind::Stage | Kind::Text));
    if is_place && is_clean(&scan(text, at + 2, within, Start::Query), link) {
        link.class = Class::Read(Read::List);
        link.sources
            .extend(object_at(text, at + 1, within).map(|(object, _)| object));
    }
}

/// `USE [kind] name`, `USE SECONDARY ROLES …`: names and nothing else.
fn use_context(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    const KINDS: [&str; 4] = ["ROLE", "WAREHOUSE", "DATABASE", "SCHEMA"];
    let next = at + 1;
    if text.is(next, within, "SECONDARY") && text.is(next + 1, within, "ROLES") {
        let is_list = within.end > next + 2
            && (next + 2..within.end).all(|at| {
                matches!(
                    text.tokens[at].kind,
                    Kind::Word | Kind::Identifier | Kind::Mark(',')
                )
            });
        if is_list {
            link.class = Class::Use;
        }
        return;
    }
    let name = next + usize::from(text.is_any(next, within, &KINDS) && next + 1 < within.end);
    let found = scan(text, name, within, Start::Query);
    if let Some((object, end)) = object_at(text, name, within)
        && end == within.end
        && is_clean(&found, link)
    {
        link.class = Class::Use;
        link.targets.push(object);
    }
    link.effects.extend(found.effects);
}

/// Sets or unsets variables or parameters, perhaps to what a query gives.
fn session(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let found = scan(text, at, within, Start::Query);
    if at < within.end && is_clean(&found, link) {
        link.class = Class::Session;
    }
    read(link, found);
}

/// Nothing but the words of a transaction.
fn transaction(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let is = |at: usize, word: &str| text.is(at, within, word);
    let begins = is(at, "BEGIN") && split::begins_transaction(text, at)
        || is(at, "START") && is(at + 1, "TRANSACTION") && split::begins_transaction(text, at);
    let ends = within.len() == 1 || within.len() == 2 && is(at + 1, "WORK");
    if begins {
        link.class = Class::Transaction(Transaction::Begin);
    } else if ends && is(at, "COMMIT") {
        link.class = Class::Transaction(Transaction::Commit);
    } else if ends && is(at, "ROLLBACK") {
        link.class = Class::Transaction(Transaction::Rollback);
    }
}

fn call(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    link.class = Class::Call(Call::Procedure);
    if let Some((Object::Name(name), _)) = object_at(text, at + 1, within) {
        link.procedure = Some(name.clone());
        link.functions.push(name);
    }
    read(link, scan(text, at + 1, within, Start::Query));
}

fn execute(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    if text.is(at + 1, within, "IMMEDIATE") {
        link.class = Class::Call(Call::Immediate);
        if text.is(at + 2, within, "FROM") {
            link.sources
                .extend(object_at(text, at + 3, within).map(|(object, _)| object));
        }
    } else if at + 1 < within.end {
        link.class = Class::Call(Call::Execute);
        let words = (at + 1..within.end).take_while(|at| {
            text.is_any(
                *at,
                within,
                &[
                    "TASK",
                    "ALERT",
                    "NOTEBOOK",
                    "PROJECT",
                    "JOB",
                    "SERVICE",
                    "DBT",
                    "DCM",
                    "MANAGED",
                    "STREAMLIT",
                ],
            )
        });
        let name = at + 1 + words.count();
        if !text.is(name, within, "IN") {
            link.targets
                .extend(object_at(text, name, within).map(|(object, _)| object));
        }
    }
}

/// Leaves out repetitions.
fn finish(link: &mut Link) {
    unique(&mut link.targets);
    unique(&mut link.sources);
    unique(&mut link.effects);
    unique(&mut link.functions);
    unique(&mut link.table_functions);
}

fn unique<T: Clone + Eq + Hash>(list: &mut Vec<T>) {
    const SHORT: usize = 8;
    if list.len() <= SHORT {
        let mut at = 1;
        while at < list.len() {
            if list[..at].contains(&list[at]) {
                list.remove(at);
            } else {
                at += 1;
            }
        }
    } else {
        let mut seen = std::collections::HashSet::with_capacity(list.len());
        list.retain(|item| seen.insert(item.clone()));
    }
}

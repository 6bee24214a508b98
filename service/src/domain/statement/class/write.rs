//! Statements that change rows or files: what they change, what they read, and on which condition.

use std::ops::Range;

use super::object::{Object, object_at};
use super::scan::{Found, Start, scan};
use super::tokens::{Kind, Text};
use super::{Class, File, Link, Write, condition};

/// Understands a statement that begins with a verb which changes rows; `at` is the verb.
pub(super) fn understand(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let is = |word: &str| text.is(at, within, word);
    // A verb alone is no statement.
    if at + 1 >= within.end {
        return;
    }
    if is("INSERT") {
        insert(text, at + 1, within, link);
    } else if is("UPDATE") {
        link.class = Class::Write(Write::Update);
        let next = target(text, at + 1, within, link);
        link.unconditional = is_unconditional(text, next, within, "WHERE");
        read(link, scan(text, next, within, Start::Query));
    } else if is("DELETE") {
        delete(text, at + 1, within, link);
    } else if is("MERGE") {
        merge(text, at + 1, within, link);
    } else if is("TRUNCATE") {
        link.class = Class::Write(Write::Truncate);
        link.destroys = true;
        let mut next = at + 1 + usize::from(text.is_any(at + 1, within, &["TABLE"]));
        next += 2 * usize::from(text.is(next, within, "MATERIALIZED"));
        target(text, if_exists(text, next, within), within, link);
    } else {
        copy(text, at + 1, within, link);
    }
}

/// Takes over what was found in the queries of a statement.
pub(super) fn read(link: &mut Link, found: Found) {
    link.sources.extend(found.sources);
    link.effects.extend(found.effects);
    link.functions.extend(found.functions);
    link.table_functions.extend(found.table_functions);
}

/// Skips `IF [NOT] EXISTS`.
pub(super) fn if_exists(text: &Text<'_>, at: usize, within: &Range<usize>) -> usize {
    if !text.is(at, within, "IF") {
        return at;
    }
    let next = at + 1 + usize::from(text.is(at + 1, within, "NOT"));
    next + usize::from(text.is(next, within, "EXISTS"))
}

/// Takes the object at `at` as a target; says what comes behind it. A statement whose target cannot be read
/// has a target that is not known.
pub(super) fn target(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) -> usize {
    let (object, next) = object_at(text, at, within).unwrap_or((Object::Dynamic, at));
    link.targets.push(object);
    next.min(within.end)
}

fn insert(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    link.class = Class::Write(Write::Insert);
    link.destroys = text.is(at, within, "OVERWRITE");
    let at = at + usize::from(link.destroys);
    if text.is_any(at, within, &["ALL", "FIRST"]) {
        return insert_multi(text, at, within, link);
    }
    let next = target(text, at + usize::from(text.is(at, within, "INTO")), within, link);
    let next = behind_columns(text, next, within);
    read(link, scan(text, next, within, Start::Query));
}

/// `INSERT ALL|FIRST [WHEN … THEN] INTO a … INTO b … SELECT …`
fn insert_multi(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    link.class = Class::Write(Write::InsertMulti);
    let mut depth = 0_usize;
    for index in at..within.end {
        match text.tokens[index].kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && text.is(index, within, "INTO") => {
                target(text, index + 1, within, link);
            }
            Kind::Word if depth == 0 && text.is_any(index, within, &["SELECT", "WITH"]) => break,
            _ => {}
        }
    }
    if link.targets.is_empty() {
        link.targets.push(Object::Dynamic);
    }
    // From the beginning: conditions and values read and call as well, and the query may stand in parentheses.
    read(link, scan(text, at, within, Start::Query));
}

/// Skips a list of columns, if it is one and no query.
pub(super) fn behind_columns(text: &Text<'_>, at: usize, within: &Range<usize>) -> usize {
    let is_query = text.is_any(at + 1, within, &["SELECT", "WITH"]) || text.is_mark(at + 1, within, '(');
    if !text.is_mark(at, within, '(') || is_query {
        return at;
    }
    (at..within.end)
        .find(|index| text.tokens[*index].kind == Kind::Mark(')'))
        .map_or(within.end, |end| end + 1)
}

fn delete(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    link.class = Class::Write(Write::Delete);
    let next = target(text, at + usize::from(text.is(at, within, "FROM")), within, link);
    link.unconditional = is_unconditional(text, next, within, "WHERE");
    read(link, scan(text, next, within, Start::Using));
}

fn merge(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    link.class = Class::Write(Write::Merge);
    let next = target(text, at + usize::from(text.is(at, within, "INTO")), within, link);
    link.unconditional = is_unconditional(text, next, within, "ON");
    read(link, scan(text, next, within, Start::Using));
}

/// True when there is no condition behind `word` outside parentheses, or one that is the same for all rows.
fn is_unconditional(text: &Text<'_>, from: usize, within: &Range<usize>, word: &str) -> bool {
    let mut depth = 0_usize;
    let mut start = None;
    let mut end = within.end;
    for at in from..within.end {
        match text.tokens[at].kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                if start.is_none() && text.is(at, within, word) {
                    start = Some(at + 1);
                } else if start.is_some() && word == "ON" && text.is(at, within, "WHEN") {
                    end = at;
                    break;
                }
            }
            _ => {}
        }
    }
    start.is_none_or(|start| condition::is_trivial(text, start..end))
}

/// `COPY INTO table FROM …`, `COPY INTO @stage FROM …`, `COPY FILES INTO @stage FROM …`
fn copy(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link) {
    let files = text.is(at, within, "FILES");
    let at = at + usize::from(files);
    let next = target(text, at + usize::from(text.is(at, within, "INTO")), within, link);
    let is_location = match link.targets.last() {
        Some(Object::Stage(_)) => true,
        Some(Object::Name(name)) => name.last().contains("://"),
        _ => false,
    };
    link.class = Class::Write(match (files, is_location) {
        (true, _) => Write::CopyFiles,
        (false, true) => Write::Unload,
        (false, false) => Write::Load,
    });
    link.destroys =
        option_is(text, next, within, "OVERWRITE", "TRUE") || option_is(text, next, within, "PURGE", "TRUE");
    let next = behind_columns(text, next, within);
    read(link, scan(text, next, within, Start::Query));
}

/// True when the statement has `name = value`.
pub(super) fn option_is(
    text: &Text<'_>,
    from: usize,
    within: &Range<usize>,
    name: &str,
    value: &str,
) -> bool {
    (from..within.end).any(|at| {
        text.is(at, within, name) && text.is_mark(at + 1, within, '=') && text.is(at + 2, within, value)
    })
}

/// `PUT`, `GET`, `REMOVE`; `at` is the verb.
pub(super) fn file(text: &Text<'_>, at: usize, within: &Range<usize>, link: &mut Link, file: File) {
    link.class = Class::File(file);
    // The path of a PUT is the client's; the stage comes behind it.
    let local = usize::from(file == File::Put);
    let (object, _) = object_at(text, at + 1 + local, within).unwrap_or((Object::Dynamic, at));
    if matches!(&object, Object::Name(name) if !name.last().contains("://")) {
        link.class = Class::Unknown;
    }
    match file {
        File::Put | File::Remove => link.targets.push(object),
        File::Get => link.sources.push(object),
    }
    link.destroys = file == File::Remove || option_is(text, at, within, "OVERWRITE", "TRUE");
}

//! Where the parts of a statement that changes rows stand in its text: the table, the condition, the new values, the
//! rows that come in. From these a query can be made that shows what the statement will touch, without the statement
//! being edited.
//!
//! A statement of which a part is not found for certain has no parts: then nothing is shown of it, and nothing wrong.

use std::ops::Range;

use super::object::{Object, name_at, object_at};
use super::tokens::{Kind, Text};
use super::write::behind_columns;
use super::{Class, Write, classify};

/// A statement that changes rows, in its parts. Ranges are bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What it does.
    pub verb: Write,
    /// The table with its alias, as a `FROM` takes it.
    pub target: Range<usize>,
    /// What `USING` of a DELETE or MERGE, or `FROM` of an UPDATE, lists.
    pub other_tables: Option<Range<usize>>,
    /// The condition, without its `WHERE` or `ON`.
    pub condition: Option<Range<usize>>,
    /// What an UPDATE assigns, in order.
    pub assignments: Vec<Assignment>,
    /// The columns that an INSERT lists; empty when it lists none.
    pub columns: Vec<Range<usize>>,
    /// The query or the `VALUES` of an INSERT.
    pub source: Option<Range<usize>>,
    /// It gives other rows each time it is asked: it draws random numbers or samples.
    pub is_random: bool,
    /// Where `?` stand.
    pub placeholders: Vec<usize>,
    /// It has placeholders with numbers, `:1`.
    pub has_numbered: bool,
}

/// `column = expression` of an UPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The column as Snowflake stores its name.
    pub column: String,
    /// The expression.
    pub expression: Range<usize>,
}

/// Words that make a query give other rows each time.
const RANDOM_WORDS: [&str; 13] = [
    "NORMAL",
    "RANDOM",
    "RANDSTR",
    "SAMPLE",
    "SEQ1",
    "SEQ2",
    "SEQ4",
    "SEQ8",
    "TABLESAMPLE",
    "UNIFORM",
    "UUID_STRING",
    "ZIPF",
    "NEXTVAL",
];

/// Finds the parts of the only statement of a text.
pub fn parts(sql: &str) -> Option<Parts> {
    let statements = classify(sql);
    let [statement] = statements.as_slice() else {
        return None;
    };
    let [link] = statement.links.as_slice() else {
        return None;
    };
    let Class::Write(verb) = link.class else {
        return None;
    };
    let is_plain = link.doubt.is_none()
        && matches!(link.targets.as_slice(), [Object::Name(_)])
        && link.effects.is_empty();
    let text = Text::read(sql);
    let start = text
        .tokens
        .iter()
        .position(|token| token.start == link.span.start)?;
    let end = text.tokens.iter().position(|token| token.end == link.span.end)? + 1;
    let within = start..end;
    let reader = Reader {
        text: &text,
        within: &within,
    };
    is_plain.then(|| reader.read(verb)).flatten()
}

struct Reader<'t, 'a> {
    text: &'t Text<'a>,
    within: &'t Range<usize>,
}

impl Reader<'_, '_> {
    fn read(&self, verb: Write) -> Option<Parts> {
        let at = self.within.start;
        match verb {
            Write::Delete => self.delete(at),
            Write::Update => self.update(at),
            Write::Insert => self.insert(at),
            Write::Merge => self.merge(at),
            Write::InsertMulti | Write::Load | Write::Unload | Write::CopyFiles | Write::Truncate => None,
        }
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.text.is(at, self.within, word)
    }

    fn begin(&self, verb: Write, target: Range<usize>) -> Parts {
        let tokens = || self.within.clone().map(|at| (at, self.text.tokens[at]));
        let is_number = |at: usize| {
            self.text
                .word(at, self.within)
                .is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
        };
        Parts {
            verb,
            target: self.bytes(target),
            other_tables: None,
            condition: None,
            assignments: Vec::new(),
            columns: Vec::new(),
            source: None,
            is_random: self
                .within
                .clone()
                .any(|at| self.text.is_any(at, self.within, &RANDOM_WORDS)),
            placeholders: tokens()
                .filter(|(_, token)| token.kind == Kind::Mark('?'))
                .map(|(_, token)| token.start)
                .collect(),
            has_numbered: tokens().any(|(at, token)| {
                token.kind == Kind::Mark(':')
                    && is_number(at + 1)
                    && !self.text.is_mark(at - 1, self.within, ':')
            }),
        }
    }

    fn bytes(&self, tokens: Range<usize>) -> Range<usize> {
        super::split::span(self.text, &tokens)
    }

    /// The first of the words outside parentheses from a token on; the end when there is none.
    fn find(&self, from: usize, words: &[&str]) -> usize {
        let mut depth = 0_usize;
        for at in from..self.within.end {
            match self.text.tokens[at].kind {
                Kind::Mark('(') => depth += 1,
                Kind::Mark(')') => depth = depth.saturating_sub(1),
                // `t.using` is a column.
                Kind::Word
                    if depth == 0
                        && self.text.is_any(at, self.within, words)
                        && !(at > from && self.text.is_mark(at - 1, self.within, '.')) =>
                {
                    return at;
                }
                _ => {}
            }
        }
        self.within.end
    }

    /// The table at a token and the token behind it and its alias.
    fn target(&self, at: usize, next: &[&str]) -> Option<usize> {
        let (object, behind) = object_at(self.text, at, self.within)?;
        if !matches!(object, Object::Name(_)) {
            return None;
        }
        let is_next = |at: usize| at >= self.within.end || self.text.is_any(at, self.within, next);
        let behind = behind + usize::from(self.is(behind, "AS"));
        if is_next(behind) {
            return Some(behind);
        }
        let (alias, end) = name_at(self.text, behind, self.within)?;
        (alias.parts().len() == 1 && is_next(end)).then_some(end)
    }

    fn delete(&self, at: usize) -> Option<Parts> {
        let start = at + 1 + usize::from(self.is(at + 1, "FROM"));
        let end = self.target(start, &["USING", "WHERE"])?;
        let mut parts = self.begin(Write::Delete, start..end);
        let filter = self.find(end, &["WHERE"]);
        if self.is(end, "USING") {
            parts.other_tables = Some(self.bytes(end + 1..filter));
        }
        parts.condition = self.condition(filter);
        Some(parts)
    }

    /// What stands behind the `WHERE` at a token.
    fn condition(&self, filter: usize) -> Option<Range<usize>> {
        (filter + 1 < self.within.end).then(|| self.bytes(filter + 1..self.within.end))
    }

    fn update(&self, at: usize) -> Option<Parts> {
        let start = at + 1;
        let end = self.target(start, &["SET"])?;
        let mut parts = self.begin(Write::Update, start..end);
        let behind = self.find(end + 1, &["FROM", "WHERE"]);
        parts.assignments = self.assignments(end + 1..behind)?;
        let filter = self.find(behind, &["WHERE"]);
        if self.is(behind, "FROM") {
            parts.other_tables = Some(self.bytes(behind + 1..filter));
        }
        parts.condition = self.condition(filter);
        Some(parts)
    }

    /// `column = expression, …`
    fn assignments(&self, list: Range<usize>) -> Option<Vec<Assignment>> {
        let mut assignments = Vec::new();
        let mut at = list.start;
        while at < list.end {
            let (column, behind) = name_at(self.text, at, &list)?;
            if !self.text.is_mark(behind, &list, '=') {
                return None;
            }
            let mut depth = 0_usize;
            let end = (behind + 1..list.end)
                .find(|at| {
                    match self.text.tokens[*at].kind {
                        Kind::Mark('(' | '[' | '{') => depth += 1,
                        Kind::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    depth == 0 && self.text.is_mark(*at, &list, ',')
                })
                .unwrap_or(list.end);
            assignments.push(Assignment {
                column: column.last().to_owned(),
                expression: self.bytes(behind + 1..end),
            });
            at = end + 1;
        }
        (!assignments.is_empty()).then_some(assignments)
    }

    fn insert(&self, at: usize) -> Option<Parts> {
        let at = at + 1 + usize::from(self.is(at + 1, "OVERWRITE"));
        let start = at + usize::from(self.is(at, "INTO"));
        let (_, end) = object_at(self.text, start, self.within)?;
        let mut parts = self.begin(Write::Insert, start..end);
        let source = behind_columns(self.text, end, self.within);
        if source > end {
            let mut column = end + 1;
            while column + 1 < source {
                let (_, behind) = name_at(self.text, column, self.within)?;
                parts.columns.push(self.bytes(column..behind));
                column = behind + 1;
            }
        }
        let begins = self
            .text
            .is_any(source, self.within, &["VALUES", "SELECT", "WITH"])
            || self.text.is_mark(source, self.within, '(');
        let has_default = self
            .within
            .clone()
            .any(|at| self.is(at, "DEFAULT") && self.is(source, "VALUES"));
        if !begins || has_default {
            return None;
        }
        parts.source = Some(self.bytes(source..self.within.end));
        Some(parts)
    }

    fn merge(&self, at: usize) -> Option<Parts> {
        let start = at + 1 + usize::from(self.is(at + 1, "INTO"));
        let end = self.target(start, &["USING"])?;
        let mut parts = self.begin(Write::Merge, start..end);
        let on = self.find(end + 1, &["ON"]);
        let when = self.find(on, &["WHEN"]);
        if on + 1 >= when || when >= self.within.end {
            return None;
        }
        parts.other_tables = Some(self.bytes(end + 1..on));
        parts.condition = Some(self.bytes(on + 1..when));
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a statement as texts: target, other tables, condition, assignments, columns and source.
    fn shown(sql: &str) -> Option<String> {
        let parts = parts(sql)?;
        let text = |range: &Range<usize>| sql[range.clone()].to_owned();
        let option = |range: &Option<Range<usize>>| range.as_ref().map_or("-".to_owned(), text);
        let assigned: Vec<String> = parts
            .assignments
            .iter()
            .map(|one| format!("{}:={}", one.column, text(&one.expression)))
            .collect();
        let columns: Vec<String> = parts.columns.iter().map(text).collect();
        Some(format!(
            "{} | {} | {} | {} | {} | {}",
            text(&parts.target),
            option(&parts.other_tables),
            option(&parts.condition),
            assigned.join(";"),
            columns.join(";"),
            option(&parts.source)
        ))
    }

    #[test]
    fn parts_are_found_where_they_stand() {
        for (sql, expected) in [
            ("delete from t", "t | - | - |  |  | -"),
            ("delete from t where a = 1;", "t | - | a = 1 |  |  | -"),
            (
                "DELETE FROM db.s.\"t x\" AS x USING u, (select 1 where true) v WHERE x.a = u.a -- all",
                "db.s.\"t x\" AS x | u, (select 1 where true) v | x.a = u.a |  |  | -",
            ),
            (
                "update t set a = 1, \"b\" = f(a, (select max(b) from u where 1=1)) where a in (1, 2)",
                "t | - | a in (1, 2) | A:=1;b:=f(a, (select max(b) from u where 1=1)) |  | -",
            ),
            (
                "update t x set x.a = x.a + u.a from u where x.b = u.b",
                "t x | u | x.b = u.b | A:=x.a + u.a |  | -",
            ),
            (
                "insert into t values (1, 'a'), (2, ?)",
                "t | - | - |  |  | values (1, 'a'), (2, ?)",
            ),
            (
                "insert into t (a, \"b\") select * from u where c = 1",
                "t | - | - |  | a;\"b\" | select * from u where c = 1",
            ),
            (
                "insert overwrite into t (select 1)",
                "t | - | - |  |  | (select 1)",
            ),
            (
                "insert into t with x as (select 1) select * from x",
                "t | - | - |  |  | with x as (select 1) select * from x",
            ),
            (
                "merge into t using (select 1 as a) s on t.a = s.a when matched then update set b = 1 when not matched then insert (a) values (s.a)",
                "t | (select 1 as a) s | t.a = s.a |  |  | -",
            ),
        ] {
            assert_eq!(shown(sql).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_certain_has_no_parts() {
        for sql in [
            "select 1",
            "delete from identifier($x) where a = 1",
            "insert into t values (default)",
            "insert into t select s.nextval",
            "insert all into a into b select 1",
            "copy into t from @s",
            "truncate table t",
            "update t set a = 1; delete from t",
            "delete from t where a = 'x",
            "update t set",
            "merge into t using s on t.a = s.a",
            "delete from a b c where d = 1",
        ] {
            assert_eq!(shown(sql), None, "{sql}");
        }
    }

    #[test]
    fn placeholders_and_chance_are_seen() {
        let found = parts("update t set a = ? where b = ? and c::int = 1").unwrap();
        assert_eq!(
            (found.placeholders.len(), found.has_numbered, found.is_random),
            (2, false, false)
        );
        assert!(parts("delete from t where a = :1").unwrap().has_numbered);
        assert!(parts("delete from t where random() > 0").unwrap().is_random);
    }
}

//! Takes an earlier write back, as far as Snowflake's Time Travel reaches.
//!
//! A table with a key gets back exactly the rows that the write changed: the difference between the table before and
//! after it, laid over the table as it is now. A table without one is restored as a whole, which is right only while
//! nothing else has changed it. Both are checked before, with counts that must be zero. What was dropped is undropped.
//!
//! The point in time is that of the statement which made the write visible: its COMMIT, or itself when it committed by
//! itself. Right before that are the rows as they were, right after it as it left them.

use super::shape::{Column, Shape, Texts, text_literal};
use crate::domain::context::Context;
use crate::domain::error::{Error, Reason};
use crate::domain::names::ObjectName;
use crate::domain::statement::class::{Class, Ddl, Name, Object, Statement, Verb, Write};

/// How a write can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undoable {
    /// It changed rows of this table.
    Rows(Table),
    /// It dropped something that can be undropped: `TABLE DB.S.T`.
    Undrop(String),
    /// It cannot, for this reason: a fragment.
    No(&'static str),
}

/// A table by its full name, as it stands in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(String);

/// A table at the statement that made a write visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The table.
    pub table: Table,
    /// The statement, by the id that Snowflake gave it.
    pub statement: String,
}

/// How a write is taken back, with the question that must be answered first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// Answers one row of counts, named as [`refusal`] reads them.
    pub check: String,
    /// The statement.
    pub sql: String,
}

/// Kinds of objects that Snowflake keeps for a while after they were dropped.
const UNDROPPABLE: [&str; 8] = [
    "ACCOUNT",
    "DATABASE",
    "DYNAMIC TABLE",
    "EXTERNAL VOLUME",
    "ICEBERG TABLE",
    "SCHEMA",
    "TABLE",
    "TAG",
];

impl Table {
    /// The table that a text names, in the context in which it ran; `None` when that leaves its database or schema
    /// open.
    pub fn resolve(name: &Name, context: &Context) -> Option<Self> {
        let outer = [context.database.as_deref(), context.schema.as_deref()];
        let given = name.parts();
        let mut parts: Vec<String> = Vec::with_capacity(3);
        let missing = 3_usize.checked_sub(given.len())?;
        for part in outer.into_iter().take(missing) {
            parts.push(part?.to_owned());
        }
        parts.extend(given.iter().cloned());
        let quoted: Vec<String> = parts
            .iter()
            // `db..t` is in the schema of this name.
            .map(|part| if part.is_empty() { "PUBLIC" } else { part })
            .map(|part| ObjectName::from_stored(part).as_sql().to_owned())
            .collect();
        Some(Self(quoted.join(".")))
    }

    /// A name that somebody gives, checked.
    pub fn parse(text: &str) -> Result<Self, Error> {
        ObjectName::parse(text, 3).map(|name| Self(name.as_sql().to_owned()))
    }

    /// The name as it stands in SQL.
    pub fn as_sql(&self) -> &str {
        &self.0
    }
}

impl Undoable {
    /// How a statement that ran in this context can be taken back.
    pub fn of(statements: &[Statement], context: &Context) -> Self {
        let links: Vec<_> = statements.iter().flat_map(|statement| &statement.links).collect();
        let [link] = links.as_slice() else {
            return Self::No("it is a chain of statements");
        };
        let table = match link.targets.as_slice() {
            [Object::Name(name)] => Table::resolve(name, context),
            _ => None,
        };
        match (link.class, table) {
            (
                Class::Write(
                    Write::Insert
                    | Write::Update
                    | Write::Delete
                    | Write::Merge
                    | Write::Load
                    | Write::Truncate,
                ),
                Some(table),
            ) => Self::Rows(table),
            (
                Class::Ddl(Ddl {
                    verb: Verb::Drop,
                    kind: Some(kind),
                }),
                table,
            ) if UNDROPPABLE.contains(&kind) => match (link.targets.as_slice(), table) {
                ([_], Some(table)) if kind.ends_with("TABLE") || kind == "TAG" => {
                    Self::Undrop(format!("{kind} {}", table.as_sql()))
                }
                ([Object::Name(name)], _) => Self::Undrop(format!("{kind} {name}")),
                _ => Self::No("its text does not say which one object it dropped"),
            },
            (Class::Write(_), _) => Self::No("its text does not say which one table it changed"),
            (Class::Ddl(_), _) => Self::No("Snowflake has no way back for this kind of statement"),
            _ => Self::No("what it did cannot be seen from its text"),
        }
    }

    /// SQL for a person: what was before, or what takes it back. Empty when there is no way.
    pub fn line(&self, statement: &str) -> String {
        match self {
            Self::Rows(table) if !statement.is_empty() => format!(
                "SELECT * FROM {} BEFORE (STATEMENT => {})",
                table.as_sql(),
                text_literal(statement)
            ),
            Self::Undrop(what) => format!("UNDROP {what}"),
            Self::Rows(_) | Self::No(_) => String::new(),
        }
    }
}

/// The names of columns, with a table's alias before each.
fn names(columns: &[&Column], alias: &str) -> String {
    let dot = if alias.is_empty() { "" } else { "." };
    let names: Vec<String> = columns
        .iter()
        .map(|column| format!("{alias}{dot}{}", column.sql()))
        .collect();
    names.join(", ")
}

impl Past {
    fn before(&self) -> String {
        format!(
            "{} BEFORE (STATEMENT => {})",
            self.table.as_sql(),
            text_literal(&self.statement)
        )
    }

    fn after(&self) -> String {
        format!(
            "{} AT (STATEMENT => {})",
            self.table.as_sql(),
            text_literal(&self.statement)
        )
    }

    /// The statement that would do the most of those that may take the write back.
    pub fn most(&self) -> String {
        let table = self.table.as_sql();
        format!("INSERT OVERWRITE INTO {table} SELECT * FROM {table}")
    }

    /// How to take the write back in a table of this shape.
    pub fn undo(&self, shape: &Shape) -> Undo {
        if shape.key().is_empty() {
            self.whole(shape)
        } else {
            self.by_key(shape)
        }
    }

    /// Restores the whole table.
    fn whole(&self, shape: &Shape) -> Undo {
        let all: Vec<&Column> = shape.columns.iter().collect();
        let all = names(&all, "");
        let table = self.table.as_sql();
        let (before, after) = (self.before(), self.after());
        let counted = |from: &str| format!("SELECT {all}, COUNT(*) AS n FROM {from} GROUP BY {all}");
        let differing = |one: &str, other: &str| {
            format!(
                "(SELECT COUNT(*) FROM ({} MINUS {}) AS d)",
                counted(one),
                counted(other)
            )
        };
        Undo {
            check: format!(
                "SELECT {} AS effect_gone, {} AS effect_come, {} AS changed, {} AS added",
                differing(&before, &after),
                differing(&after, &before),
                differing(&after, table),
                differing(table, &after),
            ),
            sql: format!("INSERT OVERWRITE INTO {table} ({all}) SELECT {all} FROM {before}"),
        }
    }

    /// Restores the rows that the write changed.
    fn by_key(&self, shape: &Shape) -> Undo {
        let all: Vec<&Column> = shape.columns.iter().collect();
        let (keys, others) = (shape.key(), shape.others());
        let (listed, key) = (names(&all, ""), names(&keys, ""));
        let table = self.table.as_sql();
        let (before, after) = (self.before(), self.after());
        let gone = format!("SELECT {listed} FROM {before} MINUS SELECT {listed} FROM {after}");
        let come = format!("SELECT {listed} FROM {after} MINUS SELECT {listed} FROM {before}");
        let same = |one: &str, other: &str| {
            let pairs: Vec<String> = keys
                .iter()
                .map(|column| format!("{one}.{0} = {other}.{0}", column.sql()))
                .collect();
            pairs.join(" AND ")
        };
        let twice = |from: &str| {
            format!(
                "(SELECT COUNT(*) FROM (SELECT {key} FROM {from} GROUP BY {key} HAVING COUNT(*) > 1) AS d)"
            )
        };
        let check = format!(
            "SELECT (SELECT COUNT(*) FROM ({gone}) AS d) AS effect_gone, \
             (SELECT COUNT(*) FROM ({come}) AS d) AS effect_come, \
             (SELECT COUNT(*) FROM (({come}) MINUS SELECT {listed} FROM {table}) AS d) AS changed, \
             (SELECT COUNT(*) FROM {table} AS t_now WHERE EXISTS (SELECT 1 FROM \
             (SELECT {key} FROM {before} MINUS SELECT {key} FROM {after}) AS d WHERE {})) AS added, \
             {} + {} + {} AS twice",
            same("d", "t_now"),
            twice(&before),
            twice(&after),
            twice(table),
        );
        let set: Vec<String> = others
            .iter()
            .map(|column| format!("{0} = t_was.{0}", column.sql()))
            .collect();
        let update = if set.is_empty() {
            String::new()
        } else {
            format!(" WHEN MATCHED THEN UPDATE SET {}", set.join(", "))
        };
        let sql = format!(
            "MERGE INTO {table} AS t_now USING (\
             SELECT {listed}, FALSE AS sfctl_remove FROM ({gone}) AS d \
             UNION ALL SELECT {}, TRUE AS sfctl_remove FROM ({come}) AS c \
             WHERE NOT EXISTS (SELECT 1 FROM {before} AS b WHERE {})\
             ) AS t_was ON {} \
             WHEN MATCHED AND t_was.sfctl_remove THEN DELETE{update} \
             WHEN NOT MATCHED AND NOT t_was.sfctl_remove THEN INSERT ({listed}) VALUES ({})",
            names(&all, "c"),
            same("b", "c"),
            same("t_now", "t_was"),
            names(&all, "t_was"),
        );
        Undo { check, sql }
    }
}

/// Why a write cannot be taken back, after the counts of [`Undo::check`].
pub fn refusal(table: &Table, counts: &Texts) -> Option<Error> {
    let count = |name: &str| {
        counts
            .values(name)
            .next()
            .and_then(|count| count.parse::<u64>().ok())
    };
    let refuse =
        |message: String, hint: &str| Some(Error::new(Reason::Refused, message).with_hint(hint.to_owned()));
    let (Some(gone), Some(come), Some(changed), Some(added)) = (
        count("effect_gone"),
        count("effect_come"),
        count("changed"),
        count("added"),
    ) else {
        return Some(Error::internal("the counts before an undo could not be read"));
    };
    let table = table.as_sql();
    if gone + come == 0 {
        return refuse(
            format!("the write has changed nothing in {table} that could be taken back; nothing was run"),
            "look at the id of the query, and at its table",
        );
    }
    if count("twice").is_some_and(|twice| twice > 0) {
        return refuse(
            format!(
                "the primary key of {table} is not unique, so its rows cannot be told apart; nothing was run"
            ),
            "restore the rows by hand with SELECT … BEFORE (STATEMENT => …)",
        );
    }
    if changed + added > 0 {
        return refuse(
            format!(
                "{table} was changed again since the write in {} places, which taking it back would lose; nothing was run",
                changed + added
            ),
            "restore the rows by hand with SELECT … BEFORE (STATEMENT => …)",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statement::class::classify;

    fn context() -> Context {
        Context {
            database: Some("DB".into()),
            schema: Some("my schema".into()),
            ..Context::default()
        }
    }

    #[test]
    fn what_can_be_taken_back_is_known_from_the_text() {
        for (sql, line) in [
            (
                "delete from t where a = 1",
                "SELECT * FROM DB.\"my schema\".T BEFORE (STATEMENT => 'q')",
            ),
            (
                "truncate table s.t",
                "SELECT * FROM DB.S.T BEFORE (STATEMENT => 'q')",
            ),
            (
                "insert into d..\"t\" select 1",
                "SELECT * FROM D.PUBLIC.\"t\" BEFORE (STATEMENT => 'q')",
            ),
            ("drop table s.t", "UNDROP TABLE DB.S.T"),
            ("drop schema s", "UNDROP SCHEMA S"),
            ("drop view v", ""),
            ("alter table t drop column a", ""),
            ("call p()", ""),
            ("insert all into a into b select 1", ""),
            ("delete from identifier($x)", ""),
        ] {
            assert_eq!(Undoable::of(&classify(sql), &context()).line("q"), line, "{sql}");
        }
        let nowhere = Undoable::of(&classify("delete from t"), &Context::default());
        assert!(matches!(nowhere, Undoable::No(_)));
    }

    fn past() -> Past {
        Past {
            table: Table::parse("db.s.t").unwrap(),
            statement: "q".into(),
        }
    }

    fn shape(keys: usize) -> Shape {
        let column = |name: &str, at: usize| Column {
            name: name.into(),
            data_type: "NUMBER(38,0)".into(),
            is_key: at < keys,
        };
        Shape {
            columns: vec![column("ID", 0), column("a", 1)],
        }
    }

    #[test]
    fn with_a_key_only_the_changed_rows_are_restored() {
        let undo = past().undo(&shape(1));
        assert_eq!(
            undo.sql,
            "MERGE INTO db.s.t AS t_now USING (\
             SELECT ID, \"a\", FALSE AS sfctl_remove FROM (\
             SELECT ID, \"a\" FROM db.s.t BEFORE (STATEMENT => 'q') MINUS SELECT ID, \"a\" FROM db.s.t AT (STATEMENT => 'q')) AS d \
             UNION ALL SELECT c.ID, c.\"a\", TRUE AS sfctl_remove FROM (\
             SELECT ID, \"a\" FROM db.s.t AT (STATEMENT => 'q') MINUS SELECT ID, \"a\" FROM db.s.t BEFORE (STATEMENT => 'q')) AS c \
             WHERE NOT EXISTS (SELECT 1 FROM db.s.t BEFORE (STATEMENT => 'q') AS b WHERE b.ID = c.ID)\
             ) AS t_was ON t_now.ID = t_was.ID \
             WHEN MATCHED AND t_was.sfctl_remove THEN DELETE \
             WHEN MATCHED THEN UPDATE SET \"a\" = t_was.\"a\" \
             WHEN NOT MATCHED AND NOT t_was.sfctl_remove THEN INSERT (ID, \"a\") VALUES (t_was.ID, t_was.\"a\")"
        );
        assert!(!past().undo(&shape(2)).sql.contains("UPDATE"));
    }

    #[test]
    fn without_one_the_whole_table_is() {
        let undo = past().undo(&shape(0));
        assert_eq!(
            undo.sql,
            "INSERT OVERWRITE INTO db.s.t (ID, \"a\") SELECT ID, \"a\" FROM db.s.t BEFORE (STATEMENT => 'q')"
        );
        assert!(
            undo.check.contains(
                "(SELECT COUNT(*) FROM (SELECT ID, \"a\", COUNT(*) AS n FROM db.s.t AT (STATEMENT => 'q') GROUP BY ID, \"a\" \
                 MINUS SELECT ID, \"a\", COUNT(*) AS n FROM db.s.t GROUP BY ID, \"a\") AS d) AS changed"
            ),
            "{}",
            undo.check
        );
    }

    #[test]
    fn counts_decide_whether_it_can_be_taken_back() {
        let told = |counts: &[(&str, &str)]| {
            let texts = Texts {
                columns: counts.iter().map(|(name, _)| (*name).to_owned()).collect(),
                rows: vec![
                    counts
                        .iter()
                        .map(|(_, count)| Some((*count).to_owned()))
                        .collect(),
                ],
            };
            refusal(&past().table, &texts).map(|error| (error.reason(), error.to_string()))
        };
        let good = [
            ("EFFECT_GONE", "2"),
            ("EFFECT_COME", "0"),
            ("CHANGED", "0"),
            ("ADDED", "0"),
        ];
        assert_eq!(told(&good), None);
        for (name, count, part) in [
            ("EFFECT_GONE", "0", "changed nothing"),
            ("CHANGED", "1", "in 1 places"),
            ("ADDED", "3", "in 3 places"),
            ("TWICE", "1", "not unique"),
        ] {
            let mut counts = good.to_vec();
            counts.retain(|(known, _)| *known != name);
            counts.push((name, count));
            let (reason, message) = told(&counts).unwrap();
            assert_eq!(reason, Reason::Refused);
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(told(&[]).unwrap().0, Reason::Internal);
    }
}

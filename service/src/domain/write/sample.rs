//! Composes the queries that show what a write does to rows.
//!
//! They are made from spans of the statement's text, which itself is not touched: the condition of a DELETE becomes
//! the condition of a SELECT. Where that would not show exactly what the statement does, there is no sample, and a
//! reason.

use std::ops::Range;

use super::shape::{Column, Shape, Texts};
use crate::domain::query::Binding;
use crate::domain::statement::class::{Class, Parts, Statement, Write, classify, parts};

/// A query with the values of its placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Its text.
    pub sql: String,
    /// Values for its placeholders.
    pub bindings: Vec<Binding>,
}

/// What is shown of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing, for this reason: a sentence without the final period.
    Omitted(String),
    /// Rows that go, asked before the statement.
    Going(Composed),
    /// Rows that come, asked before the statement.
    Coming(Composed),
    /// Rows that go, and rows that come in their place; both asked before the statement.
    Replaced {
        /// Rows that go.
        going: Composed,
        /// Rows that come.
        coming: Composed,
    },
    /// Rows that change: how depends on the table.
    Changing(Changing),
}

/// Rows that an UPDATE or a MERGE changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changing {
    /// Asks what the table is.
    pub describe: String,
    /// The table with its alias.
    target: String,
    /// The rows that match.
    matching: Composed,
    /// The same with the new values beside them, where they can be known before.
    with_new_values: Option<Composed>,
    /// Columns that get new values; `None` when that is not known.
    assigned: Option<Vec<String>>,
}

/// How changing rows are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// By these columns of the key: the query before; [`Changing::after`] makes the one after.
    ByKey(Composed, Vec<Column>),
    /// Old and new values in one query before the statement.
    SideBySide(Composed),
    /// Only what was before, and why not more.
    OnlyBefore(Composed, &'static str),
}

const NO_KEY: &str =
    "the table has no primary key of whole numbers, texts or dates, so changed rows cannot be found again";

/// Plans the sample of the only statement of a text, of at most `rows` rows.
pub fn plan(sql: &str, statements: &[Statement], bindings: &[Binding], rows: u64) -> Plan {
    let omitted = |why: &str| Plan::Omitted(why.to_owned());
    if rows == 0 {
        return omitted("`write.sample_rows` is 0");
    }
    let class = statements.first().map_or(Class::Unknown, Statement::class);
    match class {
        Class::Write(Write::Load) => return omitted("rows that are loaded from files are not sampled"),
        Class::Write(Write::InsertMulti) => {
            return omitted("rows that are inserted into several tables are not sampled");
        }
        Class::Write(_) => {}
        _ => return omitted("the statement is not known to change rows"),
    }
    let Some(parts) = parts(sql) else {
        return omitted("the statement's text does not say for certain which rows it changes");
    };
    if parts.is_random {
        return omitted("the statement draws its rows or values at random");
    }
    if parts.has_numbered {
        return omitted("the statement has numbered placeholders");
    }
    let composer = Composer {
        sql,
        parts: &parts,
        bindings,
        rows,
    };
    let plan = composer.plan(statements);
    // Whatever was cut out of the text, nothing runs for a sample that is not certainly a read.
    let are_reads = plan.queries().into_iter().all(|composed| {
        let understood = classify(&composed.sql);
        understood.len() == 1 && understood.iter().all(Statement::is_read)
    });
    if are_reads {
        plan
    } else {
        omitted("the statement's text cannot be made into a query for certain")
    }
}

impl Plan {
    /// The queries that are made of the statement's text.
    pub fn queries(&self) -> Vec<&Composed> {
        match self {
            Self::Omitted(_) => Vec::new(),
            Self::Going(one) | Self::Coming(one) => vec![one],
            Self::Replaced { going, coming } => vec![going, coming],
            Self::Changing(changing) => std::iter::once(&changing.matching)
                .chain(&changing.with_new_values)
                .collect(),
        }
    }
}

struct Composer<'a> {
    sql: &'a str,
    parts: &'a Parts,
    bindings: &'a [Binding],
    rows: u64,
}

impl Composer<'_> {
    fn plan(&self, statements: &[Statement]) -> Plan {
        match self.parts.verb {
            Write::Delete => Plan::Going(self.matching("*", &[])),
            Write::Insert => self.insert(statements),
            _ => self.changing(statements),
        }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        &self.sql[range.clone()]
    }

    /// `LIMIT` for one row more than are shown, which tells whether there are more.
    fn limit(&self) -> String {
        format!("LIMIT {}", self.rows.saturating_add(1))
    }

    /// The values of the placeholders in these spans of the text, in their order.
    fn values(&self, spans: &[&Range<usize>]) -> Vec<Binding> {
        if self.bindings.iter().any(|binding| binding.name.is_some()) {
            return self
                .bindings
                .iter()
                .filter(|binding| {
                    let placeholder = format!(":{}", binding.name.as_deref().unwrap_or_default());
                    spans.iter().any(|span| self.text(span).contains(&placeholder))
                })
                .cloned()
                .collect();
        }
        let within = |span: &Range<usize>| {
            let span = span.clone();
            self.parts
                .placeholders
                .iter()
                .enumerate()
                .filter(move |(_, at)| span.contains(at))
                .filter_map(|(index, _)| self.bindings.get(index).cloned())
        };
        spans.iter().flat_map(|span| within(span)).collect()
    }

    /// The rows that the statement's condition meets.
    fn matching(&self, columns: &str, first: &[&Range<usize>]) -> Composed {
        let parts = self.parts;
        let filter = |condition: &Option<Range<usize>>| {
            condition.as_ref().map_or_else(String::new, |condition| {
                format!(" WHERE {}", self.text(condition))
            })
        };
        let mut spans = first.to_vec();
        spans.push(&parts.target);
        spans.extend(&parts.other_tables);
        spans.extend(&parts.condition);
        let condition = match &parts.other_tables {
            Some(tables) => format!(
                " WHERE EXISTS (SELECT 1 FROM {}{})",
                self.text(tables),
                filter(&parts.condition)
            ),
            None => filter(&parts.condition),
        };
        Composed {
            sql: format!(
                "SELECT {columns} FROM {}{condition} {}",
                self.text(&parts.target),
                self.limit()
            ),
            bindings: self.values(&spans),
        }
    }

    fn insert(&self, statements: &[Statement]) -> Plan {
        let parts = self.parts;
        let Some(source) = &parts.source else {
            return Plan::Omitted("the statement's text does not say which rows it adds".to_owned());
        };
        let text = self.text(source);
        let is_values = text
            .get(..6)
            .is_some_and(|word| word.eq_ignore_ascii_case("VALUES"));
        let names: Vec<&str> = parts.columns.iter().map(|column| self.text(column)).collect();
        let limit = self.limit();
        let sql = if is_values && !names.is_empty() {
            format!("SELECT * FROM ({text}) AS added ({}) {limit}", names.join(", "))
        } else {
            format!("SELECT * FROM ({text}) {limit}")
        };
        let coming = Composed {
            sql,
            bindings: self.values(&[source]),
        };
        let overwrites = statements
            .iter()
            .flat_map(|statement| &statement.links)
            .any(|link| link.destroys);
        if overwrites {
            let going = self.matching("*", &[]);
            return Plan::Replaced { going, coming };
        }
        Plan::Coming(coming)
    }

    fn changing(&self, statements: &[Statement]) -> Plan {
        let parts = self.parts;
        let table = statements
            .iter()
            .flat_map(|statement| &statement.links)
            .flat_map(|link| &link.targets)
            .next();
        let Some(table) = table else {
            return Plan::Omitted("the statement's text does not say which table it changes".to_owned());
        };
        let is_update = parts.verb == Write::Update;
        let with_new_values = (is_update && parts.other_tables.is_none()).then(|| {
            let new: Vec<String> = parts
                .assignments
                .iter()
                .map(|one| {
                    let name = format!("NEW {}", one.column).replace('"', "\"\"");
                    format!("({}) AS \"{name}\"", self.text(&one.expression))
                })
                .collect();
            let expressions: Vec<&Range<usize>> =
                parts.assignments.iter().map(|one| &one.expression).collect();
            self.matching(&format!("*, {}", new.join(", ")), &expressions)
        });
        Plan::Changing(Changing {
            describe: format!("DESCRIBE TABLE {table}"),
            target: self.text(&parts.target).to_owned(),
            matching: self.matching("*", &[]),
            with_new_values,
            assigned: is_update.then(|| parts.assignments.iter().map(|one| one.column.clone()).collect()),
        })
    }
}

impl Changing {
    /// How to look at the rows of a table of this shape; `None` when it is not known.
    pub fn look(&self, shape: Option<&Shape>) -> Look {
        let key: Vec<Column> = shape
            .map(|shape| shape.key().into_iter().cloned().collect())
            .unwrap_or_default();
        let changes_key = match &self.assigned {
            Some(assigned) => key.iter().any(|column| assigned.contains(&column.name)),
            None => false,
        };
        let is_usable =
            !key.is_empty() && key.iter().all(|column| column.literal("1").is_some()) && !changes_key;
        match (is_usable, &self.with_new_values) {
            (true, _) => Look::ByKey(self.matching.clone(), key),
            (false, Some(composed)) => Look::SideBySide(composed.clone()),
            (false, None) => Look::OnlyBefore(self.matching.clone(), NO_KEY),
        }
    }

    /// The query for the rows that were seen before the statement, by their key; `None` when there were none, or one
    /// has a key that cannot be written exactly.
    pub fn after(&self, key: &[Column], before: &Texts) -> Option<String> {
        let mut rows = Vec::with_capacity(before.rows.len());
        for row in &before.rows {
            let mut same = Vec::with_capacity(key.len());
            for column in key {
                let value = row.get(before.column(&column.name)?)?.as_deref()?;
                same.push(format!("{} = {}", column.sql(), column.literal(value)?));
            }
            rows.push(format!("({})", same.join(" AND ")));
        }
        (!rows.is_empty()).then(|| format!("SELECT * FROM {} WHERE {}", self.target, rows.join(" OR ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::query::BindingKind;
    use crate::domain::statement::class::classify;

    fn planned(sql: &str, values: &[&str]) -> Plan {
        let bindings: Vec<Binding> = values
            .iter()
            .map(|value| Binding {
                name: None,
                kind: BindingKind::Text,
                value: Some((*value).to_owned()),
            })
            .collect();
        plan(sql, &classify(sql), &bindings, 2)
    }

    fn text(composed: &Composed) -> String {
        let values: Vec<&str> = composed
            .bindings
            .iter()
            .filter_map(|binding| binding.value.as_deref())
            .collect();
        format!("{} [{}]", composed.sql, values.join(","))
    }

    #[test]
    fn rows_that_go_and_rows_that_come() {
        for (sql, values, expected) in [
            ("delete from t", &[][..], "going SELECT * FROM t LIMIT 3 []"),
            (
                "delete from db.s.t x where x.a = ? and b = ?;",
                &["1", "2"],
                "going SELECT * FROM db.s.t x WHERE x.a = ? and b = ? LIMIT 3 [1,2]",
            ),
            (
                "delete from t using u where t.a = u.a",
                &[],
                "going SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE t.a = u.a) LIMIT 3 []",
            ),
            (
                "insert into t (a, b) values (1, ?)",
                &["x"],
                "coming SELECT * FROM (values (1, ?)) AS added (a, b) LIMIT 3 [x]",
            ),
            (
                "insert into t select * from u where c = ? -- all",
                &["x"],
                "coming SELECT * FROM (select * from u where c = ?) LIMIT 3 [x]",
            ),
        ] {
            let shown = match planned(sql, values) {
                Plan::Going(composed) => format!("going {}", text(&composed)),
                Plan::Coming(composed) => format!("coming {}", text(&composed)),
                other => panic!("{other:?}"),
            };
            assert_eq!(shown, expected, "{sql}");
        }
        let Plan::Replaced { going, coming } = planned("insert overwrite into t select 1", &[]) else {
            panic!("both are shown")
        };
        assert_eq!(going.sql, "SELECT * FROM t LIMIT 3");
        assert_eq!(coming.sql, "SELECT * FROM (select 1) LIMIT 3");
    }

    fn shape(key: &str, key_type: &str) -> Shape {
        let column = |name: &str, data_type: &str| Column {
            name: name.into(),
            data_type: data_type.into(),
            is_key: name == key,
        };
        Shape {
            columns: vec![column("ID", key_type), column("A", "FLOAT")],
        }
    }

    #[test]
    fn rows_that_change_are_found_again_by_their_key() {
        let Plan::Changing(changing) = planned("update t x set a = ? where b = ?", &["1", "2"]) else {
            panic!("an update changes rows")
        };
        assert_eq!(changing.describe, "DESCRIBE TABLE T");
        let Look::ByKey(before, key) = changing.look(Some(&shape("ID", "NUMBER(38,0)"))) else {
            panic!("there is a key")
        };
        assert_eq!(text(&before), "SELECT * FROM t x WHERE b = ? LIMIT 3 [2]");
        let seen = Texts {
            columns: vec!["ID".into(), "A".into()],
            rows: vec![
                vec![Some("1".into()), None],
                vec![Some("2".into()), Some("x".into())],
            ],
        };
        assert_eq!(
            changing.after(&key, &seen).unwrap(),
            "SELECT * FROM t x WHERE (ID = 1) OR (ID = 2)"
        );
        assert_eq!(changing.after(&key, &Texts::default()), None);
    }

    #[test]
    fn without_a_key_new_values_stand_beside_the_old() {
        let Plan::Changing(changing) = planned("update t set a = a + ?, \"b\" = 1 where c = ?", &["1", "2"])
        else {
            panic!("an update changes rows")
        };
        let expected = "SELECT *, (a + ?) AS \"NEW A\", (1) AS \"NEW b\" FROM t WHERE c = ? LIMIT 3 [1,2]";
        for shape in [
            None,
            Some(shape("NONE", "NUMBER(38,0)")),
            // The statement changes the key.
            Some(shape("A", "NUMBER(38,0)")),
            Some(shape("ID", "TIMESTAMP_TZ(9)")),
        ] {
            match changing.look(shape.as_ref()) {
                Look::SideBySide(composed) => assert_eq!(text(&composed), expected),
                other => panic!("{other:?} for {shape:?}"),
            }
        }
        for sql in [
            "update t set a = u.a from u where t.b = u.b",
            "merge into t using u on t.b = u.b when matched then update set a = u.a",
        ] {
            let Plan::Changing(changing) = planned(sql, &[]) else {
                panic!("{sql}")
            };
            let Look::OnlyBefore(before, _) = changing.look(None) else {
                panic!("{sql}")
            };
            assert_eq!(
                before.sql,
                "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE t.b = u.b) LIMIT 3"
            );
        }
    }

    #[test]
    fn what_cannot_be_shown_exactly_says_why() {
        for sql in [
            "copy into t from @s",
            "insert all into a into b select 1",
            "delete from t where random() > 0",
            "delete from t where a = :1",
            "delete from identifier($x)",
            "insert into t values (default)",
            "insert into t select s.nextval",
            "drop table t",
        ] {
            let Plan::Omitted(why) = planned(sql, &[]) else {
                panic!("{sql}")
            };
            assert!(!why.is_empty());
        }
    }
}

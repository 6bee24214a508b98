//! `INSERT INTO`, also with `OVERWRITE`.

use sqlparser::ast::{Expr, Insert, SetExpr, TableObject};

use super::super::build::{raw, raw_name};
use super::super::expressions::Work;
use super::super::identifiers::{keep_last, simple};
use super::super::refuse::{syntax, unsupported};
use super::super::relations::target;
use super::super::{Answer, Lowered, physical};
use super::assign;
use crate::contract::SqlError;

pub(super) fn finish(mut insert: Insert, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    if insert.multi_table_insert_type.is_some() {
        return Err(unsupported("multi-table INSERT"));
    }
    let TableObject::TableName(name) = &insert.table else {
        return Err(syntax("INSERT"));
    };
    let (path, table) = target(name, &work.scope.names, "INSERT")?;
    insert.table = TableObject::TableName(raw_name(&table));
    insert.columns.iter_mut().for_each(keep_last);
    let Some(source) = &mut insert.source else {
        return Err(syntax("INSERT"));
    };
    if let SetExpr::Values(values) = &mut *source.body {
        for row in &mut values.rows {
            row.iter_mut().for_each(default_word);
        }
    }
    let names: Vec<&str> = insert.columns.iter().filter_map(simple).collect();
    let known = work.scope.target;
    let targets: Vec<_> = if insert.columns.is_empty() {
        known.iter().collect()
    } else {
        let find = |name: &&str| known.iter().find(|column| column.name == **name);
        names.iter().filter_map(find).collect()
    };
    if insert.columns.is_empty() || targets.len() == insert.columns.len() {
        assign::source(&mut source.body, &targets, work);
    }
    let mut lowered = Lowered {
        answer: Answer::Inserted,
        ..Lowered::default()
    };
    if std::mem::take(&mut insert.overwrite) {
        lowered.before.push(format!("DELETE FROM {table}"));
    }
    insert.into = true;
    insert.has_table_keyword = false;
    lowered.sql = physical::part_text(&mut insert);
    lowered.tables.insert(path);
    Ok(lowered)
}

/// The word DEFAULT in a row of values, which the parser takes for a name.
fn default_word(value: &mut Expr) {
    if matches!(value, Expr::Identifier(ident) if ident.value == "DEFAULT") {
        *value = raw("DEFAULT");
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered, lowering};

    #[test]
    fn inserts() {
        check(
            lowered,
            &[
                (
                    "insert into t values (1, 'a'), (default, null)",
                    r#"INSERT INTO "D.S"."T" VALUES (1, 'a'), (DEFAULT, NULL)"#,
                ),
                (
                    "insert into e.s.t (a, \"b\") select 1, x from u",
                    r#"INSERT INTO "E.S"."T" ("A", "~b~") SELECT CAST(1 AS BIGINT) AS "1", "X" FROM "D.S"."U" AS "U""#,
                ),
                (
                    "insert all into t into u select 1",
                    "000002 0A000: Unsupported feature 'multi-table INSERT'.",
                ),
            ],
        );
        let overwrite = lowering("insert overwrite into t select 1 a").unwrap();
        assert_eq!(overwrite.before, [r#"DELETE FROM "D.S"."T""#]);
        assert_eq!(
            overwrite.sql,
            r#"INSERT INTO "D.S"."T" SELECT CAST(1 AS BIGINT) AS "A""#
        );
    }
}

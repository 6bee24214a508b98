//! `CREATE VIEW`: a view of the engine over the lowered query.

use sqlparser::ast::CreateView;

use super::super::expressions::Work;
use super::super::refuse::unsupported;
use super::super::{Answer, Lowered, physical};
use crate::catalog::names::Name;
use crate::contract::SqlError;

pub(super) fn finish(mut view: CreateView, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    if view.materialized {
        return Err(unsupported("MATERIALIZED VIEW"));
    }
    let path = work.scope.names.object(&view.name, "CREATE VIEW")?;
    let replace = if view.or_replace { "OR REPLACE " } else { "" };
    let exists = if view.if_not_exists { "IF NOT EXISTS " } else { "" };
    let names: Vec<String> = view
        .columns
        .iter()
        .map(|column| column.name.value.clone())
        .collect();
    let columns: Vec<String> = names
        .iter()
        .map(|name| Name::exact(name.clone()).physical())
        .collect();
    let columns = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    let (word, physical_name) = if view.temporary {
        ("TEMPORARY ", path.physical_temporary())
    } else {
        ("", path.physical())
    };
    let sql = format!(
        "CREATE {replace}{word}VIEW {exists}{physical_name}{columns} AS {}",
        physical::part_text(&mut view.query)
    );
    let mut lowered = Lowered {
        sql,
        answer: Answer::Nothing,
        ..Lowered::default()
    };
    lowered.names = names;
    lowered.tables.insert(path);
    Ok(lowered)
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn views_are_created() {
        check(
            lowered,
            &[
                (
                    "create or replace view v (x) as select a from t",
                    r#"CREATE OR REPLACE VIEW "D.S"."V" ("X") AS SELECT "A" FROM "D.S"."T" AS "T""#,
                ),
                (
                    "create view v as select sysdate() a",
                    r#"CREATE VIEW "D.S"."V" AS SELECT CAST(CAST(now() AS TIMESTAMP) AS TIMESTAMP_NS) AS "A""#,
                ),
                (
                    "create materialized view v as select 1 a",
                    "000002 0A000: Unsupported feature 'MATERIALIZED VIEW'.",
                ),
            ],
        );
    }
}

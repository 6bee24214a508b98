//! `DELETE FROM .. [USING ..]`.

use sqlparser::ast::{Delete, FromTable};

use super::super::refuse::syntax;
use super::super::{Answer, Lowered, physical};
use super::single_table;
use crate::contract::SqlError;

pub(super) fn finish(mut delete: Delete) -> Result<Lowered, SqlError> {
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
    let [table] = tables.as_slice() else {
        return Err(syntax(","));
    };
    single_table(table)?;
    if !delete.tables.is_empty() || !delete.order_by.is_empty() || delete.limit.is_some() {
        return Err(syntax("DELETE"));
    }
    delete.from = FromTable::WithFromKeyword(tables.clone());
    let sql = physical::part_text(&mut delete);
    Ok(Lowered {
        sql,
        answer: Answer::Deleted,
        ..Lowered::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn deletes() {
        check(
            lowered,
            &[
                ("delete from t", r#"DELETE FROM "D.S"."T" AS "T""#),
                (
                    "delete from t using u where t.a = u.a",
                    r#"DELETE FROM "D.S"."T" AS "T" USING "D.S"."U" AS "U" WHERE "T"."A" = "U"."A""#,
                ),
            ],
        );
    }
}

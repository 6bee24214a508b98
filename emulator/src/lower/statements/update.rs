//! `UPDATE .. SET .. [FROM ..]`.

use sqlparser::ast::{Assignment, AssignmentTarget, Update, UpdateTableFromKind};

use super::super::expressions::Work;
use super::super::identifiers::{keep_last, simple};
use super::super::refuse::syntax;
use super::super::{Answer, Lowered, physical};
use super::{assign, single_table};
use crate::contract::SqlError;

pub(super) fn finish(mut update: Update, work: &Work<'_>) -> Result<Lowered, SqlError> {
    single_table(&update.table)?;
    if matches!(update.from, Some(UpdateTableFromKind::BeforeSet(_))) {
        return Err(syntax("FROM"));
    }
    update.assignments.iter_mut().try_for_each(own_column)?;
    for assignment in &mut update.assignments {
        if let AssignmentTarget::ColumnName(name) = &assignment.target
            && let Some(column) = simple(name)
            && let Some(target) = work.scope.target.iter().find(|known| known.name == column)
        {
            assign::assign(&mut assignment.value, &target.sql_type, work);
        }
    }
    let sql = physical::part_text(&mut update);
    Ok(Lowered {
        sql,
        answer: Answer::Updated,
        ..Lowered::default()
    })
}

/// The engine wants the column of the target without its table's name.
pub(super) fn own_column(assignment: &mut Assignment) -> Result<(), SqlError> {
    match &mut assignment.target {
        AssignmentTarget::ColumnName(name) => {
            keep_last(name);
            Ok(())
        }
        AssignmentTarget::Tuple(_) => Err(syntax("(")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn updates() {
        check(
            lowered,
            &[
                (
                    "update t set t.a = a + 1, b = 'x' where c is null",
                    r#"UPDATE "D.S"."T" AS "T" SET "A" = sf_add("A", 1), "B" = 'x' WHERE "C" IS NULL"#,
                ),
                (
                    "update t set a = u.a from u where t.k = u.k",
                    r#"UPDATE "D.S"."T" AS "T" SET "A" = "U"."A" FROM "D.S"."U" AS "U" WHERE "T"."K" = "U"."K""#,
                ),
            ],
        );
    }
}

//! `MERGE INTO`: the engine's own, with Snowflake's refusal of ambiguous matches before it.

use sqlparser::ast::{
    Expr, Merge, MergeAction, MergeClauseKind, MergeInsertKind, MergeUpdateKind, TableFactor,
};

use super::super::build::nested;
use super::super::identifiers::keep_last;
use super::super::refuse::{syntax, unsupported};
use super::super::{Answer, Guard, Lowered, physical};
use super::update::own_column;
use crate::contract::SqlError;

pub(super) fn finish(mut merge: Merge) -> Result<Lowered, SqlError> {
    let TableFactor::Table {
        alias: Some(alias), ..
    } = &merge.table
    else {
        return Err(syntax("MERGE"));
    };
    let alias = alias.name.clone();
    if merge.output.is_some() {
        return Err(syntax("OUTPUT"));
    }
    let mut changes: Vec<Option<Expr>> = Vec::new();
    for clause in &mut merge.clauses {
        match clause.clause_kind {
            MergeClauseKind::Matched => changes.push(clause.predicate.clone()),
            MergeClauseKind::NotMatched => {}
            MergeClauseKind::NotMatchedByTarget | MergeClauseKind::NotMatchedBySource => {
                return Err(syntax("BY"));
            }
        }
        match &mut clause.action {
            MergeAction::Insert(insert) => {
                insert.columns.iter_mut().for_each(keep_last);
                if !matches!(insert.kind, MergeInsertKind::Values(_)) || insert.insert_predicate.is_some() {
                    return Err(unsupported("MERGE with INSERT ALL BY NAME"));
                }
            }
            MergeAction::Update(update) => match &mut update.kind {
                MergeUpdateKind::Set(assignments) => assignments.iter_mut().try_for_each(own_column)?,
                MergeUpdateKind::Wildcard => return Err(unsupported("MERGE with UPDATE ALL BY NAME")),
            },
            MergeAction::Delete { .. } => {}
            MergeAction::DoNothing { .. } => return Err(syntax("DO")),
        }
    }
    let guards = guard(&merge, alias, &changes).into_iter().collect();
    merge.into = true;
    let sql = format!("{} RETURNING merge_action", physical::part_text(&mut merge));
    Ok(Lowered {
        guards,
        sql,
        answer: Answer::MergeActions,
        ..Lowered::default()
    })
}

/// Finds a target row that two source rows would change: Snowflake refuses to choose.
fn guard(merge: &Merge, alias: sqlparser::ast::Ident, changes: &[Option<Expr>]) -> Option<Guard> {
    if changes.is_empty() {
        return None;
    }
    let text = |expr: Expr| physical::text_of(nested(expr));
    let applies: Option<Vec<String>> = changes
        .iter()
        .map(|condition| {
            condition
                .clone()
                .map(|condition| format!("({})", text(condition)))
        })
        .collect();
    let filter = applies
        .map(|conditions| format!(" WHERE {}", conditions.join(" OR ")))
        .unwrap_or_default();
    let sql = format!(
        "SELECT 1 FROM {} JOIN {} ON {}{filter} GROUP BY {}.rowid HAVING count(*) > 1 LIMIT 1",
        physical::part_text(&mut merge.table.clone()),
        physical::part_text(&mut merge.source.clone()),
        text((*merge.on).clone()),
        physical::text_of(Expr::Identifier(alias)),
    );
    let error = SqlError {
        code: "100090",
        sql_state: "42P18",
        message: "Duplicate row detected during DML action".to_owned(),
        position: None,
    };
    Some(Guard { sql, error })
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered, lowering};

    const MERGE: &str = "merge into t using u on t.k = u.k when matched and u.d then delete \
         when matched then update set t.a = u.a when not matched then insert (k, a) values (u.k, u.a)";

    #[test]
    fn merges() {
        check(
            lowered,
            &[(
                MERGE,
                r#"MERGE INTO "D.S"."T" AS "T" USING "D.S"."U" AS "U" ON "T"."K" = "U"."K" WHEN MATCHED AND "U"."D" THEN DELETE WHEN MATCHED THEN UPDATE SET "A" = "U"."A" WHEN NOT MATCHED THEN INSERT ("K", "A") VALUES ("U"."K", "U"."A") RETURNING merge_action"#,
            )],
        );
        let guards = lowering(MERGE).unwrap().guards;
        assert_eq!(
            guards[0].sql,
            r#"SELECT 1 FROM "D.S"."T" AS "T" JOIN "D.S"."U" AS "U" ON ("T"."K" = "U"."K") GROUP BY "T".rowid HAVING count(*) > 1 LIMIT 1"#
        );
    }
}

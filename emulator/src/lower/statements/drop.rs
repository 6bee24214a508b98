//! `DROP` and `TRUNCATE` of tables, views and sequences.

use sqlparser::ast::{ObjectType, Statement};

use super::super::expressions::Work;
use super::super::refuse::{syntax, unsupported};
use super::super::relations::target;
use super::super::{Answer, Lowered};
use crate::contract::SqlError;

pub(super) fn finish(statement: Statement, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    let mut lowered = Lowered {
        answer: Answer::Nothing,
        ..Lowered::default()
    };
    match &statement {
        Statement::Drop {
            object_type,
            if_exists,
            names,
            ..
        } => {
            let kind = match object_type {
                ObjectType::Table => "TABLE",
                ObjectType::View => "VIEW",
                ObjectType::Sequence => "SEQUENCE",
                other => return Err(unsupported(&format!("DROP {other}"))),
            };
            let [name] = names.as_slice() else {
                return Err(syntax(","));
            };
            let (path, physical) = target(name, &work.scope.names, "DROP")?;
            let exists = if *if_exists { "IF EXISTS " } else { "" };
            lowered.sql = format!("DROP {kind} {exists}{physical}");
            lowered.tables.insert(path);
        }
        Statement::Truncate(truncate) => {
            let [table] = truncate.table_names.as_slice() else {
                return Err(syntax(","));
            };
            let (path, physical) = target(&table.name, &work.scope.names, "TRUNCATE")?;
            lowered.sql = format!("DELETE FROM {physical}");
            lowered.tables.insert(path);
        }
        _ => return Err(unsupported("DROP")),
    }
    Ok(lowered)
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn objects_are_dropped() {
        check(
            lowered,
            &[
                ("drop table if exists t", r#"DROP TABLE IF EXISTS "D.S"."T""#),
                ("drop view e.s.v", r#"DROP VIEW "E.S"."V""#),
                ("drop sequence q", r#"DROP SEQUENCE "D.S"."Q""#),
                ("truncate table t", r#"DELETE FROM "D.S"."T""#),
            ],
        );
    }
}

//! `ALTER TABLE`: columns, names, swaps.

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, Ident, ObjectName, RenameTableNameKind,
};

use super::super::build::raw;
use super::super::expressions::Work;
use super::super::refuse::unsupported;
use super::super::relations::target;
use super::super::{Answer, Lowered, casts, physical, types};
use super::create_table::{Place, column};
use crate::catalog::names::{self, Name, ObjectPath};
use crate::contract::SqlError;

pub(super) fn finish(table: AlterTable, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    let (path, table_name) = target(&table.name, &work.scope.names, "ALTER TABLE")?;
    let exists = if table.if_exists { "IF EXISTS " } else { "" };
    let mut lowered = Lowered {
        answer: Answer::Nothing,
        ..Lowered::default()
    };
    let mut statements = Vec::new();
    for operation in &table.operations {
        let alter = |text: String| format!("ALTER TABLE {exists}{table_name} {text}");
        match operation {
            AlterTableOperation::AddColumn {
                if_not_exists,
                column_def,
                ..
            } => {
                let place = Place::of(path.clone(), &work.scope.names);
                let (text, declared) = column(column_def, &place, work, &mut lowered.before)?;
                let guard = if *if_not_exists { "IF NOT EXISTS " } else { "" };
                // The engine adds no column with a constraint: the constraint follows.
                let plain = text.split(" NOT NULL").next().unwrap_or(&text);
                let plain = plain.split(" CHECK (").next().unwrap_or(plain);
                statements.push(alter(format!("ADD COLUMN {guard}{plain}")));
                if !declared.nullable {
                    let name = Name::exact(declared.name.clone()).physical();
                    statements.push(alter(format!("ALTER COLUMN {name} SET NOT NULL")));
                }
                lowered.columns.push(declared);
            }
            AlterTableOperation::DropColumn {
                column_names,
                if_exists,
                ..
            } => {
                let guard = if *if_exists { "IF EXISTS " } else { "" };
                for name in column_names {
                    statements.push(alter(format!("DROP COLUMN {guard}{}", physical_ident(name))));
                }
            }
            AlterTableOperation::RenameColumn {
                old_column_name,
                new_column_name,
            } => {
                let (old, new) = (physical_ident(old_column_name), physical_ident(new_column_name));
                statements.push(alter(format!("RENAME COLUMN {old} TO {new}")));
            }
            AlterTableOperation::RenameTable {
                table_name: RenameTableNameKind::To(new) | RenameTableNameKind::As(new),
            } => {
                statements.push(alter(format!("RENAME TO {}", renamed(&path, new, work)?)));
            }
            AlterTableOperation::SwapWith { table_name: other } => {
                statements.extend(swap(&path, other, work)?);
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                let name = physical_ident(column_name);
                statements.push(alter(format!(
                    "ALTER COLUMN {name} {}",
                    alter_column(column_name, op)?
                )));
            }
            AlterTableOperation::ClusterBy { .. }
            | AlterTableOperation::DropClusteringKey
            | AlterTableOperation::SuspendRecluster
            | AlterTableOperation::ResumeRecluster
            | AlterTableOperation::AddConstraint { .. }
            | AlterTableOperation::DropConstraint { .. }
            | AlterTableOperation::DropPrimaryKey { .. } => {}
            other => return Err(unsupported(&format!("ALTER TABLE {other}"))),
        }
    }
    lowered.sql = statements.pop().unwrap_or_else(|| "SELECT 1".to_owned());
    lowered.before.append(&mut statements);
    lowered.tables.insert(path);
    Ok(lowered)
}

fn physical_ident(ident: &Ident) -> String {
    Name::exact(ident.value.clone()).physical()
}

fn alter_column(name: &Ident, operation: &AlterColumnOperation) -> Result<String, SqlError> {
    Ok(match operation {
        AlterColumnOperation::SetNotNull => "SET NOT NULL".to_owned(),
        AlterColumnOperation::DropNotNull => "DROP NOT NULL".to_owned(),
        AlterColumnOperation::DropDefault => "DROP DEFAULT".to_owned(),
        AlterColumnOperation::SetDefault { value } => {
            format!("SET DEFAULT {}", physical::text_of(value.clone()))
        }
        AlterColumnOperation::SetDataType { data_type, .. } => {
            let sql_type = types::sql_type(data_type)?;
            let value = casts::convert(sqlparser::ast::Expr::Identifier(name.clone()), &sql_type, false);
            format!(
                "SET DATA TYPE {} USING {}",
                sql_type.engine_type(),
                physical::text_of(value)
            )
        }
        other @ AlterColumnOperation::AddGenerated { .. } => return Err(unsupported(&other.to_string())),
    })
}

/// The engine's text of a column's value in another type.
pub fn converted(physical_column: &str, sql_type: &SqlType) -> String {
    physical::text_of(casts::convert(raw(physical_column), sql_type, false))
}

/// The engine renames within a schema only.
fn renamed(old: &ObjectPath, new: &ObjectName, work: &Work<'_>) -> Result<String, SqlError> {
    let new = work.scope.names.object(new, "ALTER TABLE")?;
    if new.schema != old.schema {
        return Err(unsupported("ALTER TABLE RENAME TO another schema"));
    }
    let is_temporary = work.scope.names.temporary.contains(old);
    Ok(if is_temporary {
        names::quote(&new.temporary_mangled())
    } else {
        new.name.physical()
    })
}

fn swap(path: &ObjectPath, other: &ObjectName, work: &Work<'_>) -> Result<Vec<String>, SqlError> {
    let other = work.scope.names.object(other, "ALTER TABLE")?;
    let is_temporary = |path| work.scope.names.temporary.contains(path);
    if other.schema != path.schema || is_temporary(path) || is_temporary(&other) {
        return Err(unsupported("ALTER TABLE SWAP WITH a table of another schema"));
    }
    let schema = path.schema.physical();
    // No name of a user's holds a point once it is mangled.
    let aside = names::quote(&format!("{}.swap", path.name.mangled()));
    let (one, two) = (path.name.physical(), other.name.physical());
    Ok(vec![
        format!("ALTER TABLE {schema}.{one} RENAME TO {aside}"),
        format!("ALTER TABLE {schema}.{two} RENAME TO {one}"),
        format!("ALTER TABLE {schema}.{aside} RENAME TO {two}"),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered, lowering};

    #[test]
    fn tables_are_altered() {
        check(
            lowered,
            &[
                (
                    "alter table t add column a int",
                    r#"ALTER TABLE "D.S"."T" ADD COLUMN "A" DECIMAL(38,0)"#,
                ),
                (
                    "alter table t drop column a",
                    r#"ALTER TABLE "D.S"."T" DROP COLUMN "A""#,
                ),
                (
                    "alter table t rename column a to b",
                    r#"ALTER TABLE "D.S"."T" RENAME COLUMN "A" TO "B""#,
                ),
                (
                    "alter table t rename to u",
                    r#"ALTER TABLE "D.S"."T" RENAME TO "U""#,
                ),
                (
                    "alter table t alter column a set data type varchar",
                    r#"ALTER TABLE "D.S"."T" ALTER COLUMN "A" SET DATA TYPE VARCHAR USING sf_to_varchar("A")"#,
                ),
            ],
        );
        assert_eq!(lowering("alter table t swap with u").unwrap().before.len(), 2);
    }
}

//! Tables, views and sequences: altered, dropped, brought back; comments on anything.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ObjectName, ObjectType, RenameTableNameKind,
    Statement, TableConstraint,
};

use super::account::last;
use super::ddl::{DdlPlan, Effect, Failure, Planner, Step, dropped_already};
use super::tables::{column_of, dotted, drop_sequence_statements, set_aside};
use crate::catalog::names::{Name, ObjectPath, literal, parts, quote};
use crate::catalog::records::{
    Object, ObjectKind, record_columns, where_database, where_object, where_schema, where_sequence,
};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::catalog::types::StoredType;
use crate::contract::SqlError;
use crate::front::{
    AlterObject, Change, Comment, CommentKind, DropObject, NamespaceKind, Path, PropertyValue,
};
use crate::lower::lower;

/// `DROP TABLE`, `DROP VIEW`.
pub(super) fn drop_object(
    planner: &mut Planner<'_>,
    object_type: ObjectType,
    if_exists: bool,
    names: &[ObjectName],
) -> Result<DdlPlan, Failure> {
    let wanted = match object_type {
        ObjectType::Table => ObjectKind::Table,
        ObjectType::View => ObjectKind::View,
        other => return Err(SqlError::unsupported(format!("DROP {other}")).into()),
    };
    let [name] = names else {
        return Err(SqlError::syntax(1, 0, ",").into());
    };
    let written = parts(name)?;
    let path = planner.scope.names.object_of_parts(&written, "DROP")?;
    let mut plan = DdlPlan::only(format!("{} successfully dropped.", path.name.as_str()));
    plan.touched.push(path.clone());
    if let Some(temporary) = planner.temporary.get(&path)
        && temporary.object.kind == wanted
    {
        set_aside(Some(&temporary.object), true, planner.now_ms, &mut plan);
        return Ok(plan);
    }
    let Some(object) = planner.catalog.object(&path)? else {
        if if_exists {
            return Ok(dropped_already(&path.name));
        }
        let detail = format!(
            "{} '{}' does not exist or not authorized.",
            wanted.capitalised(),
            dotted(&written)
        );
        return Err(SqlError::compilation("002003", "42S02", detail).into());
    };
    planner.writable_schema(&path.schema)?;
    if object.kind != wanted {
        return Err(wrong_kind(object.kind, wanted).into());
    }
    match wanted {
        ObjectKind::Table => set_aside(Some(&object), false, planner.now_ms, &mut plan),
        ObjectKind::View => {
            plan.sql(format!("DROP VIEW {}", path.physical()));
            plan.all(object.forget());
        }
    }
    Ok(plan)
}

/// `DROP SEQUENCE`.
pub(super) fn drop_sequence(planner: &mut Planner<'_>, dropped: &DropObject<()>) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&dropped.path, "DROP SEQUENCE")?;
    if planner.catalog.sequence(&path)?.is_none() {
        if dropped.if_exists {
            return Ok(dropped_already(&path.name));
        }
        return Err(SqlError::no_such("Sequence", dotted(&dropped.path)).into());
    }
    let mut plan = DdlPlan::only(format!("{} successfully dropped.", path.name.as_str()));
    plan.all(drop_sequence_statements(planner, &path)?);
    Ok(plan)
}

/// `UNDROP TABLE`: the one of this name that was dropped last.
pub(super) fn undrop_table(planner: &mut Planner<'_>, written: &Path) -> Result<DdlPlan, Failure> {
    let path = planner.scope.names.object_of_parts(written, "UNDROP TABLE")?;
    if planner.catalog.object(&path)?.is_some() {
        return Err(SqlError::already_exists(path.name.as_str()).into());
    }
    planner.writable_schema(&path.schema)?;
    let condition =
        where_object(&path).replace("dropped_ms IS NULL", "dropped_ms IS NOT NULL AND kind = 'TABLE'");
    let dropped = planner.catalog.objects(&condition)?;
    let Some(object) = dropped.into_iter().max_by_key(|object| object.id) else {
        let detail = format!("Table {} did not exist or was purged.", path.name.as_str());
        return Err(SqlError::compilation("002003", "02000", detail).into());
    };
    let aside = format!("{}.{}", path.schema.physical(), quote(&object.dropped_name()));
    let mut plan = DdlPlan::only(format!("Table {} successfully restored.", path.name.as_str()));
    plan.sql(format!("ALTER TABLE {aside} RENAME TO {}", path.name.physical()));
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET dropped_ms = NULL WHERE id = {}",
        object.id
    ));
    plan.sql(object.record_rename(&path, planner.now_ms));
    plan.touched.push(path);
    Ok(plan)
}

/// `ALTER TABLE`: the engine's part is lowered, the catalog's is here.
pub(super) fn alter_table(planner: &mut Planner<'_>, altered: &AlterTable) -> Result<DdlPlan, Failure> {
    let written = parts(&altered.name)?;
    let path = planner.scope.names.object_of_parts(&written, "ALTER TABLE")?;
    let is_temporary = planner.temporary.contains_key(&path);
    let object = match planner.temporary.get(&path) {
        Some(temporary) => Some(temporary.object.clone()),
        None => planner.catalog.object(&path)?,
    };
    let Some(object) = object else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        let detail = format!("Table '{}' does not exist or not authorized.", dotted(&written));
        return Err(SqlError::compilation("002003", "42S02", detail).into());
    };
    if object.kind != ObjectKind::Table {
        return Err(wrong_kind(object.kind, ObjectKind::Table).into());
    }
    planner.writable_schema(&path.schema)?;
    let lowered = lower(&Statement::AlterTable(altered.clone()), &planner.scope)?;
    let mut plan = DdlPlan::executed();
    plan.all(lowered.before.iter().cloned());
    plan.sql(lowered.sql.clone());
    plan.touched.push(path.clone());
    if is_temporary {
        rename_temporary(planner, altered, &path, &mut plan)?;
        let mut temporary = planner.temporary[&path].clone();
        // Its columns are read again from the engine.
        temporary.columns.clear();
        if !plan
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::RenameTemporary(..)))
        {
            plan.steps.push(Step::KeepTemporary(Box::new(temporary)));
        }
        return Ok(plan);
    }
    let mut added = lowered.columns.iter();
    for operation in &altered.operations {
        if let AlterTableOperation::AddColumn { if_not_exists, .. } = operation {
            let Some(declared) = added.next() else { continue };
            let columns = planner.catalog.columns(object.id)?;
            let column = column_of(declared);
            if columns.iter().any(|known| known.name == column.name) {
                if *if_not_exists {
                    continue;
                }
                let detail = format!("column '{}' already exists", column.name.as_str());
                return Err(SqlError::compilation("001430", "42601", detail).into());
            }
            let next = format!(
                "(SELECT coalesce(max(ordinal), 0) + 1 FROM {CATALOG_SCHEMA}.columns WHERE object_id = {})",
                object.id
            );
            // The ordinal is computed where it is written: one statement may add several columns.
            plan.all(record_columns(object.id, 0, &[column]).map(|sql| {
                sql.replacen(
                    &format!("({}, 0,", object.id),
                    &format!("({}, {next},", object.id),
                    1,
                )
            }));
        } else {
            record_change(planner, &object, operation, &mut plan)?;
        }
    }
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET altered_ms = {} WHERE id = {}",
        planner.now_ms, object.id
    ));
    Ok(plan)
}

fn rename_temporary(
    planner: &Planner<'_>,
    altered: &AlterTable,
    path: &ObjectPath,
    plan: &mut DdlPlan,
) -> Result<(), SqlError> {
    for operation in &altered.operations {
        if let AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(new) | RenameTableNameKind::As(new),
        } = operation
        {
            let to = planner.scope.names.object(new, "ALTER TABLE")?;
            plan.effects.push(Effect::RenameTemporary(path.clone(), to));
        }
    }
    Ok(())
}

/// What one operation changes in the catalog.
fn record_change(
    planner: &mut Planner<'_>,
    object: &Object,
    operation: &AlterTableOperation,
    plan: &mut DdlPlan,
) -> Result<(), Failure> {
    let column = |name: &Name| format!("object_id = {} AND name = {}", object.id, literal(name.as_str()));
    let mut update = |set: String, condition: String| {
        plan.sql(format!(
            "UPDATE {CATALOG_SCHEMA}.columns SET {set} WHERE {condition}"
        ));
    };
    match operation {
        AlterTableOperation::DropColumn { column_names, .. } => {
            for name in column_names {
                plan.sql(format!(
                    "DELETE FROM {CATALOG_SCHEMA}.columns WHERE {}",
                    column(&Name::of(name))
                ));
                plan.sql(format!(
                    "DELETE FROM {CATALOG_SCHEMA}.keys WHERE object_id = {} AND column_name = {}",
                    object.id,
                    literal(Name::of(name).as_str())
                ));
            }
        }
        AlterTableOperation::RenameColumn {
            old_column_name,
            new_column_name,
        } => {
            let (old, new) = (Name::of(old_column_name), Name::of(new_column_name));
            update(format!("name = {}", literal(new.as_str())), column(&old));
            for (owner, renamed) in [("object_id", "column_name"), ("other_id", "other_column")] {
                plan.sql(format!(
                    "UPDATE {CATALOG_SCHEMA}.keys SET {renamed} = {} WHERE {owner} = {} AND {renamed} = {}",
                    literal(new.as_str()),
                    object.id,
                    literal(old.as_str())
                ));
            }
        }
        AlterTableOperation::AlterColumn { column_name, op } => {
            let condition = column(&Name::of(column_name));
            match op {
                AlterColumnOperation::SetNotNull => update("nullable = false".to_owned(), condition),
                AlterColumnOperation::DropNotNull => update("nullable = true".to_owned(), condition),
                AlterColumnOperation::DropDefault => update("default_text = NULL".to_owned(), condition),
                AlterColumnOperation::SetDefault { value } => {
                    update(
                        format!("default_text = {}", literal(&value.to_string())),
                        condition,
                    );
                }
                AlterColumnOperation::SetDataType { data_type, .. } => {
                    let stored = StoredType::of(&crate::lower::sql_type(data_type)?);
                    let number =
                        |value: Option<i64>| value.map_or_else(|| "NULL".to_owned(), |n| n.to_string());
                    let set = format!(
                        "type_tag = {}, length = {}, numeric_precision = {}, scale = {}",
                        literal(&stored.tag),
                        number(stored.length),
                        number(stored.precision),
                        number(stored.scale)
                    );
                    update(set, condition);
                }
                AlterColumnOperation::AddGenerated { .. } => {}
            }
        }
        AlterTableOperation::AddConstraint { constraint, .. } => {
            if let TableConstraint::PrimaryKey(key) = constraint {
                for part in &key.columns {
                    if let sqlparser::ast::Expr::Identifier(ident) = &part.column.expr {
                        update("primary_key = true".to_owned(), column(&Name::of(ident)));
                    }
                }
            }
            let key = super::keys::of_constraint(constraint);
            let keys: Vec<_> = key.into_iter().collect();
            plan.all(super::keys::record(planner, object.id, &object.path, &keys)?);
        }
        AlterTableOperation::DropPrimaryKey { .. } => {
            let of_object = format!("object_id = {}", object.id);
            update("primary_key = false".to_owned(), of_object.clone());
            plan.sql(format!(
                "DELETE FROM {CATALOG_SCHEMA}.keys WHERE {of_object} AND kind = 'PRIMARY'"
            ));
        }
        AlterTableOperation::DropConstraint { name, .. } => plan.sql(format!(
            "DELETE FROM {CATALOG_SCHEMA}.keys WHERE object_id = {} AND name = {}",
            object.id,
            literal(Name::of(name).as_str())
        )),
        AlterTableOperation::RenameTable {
            table_name: RenameTableNameKind::To(new) | RenameTableNameKind::As(new),
        } => {
            let to = planner.scope.names.object(new, "ALTER TABLE")?;
            if planner.catalog.object(&to)?.is_some() {
                return Err(SqlError::already_exists(to.name.as_str()).into());
            }
            plan.sql(object.record_rename(&to, planner.now_ms));
            plan.touched.push(to);
        }
        AlterTableOperation::SwapWith { table_name } => {
            let to = planner.scope.names.object(table_name, "ALTER TABLE")?;
            let Some(other) = planner.catalog.object(&to)? else {
                return Err(SqlError::no_object(dotted(&parts(table_name)?)).into());
            };
            plan.sql(object.record_rename(&to, planner.now_ms));
            plan.sql(other.record_rename(&object.path, planner.now_ms));
            plan.touched.push(to);
        }
        AlterTableOperation::ClusterBy { exprs } => {
            let keys: Vec<String> = exprs.iter().map(ToString::to_string).collect();
            set_cluster_by(object, &format!("LINEAR({})", keys.join(", ")), plan);
        }
        AlterTableOperation::DropClusteringKey => set_cluster_by(object, "", plan),
        _ => {}
    }
    Ok(())
}

fn set_cluster_by(object: &Object, text: &str, plan: &mut DdlPlan) {
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET cluster_by = {} WHERE id = {}",
        literal(text),
        object.id
    ));
}

/// `ALTER VIEW`.
pub(super) fn alter_view(planner: &mut Planner<'_>, altered: &AlterObject<()>) -> Result<DdlPlan, Failure> {
    let path = planner.scope.names.object_of_parts(&altered.path, "ALTER VIEW")?;
    let Some(object) = planner.catalog.object(&path)? else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        let detail = format!(
            "View '{}' does not exist or not authorized.",
            dotted(&altered.path)
        );
        return Err(SqlError::compilation("002003", "42S02", detail).into());
    };
    if object.kind != ObjectKind::View {
        return Err(wrong_kind(object.kind, ObjectKind::View).into());
    }
    planner.writable_schema(&path.schema)?;
    let mut plan = DdlPlan::executed();
    let comment = match &altered.change {
        Change::Rename(to) => {
            let to = planner.scope.names.object_of_parts(to, "ALTER VIEW")?;
            if to.schema != path.schema {
                return Err(SqlError::unsupported("ALTER VIEW RENAME TO another schema").into());
            }
            if planner.catalog.object(&to)?.is_some() {
                return Err(SqlError::already_exists(to.name.as_str()).into());
            }
            plan.sql(format!(
                "ALTER VIEW {} RENAME TO {}",
                path.physical(),
                to.name.physical()
            ));
            plan.sql(object.record_rename(&to, planner.now_ms));
            return Ok(plan);
        }
        Change::Set(properties) => match properties.as_slice() {
            [only] if only.name == "COMMENT" => match &only.value {
                PropertyValue::Text(text) => text.clone(),
                _ => return Err(SqlError::unsupported("ALTER VIEW SET COMMENT").into()),
            },
            _ => return Err(SqlError::unsupported("ALTER VIEW SET").into()),
        },
        Change::Unset(names) if names.len() == 1 && names[0] == "COMMENT" => String::new(),
        _ => return Err(SqlError::unsupported("ALTER VIEW").into()),
    };
    plan.sql(set_comment("objects", &where_object(&path), &comment));
    Ok(plan)
}

/// `COMMENT ON …`.
pub(super) fn comment(planner: &mut Planner<'_>, comment: &Comment) -> Result<DdlPlan, Failure> {
    let (path, text) = (&comment.path, comment.text.as_str());
    let (found, statement) = match comment.kind {
        CommentKind::Namespace(NamespaceKind::Database) => {
            let name = last(path)?;
            (
                planner.catalog.database(&name)?.is_some(),
                set_comment("databases", &where_database(&name), text),
            )
        }
        CommentKind::Namespace(NamespaceKind::Schema) => {
            let schema = planner.scope.names.schema_of_parts(path, "COMMENT")?;
            (
                planner.catalog.schema(&schema)?.is_some(),
                set_comment("schemas", &where_schema(&schema), text),
            )
        }
        CommentKind::Account(kind) => {
            let name = last(path)?;
            let condition = format!("name = {}", literal(name.as_str()));
            let found = planner.catalog.has_account_object(kind.table(), &name)?;
            (found, set_comment(kind.table(), &condition, text))
        }
        CommentKind::Table | CommentKind::View => {
            let object = planner.scope.names.object_of_parts(path, "COMMENT")?;
            (
                planner.catalog.object(&object)?.is_some(),
                set_comment("objects", &where_object(&object), text),
            )
        }
        CommentKind::Sequence => {
            let object = planner.scope.names.object_of_parts(path, "COMMENT")?;
            (
                planner.catalog.sequence(&object)?.is_some(),
                set_comment("sequences", &where_sequence(&object), text),
            )
        }
        CommentKind::Column => {
            let Some((column, table)) = path.split_last() else {
                return Err(SqlError::cannot_perform().into());
            };
            let table = planner.scope.names.object_of_parts(table, "COMMENT")?;
            match planner.catalog.object(&table)? {
                Some(object) => {
                    let known = planner
                        .catalog
                        .columns(object.id)?
                        .iter()
                        .any(|known| known.name == *column);
                    let condition = format!(
                        "object_id = {} AND name = {}",
                        object.id,
                        literal(column.as_str())
                    );
                    (known, set_comment("columns", &condition, text))
                }
                None => (false, String::new()),
            }
        }
    };
    if !found {
        if comment.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(SqlError::no_object(dotted(path)).into());
    }
    let mut plan = DdlPlan::executed();
    plan.sql(statement);
    Ok(plan)
}

fn set_comment(table: &str, condition: &str, text: &str) -> String {
    format!(
        "UPDATE {CATALOG_SCHEMA}.{table} SET comment = {} WHERE {condition}",
        literal(text)
    )
}

fn wrong_kind(found: ObjectKind, wanted: ObjectKind) -> SqlError {
    let detail = format!(
        "Object found is of type '{}', specified type '{}' not valid.",
        found.text(),
        wanted.text()
    );
    SqlError::compilation("002203", "02000", detail)
}

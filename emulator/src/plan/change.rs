//! Tables dropped and brought back, views altered, comments on anything.

use sqlparser::ast::{ObjectName, ObjectType};

use super::account::last;
use super::ddl::{DdlPlan, Failure, Planner, dropped_already};
use super::tables::{dotted, set_aside};
use crate::catalog::names::{literal, parts, quote};
use crate::catalog::records::{ObjectKind, where_database, where_object, where_schema, where_sequence};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{AlterObject, Change, Comment, CommentKind, NamespaceKind, Path, PropertyValue};
use crate::lower::name_with_values;

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
    let written = parts(&name_with_values(name, &planner.scope)?)?;
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

pub(super) fn wrong_kind(found: ObjectKind, wanted: ObjectKind) -> SqlError {
    let detail = format!(
        "Object found is of type '{}', specified type '{}' not valid.",
        found.text(),
        wanted.text()
    );
    SqlError::compilation("002203", "02000", detail)
}

//! Tables, views and sequences: made.
//!
//! A table that is replaced is not dropped but put aside, as DROP TABLE does, so that UNDROP finds it. A
//! table made from a query is made under another name first: the query may read the table it replaces.

use std::collections::BTreeSet;

use sqlparser::ast::{
    CommentDef, CreateTable, CreateTableOptions, CreateView, Ident, ObjectName, ObjectNamePart, SqlOption,
    Statement,
};

use super::ddl::{DdlPlan, Effect, Failure, Made, Planner, Step, Temporary, exists_already};
use crate::catalog::names::{Name, NameScope, ObjectPath, TEMPORARY_SCHEMA, literal, parts, quote};
use crate::catalog::records::{Column, Object, ObjectKind, record_columns};
use crate::catalog::types::StoredType;
use crate::contract::SqlError;
use crate::lower::{DeclaredColumn, Lowered, Scope, lower, name_with_values};

/// `CREATE TABLE`, in all its forms.
pub(super) fn create_table(planner: &mut Planner<'_>, written: &CreateTable) -> Result<DdlPlan, Failure> {
    let name = name_with_values(&written.name, &planner.scope)?;
    let path = planner.scope.names.object(&name, "CREATE TABLE")?;
    planner.writable_schema(&path.schema)?;
    let schema_retention = planner.catalog.schema(&path.schema)?;
    let schema_retention = schema_retention.map_or(1, |schema| schema.retention_days);
    let is_temporary = written.temporary || written.volatile;
    let mut plan = DdlPlan::default();
    let existing = if is_temporary {
        planner
            .temporary
            .get(&path)
            .map(|temporary| temporary.object.clone())
    } else {
        planner.catalog.object(&path)?
    };
    if let Some(existing) = &existing {
        if written.if_not_exists {
            return Ok(exists_already(&path.name));
        }
        refuse_existing(existing, ObjectKind::Table, written.or_replace)?;
    }
    let from_query = written.query.is_some() || written.clone.is_some() || written.like.is_some();
    let is_staged = from_query && existing.is_some();
    let lowered = lower_table(planner, written, &path, is_temporary, is_staged)?;
    if !is_staged {
        set_aside(existing.as_ref(), is_temporary, planner.now_ms, &mut plan);
    }
    let target = if is_staged { staged(&path) } else { path.clone() };
    let physical = if is_temporary {
        target.physical_temporary()
    } else {
        target.physical()
    };
    let is_of_query = written.query.is_some() && lowered.columns.is_empty();
    if let Some(statements) = copy_statements(planner, written, &physical)? {
        plan.all(statements);
    } else if is_of_query {
        plan.steps.push(Step::CreateAs {
            physical,
            is_temporary,
            made: Box::new(Made {
                query: lowered.sql.clone(),
                outline: lowered.outline.clone(),
                names: lowered.names.clone(),
            }),
        });
    } else {
        plan.all(lowered.before.iter().cloned());
        plan.sql(lowered.sql.clone());
    }
    plan.reads = lowered
        .tables
        .iter()
        .filter(|read| **read != target)
        .cloned()
        .collect();
    if is_staged {
        set_aside(existing.as_ref(), is_temporary, planner.now_ms, &mut plan);
        let (staged, name) = (staged(&path), path.name.physical());
        plan.sql(if is_temporary {
            format!(
                "ALTER TABLE {} RENAME TO {}",
                staged.physical_temporary(),
                quote(&path.temporary_mangled())
            )
        } else {
            format!("ALTER TABLE {} RENAME TO {name}", staged.physical())
        });
    }
    let columns = match source_columns(planner, written)? {
        Some(columns) => columns,
        None => lowered.columns.iter().map(column_of).collect(),
    };
    let id = if is_temporary {
        0
    } else {
        planner.catalog.new_id()?
    };
    let object = Object {
        owner: planner.owner.to_owned(),
        comment: comment_of(written),
        is_transient: written.transient,
        cluster_by: written
            .cluster_by
            .as_ref()
            .map(|keys| format!("LINEAR{keys}"))
            .unwrap_or_default(),
        retention_days: written
            .data_retention_time_in_days
            .and_then(|days| i64::try_from(days).ok())
            .unwrap_or(schema_retention),
        ..Object::new(id, path.clone(), ObjectKind::Table, planner.now_ms)
    };
    if is_temporary {
        plan.steps
            .push(Step::KeepTemporary(Box::new(Temporary { object, columns })));
    } else {
        plan.sql(object.record());
        let keys = super::keys::record(planner, id, &path, &super::keys::declared(written))?;
        plan.all(keys);
        if let Some(source) = source_of(written) {
            let source = planner.scope.names.object(source, "CREATE TABLE")?;
            plan.sql(super::keys::copied(&source, id));
        }
        match record_columns(id, 1, &columns) {
            Some(statement) => plan.sql(statement),
            None => plan.steps.push(Step::RecordColumns { object_id: id }),
        }
    }
    plan.status = format!("Table {} successfully created.", path.name.as_str());
    plan.touched.push(path);
    Ok(plan)
}

/// Lowers the statement without OR REPLACE and IF NOT EXISTS, which are decided here.
fn lower_table(
    planner: &Planner<'_>,
    written: &CreateTable,
    path: &ObjectPath,
    is_temporary: bool,
    is_staged: bool,
) -> Result<Lowered, SqlError> {
    let target = if is_staged { staged(path) } else { path.clone() };
    let mut table = written.clone();
    table.or_replace = false;
    table.if_not_exists = false;
    table.temporary = is_temporary;
    table.volatile = false;
    // What it copies is known already.
    table.version = None;
    table.name = written_name(&target);
    // A source that is named by the replaced table's own name is the temporary one only if it is one.
    let mut temporary: BTreeSet<ObjectPath> = planner.scope.names.temporary.clone();
    if is_temporary {
        temporary.insert(target);
    }
    let names = NameScope {
        temporary: &temporary,
        ..planner.scope.names
    };
    lower(
        &Statement::CreateTable(table),
        &Scope {
            names,
            ..planner.scope
        },
    )
}

/// Name under which a table waits until the one it replaces is out of the way.
fn staged(path: &ObjectPath) -> ObjectPath {
    path.schema
        .object(Name::exact(format!("{}#new", path.name.as_str())))
}

fn written_name(path: &ObjectPath) -> ObjectName {
    let part = |name: &Name| ObjectNamePart::Identifier(Ident::with_quote('"', name.as_str()));
    ObjectName(vec![
        part(&path.schema.database),
        part(&path.schema.schema),
        part(&path.name),
    ])
}

/// Statements that copy the table that LIKE or CLONE names, with its constraints and defaults.
///
/// `None` without such a clause, and for a source that is not a table of the engine.
fn copy_statements(
    planner: &mut Planner<'_>,
    written: &CreateTable,
    physical: &str,
) -> Result<Option<Vec<String>>, Failure> {
    let Some(source) = source_of(written) else {
        return Ok(None);
    };
    let path = planner.scope.names.object(source, "CREATE TABLE")?;
    let is_temporary = planner.temporary.contains_key(&path);
    let (schema, table) = if is_temporary {
        ("main".to_owned(), path.temporary_mangled())
    } else {
        (path.schema.mangled(), path.name.mangled())
    };
    let rows = planner.catalog.rows(&format!(
        "SELECT sql FROM duckdb_tables() WHERE schema_name = {} AND table_name = {}",
        literal(&schema),
        literal(&table)
    ))?;
    let text = rows.first().map(|row| row.text(0)).unwrap_or_default();
    // No engine name holds a parenthesis, so the first one opens the columns.
    let Some(at) = text.find('(') else { return Ok(None) };
    let columns = text[at..].trim_end().trim_end_matches(';');
    let word = if physical.starts_with(TEMPORARY_SCHEMA) {
        "TEMPORARY "
    } else {
        ""
    };
    let mut statements = vec![format!("CREATE {word}TABLE {physical} {columns}")];
    if written.clone.is_some() {
        let source = match planner.clone_source {
            Some(past) => past.to_owned(),
            None if is_temporary => path.physical_temporary(),
            None => path.physical(),
        };
        statements.push(format!("INSERT INTO {physical} SELECT * FROM {source}"));
    }
    Ok(Some(statements))
}

fn source_of(written: &CreateTable) -> Option<&ObjectName> {
    use sqlparser::ast::CreateTableLikeKind::{Parenthesized, Plain};
    match (&written.clone, &written.like) {
        (Some(source), _) => Some(source),
        (None, Some(Plain(like) | Parenthesized(like))) => Some(&like.name),
        (None, None) => None,
    }
}

/// Declared columns of the table that LIKE or CLONE names.
fn source_columns(planner: &mut Planner<'_>, written: &CreateTable) -> Result<Option<Vec<Column>>, Failure> {
    let Some(source) = source_of(written) else {
        return Ok(None);
    };
    let path = planner.scope.names.object(source, "CREATE TABLE")?;
    if let Some(temporary) = planner.temporary.get(&path) {
        return Ok(Some(temporary.columns.clone()));
    }
    match planner.catalog.object(&path)? {
        Some(object) => Ok(Some(planner.catalog.columns(object.id)?)),
        None => Err(SqlError::no_object(dotted(&parts(source)?)).into()),
    }
}

/// `CREATE VIEW`.
pub(super) fn create_view(planner: &mut Planner<'_>, written: &CreateView) -> Result<DdlPlan, Failure> {
    let name = name_with_values(&written.name, &planner.scope)?;
    let path = planner.scope.names.object(&name, "CREATE VIEW")?;
    planner.writable_schema(&path.schema)?;
    let mut plan = DdlPlan::default();
    let existing = if written.temporary {
        planner
            .temporary
            .get(&path)
            .map(|temporary| temporary.object.clone())
    } else {
        planner.catalog.object(&path)?
    };
    if let Some(existing) = existing {
        if written.if_not_exists {
            return Ok(exists_already(&path.name));
        }
        refuse_existing(&existing, ObjectKind::View, written.or_replace)?;
        if written.temporary {
            set_aside(Some(&existing), true, planner.now_ms, &mut plan);
        } else {
            plan.sql(format!("DROP VIEW {}", path.physical()));
            plan.all(existing.forget());
        }
    }
    let mut view = written.clone();
    view.or_replace = false;
    view.if_not_exists = false;
    // Names in a view are those of its own schema, wherever the session is.
    let in_schema = planner.scope.names.in_schema(&path.schema);
    view.name = written_name(&path);
    let lowered = lower(
        &Statement::CreateView(view),
        &Scope {
            names: in_schema,
            ..planner.scope
        },
    )?;
    if let Some(hidden) = lowered
        .tables
        .iter()
        .find(|table| planner.temporary.contains_key(table))
        .filter(|_| !written.temporary)
    {
        let feature = format!("VIEW over the temporary table {}", hidden.name);
        return Err(SqlError::unsupported(feature).into());
    }
    plan.reads = lowered
        .tables
        .iter()
        .filter(|read| **read != path)
        .cloned()
        .collect();
    plan.all(lowered.before);
    plan.sql(lowered.sql);
    let physical = if written.temporary {
        path.physical_temporary()
    } else {
        path.physical()
    };
    plan.steps.push(Step::FindColumns(Box::new(Made {
        query: format!("SELECT * FROM {physical}"),
        outline: lowered.outline,
        names: lowered.names,
    })));
    let id = if written.temporary {
        0
    } else {
        planner.catalog.new_id()?
    };
    let object = Object {
        owner: planner.owner.to_owned(),
        comment: written.comment.clone().unwrap_or_default(),
        is_secure: written.secure,
        definition: Some(planner.text.to_owned()),
        ..Object::new(id, path.clone(), ObjectKind::View, planner.now_ms)
    };
    if written.temporary {
        let columns = Vec::new();
        plan.steps
            .push(Step::KeepTemporary(Box::new(Temporary { object, columns })));
    } else {
        plan.sql(object.record());
        plan.steps.push(Step::RecordColumns { object_id: id });
    }
    plan.status = format!("View {} successfully created.", path.name.as_str());
    plan.touched.push(path);
    Ok(plan)
}

/// Puts a table that is dropped or replaced where UNDROP finds it; a temporary one is gone.
pub(super) fn set_aside(existing: Option<&Object>, is_temporary: bool, now_ms: i64, plan: &mut DdlPlan) {
    let Some(object) = existing else { return };
    if is_temporary {
        let kind = object.kind.text();
        plan.sql(format!("DROP {kind} {}", object.path.physical_temporary()));
        plan.effects.push(Effect::DropTemporary(object.path.clone()));
    } else {
        plan.sql(format!(
            "ALTER TABLE {} RENAME TO {}",
            object.path.physical(),
            quote(&object.dropped_name())
        ));
        plan.sql(object.record_drop(now_ms));
    }
}

fn refuse_existing(existing: &Object, wanted: ObjectKind, or_replace: bool) -> Result<(), SqlError> {
    let name = existing.path.name.as_str();
    if !or_replace {
        return Err(SqlError::already_exists(name));
    }
    if existing.kind == wanted {
        return Ok(());
    }
    let detail = format!("Object '{name}' already exists as {}", existing.kind.text());
    Err(SqlError::compilation("001998", "42710", detail))
}

/// A declared column as the catalog keeps it.
pub(super) fn column_of(declared: &DeclaredColumn) -> Column {
    Column {
        name: Name::exact(declared.name.clone()),
        stored_type: StoredType::of(&declared.sql_type),
        nullable: declared.nullable,
        default: declared.default.clone(),
        primary_key: declared.primary_key,
        unique: declared.unique,
        comment: declared.comment.clone(),
    }
}

/// The comment of a table, which the parser keeps among its options.
fn comment_of(table: &CreateTable) -> String {
    let among_options = match &table.table_options {
        CreateTableOptions::Plain(options) => options.iter().find_map(|option| match option {
            SqlOption::Comment(comment) => Some(comment),
            _ => None,
        }),
        _ => None,
    };
    let comment = table.comment.as_ref().or(among_options);
    comment.map(comment_text).unwrap_or_default()
}

fn comment_text(comment: &CommentDef) -> String {
    match comment {
        CommentDef::WithEq(text) | CommentDef::WithoutEq(text) => text.clone(),
    }
}

/// A name as messages repeat it: its parts with points.
pub(super) fn dotted(parts: &[Name]) -> String {
    parts.iter().map(Name::as_str).collect::<Vec<_>>().join(".")
}

//! Databases and schemas: made, dropped, brought back, described otherwise.
//!
//! A dropped schema keeps its engine schema, so that UNDROP is cheap; the session room refuses names in it
//! meanwhile ([`Effect::Bury`]). Making a schema of the same name clears the old one away.

use super::clone::{self, Cloned, Move};
use super::ddl::{DdlPlan, Effect, Failure, Planner, dropped_already, exists_already};
use crate::catalog::files::Stage;
use crate::catalog::names::{INFORMATION_SCHEMA, Name, PUBLIC, SchemaPath, literal};
use crate::catalog::records::{Database, Schema, where_database, where_in_schema, where_schema};
use crate::catalog::tables::{CATALOG_SCHEMA, create_information_schema, drop_engine_schema};
use crate::contract::SqlError;
use crate::front::{
    AlterObject, Change, CreateNamespace, DropObject, NamespaceKind, Path, Property, PropertyValue,
};

/// `CREATE DATABASE` or `CREATE SCHEMA`.
pub(super) fn create(planner: &mut Planner<'_>, made: &CreateNamespace) -> Result<DdlPlan, Failure> {
    match made.kind {
        NamespaceKind::Database => create_database(planner, made),
        NamespaceKind::Schema => create_schema(planner, made),
    }
}

fn create_database(planner: &mut Planner<'_>, made: &CreateNamespace) -> Result<DdlPlan, Failure> {
    let name = single(&made.path)?;
    let mut plan = DdlPlan::default();
    if let Some(existing) = planner.catalog.database(&name)? {
        if made.if_not_exists {
            return Ok(exists_already(&name));
        }
        if !made.or_replace {
            return Err(SqlError::already_exists(name.as_str()).into());
        }
        refuse_built_in(&existing)?;
    }
    let source = match &made.clone {
        Some(path) => Some(clone::database(planner, path, &name)?),
        None => None,
    };
    clear_database(planner, &name, &mut plan)?;
    let options = Options::read(&made.properties)?;
    let now_ms = planner.now_ms;
    let like = source
        .clone()
        .unwrap_or_else(|| Database::new(name.clone(), now_ms));
    let database = Database {
        name: name.clone(),
        owner: planner.owner.to_owned(),
        comment: options.comment.unwrap_or(like.comment),
        is_transient: made.transient || like.is_transient,
        retention_days: options.retention_days.unwrap_or(like.retention_days),
        ..Database::new(name.clone(), now_ms)
    };
    plan.all(database.create());
    plan.all(create_information_schema(&name, now_ms));
    let has_public = if let Some(source) = source {
        let moves = clone::schemas(planner, &source.name, &name, &mut plan)?;
        let cloned = Cloned::Database(&source.name, &name, &moves);
        clone::contents(planner, &cloned, made.clone_stages, &mut plan)?;
        moves.iter().any(|moved| moved.to.schema.as_str() == PUBLIC)
    } else {
        let public = Schema {
            owner: planner.owner.to_owned(),
            ..Schema::new(SchemaPath::new(name.clone(), Name::exact(PUBLIC)), now_ms)
        };
        plan.all(public.create());
        true
    };
    plan.status = format!("Database {} successfully created.", name.as_str());
    let schema = has_public.then(|| Name::exact(PUBLIC));
    plan.effects.push(Effect::Go(name, schema));
    Ok(plan)
}

fn create_schema(planner: &mut Planner<'_>, made: &CreateNamespace) -> Result<DdlPlan, Failure> {
    let path = planner.scope.names.schema_of_parts(&made.path, "CREATE SCHEMA")?;
    let Some(database) = planner.catalog.database(&path.database)? else {
        return Err(SqlError::no_such("Database", &path.database).into());
    };
    if planner.catalog.schema(&path)?.is_some() {
        if made.if_not_exists {
            return Ok(exists_already(&path.schema));
        }
        if !made.or_replace {
            return Err(SqlError::already_exists(path.schema.as_str()).into());
        }
    }
    refuse_built_in(&database)?;
    if path.schema.as_str() == INFORMATION_SCHEMA {
        return Err(SqlError::already_exists(path.schema.as_str()).into());
    }
    let source = match &made.clone {
        Some(written) => Some(clone::schema(planner, written, &path)?),
        None => None,
    };
    let mut plan = DdlPlan::default();
    clear_schema(planner, &path, &mut plan)?;
    plan.effects.push(Effect::Unbury(vec![path.clone()]));
    let options = Options::read(&made.properties)?;
    let like = source.clone().unwrap_or_else(|| Schema {
        is_transient: database.is_transient,
        retention_days: database.retention_days,
        ..Schema::new(path.clone(), planner.now_ms)
    });
    let schema = Schema {
        owner: planner.owner.to_owned(),
        comment: options.comment.unwrap_or(like.comment),
        is_transient: made.transient || like.is_transient,
        is_managed: options.managed || like.is_managed,
        retention_days: options.retention_days.unwrap_or(like.retention_days),
        ..Schema::new(path.clone(), planner.now_ms)
    };
    plan.all(schema.create());
    if let Some(source) = source {
        let moved = Move {
            from: source.path,
            to: path.clone(),
        };
        clone::contents(planner, &Cloned::Schema(&moved), made.clone_stages, &mut plan)?;
    }
    plan.status = format!("Schema {} successfully created.", path.schema.as_str());
    plan.effects.push(Effect::Go(path.database, Some(path.schema)));
    Ok(plan)
}

/// `DROP DATABASE` or `DROP SCHEMA`.
pub(super) fn drop(
    planner: &mut Planner<'_>,
    dropped: &DropObject<NamespaceKind>,
) -> Result<DdlPlan, Failure> {
    match dropped.kind {
        NamespaceKind::Database => {
            let name = single(&dropped.path)?;
            let Some(database) = planner.catalog.database(&name)? else {
                if dropped.if_exists {
                    return Ok(dropped_already(&name));
                }
                return Err(SqlError::no_such("Database", &name).into());
            };
            refuse_built_in(&database)?;
            let schemas = planner.catalog.schemas_of(&name)?;
            let schemas: Vec<SchemaPath> = schemas
                .into_iter()
                .map(|schema| SchemaPath::new(name.clone(), schema))
                .collect();
            let now_ms = planner.now_ms;
            let mut plan = DdlPlan::only(format!("{} successfully dropped.", name.as_str()));
            plan.sql(format!(
                "UPDATE {CATALOG_SCHEMA}.databases SET dropped_ms = {now_ms} WHERE {}",
                where_database(&name)
            ));
            for schema in &schemas {
                mark_dropped(schema, now_ms, &mut plan);
            }
            plan.effects.push(Effect::Bury(schemas));
            plan.effects.push(Effect::LeaveDatabase(name));
            Ok(plan)
        }
        NamespaceKind::Schema => {
            let path = planner
                .scope
                .names
                .schema_of_parts(&dropped.path, "DROP SCHEMA")?;
            if planner.catalog.schema(&path)?.is_none() {
                if dropped.if_exists {
                    return Ok(dropped_already(&path.schema));
                }
                return Err(SqlError::no_such("Schema", &path).into());
            }
            planner.writable_schema(&path)?;
            let held = format!("{} AND dropped_ms IS NULL", where_in_schema(&path));
            if dropped.restrict && !planner.catalog.objects(&held)?.is_empty() {
                let detail = format!(
                    "Cannot drop schema '{}' because it is not empty.",
                    path.schema.as_str()
                );
                return Err(SqlError::compilation("003536", "2BP01", detail).into());
            }
            let mut plan = DdlPlan::only(format!("{} successfully dropped.", path.schema.as_str()));
            mark_dropped(&path, planner.now_ms, &mut plan);
            plan.effects.push(Effect::Bury(vec![path.clone()]));
            plan.effects.push(Effect::LeaveSchema(path));
            Ok(plan)
        }
    }
}

/// `UNDROP DATABASE` or `UNDROP SCHEMA`.
pub(super) fn undrop(
    planner: &mut Planner<'_>,
    kind: NamespaceKind,
    path: &Path,
) -> Result<DdlPlan, Failure> {
    match kind {
        NamespaceKind::Database => {
            let name = single(path)?;
            if planner.catalog.database(&name)?.is_some() {
                return Err(SqlError::already_exists(name.as_str()).into());
            }
            let when = planner.catalog.rows(&format!(
                "SELECT max(dropped_ms) FROM {CATALOG_SCHEMA}.databases WHERE name = {}",
                literal(name.as_str())
            ))?;
            let Some(dropped_ms) = when.first().and_then(|row| row.integer(0)) else {
                return Err(not_recoverable("Database", &name));
            };
            let schemas = planner.catalog.rows(&format!(
                "SELECT name FROM {CATALOG_SCHEMA}.schemas WHERE database_name = {} AND dropped_ms = {dropped_ms}",
                literal(name.as_str())
            ))?;
            let schemas: Vec<SchemaPath> = schemas
                .iter()
                .map(|row| SchemaPath::new(name.clone(), Name::exact(row.text(0))))
                .collect();
            let mut plan = DdlPlan::only(format!("Database {} successfully restored.", name.as_str()));
            plan.sql(format!(
                "UPDATE {CATALOG_SCHEMA}.databases SET dropped_ms = NULL WHERE name = {} AND dropped_ms = {dropped_ms}",
                literal(name.as_str())
            ));
            for schema in &schemas {
                mark_restored(schema, dropped_ms, &mut plan);
            }
            plan.effects.push(Effect::Unbury(schemas));
            Ok(plan)
        }
        NamespaceKind::Schema => {
            let path = planner.scope.names.schema_of_parts(path, "UNDROP SCHEMA")?;
            if planner.catalog.schema(&path)?.is_some() {
                return Err(SqlError::already_exists(path.schema.as_str()).into());
            }
            let when = planner.catalog.rows(&format!(
                "SELECT max(dropped_ms) FROM {CATALOG_SCHEMA}.schemas WHERE database_name = {} AND name = {}",
                literal(path.database.as_str()),
                literal(path.schema.as_str())
            ))?;
            let Some(dropped_ms) = when.first().and_then(|row| row.integer(0)) else {
                return Err(not_recoverable("Schema", &path.schema));
            };
            let mut plan = DdlPlan::only(format!("Schema {} successfully restored.", path.schema.as_str()));
            mark_restored(&path, dropped_ms, &mut plan);
            plan.effects.push(Effect::Unbury(vec![path]));
            Ok(plan)
        }
    }
}

/// `ALTER DATABASE` or `ALTER SCHEMA`.
pub(super) fn alter(
    planner: &mut Planner<'_>,
    altered: &AlterObject<NamespaceKind>,
) -> Result<DdlPlan, Failure> {
    let (table, condition, found, name) = match altered.kind {
        NamespaceKind::Database => {
            let name = single(&altered.path)?;
            let found = planner.catalog.database(&name)?;
            found.as_ref().map_or(Ok(()), refuse_built_in)?;
            ("databases", where_database(&name), found.is_some(), name)
        }
        NamespaceKind::Schema => {
            let path = planner
                .scope
                .names
                .schema_of_parts(&altered.path, "ALTER SCHEMA")?;
            let found = planner.catalog.schema(&path)?.is_some();
            ("schemas", where_schema(&path), found, path.schema)
        }
    };
    if !found {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        let kind = if table == "databases" {
            "Database"
        } else {
            "Schema"
        };
        return Err(SqlError::no_such(kind, name).into());
    }
    let mut plan = DdlPlan::executed();
    let options = match &altered.change {
        Change::Set(properties) => Options::read(properties)?,
        Change::Unset(names) => Options::unset(names)?,
        _ => return Err(SqlError::unsupported("ALTER DATABASE or SCHEMA ... RENAME or SWAP").into()),
    };
    if let Some(comment) = options.comment {
        plan.sql(format!(
            "UPDATE {CATALOG_SCHEMA}.{table} SET comment = {} WHERE {condition}",
            literal(&comment)
        ));
    }
    if let Some(days) = options.retention_days {
        plan.sql(format!(
            "UPDATE {CATALOG_SCHEMA}.{table} SET retention_days = {days} WHERE {condition}"
        ));
    }
    Ok(plan)
}

/// Clears away what a database of this name, live or dropped, has left.
fn clear_database(planner: &mut Planner<'_>, name: &Name, plan: &mut DdlPlan) -> Result<(), Failure> {
    let schemas = planner.catalog.rows(&format!(
        "SELECT DISTINCT name FROM {CATALOG_SCHEMA}.schemas WHERE database_name = {}",
        literal(name.as_str())
    ))?;
    let schemas: Vec<SchemaPath> = schemas
        .iter()
        .map(|row| SchemaPath::new(name.clone(), Name::exact(row.text(0))))
        .collect();
    for schema in &schemas {
        clear_schema(planner, schema, plan)?;
    }
    plan.sql(format!(
        "DELETE FROM {CATALOG_SCHEMA}.databases WHERE name = {}",
        literal(name.as_str())
    ));
    plan.effects.push(Effect::Unbury(schemas));
    Ok(())
}

/// Clears away what a schema of this name, live or dropped, has left, with the files of its stages.
fn clear_schema(planner: &mut Planner<'_>, path: &SchemaPath, plan: &mut DdlPlan) -> Result<(), Failure> {
    let held = where_in_schema(path);
    let temporary = planner.files.stages.values();
    let mut stages: Vec<Stage> = temporary
        .filter(|stage| stage.path.schema == *path)
        .cloned()
        .collect();
    stages.extend(planner.catalog.stages(&held)?);
    let stages = stages.into_iter().map(|stage| Effect::DropStage(Box::new(stage)));
    plan.effects.extend(stages);
    let formats = planner.files.formats.keys();
    let formats = formats.filter(|format| format.schema == *path);
    plan.effects.extend(formats.cloned().map(Effect::ForgetFormat));
    plan.sql(format!("DELETE FROM {CATALOG_SCHEMA}.stages WHERE {held}"));
    plan.sql(format!("DELETE FROM {CATALOG_SCHEMA}.file_formats WHERE {held}"));
    plan.sql(drop_engine_schema(path));
    plan.sql(format!(
        "DELETE FROM {CATALOG_SCHEMA}.columns WHERE object_id IN (SELECT id FROM {CATALOG_SCHEMA}.objects WHERE {held})"
    ));
    plan.sql(format!("DELETE FROM {CATALOG_SCHEMA}.objects WHERE {held}"));
    plan.sql(format!("DELETE FROM {CATALOG_SCHEMA}.sequences WHERE {held}"));
    plan.sql(format!(
        "DELETE FROM {CATALOG_SCHEMA}.schemas WHERE database_name = {} AND name = {}",
        literal(path.database.as_str()),
        literal(path.schema.as_str())
    ));
    Ok(())
}

fn mark_dropped(path: &SchemaPath, now_ms: i64, plan: &mut DdlPlan) {
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.schemas SET dropped_ms = {now_ms} WHERE {}",
        where_schema(path)
    ));
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET dropped_ms = {now_ms} WHERE {} AND dropped_ms IS NULL",
        where_in_schema(path)
    ));
}

fn mark_restored(path: &SchemaPath, dropped_ms: i64, plan: &mut DdlPlan) {
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.schemas SET dropped_ms = NULL WHERE database_name = {} AND name = {} AND dropped_ms = {dropped_ms}",
        literal(path.database.as_str()),
        literal(path.schema.as_str())
    ));
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET dropped_ms = NULL WHERE {} AND dropped_ms = {dropped_ms}",
        where_in_schema(path)
    ));
}

/// The options that databases and schemas have here.
struct Options {
    comment: Option<String>,
    retention_days: Option<i64>,
    managed: bool,
}

impl Options {
    fn read(properties: &[Property]) -> Result<Self, SqlError> {
        let mut options = Self {
            comment: None,
            retention_days: None,
            managed: false,
        };
        for property in properties {
            match (property.name.as_str(), &property.value) {
                ("COMMENT", PropertyValue::Text(text)) => options.comment = Some(text.clone()),
                ("DATA_RETENTION_TIME_IN_DAYS", PropertyValue::Integer(days @ 0..=90)) => {
                    options.retention_days = Some(*days);
                }
                ("MANAGED ACCESS", _) => options.managed = true,
                ("MAX_DATA_EXTENSION_TIME_IN_DAYS", PropertyValue::Integer(_)) => {}
                (name, _) => {
                    return Err(SqlError::unsupported(format!(
                        "option {name} of a database or schema"
                    )));
                }
            }
        }
        Ok(options)
    }

    fn unset(names: &[String]) -> Result<Self, SqlError> {
        let mut options = Self {
            comment: None,
            retention_days: None,
            managed: false,
        };
        for name in names {
            match name.as_str() {
                "COMMENT" => options.comment = Some(String::new()),
                "DATA_RETENTION_TIME_IN_DAYS" => options.retention_days = Some(1),
                name => {
                    return Err(SqlError::unsupported(format!(
                        "option {name} of a database or schema"
                    )));
                }
            }
        }
        Ok(options)
    }
}

pub(super) fn single(path: &Path) -> Result<Name, SqlError> {
    if let [name] = path.as_slice() {
        return Ok(name.clone());
    }
    let detail = format!("invalid identifier '{}'", super::tables::dotted(path));
    Err(SqlError::compilation("000904", "42000", detail))
}

fn refuse_built_in(database: &Database) -> Result<(), SqlError> {
    if database.kind == "STANDARD" {
        return Ok(());
    }
    Err(SqlError::new(
        "003001",
        "42501",
        format!(
            "SQL access control error:\nInsufficient privileges to operate on database '{}'",
            database.name.as_str()
        ),
    ))
}

fn not_recoverable(kind: &str, name: &Name) -> Failure {
    let detail = format!("{kind} {} did not exist or was purged.", name.as_str());
    SqlError::compilation("002003", "02000", detail).into()
}

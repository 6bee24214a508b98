//! `ALTER TABLE`: what becomes of the columns, and what of the catalog's other records.
//!
//! The engine alters a table itself where it can. It neither adds a column with the check of a declared length nor
//! touches one that has it; then the table is made anew with its rows.

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, Ident, RenameTableNameKind, Statement,
    TableConstraint,
};

use super::change::wrong_kind;
use super::ddl::{DdlPlan, Effect, Failure, Planner, Step, Temporary};
use super::tables::{column_of, dotted};
use crate::catalog::names::{Name, ObjectPath, TEMPORARY_SCHEMA, literal, parts, quote};
use crate::catalog::records::{Column, Object, ObjectKind, record_columns};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::catalog::types::StoredType;
use crate::contract::{ResultColumn, SqlError};
use crate::lower::{Lowered, converted, is_checked, lower, name_with_values, plain_column, sql_type};

/// A column as it will be.
struct Altered {
    column: Column,
    /// The engine's default of one that is new.
    default: Option<String>,
    /// Its name until now; none for one that is new.
    from: Option<Name>,
    /// It has another type than until now.
    is_converted: bool,
}

/// `ALTER TABLE`.
pub(super) fn alter_table(planner: &mut Planner<'_>, altered: &AlterTable) -> Result<DdlPlan, Failure> {
    let altered = &AlterTable {
        name: name_with_values(&altered.name, &planner.scope)?,
        ..altered.clone()
    };
    let written = parts(&altered.name)?;
    let path = planner.scope.names.object_of_parts(&written, "ALTER TABLE")?;
    let temporary = planner.temporary.get(&path).cloned();
    let Some(object) = table_of(planner, &path, temporary.as_ref())? else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(no_table(&written).into());
    };
    let lowered = lower(&Statement::AlterTable(altered.clone()), &planner.scope)?;
    let before = match &temporary {
        Some(temporary) => temporary.columns.clone(),
        None => planner.catalog.columns(object.id)?,
    };
    let mut plan = DdlPlan::executed();
    plan.touched.push(path.clone());
    let mut columns: Vec<Altered> = before.iter().map(Altered::kept).collect();
    let is_made_anew = change_columns(altered, &lowered, &mut columns)?;
    if is_made_anew {
        let sequences = lowered.before.iter().filter(|sql| sql.starts_with("CREATE "));
        plan.all(sequences.cloned());
        make_anew(planner, &path, temporary.is_some(), &columns, &mut plan)?;
    } else {
        plan.all(lowered.before.iter().cloned());
        plan.sql(lowered.sql.clone());
    }
    let after: Vec<Column> = columns.into_iter().map(|altered| altered.column).collect();
    if let Some(mut temporary) = temporary {
        rename_temporary(planner, altered, &path, &mut plan)?;
        let is_renamed = |effect: &Effect| matches!(effect, Effect::RenameTemporary(..));
        if !plan.effects.iter().any(is_renamed) {
            temporary.columns = after;
            plan.steps.push(Step::KeepTemporary(Box::new(temporary)));
        }
        return Ok(plan);
    }
    if after != before {
        plan.sql(format!(
            "DELETE FROM {CATALOG_SCHEMA}.columns WHERE object_id = {}",
            object.id
        ));
        plan.all(record_columns(object.id, 1, &after));
    }
    for operation in &altered.operations {
        record_change(planner, &object, operation, &mut plan)?;
    }
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET altered_ms = {} WHERE id = {}",
        planner.now_ms, object.id
    ));
    Ok(plan)
}

/// The table at a path, which may be altered; none when there is none.
pub(super) fn table_of(
    planner: &mut Planner<'_>,
    path: &ObjectPath,
    temporary: Option<&Temporary>,
) -> Result<Option<Object>, Failure> {
    let object = match temporary {
        Some(temporary) => Some(temporary.object.clone()),
        None => planner.catalog.object(path)?,
    };
    if let Some(object) = &object {
        if object.kind != ObjectKind::Table {
            return Err(wrong_kind(object.kind, ObjectKind::Table).into());
        }
        planner.writable_schema(&path.schema)?;
    }
    Ok(object)
}

pub(super) fn no_table(written: &[Name]) -> SqlError {
    let detail = format!("Table '{}' does not exist or not authorized.", dotted(written));
    SqlError::compilation("002003", "42S02", detail)
}

impl Altered {
    fn kept(column: &Column) -> Self {
        Self {
            column: column.clone(),
            default: None,
            from: Some(column.name.clone()),
            is_converted: false,
        }
    }
}

/// Applies all operations to the columns; true when the engine cannot.
fn change_columns(
    altered: &AlterTable,
    lowered: &Lowered,
    columns: &mut Vec<Altered>,
) -> Result<bool, SqlError> {
    let mut is_made_anew = false;
    let mut added = lowered.columns.iter();
    for operation in &altered.operations {
        match operation {
            AlterTableOperation::AddColumn { if_not_exists, .. } => {
                let Some(declared) = added.next() else { continue };
                let column = column_of(declared);
                if columns.iter().any(|known| known.column.name == column.name) {
                    if *if_not_exists {
                        continue;
                    }
                    let detail = format!("column '{}' already exists", column.name.as_str());
                    return Err(SqlError::compilation("001430", "42601", detail));
                }
                is_made_anew |= is_checked(&declared.sql_type);
                columns.push(Altered {
                    column,
                    default: declared.engine_default.clone(),
                    from: None,
                    is_converted: false,
                });
            }
            AlterTableOperation::DropColumn {
                column_names,
                if_exists,
                ..
            } => {
                for name in column_names {
                    match find(columns, name) {
                        Ok(at) => is_made_anew |= has_check(&columns.remove(at).column),
                        Err(_) if *if_exists => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            AlterTableOperation::RenameColumn {
                old_column_name,
                new_column_name,
            } => {
                let at = find(columns, old_column_name)?;
                columns[at].column.name = Name::of(new_column_name);
                is_made_anew |= has_check(&columns[at].column);
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                let at = find(columns, column_name)?;
                is_made_anew |= change_column(&mut columns[at], op)?;
            }
            AlterTableOperation::AddConstraint {
                constraint: TableConstraint::PrimaryKey(key),
                ..
            } => {
                for part in &key.columns {
                    if let sqlparser::ast::Expr::Identifier(ident) = &part.column.expr {
                        let at = find(columns, ident)?;
                        columns[at].column.primary_key = true;
                    }
                }
            }
            AlterTableOperation::DropPrimaryKey { .. } => {
                for altered in columns.iter_mut() {
                    altered.column.primary_key = false;
                }
            }
            _ => {}
        }
    }
    if columns.is_empty() {
        let detail = "cannot drop all the columns of a table";
        return Err(SqlError::compilation("001432", "42601", detail));
    }
    Ok(is_made_anew)
}

/// Changes one column; true when the engine cannot.
fn change_column(altered: &mut Altered, operation: &AlterColumnOperation) -> Result<bool, SqlError> {
    match operation {
        AlterColumnOperation::SetNotNull => altered.column.nullable = false,
        AlterColumnOperation::DropNotNull => altered.column.nullable = true,
        AlterColumnOperation::DropDefault => altered.column.default = None,
        AlterColumnOperation::SetDefault { value } => altered.column.default = Some(value.to_string()),
        AlterColumnOperation::SetDataType { data_type, .. } => {
            let new = sql_type(data_type)?;
            let (old, stored) = (&altered.column.stored_type, StoredType::of(&new));
            may_become(altered.column.name.as_str(), old, &stored)?;
            let has_check = has_check(&altered.column) || is_checked(&new);
            altered.is_converted = old.tag != stored.tag || old.scale != stored.scale;
            altered.column.stored_type = stored;
            return Ok(has_check);
        }
        AlterColumnOperation::AddGenerated { .. } => {}
    }
    Ok(false)
}

/// Refuses types that a column cannot change to.
fn may_become(column: &str, old: &StoredType, new: &StoredType) -> Result<(), SqlError> {
    let why = if old.tag != new.tag {
        String::new()
    } else if matches!(old.tag.as_str(), "TEXT" | "BINARY") && new.length < old.length {
        let kind = if old.tag == "TEXT" { "varchar" } else { "binary" };
        format!(" because reducing the byte-length of a {kind} is not supported.")
    } else if old.tag == "FIXED" && old.scale != new.scale {
        " because changing the scale of a number is not supported.".to_owned()
    } else {
        return Ok(());
    };
    let detail = format!(
        "cannot change column {column} from type {} to {}{why}",
        old.declared(),
        new.declared()
    );
    Err(SqlError::compilation("002108", "22000", detail))
}

fn has_check(column: &Column) -> bool {
    is_checked(&column.stored_type.sql_type())
}

fn find(columns: &[Altered], ident: &Ident) -> Result<usize, SqlError> {
    let name = Name::of(ident);
    let found = columns.iter().position(|altered| altered.column.name == name);
    found.ok_or_else(|| {
        let detail = format!("column '{}' does not exist or not authorized.", name.as_str());
        SqlError::compilation("002003", "42S02", detail)
    })
}

/// Makes the table with these columns, brings the rows over and puts it in the place of the old one.
fn make_anew(
    planner: &mut Planner<'_>,
    path: &ObjectPath,
    is_temporary: bool,
    columns: &[Altered],
    plan: &mut DdlPlan,
) -> Result<(), Failure> {
    let aside = path
        .schema
        .object(Name::exact(format!("{}#altered", path.name.as_str())));
    let (old, new, name, schema, table) = if is_temporary {
        (
            path.physical_temporary(),
            aside.physical_temporary(),
            quote(&path.temporary_mangled()),
            "main".to_owned(),
            path.temporary_mangled(),
        )
    } else {
        (
            path.physical(),
            aside.physical(),
            path.name.physical(),
            path.schema.mangled(),
            path.name.mangled(),
        )
    };
    let defaults = planner.catalog.rows(&format!(
        "SELECT column_name, column_default FROM duckdb_columns() WHERE schema_name = {} AND table_name = {}",
        literal(&schema),
        literal(&table)
    ))?;
    let default_of = |name: &Name| {
        let row = defaults.iter().find(|row| row.text(0) == name.mangled());
        row.and_then(|row| row.optional(1))
    };
    let (mut declared, mut targets, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for altered in columns {
        let column = &altered.column;
        let stored = column.stored_type.sql_type();
        let mut text = plain_column(&ResultColumn {
            name: column.name.as_str().to_owned(),
            sql_type: stored.clone(),
            nullable: column.nullable,
            origin: Default::default(),
        });
        let default = match &altered.from {
            Some(from) if column.default.is_some() => default_of(from),
            Some(_) => None,
            None => altered.default.clone(),
        };
        if let Some(default) = default {
            text.extend([" DEFAULT ", &default]);
        }
        declared.push(text);
        if let Some(from) = &altered.from {
            targets.push(column.name.physical());
            values.push(if altered.is_converted {
                converted(&from.physical(), &stored)
            } else {
                from.physical()
            });
        }
    }
    let word = if new.starts_with(TEMPORARY_SCHEMA) {
        "TEMPORARY "
    } else {
        ""
    };
    plan.sql(format!("CREATE {word}TABLE {new} ({})", declared.join(", ")));
    plan.sql(format!(
        "INSERT INTO {new} ({}) SELECT {} FROM {old}",
        targets.join(", "),
        values.join(", ")
    ));
    plan.sql(format!("DROP TABLE {old}"));
    plan.sql(format!("ALTER TABLE {new} RENAME TO {name}"));
    Ok(())
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

/// What one operation changes in the catalog besides the columns.
fn record_change(
    planner: &mut Planner<'_>,
    object: &Object,
    operation: &AlterTableOperation,
    plan: &mut DdlPlan,
) -> Result<(), Failure> {
    match operation {
        AlterTableOperation::DropColumn { column_names, .. } => {
            for name in column_names {
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
            for (owner, renamed) in [("object_id", "column_name"), ("other_id", "other_column")] {
                plan.sql(format!(
                    "UPDATE {CATALOG_SCHEMA}.keys SET {renamed} = {} WHERE {owner} = {} AND {renamed} = {}",
                    literal(new.as_str()),
                    object.id,
                    literal(old.as_str())
                ));
            }
        }
        AlterTableOperation::AddConstraint { constraint, .. } => {
            let key = super::keys::of_constraint(constraint);
            let keys: Vec<_> = key.into_iter().collect();
            plan.all(super::keys::record(planner, object.id, &object.path, &keys)?);
        }
        AlterTableOperation::DropPrimaryKey { .. } => {
            plan.sql(format!(
                "DELETE FROM {CATALOG_SCHEMA}.keys WHERE object_id = {} AND kind = 'PRIMARY'",
                object.id
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

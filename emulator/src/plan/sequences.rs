//! Sequences: made, altered, dropped.
//!
//! The engine does not alter a sequence: it is made anew and begins with its next value, and the columns that take their
//! default from it are given their default again.

use super::ddl::{DdlPlan, Failure, Planner, dropped_already, exists_already};
use super::tables::dotted;
use crate::catalog::names::{ObjectPath, literal, quote, unmangle};
use crate::catalog::records::{Sequence, where_sequence};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{AlterSequence, CreateSequence, DropObject, SequenceChange};

/// `CREATE SEQUENCE`.
pub(super) fn create(planner: &mut Planner<'_>, written: &CreateSequence) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&written.path, "CREATE SEQUENCE")?;
    planner.writable_schema(&path.schema)?;
    let mut plan = DdlPlan::default();
    // Columns that take their default from the one that is replaced take it from the new one.
    let mut users_of_old = Vec::new();
    if planner.catalog.sequence(&path)?.is_some() {
        if written.if_not_exists {
            return Ok(exists_already(&path.name));
        }
        if !written.or_replace {
            return Err(SqlError::already_exists(path.name.as_str()).into());
        }
        users_of_old = users(planner, &path)?;
        drop_engine_sequence(&path, &users_of_old, &mut plan);
        plan.sql(forget(&path));
    }
    plan.sql(engine_sequence(&path.physical(), written.start, written.step));
    for user in users_of_old {
        plan.sql(format!("{} SET DEFAULT {}", user.alter(), user.default));
    }
    let record = Sequence {
        path: path.clone(),
        start: written.start,
        step: written.step,
        is_ordered: written.is_ordered,
        comment: written.comment.clone(),
        created_ms: planner.now_ms,
    };
    plan.sql(record.record());
    plan.status = format!("Sequence {} successfully created.", path.name.as_str());
    Ok(plan)
}

/// `ALTER SEQUENCE`.
pub(super) fn alter(planner: &mut Planner<'_>, altered: &AlterSequence) -> Result<DdlPlan, Failure> {
    let operation = "ALTER SEQUENCE";
    let path = planner.scope.names.object_of_parts(&altered.path, operation)?;
    let Some(mut sequence) = planner.catalog.sequence(&path)? else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(SqlError::no_such("Sequence", dotted(&altered.path)).into());
    };
    planner.writable_schema(&path.schema)?;
    let mut is_made_anew = false;
    match &altered.change {
        SequenceChange::Rename(to) => {
            let to = planner.scope.names.object_of_parts(to, operation)?;
            planner.writable_schema(&to.schema)?;
            if planner.catalog.sequence(&to)?.is_some() {
                return Err(SqlError::already_exists(to.name.as_str()).into());
            }
            sequence.path = to;
            is_made_anew = true;
        }
        SequenceChange::Set {
            step,
            is_ordered,
            comment,
        } => {
            if let Some(step) = step {
                is_made_anew = *step != sequence.step;
                sequence.step = *step;
            }
            sequence.is_ordered = is_ordered.unwrap_or(sequence.is_ordered);
            if let Some(comment) = comment {
                sequence.comment.clone_from(comment);
            }
        }
    }
    let mut plan = DdlPlan::executed();
    if is_made_anew {
        make_anew(planner, &path, &sequence, &mut plan)?;
    }
    plan.sql(sequence.record_change(&path));
    Ok(plan)
}

/// `DROP SEQUENCE`. Columns that take their default from it, also those of tables that wait for UNDROP, have none
/// afterwards: the engine drops nothing that something depends on.
pub(super) fn drop(planner: &mut Planner<'_>, dropped: &DropObject<()>) -> Result<DdlPlan, Failure> {
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
    let users = users(planner, &path)?;
    drop_engine_sequence(&path, &users, &mut plan);
    plan.sql(forget(&path));
    Ok(plan)
}

/// Makes the sequence at a path anew as `sequence` says: it may have another place and another step.
fn make_anew(
    planner: &mut Planner<'_>,
    path: &ObjectPath,
    sequence: &Sequence,
    plan: &mut DdlPlan,
) -> Result<(), Failure> {
    let next = planner.catalog.next_value(path)?;
    let users = users(planner, path)?;
    drop_engine_sequence(path, &users, plan);
    plan.sql(engine_sequence(&sequence.path.physical(), next, sequence.step));
    let (from, to) = (literal(&path.physical()), literal(&sequence.path.physical()));
    for user in &users {
        plan.sql(format!(
            "{} SET DEFAULT {}",
            user.alter(),
            user.default.replace(&from, &to)
        ));
        if sequence.path != *path {
            plan.sql(format!(
                "UPDATE {CATALOG_SCHEMA}.columns SET default_text = {} WHERE name = {} AND object_id IN \
                 (SELECT id FROM {CATALOG_SCHEMA}.objects WHERE engine_schema = {} AND engine_name = {})",
                literal(&format!("{}.NEXTVAL", sequence.path)),
                literal(&unmangle(&user.column)),
                literal(&user.schema),
                literal(&user.table)
            ));
        }
    }
    Ok(())
}

/// A column of the engine that takes its default from a sequence.
struct User {
    schema: String,
    table: String,
    column: String,
    default: String,
}

impl User {
    fn alter(&self) -> String {
        let [schema, table, column] = [&self.schema, &self.table, &self.column].map(|name| quote(name));
        format!("ALTER TABLE {schema}.{table} ALTER COLUMN {column}")
    }
}

fn users(planner: &mut Planner<'_>, path: &ObjectPath) -> Result<Vec<User>, Failure> {
    let columns = planner.catalog.rows(&format!(
        "SELECT schema_name, table_name, column_name, column_default FROM duckdb_columns() \
         WHERE contains(column_default, {})",
        literal(&literal(&path.physical()))
    ))?;
    Ok(columns
        .iter()
        .map(|row| User {
            schema: row.text(0),
            table: row.text(1),
            column: row.text(2),
            default: row.text(3),
        })
        .collect())
}

/// Drops a sequence of the engine, after the defaults that depend on it.
fn drop_engine_sequence(path: &ObjectPath, users: &[User], plan: &mut DdlPlan) {
    for user in users {
        plan.sql(format!("{} DROP DEFAULT", user.alter()));
    }
    plan.sql(format!("DROP SEQUENCE {}", path.physical()));
}

fn forget(path: &ObjectPath) -> String {
    format!(
        "DELETE FROM {CATALOG_SCHEMA}.sequences WHERE {}",
        where_sequence(path)
    )
}

/// Statement that makes a sequence of the engine. It has all numbers: one that was altered may go either way from where
/// it is.
pub(super) fn engine_sequence(physical: &str, start: i64, step: i64) -> String {
    format!(
        "CREATE SEQUENCE {physical} INCREMENT BY {step} MINVALUE {} MAXVALUE {} START WITH {start}",
        i64::MIN,
        i64::MAX
    )
}

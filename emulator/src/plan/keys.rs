//! Primary, unique and foreign keys: declared and listed, not enforced, as in Snowflake.
//!
//! A key is kept with the identities of both tables, so that a renamed table keeps its keys.

use sqlparser::ast::{ColumnOption, CreateTable, Expr, IndexColumn, ObjectName, TableConstraint};

use super::ddl::{Failure, Planner};
use super::tables::dotted;
use crate::catalog::names::{Name, ObjectPath, literal, parts};
use crate::catalog::records::{optional, where_object};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;

/// A key as a statement declares it.
pub(super) struct Key {
    name: Option<Name>,
    kind: &'static str,
    columns: Vec<Name>,
    /// The table that a foreign key refers to, and its columns; without them its primary key is meant.
    other: Option<(ObjectName, Vec<Name>)>,
}

/// The keys that a CREATE TABLE declares, in its order.
pub(super) fn declared(table: &CreateTable) -> Vec<Key> {
    let mut keys = Vec::new();
    for column in &table.columns {
        let columns = || vec![Name::of(&column.name)];
        for definition in &column.options {
            let (kind, other) = match &definition.option {
                ColumnOption::PrimaryKey(_) => ("PRIMARY", None),
                ColumnOption::Unique(_) => ("UNIQUE", None),
                ColumnOption::ForeignKey(key) => {
                    let referred = key.referred_columns.iter().map(Name::of).collect();
                    ("FOREIGN", Some((key.foreign_table.clone(), referred)))
                }
                _ => continue,
            };
            keys.push(Key {
                name: definition.name.as_ref().map(Name::of),
                kind,
                columns: columns(),
                other,
            });
        }
    }
    keys.extend(table.constraints.iter().filter_map(of_constraint));
    keys
}

/// The key that a constraint of its own declares.
pub(super) fn of_constraint(constraint: &TableConstraint) -> Option<Key> {
    let named = |columns: &[IndexColumn]| {
        let plain = columns.iter().filter_map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Some(Name::of(ident)),
            _ => None,
        });
        plain.collect()
    };
    let (name, kind, columns, other) = match constraint {
        TableConstraint::PrimaryKey(key) => (&key.name, "PRIMARY", named(&key.columns), None),
        TableConstraint::Unique(key) => (&key.name, "UNIQUE", named(&key.columns), None),
        TableConstraint::ForeignKey(key) => {
            let referred = key.referred_columns.iter().map(Name::of).collect();
            let other = Some((key.foreign_table.clone(), referred));
            (
                &key.name,
                "FOREIGN",
                key.columns.iter().map(Name::of).collect(),
                other,
            )
        }
        _ => return None,
    };
    Some(Key {
        name: name.as_ref().map(Name::of),
        kind,
        columns,
        other,
    })
}

/// Statements that record the keys of a table.
pub(super) fn record(
    planner: &mut Planner<'_>,
    object_id: i64,
    path: &ObjectPath,
    keys: &[Key],
) -> Result<Vec<String>, Failure> {
    let own: Vec<Name> = keys
        .iter()
        .find(|key| key.kind == "PRIMARY")
        .map(|key| key.columns.clone())
        .unwrap_or_default();
    let mut statements = Vec::new();
    for key in keys {
        let number = planner.catalog.new_id()?;
        let name = key.name.as_ref().map_or_else(
            || format!("SYS_CONSTRAINT_{number}"),
            |name| name.as_str().to_owned(),
        );
        let (other_id, referred) = match &key.other {
            None => (None, Vec::new()),
            Some((table, columns)) => {
                let (id, primary) = referred(planner, table, (object_id, path, &own))?;
                (
                    Some(id),
                    if columns.is_empty() {
                        primary
                    } else {
                        columns.clone()
                    },
                )
            }
        };
        if key.other.is_some() && referred.len() != key.columns.len() {
            let text = "The number of columns of the foreign key and of the key it refers to differ.";
            return Err(SqlError::compilation("002269", "42601", text).into());
        }
        for (at, column) in key.columns.iter().enumerate() {
            statements.push(format!(
                "INSERT INTO {CATALOG_SCHEMA}.keys VALUES ({object_id}, {number}, '{}', {}, {}, {}, {}, {})",
                key.kind,
                literal(&name),
                at + 1,
                literal(column.as_str()),
                other_id.map_or_else(|| "NULL".to_owned(), |id| id.to_string()),
                optional(referred.get(at).map(Name::as_str)),
            ));
        }
    }
    Ok(statements)
}

/// Identity and primary key of the table that a foreign key refers to, which may be the one being made.
fn referred(
    planner: &mut Planner<'_>,
    table: &ObjectName,
    (own_id, own_path, own_key): (i64, &ObjectPath, &[Name]),
) -> Result<(i64, Vec<Name>), Failure> {
    let path = planner.scope.names.object(table, "CREATE TABLE")?;
    if path == *own_path && !own_key.is_empty() {
        return Ok((own_id, own_key.to_vec()));
    }
    let Some(object) = planner.catalog.object(&path)? else {
        return Err(SqlError::no_such("Table", dotted(&parts(table)?)).into());
    };
    let rows = planner.catalog.rows(&format!(
        "SELECT column_name FROM {CATALOG_SCHEMA}.keys WHERE object_id = {} AND kind = 'PRIMARY' ORDER BY ordinal",
        object.id
    ))?;
    Ok((
        object.id,
        rows.iter().map(|row| Name::exact(row.text(0))).collect(),
    ))
}

/// Statement that gives a table the keys of the one it is a copy of.
pub(super) fn copied(from: &ObjectPath, object_id: i64) -> String {
    format!(
        "INSERT INTO {CATALOG_SCHEMA}.keys SELECT {object_id}, number, kind, name, ordinal, column_name, other_id, \
         other_column FROM {CATALOG_SCHEMA}.keys WHERE object_id IN \
         (SELECT id FROM {CATALOG_SCHEMA}.objects WHERE {})",
        where_object(from)
    )
}

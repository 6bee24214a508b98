//! GRANT and REVOKE: recorded and shown, not enforced.

use super::account::last;
use super::ddl::{DdlPlan, Failure, Planner};
use super::show_grants::full_name;
use crate::catalog::files::where_named;
use crate::catalog::names::{Name, ObjectPath, SchemaPath, literal};
use crate::catalog::records::{where_database, where_object, where_schema};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Grant, Path};

/// `GRANT` or `REVOKE`.
pub(super) fn grant(planner: &mut Planner<'_>, grant: &Grant) -> Result<DdlPlan, Failure> {
    let grantee = last(&grant.grantee)?;
    if grant.grantee_kind == "ROLE" && !planner.catalog.has_account_object("roles", &grantee)? {
        return Err(SqlError::no_such("Role", grantee).into());
    }
    if grant.on_kind == "ROLE" {
        let role = last(&grant.on)?;
        if !planner.catalog.has_account_object("roles", &role)? {
            return Err(SqlError::no_such("Role", role).into());
        }
    }
    let mut plan = DdlPlan::executed();
    if grant.privileges.iter().any(|privilege| privilege == "OWNERSHIP") && !grant.on_kind.contains(" IN ") {
        if grant.revoke {
            return Err(SqlError::unsupported("REVOKE OWNERSHIP").into());
        }
        return give_away(planner, grant, &grantee, plan);
    }
    for (kind, name) in targets(planner, grant)? {
        for privilege in &grant.privileges {
            record(
                planner,
                grant,
                [privilege, &kind, &name, grantee.as_str()],
                &mut plan,
            );
        }
    }
    Ok(plan)
}

fn record(planner: &Planner<'_>, grant: &Grant, values: [&str; 4], plan: &mut DdlPlan) {
    let [privilege, kind, name, grantee] = values.map(literal);
    let grantee_kind = literal(&grant.grantee_kind);
    plan.sql(format!(
        "DELETE FROM {CATALOG_SCHEMA}.grants WHERE privilege = {privilege} AND on_kind = {kind} AND on_name = {name} \
         AND grantee_kind = {grantee_kind} AND grantee = {grantee}"
    ));
    if !grant.revoke {
        plan.sql(format!(
            "INSERT INTO {CATALOG_SCHEMA}.grants VALUES ({privilege}, {kind}, {name}, {grantee_kind}, {grantee}, {}, {}, {})",
            grant.grant_option,
            literal(planner.owner),
            planner.now_ms
        ));
    }
}

/// What the grant is on, by kind and full name: one thing, or each of all that are there.
fn targets(planner: &mut Planner<'_>, grant: &Grant) -> Result<Vec<(String, String)>, Failure> {
    let kind = grant.on_kind.as_str();
    let one = full_name(&planner.scope.names, kind, &grant.on)?;
    let Some((all, within)) = kind.strip_prefix("ALL ").and_then(|rest| rest.split_once(" IN ")) else {
        return Ok(vec![(kind.to_owned(), one)]);
    };
    let scope = match within {
        "SCHEMA" => schema_scope(&planner.scope.names.schema_of_parts(&grant.on, "GRANT")?),
        "DATABASE" => format!("database_name = {}", literal(last(&grant.on)?.as_str())),
        _ => "true".to_owned(),
    };
    let (table, single, more) = match all {
        "TABLES" => ("objects", "TABLE", " AND kind = 'TABLE' AND dropped_ms IS NULL"),
        "VIEWS" => ("objects", "VIEW", " AND kind = 'VIEW' AND dropped_ms IS NULL"),
        "SEQUENCES" => ("sequences", "SEQUENCE", ""),
        "STAGES" => ("stages", "STAGE", ""),
        "FILE FORMATS" => ("file_formats", "FILE FORMAT", ""),
        "SCHEMAS" => ("schemas", "SCHEMA", " AND dropped_ms IS NULL"),
        // There are none of the others.
        _ => return Ok(Vec::new()),
    };
    let columns = if single == "SCHEMA" {
        "database_name, name, NULL"
    } else {
        "database_name, schema_name, name"
    };
    let rows = planner.catalog.rows(&format!(
        "SELECT {columns} FROM {CATALOG_SCHEMA}.{table} WHERE {scope}{more}"
    ))?;
    Ok(rows
        .iter()
        .map(|row| {
            let schema = SchemaPath::new(Name::exact(row.text(0)), Name::exact(row.text(1)));
            let name = match row.optional(2) {
                Some(name) => schema.object(Name::exact(name)).to_string(),
                None => schema.to_string(),
            };
            (single.to_owned(), name)
        })
        .collect())
}

fn schema_scope(path: &SchemaPath) -> String {
    format!(
        "database_name = {} AND schema_name = {}",
        literal(path.database.as_str()),
        literal(path.schema.as_str())
    )
}

/// `GRANT OWNERSHIP`: the thing has another owner.
fn give_away(
    planner: &mut Planner<'_>,
    grant: &Grant,
    grantee: &Name,
    mut plan: DdlPlan,
) -> Result<DdlPlan, Failure> {
    let object =
        |path: &Path| -> Result<ObjectPath, SqlError> { planner.scope.names.object_of_parts(path, "GRANT") };
    let (table, condition) = match grant.on_kind.as_str() {
        "DATABASE" => ("databases", where_database(&last(&grant.on)?)),
        "SCHEMA" => {
            let path = planner.scope.names.schema_of_parts(&grant.on, "GRANT")?;
            ("schemas", where_schema(&path))
        }
        "TABLE" | "VIEW" => ("objects", where_object(&object(&grant.on)?)),
        "SEQUENCE" => ("sequences", where_named(&object(&grant.on)?)),
        "STAGE" => ("stages", where_named(&object(&grant.on)?)),
        "FILE FORMAT" => ("file_formats", where_named(&object(&grant.on)?)),
        "WAREHOUSE" => (
            "warehouses",
            format!("name = {}", literal(last(&grant.on)?.as_str())),
        ),
        "ROLE" => ("roles", format!("name = {}", literal(last(&grant.on)?.as_str()))),
        kind => return Err(SqlError::unsupported(format!("GRANT OWNERSHIP ON {kind}")).into()),
    };
    let found = planner.catalog.rows(&format!(
        "SELECT 1 FROM {CATALOG_SCHEMA}.{table} WHERE {condition}"
    ))?;
    if found.is_empty() {
        return Err(SqlError::no_object(full_name(&planner.scope.names, &grant.on_kind, &grant.on)?).into());
    }
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.{table} SET owner = {} WHERE {condition}",
        literal(grantee.as_str())
    ));
    Ok(plan)
}

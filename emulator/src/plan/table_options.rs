//! `ALTER TABLE … SET` and `UNSET`: what a table has besides columns.

use super::alter_table::{no_table, table_of};
use super::ddl::{DdlPlan, Failure, Planner, Step, Temporary};
use crate::catalog::names::literal;
use crate::catalog::records::where_object;
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{AlterObject, Change, PropertyValue};

/// `ALTER TABLE … SET` and `UNSET` of options.
pub(super) fn alter_options(
    planner: &mut Planner<'_>,
    altered: &AlterObject<()>,
) -> Result<DdlPlan, Failure> {
    let path = planner
        .scope
        .names
        .object_of_parts(&altered.path, "ALTER TABLE")?;
    let temporary = planner.temporary.get(&path).cloned();
    let Some(mut object) = table_of(planner, &path, temporary.as_ref())? else {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(no_table(&altered.path).into());
    };
    let refused = |what: &str| SqlError::unsupported(format!("ALTER TABLE {what}"));
    match &altered.change {
        Change::Set(properties) => {
            for property in properties {
                match (property.name.as_str(), &property.value) {
                    ("COMMENT", PropertyValue::Text(text)) => object.comment.clone_from(text),
                    ("DATA_RETENTION_TIME_IN_DAYS", PropertyValue::Integer(days)) => {
                        object.retention_days = *days;
                    }
                    // They change nothing that can be seen here.
                    ("MAX_DATA_EXTENSION_TIME_IN_DAYS", PropertyValue::Integer(_))
                    | ("CHANGE_TRACKING", PropertyValue::Bool(_))
                    | ("ENABLE_SCHEMA_EVOLUTION", PropertyValue::Bool(false)) => {}
                    (name, _) => return Err(refused(&format!("SET {name}")).into()),
                }
            }
        }
        Change::Unset(names) => {
            for name in names {
                match name.as_str() {
                    "COMMENT" => object.comment.clear(),
                    "DATA_RETENTION_TIME_IN_DAYS" => {
                        let schema = planner.catalog.schema(&path.schema)?;
                        object.retention_days = schema.map_or(1, |schema| schema.retention_days);
                    }
                    "MAX_DATA_EXTENSION_TIME_IN_DAYS" | "CHANGE_TRACKING" | "ENABLE_SCHEMA_EVOLUTION" => {}
                    name => return Err(refused(&format!("UNSET {name}")).into()),
                }
            }
        }
        _ => return Err(refused("in this form").into()),
    }
    let mut plan = DdlPlan::executed();
    if let Some(temporary) = temporary {
        plan.steps
            .push(Step::KeepTemporary(Box::new(Temporary { object, ..temporary })));
        return Ok(plan);
    }
    plan.sql(format!(
        "UPDATE {CATALOG_SCHEMA}.objects SET comment = {}, retention_days = {}, altered_ms = {} WHERE {}",
        literal(&object.comment),
        object.retention_days,
        planner.now_ms,
        where_object(&path)
    ));
    Ok(plan)
}

//! Warehouses and roles: kept and shown, not enforced.

use super::ddl::{DdlPlan, Effect, Failure, Planner, dropped_already, exists_already};
use crate::catalog::names::{Name, literal};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{
    AccountKind, AlterObject, Change, CreateAccountObject, DropObject, Property, PropertyValue,
};

impl AccountKind {
    /// Catalog table.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Warehouse => "warehouses",
            Self::Role => "roles",
        }
    }

    /// As messages begin.
    pub(super) fn capitalised(self) -> &'static str {
        match self {
            Self::Warehouse => "Warehouse",
            Self::Role => "Role",
        }
    }
}

/// `CREATE WAREHOUSE` or `CREATE ROLE`.
pub(super) fn create(planner: &mut Planner<'_>, made: &CreateAccountObject) -> Result<DdlPlan, Failure> {
    let (kind, name) = (made.kind, &made.name);
    let mut plan = DdlPlan::only(format!(
        "{} {} successfully created.",
        kind.capitalised(),
        name.as_str()
    ));
    if planner.catalog.has_account_object(kind.table(), name)? {
        if made.if_not_exists {
            return Ok(exists_already(name));
        }
        if !made.or_replace {
            return Err(SqlError::already_exists(name.as_str()).into());
        }
        plan.sql(delete(kind, name));
    }
    let (owner, now_ms, quoted) = (literal(planner.owner), planner.now_ms, literal(name.as_str()));
    match kind {
        AccountKind::Role => {
            let comment = comment_only(&made.properties)?;
            plan.sql(format!(
                "INSERT INTO {CATALOG_SCHEMA}.roles (name, owner, comment, created_ms) \
                 VALUES ({quoted}, {owner}, {}, {now_ms})",
                literal(&comment)
            ));
        }
        AccountKind::Warehouse => {
            let options = WarehouseOptions::read(&made.properties)?;
            plan.sql(format!(
                "INSERT INTO {CATALOG_SCHEMA}.warehouses (name, owner, comment, created_ms, size, state, \
                 auto_suspend_seconds, auto_resume, resumed_ms) \
                 VALUES ({quoted}, {owner}, {}, {now_ms}, {}, '{}', {}, {}, {now_ms})",
                literal(&options.comment.unwrap_or_default()),
                literal(&options.size.unwrap_or_else(|| "X-Small".to_owned())),
                if options.suspended { "SUSPENDED" } else { "STARTED" },
                options.auto_suspend.unwrap_or(600),
                options.auto_resume.unwrap_or(true)
            ));
            plan.effects.push(Effect::UseWarehouse(name.clone()));
        }
    }
    Ok(plan)
}

/// `DROP WAREHOUSE` or `DROP ROLE`.
pub(super) fn drop(planner: &mut Planner<'_>, dropped: &DropObject<AccountKind>) -> Result<DdlPlan, Failure> {
    let name = last(&dropped.path)?;
    if !planner.catalog.has_account_object(dropped.kind.table(), &name)? {
        if dropped.if_exists {
            return Ok(dropped_already(&name));
        }
        return Err(SqlError::no_such(dropped.kind.capitalised(), name).into());
    }
    let mut plan = DdlPlan::only(format!("{} successfully dropped.", name.as_str()));
    plan.sql(delete(dropped.kind, &name));
    if dropped.kind == AccountKind::Warehouse {
        plan.effects.push(Effect::LeaveWarehouse(name));
    }
    Ok(plan)
}

/// `ALTER WAREHOUSE` or `ALTER ROLE`; without a name the current warehouse.
pub(super) fn alter(
    planner: &mut Planner<'_>,
    altered: &AlterObject<AccountKind>,
    current_warehouse: Option<&Name>,
) -> Result<DdlPlan, Failure> {
    let kind = altered.kind;
    let name = match (altered.path.is_empty(), current_warehouse) {
        (true, Some(name)) if kind == AccountKind::Warehouse => name.clone(),
        (true, _) => return Err(SqlError::cannot_perform().into()),
        (false, _) => last(&altered.path)?,
    };
    if !planner.catalog.has_account_object(kind.table(), &name)? {
        if altered.if_exists {
            return Ok(DdlPlan::executed());
        }
        return Err(SqlError::no_such(kind.capitalised(), name).into());
    }
    let (table, quoted) = (kind.table(), literal(name.as_str()));
    let mut plan = DdlPlan::executed();
    let mut set = |column: &str, value: String| {
        plan.sql(format!(
            "UPDATE {CATALOG_SCHEMA}.{table} SET {column} = {value} WHERE name = {quoted}"
        ));
    };
    match &altered.change {
        Change::Rename(path) => set("name", literal(last(path)?.as_str())),
        Change::Suspend => set("state", literal("SUSPENDED")),
        Change::Resume => {
            set("state", literal("STARTED"));
            set("resumed_ms", planner.now_ms.to_string());
        }
        Change::AbortAllQueries => plan.effects.push(Effect::AbortAllQueries),
        Change::Set(properties) if kind == AccountKind::Role => {
            set("comment", literal(&comment_only(properties)?));
        }
        Change::Set(properties) => {
            let options = WarehouseOptions::read(properties)?;
            if let Some(comment) = options.comment {
                set("comment", literal(&comment));
            }
            if let Some(size) = options.size {
                set("size", literal(&size));
            }
            if let Some(seconds) = options.auto_suspend {
                set("auto_suspend_seconds", seconds.to_string());
            }
            if let Some(auto_resume) = options.auto_resume {
                set("auto_resume", auto_resume.to_string());
            }
        }
        Change::Unset(names) => {
            for name in names {
                match name.as_str() {
                    "COMMENT" => set("comment", literal("")),
                    name => return Err(SqlError::unsupported(format!("UNSET {name}")).into()),
                }
            }
        }
        Change::Swap(_) => return Err(SqlError::unsupported("SWAP of account objects").into()),
    }
    Ok(plan)
}

/// The last part of a dotted name: account objects have no database.
pub(super) fn last(path: &[Name]) -> Result<Name, SqlError> {
    path.last().cloned().ok_or_else(SqlError::cannot_perform)
}

fn delete(kind: AccountKind, name: &Name) -> String {
    format!(
        "DELETE FROM {CATALOG_SCHEMA}.{} WHERE name = {}",
        kind.table(),
        literal(name.as_str())
    )
}

fn comment_only(properties: &[Property]) -> Result<String, SqlError> {
    let mut comment = String::new();
    for property in properties {
        match (property.name.as_str(), &property.value) {
            ("COMMENT", PropertyValue::Text(text)) => comment.clone_from(text),
            (name, _) => return Err(SqlError::unsupported(format!("option {name} of a role"))),
        }
    }
    Ok(comment)
}

#[derive(Default)]
struct WarehouseOptions {
    comment: Option<String>,
    size: Option<String>,
    auto_suspend: Option<i64>,
    auto_resume: Option<bool>,
    suspended: bool,
}

impl WarehouseOptions {
    fn read(properties: &[Property]) -> Result<Self, SqlError> {
        // Options of the real service's machines, which mean nothing here and do no harm.
        const IGNORED: [&str; 12] = [
            "WAREHOUSE_TYPE",
            "MAX_CLUSTER_COUNT",
            "MIN_CLUSTER_COUNT",
            "SCALING_POLICY",
            "RESOURCE_MONITOR",
            "ENABLE_QUERY_ACCELERATION",
            "QUERY_ACCELERATION_MAX_SCALE_FACTOR",
            "MAX_CONCURRENCY_LEVEL",
            "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
            "STATEMENT_TIMEOUT_IN_SECONDS",
            "WAIT_FOR_COMPLETION",
            "GENERATION",
        ];
        let mut options = Self::default();
        for property in properties {
            match (property.name.as_str(), &property.value) {
                ("COMMENT", PropertyValue::Text(text)) => options.comment = Some(text.clone()),
                ("WAREHOUSE_SIZE", PropertyValue::Text(text) | PropertyValue::Word(text)) => {
                    options.size = Some(size(text)?);
                }
                ("AUTO_SUSPEND", PropertyValue::Integer(seconds)) => options.auto_suspend = Some(*seconds),
                ("AUTO_SUSPEND", PropertyValue::Word(word)) if word == "NULL" => {
                    options.auto_suspend = Some(0);
                }
                ("AUTO_RESUME", PropertyValue::Bool(value)) => options.auto_resume = Some(*value),
                ("INITIALLY_SUSPENDED", PropertyValue::Bool(value)) => options.suspended = *value,
                (name, _) if IGNORED.contains(&name) => {}
                (name, _) => return Err(SqlError::unsupported(format!("option {name} of a warehouse"))),
            }
        }
        Ok(options)
    }
}

/// A size as Snowflake shows it.
fn size(text: &str) -> Result<String, SqlError> {
    const SIZES: [(&str, &str); 10] = [
        ("XSMALL", "X-Small"),
        ("SMALL", "Small"),
        ("MEDIUM", "Medium"),
        ("LARGE", "Large"),
        ("XLARGE", "X-Large"),
        ("XXLARGE", "2X-Large"),
        ("XXXLARGE", "3X-Large"),
        ("X4LARGE", "4X-Large"),
        ("X5LARGE", "5X-Large"),
        ("X6LARGE", "6X-Large"),
    ];
    let plain: String = text.to_uppercase().chars().filter(|c| *c != '-').collect();
    let plain = match plain.as_str() {
        "2XLARGE" => "XXLARGE",
        "3XLARGE" => "XXXLARGE",
        "4XLARGE" => "X4LARGE",
        "5XLARGE" => "X5LARGE",
        "6XLARGE" => "X6LARGE",
        other => other,
    };
    let found = SIZES
        .iter()
        .find(|(name, _)| *name == plain)
        .map(|(_, shown)| (*shown).to_owned());
    found.ok_or_else(|| {
        SqlError::compilation(
            "001008",
            "22023",
            format!("invalid value [{text}] for parameter 'WAREHOUSE_SIZE'"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_as_snowflake_shows_them() {
        assert_eq!(size("x-small").unwrap(), "X-Small");
        assert_eq!(size("2X-LARGE").unwrap(), "2X-Large");
        assert_eq!(size("XXLARGE").unwrap(), "2X-Large");
        assert_eq!(size("tiny").unwrap_err().code, "001008");
    }
}

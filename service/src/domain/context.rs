//! Where a session's statements run.

use crate::domain::names::ObjectName;

/// Session context: names as Snowflake reports them, in the case it stores them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Current role.
    pub role: Option<String>,
    /// Current warehouse.
    pub warehouse: Option<String>,
    /// Current database.
    pub database: Option<String>,
    /// Current schema.
    pub schema: Option<String>,
}

/// A wanted change of context; absent fields stay as they are.
#[derive(Debug, Clone, Default)]
pub struct ContextChange {
    /// Role to use.
    pub role: Option<ObjectName>,
    /// Warehouse to use.
    pub warehouse: Option<ObjectName>,
    /// Database to use.
    pub database: Option<ObjectName>,
    /// Schema to use, of one or two parts.
    pub schema: Option<ObjectName>,
}

impl ContextChange {
    /// The `USE` statements of this change, in the order role, warehouse, database, schema.
    pub fn statements(&self) -> Vec<String> {
        [
            ("ROLE", &self.role),
            ("WAREHOUSE", &self.warehouse),
            ("DATABASE", &self.database),
            ("SCHEMA", &self.schema),
        ]
        .into_iter()
        .filter_map(|(kind, name)| name.as_ref().map(|name| format!("USE {kind} {}", name.as_sql())))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_role_first_schema_last() {
        let name = |text: &str| Some(ObjectName::parse(text, 2).unwrap());
        let change = ContextChange {
            schema: name("db.s"),
            role: name("r"),
            warehouse: name("w"),
            database: name("db"),
        };
        assert_eq!(
            change.statements(),
            [
                "USE ROLE r",
                "USE WAREHOUSE w",
                "USE DATABASE db",
                "USE SCHEMA db.s"
            ]
        );
    }
}

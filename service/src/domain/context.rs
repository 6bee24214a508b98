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

impl Context {
    /// Statements that bring a fresh upstream session, now in `current`, to this context.
    ///
    /// The order matters: a role decides what may be used, and using a database sets its schema.
    pub fn restore_from(&self, current: &Context) -> Vec<String> {
        let mut statements = Vec::new();
        let mut use_one = |kind: &str, wanted: &Option<String>, is: &Option<String>| {
            if let Some(name) = wanted
                && wanted != is
            {
                statements.push(format!("USE {kind} {}", ObjectName::from_stored(name).as_sql()));
                return true;
            }
            false
        };
        use_one("ROLE", &self.role, &current.role);
        use_one("WAREHOUSE", &self.warehouse, &current.warehouse);
        let database_moved = use_one("DATABASE", &self.database, &current.database);
        let schema_is = if database_moved { &None } else { &current.schema };
        use_one("SCHEMA", &self.schema, schema_is);
        statements
    }
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

    fn context(role: &str, warehouse: &str, database: &str, schema: &str) -> Context {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Context {
            role: some(role),
            warehouse: some(warehouse),
            database: some(database),
            schema: some(schema),
        }
    }

    #[test]
    fn restoring_uses_only_what_differs() {
        let wanted = context("ANALYST", "WH", "SALES", "PUBLIC");
        assert_eq!(
            wanted.restore_from(&context("PUBLIC", "WH", "OTHER", "PUBLIC")),
            ["USE ROLE ANALYST", "USE DATABASE SALES", "USE SCHEMA PUBLIC"]
        );
        assert_eq!(wanted.restore_from(&wanted), Vec::<String>::new());
        assert_eq!(
            context("", "", "", "s 1").restore_from(&Context::default()),
            ["USE SCHEMA \"s 1\""]
        );
    }

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

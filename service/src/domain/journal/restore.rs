//! Brings a new upstream session to where the journal is, in few statements.

use std::fmt;

use super::Journal;
use crate::domain::context::Context;
use crate::domain::loss::LossKind;
use crate::domain::names::ObjectName;
use crate::domain::statement::Literal;

/// A statement that restores something.
#[derive(Clone, PartialEq, Eq)]
pub struct RestoreStep {
    /// What to run. It may hold secrets.
    pub sql: String,
    /// What is lost when Snowflake refuses it.
    pub restores: Option<(LossKind, String)>,
    /// What to run instead when Snowflake refuses it.
    pub otherwise: Vec<RestoreStep>,
}

impl fmt::Debug for RestoreStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RestoreStep")
            .field("restores", &self.restores)
            .field("otherwise", &self.otherwise)
            .finish_non_exhaustive()
    }
}

impl RestoreStep {
    fn context(kind: &str, name: &str) -> Self {
        let sql_name = ObjectName::from_stored(name);
        Self {
            sql: format!("USE {kind} {}", sql_name.as_sql()),
            restores: Some((LossKind::Context, format!("{} {name}", kind.to_lowercase()))),
            otherwise: Vec::new(),
        }
    }
}

impl Journal {
    /// Statements that bring a fresh upstream session, now in `current`, to where the journal is.
    ///
    /// The order matters: a role decides what may be used; the schema decides what unqualified names mean;
    /// parameters decide how values are read.
    pub fn restore_from(&self, current: &Context) -> Vec<RestoreStep> {
        let mut steps = Vec::new();
        let wanted = &self.context;
        let differs = |wanted: &Option<String>, is: &Option<String>| wanted.is_some() && wanted != is;
        if let Some(role) = wanted
            .role
            .as_ref()
            .filter(|_| differs(&wanted.role, &current.role))
        {
            steps.push(RestoreStep::context("ROLE", role));
        }
        if let Some(roles) = &self.secondary_roles {
            steps.push(RestoreStep {
                sql: format!("USE SECONDARY ROLES {roles}"),
                restores: Some((LossKind::Context, format!("secondary roles {roles}"))),
                otherwise: Vec::new(),
            });
        }
        if let Some(warehouse) = wanted
            .warehouse
            .as_ref()
            .filter(|_| differs(&wanted.warehouse, &current.warehouse))
        {
            steps.push(RestoreStep::context("WAREHOUSE", warehouse));
        }
        steps.extend(self.schema_step(current));
        steps.extend(together(LossKind::Parameter, &self.parameters, |settings| {
            let settings: Vec<String> = settings
                .iter()
                .map(|(name, value)| format!("{name} = {}", value.as_sql()))
                .collect();
            format!("ALTER SESSION SET {}", settings.join(", "))
        }));
        steps.extend(together(LossKind::Variable, &self.variables, set_variables));
        steps
    }

    /// One statement for database and schema; when the schema is gone, one for the database alone.
    fn schema_step(&self, current: &Context) -> Option<RestoreStep> {
        let wanted = &self.context;
        let is_there = wanted.database.is_none() || wanted.database == current.database;
        match (&wanted.database, &wanted.schema) {
            (_, None) if is_there => None,
            (_, Some(schema)) if is_there && Some(schema) == current.schema.as_ref() => None,
            (None, Some(schema)) => Some(RestoreStep::context("SCHEMA", schema)),
            (Some(database), None) => Some(RestoreStep::context("DATABASE", database)),
            (Some(database), Some(schema)) => Some(RestoreStep {
                sql: format!(
                    "USE SCHEMA {}.{}",
                    ObjectName::from_stored(database).as_sql(),
                    ObjectName::from_stored(schema).as_sql()
                ),
                restores: Some((LossKind::Context, format!("schema {database}.{schema}"))),
                otherwise: if is_there {
                    Vec::new()
                } else {
                    vec![RestoreStep::context("DATABASE", database)]
                },
            }),
            (None, None) => None,
        }
    }
}

fn set_variables(settings: &[(&str, &Literal)]) -> String {
    let names: Vec<ObjectName> = settings
        .iter()
        .map(|(name, _)| ObjectName::from_stored(name))
        .collect();
    let names: Vec<&str> = names.iter().map(ObjectName::as_sql).collect();
    let values: Vec<&str> = settings.iter().map(|(_, value)| value.as_sql()).collect();
    match (&names[..], &values[..]) {
        ([name], [value]) => format!("SET {name} = {value}"),
        _ => format!("SET ({}) = ({})", names.join(", "), values.join(", ")),
    }
}

/// One statement that sets all; when Snowflake refuses it, one for each.
fn together(
    kind: LossKind,
    set: &std::collections::BTreeMap<String, Option<Literal>>,
    sql: impl Fn(&[(&str, &Literal)]) -> String,
) -> Option<RestoreStep> {
    let settings: Vec<(&str, &Literal)> = set
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_ref()?)))
        .collect();
    let alone = |setting: &(&str, &Literal)| RestoreStep {
        sql: sql(std::slice::from_ref(setting)),
        restores: Some((kind, setting.0.to_owned())),
        otherwise: Vec::new(),
    };
    match &settings[..] {
        [] => None,
        [setting] => Some(alone(setting)),
        _ => Some(RestoreStep {
            sql: sql(&settings),
            restores: None,
            otherwise: settings.iter().map(alone).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statement::check;

    fn context(role: &str, warehouse: &str, database: &str, schema: &str) -> Context {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Context {
            role: some(role),
            warehouse: some(warehouse),
            database: some(database),
            schema: some(schema),
        }
    }

    fn plan(wanted: Context, statements: &[&str], current: &Context) -> Vec<RestoreStep> {
        let mut journal = Journal {
            context: wanted,
            ..Journal::default()
        };
        for sql in statements {
            for effect in check(sql, 1000).unwrap() {
                journal.note(&effect);
            }
        }
        journal.restore_from(current)
    }

    fn sql(steps: &[RestoreStep]) -> Vec<&str> {
        steps.iter().map(|step| step.sql.as_str()).collect()
    }

    #[test]
    fn restoring_uses_only_what_differs() {
        let there = context("ANALYST", "WH", "SALES", "PUBLIC");
        for (wanted, current, expected) in [
            (there.clone(), there.clone(), vec![]),
            (
                there.clone(),
                context("PUBLIC", "WH", "OTHER", "PUBLIC"),
                vec!["USE ROLE ANALYST", "USE SCHEMA SALES.PUBLIC"],
            ),
            (
                there.clone(),
                context("ANALYST", "", "SALES", "OTHER"),
                vec!["USE WAREHOUSE WH", "USE SCHEMA SALES.PUBLIC"],
            ),
            (
                context("", "", "my db", ""),
                there.clone(),
                vec!["USE DATABASE \"my db\""],
            ),
            (
                context("", "", "", "s 1"),
                Context::default(),
                vec!["USE SCHEMA \"s 1\""],
            ),
            (Context::default(), there, vec![]),
        ] {
            assert_eq!(sql(&plan(wanted, &[], &current)), expected);
        }
    }

    #[test]
    fn a_missing_schema_leaves_the_database() {
        let steps = plan(context("", "", "D", "S"), &[], &Context::default());
        assert_eq!(steps[0].restores, Some((LossKind::Context, "schema D.S".into())));
        assert_eq!(sql(&steps[0].otherwise), ["USE DATABASE D"]);
    }

    #[test]
    fn all_parameters_and_all_variables_take_one_statement_each() {
        let steps = plan(
            Context::default(),
            &[
                "alter session set timezone = 'UTC' week_start=1",
                "set x = 'it''s'",
                "set \"my y\" = 2",
                "set computed = 1 + 1",
                "use secondary roles all",
            ],
            &Context::default(),
        );
        assert_eq!(
            sql(&steps),
            [
                "USE SECONDARY ROLES all",
                "ALTER SESSION SET TIMEZONE = 'UTC', WEEK_START = 1",
                "SET (X, \"my y\") = ('it''s', 2)"
            ]
        );
        assert_eq!(
            sql(&steps[1].otherwise),
            [
                "ALTER SESSION SET TIMEZONE = 'UTC'",
                "ALTER SESSION SET WEEK_START = 1"
            ]
        );
        assert_eq!(sql(&steps[2].otherwise), ["SET X = 'it''s'", "SET \"my y\" = 2"]);
        assert!(!format!("{steps:?}").contains("it''s"), "values are not shown");
        let one = plan(Context::default(), &["set x = 1"], &Context::default());
        assert_eq!(sql(&one), ["SET X = 1"]);
    }
}

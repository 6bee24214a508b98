//! Statements about the session: USE, SET, ALTER SESSION, and the lists and descriptions.

use super::instance::lock;
use super::worker::{Work, Worker};
use super::{ParameterValue, SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{Name, PUBLIC, SchemaPath};
use crate::catalog::records::Column;
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::front::{AlterSession, Command, PropertyValue, Show, ShowKind, Use};
use crate::lower::{Constant, Lowered};
use crate::plan::shape::{ListType, Shaped, list, status};
use crate::plan::{Failure, KnownUser, Shower, description};

/// Most bytes that the text of a session variable may have.
const VARIABLE_BYTES_MAX: usize = 256;

impl Worker {
    /// Runs a statement that touches neither rows nor objects.
    pub(super) fn setting(&mut self, command: &Command, work: &Work<'_>) -> Result<Shaped, SqlError> {
        match command {
            Command::Show(show) => {
                // What others have made in the meantime is listed too.
                self.prepare(&Lowered::default())?;
                self.show(show)
            }
            Command::Describe(described) => {
                self.prepare(&Lowered::default())?;
                let shaped = self.shower().describe(described);
                shaped.map_err(|failure| self.in_words(failure))
            }
            Command::Explain(explain) => self.explain(explain, work),
            Command::DescribeResult(query) => {
                let lowered = self.lower(query, work)?;
                let id = Catalog::new(self.connection.as_mut()).rows(&lowered.sql);
                let id = id.map_err(|error| from_engine(&error))?;
                let id = id.first().and_then(|row| row.optional(0)).unwrap_or_default();
                Ok(description(
                    &self
                        .kept_result(&id)?
                        .columns
                        .iter()
                        .map(Column::of_result)
                        .collect::<Vec<_>>(),
                ))
            }
            Command::Wait(wait) => {
                self.control.wait(wait.duration)?;
                let columns = [(wait.column.as_str(), ListType::Text)];
                Ok(list(&columns, vec![vec![Some(wait.told.clone())]]))
            }
            other => {
                self.set_something(other, work)?;
                self.cache.clear();
                Ok(status("Statement executed successfully."))
            }
        }
    }

    fn set_something(&mut self, command: &Command, work: &Work<'_>) -> Result<(), SqlError> {
        match command {
            Command::Use(used) => self.use_object(used),
            Command::Set(names, query) => self.set_variables(names, query, work),
            Command::Unset(names) => {
                for name in names {
                    self.state.variables.remove(name.as_str());
                }
                Ok(())
            }
            Command::AlterSession(altered) => self.alter_session(altered),
            _ => Err(SqlError::internal("a statement that is not about the session")),
        }
    }

    fn use_object(&mut self, used: &Use) -> Result<(), SqlError> {
        let mut catalog = Catalog::new(self.connection.as_mut());
        let engine = |error| from_engine(&error);
        match used {
            Use::Database(name) => {
                catalog
                    .database(name)
                    .map_err(engine)?
                    .ok_or_else(SqlError::cannot_perform)?;
                let public = SchemaPath::new(name.clone(), Name::exact(PUBLIC));
                self.state.schema = catalog.schema(&public).map_err(engine)?.map(|_| public.schema);
                self.state.database = Some(name.clone());
            }
            Use::Schema(written) => {
                let path = self.state.names().schema_of_parts(written, "USE SCHEMA")?;
                catalog
                    .schema(&path)
                    .map_err(engine)?
                    .ok_or_else(SqlError::cannot_perform)?;
                self.state.database = Some(path.database);
                self.state.schema = Some(path.schema);
            }
            Use::Warehouse(name) => {
                if !catalog.has_account_object("warehouses", name).map_err(engine)? {
                    return Err(SqlError::cannot_perform());
                }
                self.state.warehouse = Some(name.clone());
            }
            Use::Role(_) if self.state.role_is_fixed => {
                return Err(SqlError::new(
                    "003107",
                    "42501",
                    "SQL execution error:\nCurrent session is restricted. USE ROLE not allowed.",
                ));
            }
            Use::Role(name) => {
                if !catalog.has_account_object("roles", name).map_err(engine)? {
                    return Err(SqlError::cannot_perform());
                }
                self.state.role = Some(name.clone());
            }
            // Roles are not enforced, so which further ones are active changes nothing.
            Use::SecondaryRoles(_) => {}
        }
        Ok(())
    }

    fn set_variables(
        &mut self,
        names: &[Name],
        query: &sqlparser::ast::Statement,
        work: &Work<'_>,
    ) -> Result<(), SqlError> {
        let lowered = self.lower(query, work)?;
        self.prepare(&lowered)?;
        let values = self
            .constants(&lowered.sql)
            .map_err(|failure| self.in_words(failure))?;
        if values.len() != names.len() {
            let detail = format!(
                "Number of variables {} does not match the number of values {}.",
                names.len(),
                values.len()
            );
            return Err(SqlError::compilation("001003", "42000", detail));
        }
        for (name, value) in names.iter().zip(values) {
            let size = value.text.as_ref().map_or(0, String::len);
            if size > VARIABLE_BYTES_MAX {
                let text = format!(
                    "Assignment to '{}' not done because value exceeds size limit for variables. \
                     Its size is {size}; the limit is {VARIABLE_BYTES_MAX} (internal storage size in bytes).",
                    name.as_str()
                );
                return Err(SqlError::new("001092", "22001", text));
            }
            // `$name` is always looked up in upper case.
            self.state.variables.insert(name.as_str().to_uppercase(), value);
        }
        Ok(())
    }

    /// The one row of a query, as constants.
    pub(super) fn constants(&mut self, sql: &str) -> Result<Vec<Constant>, Failure> {
        let columns = self.connection.describe(sql)?;
        let rows = Catalog::new(self.connection.as_mut()).rows(sql)?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(columns
                .into_iter()
                .map(|column| Constant {
                    sql_type: column.sql_type,
                    text: None,
                })
                .collect());
        };
        Ok(columns
            .into_iter()
            .zip(row.0)
            .map(|(column, text)| Constant {
                sql_type: column.sql_type,
                text,
            })
            .collect())
    }

    fn alter_session(&mut self, altered: &AlterSession) -> Result<(), SqlError> {
        // All or nothing.
        let mut parameters = self.state.parameters.clone();
        for property in &altered.set {
            let value = match &property.value {
                PropertyValue::Text(text) | PropertyValue::Word(text) => ParameterValue::Text(text.clone()),
                PropertyValue::Integer(number) => ParameterValue::Integer(*number),
                PropertyValue::Bool(value) => ParameterValue::Bool(*value),
            };
            parameters.set(&property.name, &value)?;
        }
        for name in &altered.unset {
            parameters.unset(name)?;
        }
        let before = std::mem::replace(&mut self.state.parameters, parameters);
        self.tell_engine().inspect_err(|_| self.state.parameters = before)
    }

    fn show(&mut self, show: &Show) -> Result<Shaped, SqlError> {
        let (columns, rows) = match show.kind {
            ShowKind::Parameters => self.parameter_rows(),
            ShowKind::Variables => self.variable_rows(),
            ShowKind::Transactions => self.transaction_rows(),
            ShowKind::Users => {
                let users = self.known_users()?;
                let shown = self.shower().users(show, &users);
                return shown.map_err(|failure| self.in_words(failure));
            }
            _ => return self.shower().show(show).map_err(|failure| self.in_words(failure)),
        };
        let rows = rows.into_iter().filter(|row| fits(show, row)).collect();
        Ok(list(columns, rows))
    }

    pub(super) fn shower(&mut self) -> Shower<'_> {
        Shower {
            catalog: Catalog::new(self.connection.as_mut()),
            names: self.state.names(),
            warehouse: self.state.warehouse.as_ref(),
            role: self.state.role.as_ref(),
            user: &self.state.user,
            temporary: &self.state.temporary,
            files: &self.state.files,
        }
    }

    /// Users that have logged in or are expected to, and those whom roles were granted.
    fn known_users(&mut self) -> Result<Vec<KnownUser>, SqlError> {
        let mut users = self.shared.logins.users();
        let granted = format!(
            "SELECT grantee, min(created_ms) FROM {CATALOG_SCHEMA}.grants WHERE grantee_kind = 'USER' GROUP BY grantee"
        );
        let rows = Catalog::new(self.connection.as_mut()).rows(&granted);
        for row in rows.map_err(|error| from_engine(&error))? {
            if !users.iter().any(|user| user.name == row.text(0)) {
                users.push(KnownUser {
                    name: row.text(0),
                    known_ms: row.integer(1).unwrap_or(0),
                    login_ms: None,
                });
            }
        }
        Ok(users)
    }

    fn parameter_rows(&self) -> Rows {
        const COLUMNS: &[(&str, ListType)] = &[
            ("key", ListType::Text),
            ("value", ListType::Text),
            ("default", ListType::Text),
            ("level", ListType::Text),
            ("description", ListType::Text),
            ("type", ListType::Text),
        ];
        let rows = self
            .state
            .parameters
            .all()
            .into_iter()
            .map(|parameter| {
                let level = if parameter.value == parameter.default {
                    ""
                } else {
                    "SESSION"
                };
                let type_name = match parameter.default {
                    ParameterValue::Bool(_) => "BOOLEAN",
                    ParameterValue::Integer(_) => "NUMBER",
                    ParameterValue::Text(_) => "STRING",
                };
                [
                    parameter.name.to_owned(),
                    shown(&parameter.value),
                    shown(&parameter.default),
                    level.to_owned(),
                    parameter.description.to_owned(),
                    type_name.to_owned(),
                ]
                .map(Some)
                .to_vec()
            })
            .collect();
        (COLUMNS, rows)
    }

    fn variable_rows(&self) -> Rows {
        const COLUMNS: &[(&str, ListType)] = &[
            ("name", ListType::Text),
            ("session_id", ListType::Number),
            ("value", ListType::Text),
            ("type", ListType::Text),
            ("comment", ListType::Text),
        ];
        let rows = self
            .state
            .variables
            .iter()
            .map(|(name, constant)| {
                let stored = crate::catalog::types::StoredType::of(&constant.sql_type);
                vec![
                    Some(name.clone()),
                    Some(self.state.id.to_string()),
                    constant.text.clone(),
                    Some(stored.tag.to_lowercase()),
                    Some(String::new()),
                ]
            })
            .collect();
        (COLUMNS, rows)
    }

    fn transaction_rows(&self) -> Rows {
        const COLUMNS: &[(&str, ListType)] = &[
            ("id", ListType::Number),
            ("user", ListType::Text),
            ("session", ListType::Number),
            ("name", ListType::Text),
            ("started_on", ListType::Time),
            ("state", ListType::Text),
            ("scope", ListType::Number),
        ];
        let rows = lock(&self.shared.transactions)
            .values()
            .map(|open| {
                vec![
                    Some(open.id.to_string()),
                    Some(open.user.clone()),
                    Some(open.session.to_string()),
                    Some(open.name.clone()),
                    Some(open.started_ms.to_string()),
                    Some("running".to_owned()),
                    Some("0".to_owned()),
                ]
            })
            .collect();
        (COLUMNS, rows)
    }
}

type Rows = (&'static [(&'static str, ListType)], Vec<Vec<Option<String>>>);

fn shown(value: &ParameterValue) -> String {
    match value {
        ParameterValue::Text(text) => text.clone(),
        ParameterValue::Bool(value) => value.to_string(),
        ParameterValue::Integer(value) => value.to_string(),
    }
}

/// LIKE over the first column of a list that the session makes itself.
fn fits(show: &Show, row: &[Option<String>]) -> bool {
    let name = row.first().and_then(Option::as_deref).unwrap_or_default();
    show.like
        .as_deref()
        .is_none_or(|pattern| like(&pattern.to_lowercase(), &name.to_lowercase()))
}

/// SQL's LIKE: `%` is any text, `_` any character, `\` takes the next one as it is.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let rest = rest.as_str();
            text.char_indices().any(|(at, _)| like(rest, &text[at..])) || like(rest, "")
        }
        Some('_') => {
            let mut chars = text.chars();
            chars.next().is_some() && like(rest.as_str(), chars.as_str())
        }
        Some(c) => {
            let wanted = if c == '\\' { rest.next().unwrap_or('\\') } else { c };
            text.strip_prefix(wanted)
                .is_some_and(|tail| like(rest.as_str(), tail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_fit() {
        for (pattern, text, fits) in [
            ("time%", "timezone", true),
            ("%zone", "timezone", true),
            ("%", "", true),
            ("t_me%", "timezone", true),
            ("time", "timezone", false),
            ("a\\_b", "a_b", true),
            ("a\\_b", "axb", false),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
    }
}

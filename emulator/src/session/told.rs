//! What the engine's functions read of the session, told to the connection when it changes: parameters, and where the
//! session is.

use std::collections::BTreeMap;

use snowflake_emulator_engine::functions::{SETTINGS, session_facts_statement, setting_statement};
use snowflake_emulator_engine::{EngineConnection, EngineError};

use super::state::State;
use super::worker::Worker;
use super::{ParameterValue, Parameters, SqlError, from_engine};
use crate::catalog::names::Name;
use crate::lower::session_facts;

impl Worker {
    /// Tells the engine's functions which parameters are in force, when they were told others: those of the statement
    /// before, or of this one, which has some of its own.
    pub(super) fn tell_engine(&mut self) -> Result<(), SqlError> {
        if self.told != self.state.parameters {
            let told = tell(self.connection.as_mut(), Some(&self.told), &self.state.parameters);
            told.map_err(|error| from_engine(&error))?;
            self.told = self.state.parameters.clone();
        }
        Ok(())
    }

    /// Tells the engine's functions where the session is, when they were told otherwise: views and defaults may ask.
    pub(super) fn tell_whereabouts(&mut self) -> Result<(), SqlError> {
        if self
            .told_whereabouts
            .as_ref()
            .is_some_and(|told| told.are(&self.state))
        {
            return Ok(());
        }
        let bindings = BTreeMap::new();
        let facts = session_facts(&self.state.scope(&self.state.moment(), "", &bindings, None));
        let told = self.connection.execute(&session_facts_statement(&facts));
        told.map_err(|error| from_engine(&error))?;
        self.told_whereabouts = Some(Whereabouts::of(&self.state));
        Ok(())
    }
}

/// What may change of what session functions answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    database: Option<Name>,
    schema: Option<Name>,
    role: Option<Name>,
    warehouse: Option<Name>,
}

impl Whereabouts {
    fn are(&self, state: &State) -> bool {
        self.database == state.database
            && self.schema == state.schema
            && self.role == state.role
            && self.warehouse == state.warehouse
    }

    fn of(state: &State) -> Self {
        Self {
            database: state.database.clone(),
            schema: state.schema.clone(),
            role: state.role.clone(),
            warehouse: state.warehouse.clone(),
        }
    }
}

/// Tells `connection` what differs between two states of the parameters; `before` is `None` for a connection that
/// has the engine's defaults.
pub(super) fn tell(
    connection: &mut dyn EngineConnection,
    before: Option<&Parameters>,
    after: &Parameters,
) -> Result<(), EngineError> {
    for (setting, engine_default) in SETTINGS {
        let Some(name) = setting.strip_prefix("sf_") else {
            continue;
        };
        let known = before.map_or_else(|| Some((*engine_default).to_owned()), |before| text(before, name));
        let Some(wanted) = text(after, name) else { continue };
        if known.as_deref() != Some(wanted.as_str())
            && let Some(statement) = setting_statement(name, &wanted)
        {
            connection.execute(&statement)?;
        }
    }
    Ok(())
}

fn text(parameters: &Parameters, name: &str) -> Option<String> {
    Some(match parameters.value(name)? {
        ParameterValue::Text(text) => text,
        ParameterValue::Integer(number) => number.to_string(),
        ParameterValue::Bool(value) => value.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_engine_is_a_parameter_with_the_same_default() {
        let parameters = Parameters::default();
        for (setting, default) in SETTINGS {
            let name = setting.strip_prefix("sf_").expect("settings are named so");
            assert_eq!(text(&parameters, name).as_deref(), Some(*default), "{name}");
        }
    }
}

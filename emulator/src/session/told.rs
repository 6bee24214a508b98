//! Session parameters that the engine's functions read, told to the connection when they change.

use snowflake_emulator_engine::functions::{SETTINGS, setting_statement};
use snowflake_emulator_engine::{EngineConnection, EngineError};

use super::worker::Worker;
use super::{ParameterValue, Parameters, SqlError, from_engine};

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

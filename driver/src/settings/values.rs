//! Raw values of one connection with their sources, and reading them as what they should be.

use std::collections::BTreeMap;

use toml::Value;

use super::connection::ValueSource;
use crate::{DriverError, Result};

/// One value as found.
#[derive(Clone)]
pub(crate) struct RawValue {
    pub(crate) value: Value,
    pub(crate) source: ValueSource,
}

/// All values of one connection by canonical key.
#[derive(Clone, Default)]
pub(crate) struct Values(pub(crate) BTreeMap<String, RawValue>);

impl Values {
    /// Sets a value over any that is there.
    pub(crate) fn set(&mut self, key: String, value: Value, source: ValueSource) {
        self.0.insert(key, RawValue { value, source });
    }

    /// Sets a value where none is yet.
    pub(crate) fn fill(&mut self, key: &str, value: &str, source: ValueSource) {
        let value = || RawValue {
            value: Value::from(value),
            source,
        };
        self.0.entry(key.to_owned()).or_insert_with(value);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn source(&self, key: &str) -> Option<&ValueSource> {
        self.0.get(key).map(|raw| &raw.source)
    }

    /// A text. Whole numbers count as their digits, because `password = 123456` means those; an empty text counts as
    /// absent.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>> {
        let Some(raw) = self.0.get(key) else {
            return Ok(None);
        };
        match &raw.value {
            Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Value::Integer(number) => Ok(Some(number.to_string())),
            Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
                Err(raw.wrong(key, "is not a text; put it in quotes"))
            }
            Value::Array(_) | Value::Table(_) => Err(raw.wrong(key, "must be a text")),
        }
    }

    /// True or false, also as text.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>> {
        let Some(raw) = self.0.get(key) else {
            return Ok(None);
        };
        match &raw.value {
            Value::Boolean(truth) => Ok(Some(*truth)),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "" => Ok(None),
                "true" | "1" | "yes" | "on" => Ok(Some(true)),
                "false" | "0" | "no" | "off" => Ok(Some(false)),
                _ => Err(raw.wrong(key, "must be true or false")),
            },
            Value::Integer(number @ (0 | 1)) => Ok(Some(*number == 1)),
            _ => Err(raw.wrong(key, "must be true or false")),
        }
    }

    /// A port number, also as text.
    pub(crate) fn port(&self, key: &str) -> Result<Option<u16>> {
        let Some(raw) = self.0.get(key) else {
            return Ok(None);
        };
        let number = match &raw.value {
            Value::Integer(number) => u16::try_from(*number).ok(),
            Value::String(text) if text.is_empty() => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|port| *port > 0);
        number
            .map(Some)
            .ok_or_else(|| raw.wrong(key, "must be a port number from 1 to 65535"))
    }

    /// The error for a value that cannot be used. It names key and source and never the value.
    pub(crate) fn wrong(&self, key: &str, why: &str) -> DriverError {
        match self.0.get(key) {
            Some(raw) => raw.wrong(key, why),
            None => DriverError::Configuration {
                message: format!("{key} {why}"),
                hint: None,
            },
        }
    }
}

impl RawValue {
    fn wrong(&self, key: &str, why: &str) -> DriverError {
        DriverError::Configuration {
            message: format!("{key} ({}) {why}", self.source),
            hint: None,
        }
    }
}

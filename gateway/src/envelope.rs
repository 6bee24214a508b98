//! The outer shape of answers, and lenient reading of the small values in them.

use std::time::Duration;

use serde_json::Value;

use crate::error::GatewayError;

/// Where a JSON text stopped making sense; never what was there.
pub(crate) fn place(error: &serde_json::Error) -> String {
    format!(
        "{:?} error at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    )
}

/// The answer to a small request that has no rows.
#[derive(Debug, Default)]
pub(crate) struct ControlAnswer {
    pub(crate) success: bool,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) data: Value,
}

impl ControlAnswer {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, GatewayError> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| GatewayError::protocol(format!("an answer is not JSON ({})", place(&error))))?;
        Ok(Self {
            success: value["success"].as_bool().unwrap_or(false),
            code: text(&value["code"]).filter(|code| !code.is_empty()),
            message: text(&value["message"]),
            data: value["data"].clone(),
        })
    }

    /// The server's words, or `otherwise`.
    pub(crate) fn message_or(&self, otherwise: &str) -> String {
        self.message
            .clone()
            .filter(|message| !message.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    }
}

/// A text, or a number as text; `None` for anything else.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, also when it comes as text.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A number of seconds.
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    u64::try_from(integer(value)?).ok().map(Duration::from_secs)
}

/// A list of `{name, value}` as pairs of text.
pub(crate) fn parameters(list: &Value) -> Vec<(String, String)> {
    let pair = |entry: &Value| {
        let value = match &entry["value"] {
            Value::Null => String::new(),
            Value::String(value) => value.clone(),
            other => other.to_string(),
        };
        Some((text(&entry["name"])?, value))
    };
    list.as_array()
        .map(|entries| entries.iter().filter_map(pair).collect())
        .unwrap_or_default()
}

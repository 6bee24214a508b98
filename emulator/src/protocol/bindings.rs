//! Bound values: from the request's JSON to the session's words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::session::Binding;

use super::refusal::Refusal;
use http::StatusCode;

/// A binding as clients send it.
#[derive(Deserialize)]
pub(super) struct WireBinding {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    value: Value,
}

/// Reads all bindings of a request; array bindings must be of one length.
pub(super) fn read(wire: BTreeMap<String, WireBinding>) -> Result<BTreeMap<String, Binding>, Refusal> {
    let mut rows = None;
    let mut bindings = BTreeMap::new();
    for (key, binding) in wire {
        let (values, is_array) = match binding.value {
            Value::Array(values) => {
                if *rows.get_or_insert(values.len()) != values.len() {
                    let message = "The bound arrays are not of one length.";
                    return Err(Refusal::http(StatusCode::BAD_REQUEST, message));
                }
                (values.into_iter().map(text).collect(), true)
            }
            single => (vec![text(single)], false),
        };
        let type_name = binding.type_name.to_ascii_uppercase();
        bindings.insert(
            key,
            Binding {
                type_name,
                values,
                is_array,
            },
        );
    }
    Ok(bindings)
}

/// The text of one value. Texts and nulls are the rule; some clients send bare numbers and truths.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

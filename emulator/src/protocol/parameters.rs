//! Session and statement parameters between JSON and the session's words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::session::ParameterValue;

use super::fields::{Parameters, scalar};

/// What clients are told of this server's wire unless the session says otherwise: they read these
/// before they know anything else. Kept alive, prefetching and memory are the clients' own affairs.
const WIRE_DEFAULTS: [(&str, Default); 9] = [
    ("CLIENT_MEMORY_LIMIT", Default::Integer(1536)),
    ("CLIENT_PREFETCH_THREADS", Default::Integer(4)),
    ("CLIENT_RESULT_CHUNK_SIZE", Default::Integer(160)),
    ("CLIENT_SESSION_KEEP_ALIVE", Default::Bool(false)),
    (
        "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY",
        Default::Integer(3600),
    ),
    ("CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", Default::Integer(65_280)),
    ("CLIENT_TELEMETRY_ENABLED", Default::Bool(false)),
    ("QUERY_CONTEXT_CACHE_SIZE", Default::Integer(5)),
    ("SERVICE_NAME", Default::Text("")),
];

#[derive(Clone, Copy)]
enum Default {
    Integer(i64),
    Bool(bool),
    Text(&'static str),
}

/// Reads parameters; names in upper case, nulls, lists and objects left out.
pub(super) fn read(parameters: &Parameters) -> BTreeMap<String, ParameterValue> {
    parameters
        .0
        .iter()
        .filter_map(|(name, raw)| {
            let value = match scalar(raw)? {
                Value::String(text) => ParameterValue::Text(text),
                Value::Bool(truth) => ParameterValue::Bool(truth),
                Value::Number(number) => match number.as_i64() {
                    Some(integer) => ParameterValue::Integer(integer),
                    None => ParameterValue::Text(number.to_string()),
                },
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            Some((name.to_uppercase(), value))
        })
        .collect()
}

/// A parameter that is to be a number, which clients send as number or text.
pub(super) fn integer(value: &ParameterValue) -> Option<i64> {
    match value {
        ParameterValue::Integer(integer) => Some(*integer),
        ParameterValue::Text(text) => text.trim().parse().ok(),
        ParameterValue::Bool(_) => None,
    }
}

/// Writes a session's parameters as the array that clients read.
pub(super) fn write(session: Vec<(String, ParameterValue)>) -> Vec<u8> {
    let mut all: BTreeMap<String, Value> = WIRE_DEFAULTS
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Default::Integer(integer) => json!(integer),
                Default::Bool(truth) => json!(truth),
                Default::Text(text) => json!(text),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    for (name, value) in session {
        let value = match value {
            ParameterValue::Text(text) => json!(text),
            ParameterValue::Bool(truth) => json!(truth),
            ParameterValue::Integer(integer) => json!(integer),
        };
        all.insert(name, value);
    }
    let list: Vec<_> = all
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    Value::Array(list).to_string().into_bytes()
}

//! Bound values: from the request's JSON to the session's words.

use std::collections::BTreeMap;
use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::session::Binding;

use super::fields::{BINDINGS_MAX, Entries};
use super::refusal::Refusal;

/// Most values of a request, over all its bindings. Drivers put more than 65,280 into a stage.
const VALUES_MAX: usize = 4 * 1024 * 1024;

const TOO_MANY: &str = "The request binds too many values at once; put them into a stage.";
const UNREADABLE: &str = "A bound value is not a valid JSON text.";

/// A binding as clients send it.
#[derive(Deserialize)]
pub(super) struct WireBinding {
    #[serde(rename = "type")]
    type_name: String,
    /// One value, or an array of them.
    value: Option<Box<RawValue>>,
}

/// The bindings of a request.
pub(super) type WireBindings = Entries<WireBinding, BINDINGS_MAX>;

/// Reads all bindings of a request; array bindings must be of one length.
pub(super) fn read(wire: WireBindings) -> Result<BTreeMap<String, Binding>, Refusal> {
    let refused = |message: &str| Refusal::http(StatusCode::BAD_REQUEST, message);
    let mut left = VALUES_MAX;
    let mut rows = None;
    let mut bindings = BTreeMap::new();
    for (key, binding) in wire.0 {
        let raw = binding.value.as_deref().map_or("null", RawValue::get);
        let is_array = raw.starts_with('[');
        let values = if is_array {
            let values = Values { max: left }
                .deserialize(&mut serde_json::Deserializer::from_str(raw))
                .unwrap_or(Err(UNREADABLE))
                .map_err(refused)?;
            if *rows.get_or_insert(values.len()) != values.len() {
                return Err(refused("The bound arrays are not of one length."));
            }
            values
        } else {
            vec![text(raw).map_err(refused)?]
        };
        left = left.saturating_sub(values.len());
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

/// Reads an array of values one by one, or says why it is refused.
struct Values {
    max: usize,
}

impl<'de> DeserializeSeed<'de> for Values {
    type Value = Result<Vec<Option<String>>, &'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Values {
    type Value = Result<Vec<Option<String>>, &'static str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {} values", self.max)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(raw) = sequence.next_element::<&RawValue>()? {
            let read = if values.len() == self.max {
                Err(TOO_MANY)
            } else {
                text(raw.get())
            };
            match read {
                Ok(value) => values.push(value),
                Err(reason) => {
                    while sequence.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Err(reason));
                }
            }
        }
        Ok(Ok(values))
    }
}

/// The text of one value. Texts and nulls are the rule; some clients send bare numbers and truths.
fn text(raw: &str) -> Result<Option<String>, &'static str> {
    if raw == "null" {
        return Ok(None);
    }
    if raw.starts_with('"') {
        // Half of a surrogate pair is JSON, but no text.
        return serde_json::from_str(raw).map_err(|_| UNREADABLE);
    }
    Ok(Some(raw.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(json: &str) -> Result<BTreeMap<String, Binding>, Refusal> {
        read(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn values_are_texts_nulls_and_what_was_written() {
        let json = r#"{"1": {"type": "text", "value": "a\n"}, "2": {"type": "FIXED", "value": 1.50},
            "3": {"type": "TEXT", "value": null}, "4": {"type": "TEXT"}, "5": {"type": "VARIANT", "value": {"a": 1}}}"#;
        let read = read_json(json).unwrap();
        let values: Vec<_> = read
            .values()
            .map(|binding| binding.values[0].as_deref())
            .collect();
        assert_eq!(
            values,
            [Some("a\n"), Some("1.50"), None, None, Some("{\"a\": 1}")]
        );
        assert!(read.values().all(|binding| !binding.is_array));
        assert_eq!(read["1"].type_name, "TEXT");
    }

    #[test]
    fn arrays_are_of_one_length_and_not_too_many() {
        let both = |one: &str, two: &str| {
            format!(
                r#"{{"1": {{"type": "FIXED", "value": {one}}}, "2": {{"type": "TEXT", "value": {two}}}}}"#
            )
        };
        let read = read_json(&both("[\"1\", 2]", "[null, \"x\"]")).unwrap();
        assert_eq!(read["1"].values, [Some("1".to_owned()), Some("2".to_owned())]);
        assert_eq!(read["2"].values, [None, Some("x".to_owned())]);
        assert!(read_json(&both("[1]", "[1, 2]")).is_err());
        let half = format!("[{}1]", "1,".repeat(VALUES_MAX / 2));
        let refused = read_json(&both(&half, &half)).unwrap_err();
        assert!(refused.parts().2.contains("too many values"), "{refused:?}");
    }

    #[test]
    fn half_a_surrogate_is_refused() {
        for value in [r#""\ud800""#, r#"["1", "\ud800", "2"]"#] {
            let refused =
                read_json(&format!(r#"{{"1": {{"type": "TEXT", "value": {value}}}}}"#)).unwrap_err();
            assert!(refused.parts().2.contains("valid JSON text"), "{refused:?}");
        }
    }
}

//! Parts of a request's JSON that may hold anything: kept as they were sent until somebody wants them, so that a body
//! of a megabyte does not become a hundred of them in memory, and so many at most.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Most parameters of a request.
pub(crate) const PARAMETERS_MAX: usize = 1000;
/// Most bindings of a request, each with one value or with one for each row.
pub(crate) const BINDINGS_MAX: usize = 100_000;

/// Parameters as they were sent.
pub(crate) type Parameters = Entries<Box<RawValue>, PARAMETERS_MAX>;

/// The fields of an object, which are at most so many. Of a name that comes twice the last value counts.
pub(crate) struct Entries<V, const MAX: usize>(pub(crate) BTreeMap<String, V>);

impl<V, const MAX: usize> Default for Entries<V, MAX> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Entries<V, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<V, const MAX: usize>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Read<V, MAX> {
            type Value = Entries<V, MAX>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "an object of at most {MAX} fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    entries.insert(name, value);
                    if entries.len() > MAX {
                        return Err(A::Error::invalid_length(entries.len(), &self));
                    }
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Read(PhantomData))
    }
}

/// A text, a number, a truth or null; nothing for lists and objects.
pub(crate) fn scalar(raw: &RawValue) -> Option<Value> {
    match raw.get().as_bytes().first() {
        Some(b'[' | b'{') | None => None,
        Some(_) => serde_json::from_str(raw.get()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scalars_are_values() {
        let check = |text: &str, expected: Option<Value>| {
            let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
            assert_eq!(scalar(&raw), expected, "{text}");
        };
        check(" 1.50 ", Some(serde_json::from_str("1.50").unwrap()));
        check("\"a\\u0041\"", Some("aA".into()));
        check("null", Some(Value::Null));
        check(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), None);
        check("{}", None);
    }

    #[test]
    fn fields_are_counted() {
        type Few = Entries<Box<RawValue>, 2>;
        assert_eq!(
            serde_json::from_str::<Few>("{\"a\":1,\"b\":2,\"a\":3}")
                .unwrap()
                .0["a"]
                .get(),
            "3"
        );
        assert!(serde_json::from_str::<Few>("{\"a\":1,\"b\":2,\"c\":3}").is_err());
        assert!(serde_json::from_str::<Few>("[]").is_err());
    }
}

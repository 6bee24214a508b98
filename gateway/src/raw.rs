//! JSON values read where they stand.
//!
//! An answer has dozens of small values of which a statement needs a few, and a list of session parameters that is
//! longer than everything else. Building a tree of all that cost a quarter of a whole statement, so values stay slices
//! of the body and are read one by one, leniently: a number may come as text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A value as received; `None` when it is absent or null.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

/// A text, or a number as text; `None` for anything else.
pub(crate) fn text(value: Raw<'_>) -> Option<String> {
    read(value).map(Cow::into_owned)
}

/// A whole number, also when it comes as text.
pub(crate) fn integer(value: Raw<'_>) -> Option<i64> {
    read(value)?.parse().ok()
}

/// A number that counts something.
pub(crate) fn count(value: Raw<'_>) -> Option<u64> {
    read(value)?.parse().ok()
}

/// True or false.
pub(crate) fn truth(value: Raw<'_>) -> Option<bool> {
    value?.get().parse().ok()
}

/// A list of values of one shape; empty when it is something else.
pub(crate) fn list<'a, T: Deserialize<'a>>(value: Raw<'a>) -> Vec<T> {
    value
        .and_then(|value| serde_json::from_str(value.get()).ok())
        .unwrap_or_default()
}

/// An object of a known shape; `None` when it is something else.
pub(crate) fn object<'a, T: Deserialize<'a>>(value: Raw<'a>) -> Option<T> {
    let text = value?.get();
    text.starts_with('{').then(|| serde_json::from_str(text).ok())?
}

/// A list of `{name, value}` as pairs of text.
pub(crate) fn parameters(value: Raw<'_>) -> Vec<(String, String)> {
    let pair = |parameter: Parameter<'_>| {
        let value = match read(parameter.value) {
            Some(text) => text.into_owned(),
            None => parameter.value.map(RawValue::get).unwrap_or_default().to_owned(),
        };
        Some((text(parameter.name)?, value))
    };
    list(value).into_iter().filter_map(pair).collect()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameter<'a> {
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    value: Raw<'a>,
}

fn read(value: Raw<'_>) -> Option<Cow<'_, str>> {
    let raw = value?.get();
    if let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        if inner.contains('\\') {
            return serde_json::from_str(raw).ok().map(Cow::Owned);
        }
        return Some(Cow::Borrowed(inner));
    }
    let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    is_number.then_some(Cow::Borrowed(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Raw<'_> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn scalars_are_read_leniently() {
        for (json, expected) in [
            (r#""plain""#, Some("plain")),
            (r#""a\"b\u00e9\\""#, Some("a\"bé\\")),
            (r#""""#, Some("")),
            ("17", Some("17")),
            ("-1.5e3", Some("-1.5e3")),
            ("null", None),
            ("true", None),
            ("[1]", None),
            (r#"{"a":1}"#, None),
        ] {
            assert_eq!(text(raw(json)).as_deref(), expected, "{json}");
        }
        assert_eq!(
            (integer(raw("-5")), integer(raw(r#""-5""#))),
            (Some(-5), Some(-5))
        );
        assert_eq!(
            (integer(raw("1.5")), count(raw("-5")), count(raw("5"))),
            (None, None, Some(5))
        );
        assert_eq!(
            (truth(raw("true")), truth(raw("false")), truth(raw("1"))),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn parameters_are_texts_whatever_they_are() {
        let json = r#"[{"name":"A","value":"x\n"},{"name":"B","value":true},{"value":1,"name":"C"},
            {"name":"D","value":null},{"name":"E"},{"name":null,"value":1}]"#;
        let expected = [("A", "x\n"), ("B", "true"), ("C", "1"), ("D", ""), ("E", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parameters(raw(json)), expected);
        assert_eq!(parameters(raw("null")), []);
        assert_eq!(parameters(raw(r#"{"A":1}"#)), []);
    }
}

//! A value in a row.

use std::borrow::Cow;

use super::Number;
use crate::DecFloat;

/// A value; its Snowflake type is known from the argument it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// NULL of any type.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// NUMBER.
    Number(Number),
    /// FLOAT.
    Float(f64),
    /// DECFLOAT.
    DecFloat(DecFloat),
    /// VARCHAR; and VARIANT, OBJECT and ARRAY as JSON text.
    Text(Cow<'a, str>),
    /// DATE: days since 1970-01-01.
    Date(i32),
    /// TIME: nanoseconds since midnight.
    Time(i64),
    /// TIMESTAMP_NTZ as a wall clock's nanoseconds since 1970, TIMESTAMP_LTZ as an instant's.
    Timestamp(i64),
    /// TIMESTAMP_TZ.
    ZonedTimestamp {
        /// Nanoseconds since 1970 in UTC.
        instant: i64,
        /// Minutes east of UTC.
        offset_minutes: i32,
    },
    /// INTERVAL YEAR TO MONTH: months.
    Months(i64),
    /// INTERVAL DAY TO SECOND: nanoseconds.
    Duration(i128),
    /// BINARY.
    Binary(Cow<'a, [u8]>),
    /// The engine's list of texts.
    TextList(Vec<Option<Cow<'a, str>>>),
}

impl<'a> Value<'a> {
    /// A text made by the function.
    pub(crate) fn owned_text(text: impl Into<String>) -> Self {
        Value::Text(Cow::Owned(text.into()))
    }

    /// A text of the arguments.
    pub(crate) fn text(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }

    /// A whole number.
    pub(crate) fn integer(number: impl Into<i128>) -> Self {
        Value::Number(Number::new(number.into(), 0))
    }

    /// Whether it is NULL.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The same value, free of what it borrows.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Boolean(value) => Value::Boolean(value),
            Value::Number(value) => Value::Number(value),
            Value::Float(value) => Value::Float(value),
            Value::DecFloat(value) => Value::DecFloat(value),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Value::Date(days) => Value::Date(days),
            Value::Time(nanoseconds) => Value::Time(nanoseconds),
            Value::Timestamp(nanoseconds) => Value::Timestamp(nanoseconds),
            Value::ZonedTimestamp {
                instant,
                offset_minutes,
            } => Value::ZonedTimestamp {
                instant,
                offset_minutes,
            },
            Value::Months(months) => Value::Months(months),
            Value::Duration(nanoseconds) => Value::Duration(nanoseconds),
            Value::Binary(bytes) => Value::Binary(Cow::Owned(bytes.into_owned())),
            Value::TextList(texts) => Value::TextList(
                texts
                    .into_iter()
                    .map(|text| text.map(|text| Cow::Owned(text.into_owned())))
                    .collect(),
            ),
        }
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Boolean(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<Number> for Value<'_> {
    fn from(value: Number) -> Self {
        Value::Number(value)
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Value::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Value::Binary(Cow::Owned(value))
    }
}

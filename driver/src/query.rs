//! What to run: a statement with its bindings, its limits and its handle for cancelling.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One statement to run in an [`UpstreamSession`](crate::UpstreamSession).
///
/// Only the SQL is required:
///
/// ```
/// use snowflake_session_driver::{BindValue, QueryRequest};
///
/// let request = QueryRequest::new("select * from orders where o_orderkey = ?")
///     .bind(BindValue::integer(42))
///     .with_row_limit(500);
/// assert_eq!(request.row_limit, Some(500));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueryRequest {
    /// The SQL text, sent byte for byte as it is.
    pub sql: String,
    /// Values for the placeholders of the text.
    pub bindings: Bindings,
    /// Statement parameters, for example `QUERY_TAG` or `MULTI_STATEMENT_COUNT`. They hold for this statement only.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Longest time to wait for the first answer (all polling included, fetching of rows not). `None` waits as long
    /// as [`DriverConfig::query_timeout_max`](crate::DriverConfig::query_timeout_max).
    pub timeout: Option<Duration>,
    /// Compile only: the result has a schema, the number of binds, and no rows.
    pub describe_only: bool,
    /// Deliver at most so many rows and do not download parts beyond them. The SQL is not changed, so Snowflake
    /// still computes the whole result; [`QueryResult::is_truncated`](crate::QueryResult::is_truncated) tells.
    pub row_limit: Option<u64>,
}

impl QueryRequest {
    /// Makes a request for `sql` without bindings or limits.
    pub fn new(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            bindings: Bindings::None,
            parameters: BTreeMap::new(),
            timeout: None,
            describe_only: false,
            row_limit: None,
        }
    }

    /// Adds the value for the next `?`. Replaces named bindings, which cannot be mixed with positional ones.
    pub fn bind(mut self, value: BindValue) -> Self {
        match &mut self.bindings {
            Bindings::Positional(values) => values.push(value),
            other => *other = Bindings::Positional(vec![value]),
        }
        self
    }

    /// Adds the value for `:name` (give the name without the colon). Replaces positional bindings.
    pub fn bind_named(mut self, name: impl Into<String>, value: BindValue) -> Self {
        match &mut self.bindings {
            Bindings::Named(values) => values.push((name.into(), value)),
            other => *other = Bindings::Named(vec![(name.into(), value)]),
        }
        self
    }

    /// Sets one statement parameter.
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<ParameterValue>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Sets the longest time to wait for the first answer.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the largest number of rows to deliver.
    pub fn with_row_limit(mut self, rows: u64) -> Self {
        self.row_limit = Some(rows);
        self
    }

    /// Asks for a description instead of an execution.
    pub fn with_describe_only(mut self) -> Self {
        self.describe_only = true;
        self
    }
}

/// Values for the placeholders of a statement.
#[derive(Clone, Debug, Default)]
pub enum Bindings {
    /// The statement has no placeholders.
    #[default]
    None,
    /// One value for each `?`, in order.
    Positional(Vec<BindValue>),
    /// Values for `:name` placeholders, names without the colon. The last one of a repeated name counts.
    Named(Vec<(String, BindValue)>),
}

/// Snowflake's type of a bound value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindType {
    /// NUMBER as decimal text.
    Fixed,
    /// FLOAT as decimal or exponent text, `NaN`, `Infinity`, `-Infinity`.
    Real,
    /// VARCHAR; Snowflake converts it where another type is expected.
    Text,
    /// BOOLEAN as `true` or `false`.
    Boolean,
    /// DATE as milliseconds since 1970-01-01.
    Date,
    /// TIME as nanoseconds since midnight.
    Time,
    /// TIMESTAMP_NTZ as nanoseconds since the epoch.
    TimestampNtz,
    /// TIMESTAMP_LTZ as nanoseconds since the epoch.
    TimestampLtz,
    /// TIMESTAMP_TZ as nanoseconds since the epoch, a space, and the offset in minutes plus 1440.
    TimestampTz,
    /// BINARY as hexadecimal digits.
    Binary,
    /// DECFLOAT as decimal or exponent text.
    DecFloat,
}

/// One value for a placeholder. Its `Debug` shows the type and never the value.
#[derive(Clone, PartialEq, Eq)]
pub struct BindValue {
    pub(crate) kind: BindType,
    pub(crate) text: Option<String>,
}

impl BindValue {
    /// A value in Snowflake's wire text for `kind` (see [`BindType`]), sent verbatim.
    pub fn raw(kind: BindType, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: Some(text.into()),
        }
    }

    /// NULL of the given type.
    pub fn null(kind: BindType) -> Self {
        Self { kind, text: None }
    }

    /// A text.
    pub fn text(value: impl Into<String>) -> Self {
        Self::raw(BindType::Text, value)
    }

    /// A whole number. Snowflake takes up to 38 digits.
    pub fn integer(value: impl Into<i128>) -> Self {
        Self::raw(BindType::Fixed, value.into().to_string())
    }

    /// A floating-point number.
    pub fn real(value: f64) -> Self {
        let text = if value.is_nan() {
            "NaN".to_owned()
        } else if value.is_infinite() {
            if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        } else {
            format!("{value:?}")
        };
        Self::raw(BindType::Real, text)
    }

    /// True or false.
    pub fn boolean(value: bool) -> Self {
        Self::raw(BindType::Boolean, if value { "true" } else { "false" })
    }

    /// Bytes.
    pub fn binary(value: &[u8]) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(value.len() * 2);
        for byte in value {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02X}");
        }
        Self::raw(BindType::Binary, text)
    }
}

impl fmt::Debug for BindValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.text.is_some() { "redacted" } else { "NULL" };
        write!(f, "{:?}({shown})", self.kind)
    }
}

/// Value of a session or statement parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    /// A text, which Snowflake converts where it wants another type.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl From<&str> for ParameterValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for ParameterValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<i64> for ParameterValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for ParameterValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl ParameterValue {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => serde_json::Value::from(text.as_str()),
            Self::Integer(number) => serde_json::Value::from(*number),
            Self::Boolean(truth) => serde_json::Value::from(*truth),
        }
    }
}

/// Which rows of a result to deliver. Parts of the result that lie outside are not downloaded, as far as the server said
/// how many rows they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowWindow {
    /// Rows to leave out at the beginning. An offset behind the last row gives an empty result.
    pub offset: u64,
    /// Most rows to deliver after the offset; `None` is all.
    pub limit: Option<u64>,
}

/// What a cancel achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The query will not run on: Snowflake accepted the abort and the query's own answer came, or the query was
    /// stopped before it was sent.
    Confirmed,
    /// Snowflake did not answer in time, or accepted the abort without the query ending in time. It may still run.
    Unconfirmed,
    /// Nothing was running under that id: it is unknown, or its answer had already come.
    NotRunning,
}

//! What a group file writes down about a function.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{FunctionError, JudgedColumn, NumberColumns, Result, Settings, Value};
use crate::duckdb::Filled;
use crate::{SqlType, VectorElement};

/// A scalar function.
#[derive(Debug)]
pub(crate) struct ScalarFunction {
    /// Name in the engine: `sf_` and Snowflake's name in lower case.
    pub(crate) name: &'static str,
    /// How many arguments it takes.
    pub(crate) arguments: RangeInclusive<usize>,
    /// What NULL arguments do.
    pub(crate) nulls: Nulls,
    /// When the engine may reuse a result.
    pub(crate) stability: Stability,
    /// Decides the result type from the argument types, and gives the code for them.
    pub(crate) bind: Bind,
}

/// How a call is bound.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bind {
    /// From its arguments.
    Arguments(fn(&[Argument]) -> Result<Bound>),
    /// From its arguments and the session's parameters.
    Session(fn(&[Argument], Settings<'_>) -> Result<Bound>),
}

impl ScalarFunction {
    /// A function that gives NULL when an argument is NULL, and the same for the same arguments.
    pub(crate) const fn new(
        name: &'static str,
        arguments: RangeInclusive<usize>,
        bind: fn(&[Argument]) -> Result<Bound>,
    ) -> Self {
        Self {
            name,
            arguments,
            nulls: Nulls::Propagate,
            stability: Stability::Consistent,
            bind: Bind::Arguments(bind),
        }
    }

    /// Like [`Self::new`], for a function that depends on session parameters.
    pub(crate) const fn of_session(
        name: &'static str,
        arguments: RangeInclusive<usize>,
        bind: fn(&[Argument], Settings<'_>) -> Result<Bound>,
    ) -> Self {
        Self {
            name,
            arguments,
            nulls: Nulls::Propagate,
            stability: Stability::Consistent,
            bind: Bind::Session(bind),
        }
    }

    /// Lets the function see NULL arguments.
    pub(crate) const fn sees_nulls(mut self) -> Self {
        self.nulls = Nulls::Seen;
        self
    }

    /// Makes the engine call the function for every row anew.
    pub(crate) const fn volatile(mut self) -> Self {
        self.stability = Stability::Volatile;
        self
    }
}

/// Numbers the inputs of one binding, from 1.
#[derive(Debug, Default)]
pub(crate) struct Inputs(AtomicU64);

impl Inputs {
    /// The number of another input.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What NULL arguments do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// The result is NULL; the function is not called.
    Propagate,
    /// The function gets [`Value::Null`].
    Seen,
}

/// When the engine may reuse a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stability {
    /// The same arguments give the same result.
    Consistent,
    /// Every row gets a result of its own.
    Volatile,
}

/// The type of an argument or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FunctionType {
    /// One of Snowflake's.
    Sql(SqlType),
    /// A NULL that has no type yet.
    Null,
    /// The engine's list of texts; lowering unnests it.
    TextList,
    /// Another type of the engine, by its name.
    Foreign(String),
}

impl FunctionType {
    /// NUMBER(precision, scale).
    pub(crate) const fn number(precision: u8, scale: u8) -> Self {
        Self::Sql(SqlType::Number { precision, scale })
    }

    /// VARCHAR.
    pub(crate) const fn text() -> Self {
        Self::Sql(SqlType::Text { length: None })
    }

    /// FLOAT.
    pub(crate) const fn float() -> Self {
        Self::Sql(SqlType::Float)
    }

    /// DECFLOAT.
    pub(crate) const fn decfloat() -> Self {
        Self::Sql(SqlType::DecFloat)
    }

    /// BOOLEAN.
    pub(crate) const fn boolean() -> Self {
        Self::Sql(SqlType::Boolean)
    }

    /// DATE.
    pub(crate) const fn date() -> Self {
        Self::Sql(SqlType::Date)
    }

    /// TIME(9).
    pub(crate) const fn time() -> Self {
        Self::Sql(SqlType::Time { scale: 9 })
    }

    /// TIMESTAMP_NTZ(9).
    pub(crate) const fn timestamp_ntz() -> Self {
        Self::Sql(SqlType::TimestampNtz { scale: 9 })
    }

    /// TIMESTAMP_LTZ(9).
    pub(crate) const fn timestamp_ltz() -> Self {
        Self::Sql(SqlType::TimestampLtz { scale: 9 })
    }

    /// TIMESTAMP_TZ(9).
    pub(crate) const fn timestamp_tz() -> Self {
        Self::Sql(SqlType::TimestampTz { scale: 9 })
    }

    /// BINARY.
    pub(crate) const fn binary() -> Self {
        Self::Sql(SqlType::Binary { length: None })
    }

    /// VARIANT.
    pub(crate) const fn variant() -> Self {
        Self::Sql(SqlType::Variant)
    }

    /// OBJECT.
    pub(crate) const fn object() -> Self {
        Self::Sql(SqlType::Object)
    }

    /// ARRAY.
    pub(crate) const fn array() -> Self {
        Self::Sql(SqlType::Array)
    }

    /// Whether values are shapes.
    pub(crate) fn is_geospatial(&self) -> bool {
        matches!(
            self,
            Self::Sql(SqlType::Geography { .. } | SqlType::Geometry { .. })
        )
    }

    /// Whether values are JSON text.
    pub(crate) fn is_semi_structured(&self) -> bool {
        matches!(
            self,
            Self::Sql(SqlType::Variant | SqlType::Object | SqlType::Array)
        )
    }
}

impl fmt::Display for FunctionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql(SqlType::Number { precision, scale }) => write!(f, "NUMBER({precision},{scale})"),
            Self::Sql(SqlType::Float) => f.write_str("FLOAT"),
            Self::Sql(SqlType::DecFloat) => f.write_str("DECFLOAT"),
            Self::Sql(SqlType::Text { length: None }) => f.write_str("VARCHAR(16777216)"),
            Self::Sql(SqlType::Text { length: Some(length) }) => write!(f, "VARCHAR({length})"),
            Self::Sql(SqlType::Boolean) => f.write_str("BOOLEAN"),
            Self::Sql(SqlType::Date) => f.write_str("DATE"),
            Self::Sql(SqlType::Time { scale }) => write!(f, "TIME({scale})"),
            Self::Sql(SqlType::TimestampNtz { scale }) => write!(f, "TIMESTAMP_NTZ({scale})"),
            Self::Sql(SqlType::TimestampLtz { scale }) => write!(f, "TIMESTAMP_LTZ({scale})"),
            Self::Sql(SqlType::TimestampTz { scale }) => write!(f, "TIMESTAMP_TZ({scale})"),
            Self::Sql(SqlType::Variant) => f.write_str("VARIANT"),
            Self::Sql(SqlType::Object) => f.write_str("OBJECT"),
            Self::Sql(SqlType::Array) => f.write_str("ARRAY"),
            Self::Sql(SqlType::Binary { length }) => write!(f, "BINARY({})", length.unwrap_or(8_388_608)),
            Self::Sql(SqlType::Geography { .. }) => f.write_str("GEOGRAPHY"),
            Self::Sql(SqlType::Geometry { .. }) => f.write_str("GEOMETRY"),
            Self::Sql(interval @ (SqlType::IntervalYearMonth { .. } | SqlType::IntervalDayTime { .. })) => {
                f.write_str(&interval.interval_text().unwrap_or_default())
            }
            Self::Sql(SqlType::Vector { element, dimension }) => {
                let element = match element {
                    VectorElement::Float => "FLOAT",
                    VectorElement::Int => "INT",
                };
                write!(f, "VECTOR({element}, {dimension})")
            }
            Self::Null => f.write_str("NULL"),
            Self::TextList => f.write_str("LIST"),
            Self::Foreign(name) => f.write_str(name),
        }
    }
}

/// What is known of an argument when a call is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    /// Its type, before any cast.
    pub(crate) sql_type: FunctionType,
    /// Its value, when it is a constant.
    pub(crate) constant: Option<Value<'static>>,
}

impl Argument {
    /// The constant text that `function` requires at `position` (counted from 1).
    pub(crate) fn constant_text(&self, function: &str, position: usize) -> Result<String> {
        match &self.constant {
            Some(Value::Text(text)) => Ok(text.clone().into_owned()),
            _ => Err(FunctionError::needs_constant(function, position)),
        }
    }

    /// The constant whole number that `function` requires at `position` (counted from 1).
    pub(crate) fn constant_integer(&self, function: &str, position: usize) -> Result<i64> {
        match &self.constant {
            Some(value @ (Value::Number(_) | Value::Text(_))) => value.to_integer(),
            _ => Err(FunctionError::needs_constant(function, position)),
        }
    }
}

/// A call whose types are known.
pub(crate) struct Bound {
    /// Type of the result.
    pub(crate) returns: FunctionType,
    /// The code.
    pub(crate) call: Call,
}

/// The code of a bound call.
pub(crate) enum Call {
    /// Called for each row with its arguments.
    Rows(Box<RowFunction>),
    /// Called with two columns of numbers at a time. For arithmetic over many rows.
    Numbers(Box<NumberFunction>),
    /// Called with a column of numbers, the first argument's; the others are constants. For conditions over many rows.
    Truths(Box<TruthFunction>),
}

impl Call {
    /// Whether it takes columns of numbers, of which constant ones need no look at each chunk of rows.
    pub(super) fn takes_numbers(&self) -> bool {
        matches!(self, Self::Numbers(_) | Self::Truths(_))
    }
}

/// One row's arguments to its result.
pub(crate) type RowFunction = dyn for<'a> Fn(&'a [Value<'a>]) -> Result<Value<'a>> + Send + Sync;

/// Unscaled numbers to unscaled numbers at the result's scale.
pub(crate) type NumberFunction = dyn Fn(NumberColumns<'_>) -> Result<Filled> + Send + Sync;

/// Unscaled numbers to what is true of them.
pub(crate) type TruthFunction = dyn Fn(JudgedColumn<'_>) -> Filled + Send + Sync;

/// A call computed row by row.
#[expect(
    clippy::unnecessary_wraps,
    reason = "a binding ends with it, and bindings can fail"
)]
pub(crate) fn rows(
    returns: FunctionType,
    call: impl for<'a> Fn(&'a [Value<'a>]) -> Result<Value<'a>> + Send + Sync + 'static,
) -> Result<Bound> {
    Ok(Bound {
        returns,
        call: Call::Rows(Box::new(call)),
    })
}

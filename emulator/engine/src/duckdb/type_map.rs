//! The dictionary between DuckDB's types and Snowflake's.
//!
//! What DuckDB lacks are named types over what it has: their names survive in tables, views and
//! expressions, which is how a VARIANT is told from a VARCHAR. Their names begin with `sf_` because
//! DuckDB has types of its own called VARIANT, ARRAY and TIMESTAMP_TZ.

use duckdb_neo::{
    DuckDBType,
    connection::FFILink,
    logical_type::{LogicalType, LogicalTypeID},
    types::DecimalSignature,
};

use crate::{
    EngineError, EngineErrorKind, ErrorCode, GeoForm, SqlType, VectorElement, functions::FunctionType,
};

/// The engine's name of DECFLOAT.
pub(crate) const DECFLOAT: &str = "sf_decfloat";

/// The engine's names of GEOGRAPHY and GEOMETRY.
const GEOGRAPHY: &str = "sf_geography";
const GEOMETRY: &str = "sf_geometry";
/// The engine's names of the two families of intervals.
pub(crate) const YEAR_MONTH: &str = "sf_interval_ym";
pub(crate) const DAY_TIME: &str = "sf_interval_dt";

/// Names and definitions of the types that DuckDB lacks.
pub(super) const CUSTOM_TYPES: &[(&str, &str)] = &[
    ("sf_variant", "VARCHAR"),
    ("sf_object", "VARCHAR"),
    ("sf_array", "VARCHAR"),
    (DECFLOAT, "BLOB"),
    (GEOGRAPHY, "BLOB"),
    (GEOMETRY, "BLOB"),
    // Structs, because nothing of the engine's takes one for a number.
    (YEAR_MONTH, "STRUCT(months BIGINT)"),
    (DAY_TIME, "STRUCT(nanoseconds HUGEINT)"),
    ("sf_timestamp_ltz", "TIMESTAMP_NS"),
    (
        "sf_timestamp_tz",
        "STRUCT(instant TIMESTAMP_NS, offset_minutes INTEGER)",
    ),
];

/// What the name of a table stands for to the engine where a value should stand.
const ROW: &str = "ROW";

/// Snowflake's digits of a second where nothing else is said.
const SCALE: u8 = 9;

/// The Snowflake type of a result column or function argument.
pub(crate) fn function_type(logical_type: &LogicalType) -> duckdb_neo::Result<FunctionType> {
    let id = logical_type.id()?;
    let named = logical_type.name()?;
    let sql_type = match named {
        "sf_variant" => SqlType::Variant,
        "sf_object" => SqlType::Object,
        "sf_array" => SqlType::Array,
        DECFLOAT => SqlType::DecFloat,
        GEOGRAPHY => SqlType::Geography {
            form: GeoForm::default(),
        },
        GEOMETRY => SqlType::Geometry {
            form: GeoForm::default(),
        },
        YEAR_MONTH => SqlType::YEAR_TO_MONTH,
        DAY_TIME => SqlType::DAY_TO_SECOND,
        "sf_timestamp_ltz" => SqlType::TimestampLtz { scale: SCALE },
        "sf_timestamp_tz" => SqlType::TimestampTz { scale: SCALE },
        _ => return plain(id, logical_type),
    };
    Ok(FunctionType::Sql(sql_type))
}

fn plain(id: LogicalTypeID, logical_type: &LogicalType) -> duckdb_neo::Result<FunctionType> {
    let number = |precision, scale| SqlType::Number { precision, scale };
    Ok(FunctionType::Sql(match id {
        LogicalTypeID::SqlNull => return Ok(FunctionType::Null),
        LogicalTypeID::List if is_text_list(logical_type)? => return Ok(FunctionType::TextList),
        LogicalTypeID::Boolean => SqlType::Boolean,
        LogicalTypeID::TinyInt | LogicalTypeID::UTinyInt => number(3, 0),
        LogicalTypeID::SmallInt | LogicalTypeID::USmallInt => number(5, 0),
        LogicalTypeID::Integer | LogicalTypeID::UInteger => number(10, 0),
        LogicalTypeID::BigInt | LogicalTypeID::UBigInt | LogicalTypeID::HugeInt => number(38, 0),
        LogicalTypeID::Decimal => {
            let signature = DecimalSignature::from_logical_type(logical_type)?;
            number(signature.width, signature.scale)
        }
        LogicalTypeID::Float | LogicalTypeID::Double => SqlType::Float,
        LogicalTypeID::Varchar => SqlType::Text { length: None },
        LogicalTypeID::Blob => SqlType::Binary { length: None },
        LogicalTypeID::Date => SqlType::Date,
        LogicalTypeID::Time | LogicalTypeID::TimeNs => SqlType::Time { scale: SCALE },
        LogicalTypeID::Timestamp
        | LogicalTypeID::TimestampSec
        | LogicalTypeID::TimestampMs
        | LogicalTypeID::TimestampNs => SqlType::TimestampNtz { scale: SCALE },
        LogicalTypeID::TimestampTz | LogicalTypeID::TimestampTzNs => SqlType::TimestampLtz { scale: SCALE },
        LogicalTypeID::Struct => return Ok(FunctionType::Foreign(ROW.to_owned())),
        _ => return Ok(FunctionType::Foreign(logical_type.to_text()?)),
    }))
}

fn is_text_list(logical_type: &LogicalType) -> duckdb_neo::Result<bool> {
    match logical_type.get_param(0)?.1.get::<LogicalType>()? {
        Some(element) => Ok(element.id()? == LogicalTypeID::Varchar),
        None => Ok(false),
    }
}

/// The type of a result column; an untyped NULL is a text, as in Snowflake.
pub(super) fn result_type(logical_type: &LogicalType) -> Result<SqlType, EngineError> {
    let found = function_type(logical_type)
        .map_err(|error| EngineError::new(EngineErrorKind::Internal, error.message))?;
    match found {
        FunctionType::Sql(sql_type) => Ok(sql_type),
        FunctionType::Null => Ok(SqlType::Text { length: None }),
        FunctionType::TextList => Err(no_such_type("VARCHAR[]")),
        FunctionType::Foreign(name) if name == ROW => Err(EngineError {
            code: Some(ErrorCode {
                code: "000904",
                sql_state: "42000",
            }),
            ..EngineError::new(
                EngineErrorKind::Binder,
                "invalid identifier: a table's name is no value",
            )
        }),
        // Our functions take no vectors: to them they are foreign.
        FunctionType::Foreign(name) => vector(&name).ok_or_else(|| no_such_type(&name)),
    }
}

/// The vector that an engine type such as `FLOAT[3]` holds.
fn vector(name: &str) -> Option<SqlType> {
    let (element, dimension) = name.strip_suffix(']')?.split_once('[')?;
    let element = match element {
        "FLOAT" => VectorElement::Float,
        "INTEGER" => VectorElement::Int,
        _ => return None,
    };
    let dimension = dimension.parse().ok()?;
    Some(SqlType::Vector { element, dimension })
}

fn no_such_type(name: &str) -> EngineError {
    EngineError::new(
        EngineErrorKind::Internal,
        format!("no Snowflake type for the engine's type {name}"),
    )
}

/// DuckDB's type for what a function returns.
pub(crate) fn logical_type<C: FFILink + ?Sized>(
    link: &C,
    returns: &FunctionType,
) -> duckdb_neo::Result<LogicalType> {
    // Numbers and truth values, which are most, are not worth a parser's work.
    let text = match returns {
        FunctionType::Sql(SqlType::Boolean) => return bool::logical_type(link),
        FunctionType::Sql(SqlType::Float) => return f64::logical_type(link),
        FunctionType::Sql(SqlType::Number { precision, scale: 0 }) if *precision <= 18 => {
            return i64::logical_type(link);
        }
        FunctionType::Sql(SqlType::Number { precision, scale }) => {
            let (width, scale) = (*precision, *scale);
            return DecimalSignature { width, scale }.logical_type(link);
        }
        FunctionType::Sql(sql_type) => sql_type.engine_type(),
        FunctionType::TextList => "VARCHAR[]".to_owned(),
        FunctionType::Null => "VARCHAR".to_owned(),
        FunctionType::Foreign(name) => name.clone(),
    };
    LogicalType::from_text(link, &text)
}

impl SqlType {
    /// The engine's type in which a column of this type is stored, as SQL text.
    ///
    /// A NUMBER with no fraction and at most 18 digits is a `BIGINT`; lengths and second fractions are
    /// not part of the stored type.
    pub fn engine_type(&self) -> String {
        match self {
            SqlType::Number { precision, scale: 0 } if *precision <= 18 => "BIGINT".to_owned(),
            SqlType::Number { precision, scale } => format!("DECIMAL({precision},{scale})"),
            SqlType::Float => "DOUBLE".to_owned(),
            SqlType::DecFloat => DECFLOAT.to_owned(),
            SqlType::Geography { .. } => GEOGRAPHY.to_owned(),
            SqlType::Geometry { .. } => GEOMETRY.to_owned(),
            SqlType::IntervalYearMonth { .. } => YEAR_MONTH.to_owned(),
            SqlType::IntervalDayTime { .. } => DAY_TIME.to_owned(),
            SqlType::Text { .. } => "VARCHAR".to_owned(),
            SqlType::Boolean => "BOOLEAN".to_owned(),
            SqlType::Date => "DATE".to_owned(),
            SqlType::Time { .. } => "TIME_NS".to_owned(),
            SqlType::TimestampNtz { .. } => "TIMESTAMP_NS".to_owned(),
            SqlType::TimestampLtz { .. } => "sf_timestamp_ltz".to_owned(),
            SqlType::TimestampTz { .. } => "sf_timestamp_tz".to_owned(),
            SqlType::Variant => "sf_variant".to_owned(),
            SqlType::Object => "sf_object".to_owned(),
            SqlType::Array => "sf_array".to_owned(),
            SqlType::Binary { .. } => "BLOB".to_owned(),
            SqlType::Vector { element, dimension } => match element {
                VectorElement::Float => format!("FLOAT[{dimension}]"),
                VectorElement::Int => format!("INTEGER[{dimension}]"),
            },
        }
    }
}

//! Data types: what was written, the Snowflake type it means, and how the engine holds it.

use snowflake_emulator_engine::{GeoForm, SqlType, VectorElement};
use sqlparser::ast::{
    ArrayElemTypeDef, BinaryLength, CharacterLength, DataType, ExactNumberInfo, Ident, ObjectName,
    ObjectNamePart, TimezoneInfo,
};

use super::refuse::{compilation, unsupported, unsupported_type};
use crate::contract::SqlError;
use crate::front::{INTERVAL_TYPE, UNTYPED};

/// Most digits of a NUMBER.
const NUMBER_PRECISION_MAX: u64 = 38;
/// Most digits of a NUMBER after the point.
const NUMBER_SCALE_MAX: i64 = 37;
/// Most numbers in a vector.
const VECTOR_DIMENSION_MAX: u16 = 4096;
/// Most digits of a second.
const TIME_SCALE_MAX: u64 = 9;
/// Most bytes of a BINARY.
const BINARY_LENGTH_MAX: u32 = 67_108_864;
/// Most characters of a VARCHAR.
pub(super) const TEXT_LENGTH_MAX: u32 = 134_217_728;

/// The Snowflake type that a written type means.
///
/// Fails for types that do not exist (`002040`) and parameters out of range.
pub fn sql_type(written: &DataType) -> Result<SqlType, SqlError> {
    Ok(match written {
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => number(*info)?,
        DataType::TinyInt(_)
        | DataType::SmallInt(_)
        | DataType::Int2(_)
        | DataType::Int(_)
        | DataType::Int4(_)
        | DataType::Int8(_)
        | DataType::Integer(_)
        | DataType::BigInt(_) => SqlType::Number {
            precision: 38,
            scale: 0,
        },
        DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Float64
        | DataType::Real
        | DataType::Double(_)
        | DataType::DoublePrecision => SqlType::Float,
        DataType::Varchar(length)
        | DataType::Nvarchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => text(length.as_ref(), None)?,
        DataType::Char(length) | DataType::Character(length) => text(length.as_ref(), Some(1))?,
        DataType::String(length) => SqlType::Text {
            length: length.map(text_length).transpose()?,
        },
        DataType::Text => SqlType::Text { length: None },
        DataType::Bool | DataType::Boolean => SqlType::Boolean,
        DataType::Date => SqlType::Date,
        DataType::Time(scale, TimezoneInfo::None) => SqlType::Time {
            scale: time_scale(*scale)?,
        },
        DataType::Datetime(scale) | DataType::TimestampNtz(scale) => SqlType::TimestampNtz {
            scale: time_scale(*scale)?,
        },
        DataType::Timestamp(scale, zone) => {
            let scale = time_scale(*scale)?;
            match zone {
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => SqlType::TimestampNtz { scale },
                TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => SqlType::TimestampTz { scale },
            }
        }
        DataType::Binary(length) => binary(*length)?,
        DataType::Varbinary(Some(BinaryLength::IntegerLength { length })) => binary(Some(*length))?,
        DataType::Varbinary(None | Some(BinaryLength::Max)) => binary(None)?,
        DataType::Array(ArrayElemTypeDef::None) => SqlType::Array,
        DataType::Array(_) | DataType::Map(..) | DataType::Struct(..) => {
            return Err(unsupported("structured types"));
        }
        DataType::Custom(name, arguments) => custom(name, arguments)?,
        other => return Err(unsupported_type(&other.to_string())),
    })
}

fn custom(name: &ObjectName, arguments: &[String]) -> Result<SqlType, SqlError> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
        return Err(unsupported_type(&name.to_string()));
    };
    let word = ident.value.to_uppercase();
    let argument = arguments
        .first()
        .and_then(|argument| argument.trim().parse::<u64>().ok());
    Ok(match word.as_str() {
        "NUMBER" => {
            let scale = arguments
                .get(1)
                .and_then(|scale| scale.trim().parse::<i64>().ok());
            number(match (argument, scale) {
                (None, _) => ExactNumberInfo::None,
                (Some(precision), None) => ExactNumberInfo::Precision(precision),
                (Some(precision), Some(scale)) => ExactNumberInfo::PrecisionAndScale(precision, scale),
            })?
        }
        "BYTEINT" => SqlType::Number {
            precision: 38,
            scale: 0,
        },
        "STRING" | "VARCHAR" | "NVARCHAR2" | "VARCHAR2" => SqlType::Text {
            length: argument.map(text_length).transpose()?,
        },
        "NCHAR" => SqlType::Text {
            length: Some(text_length(argument.unwrap_or(1))?),
        },
        "TIMESTAMP_LTZ" | "TIMESTAMPLTZ" => SqlType::TimestampLtz {
            scale: time_scale(argument)?,
        },
        "TIMESTAMP_TZ" | "TIMESTAMPTZ" => SqlType::TimestampTz {
            scale: time_scale(argument)?,
        },
        "TIMESTAMP_NTZ" | "TIMESTAMPNTZ" | "DATETIME" | "TIMESTAMP" => SqlType::TimestampNtz {
            scale: time_scale(argument)?,
        },
        "VARIANT" => SqlType::Variant,
        "OBJECT" => SqlType::Object,
        "ARRAY" => SqlType::Array,
        "BINARY" | "VARBINARY" => binary(argument)?,
        UNTYPED => {
            return Err(compilation(
                "001003",
                "42000",
                "syntax error: a column without a type.",
            ));
        }
        "DECFLOAT" => decfloat(arguments)?,
        INTERVAL_TYPE => interval(arguments)?,
        "VECTOR" => vector(arguments)?,
        "GEOGRAPHY" if arguments.is_empty() => SqlType::Geography {
            form: GeoForm::default(),
        },
        "GEOMETRY" if arguments.is_empty() => SqlType::Geometry {
            form: GeoForm::default(),
        },
        "MAP" | "FILE" | "UUID" => {
            return Err(unsupported(&format!("data type {word}")));
        }
        _ => return Err(unsupported_type(&word)),
    })
}

/// An interval type with its fields as the parameter.
fn interval(arguments: &[String]) -> Result<SqlType, SqlError> {
    let fields = arguments.join(", ");
    SqlType::interval(fields.trim_matches('\''))
        .ok_or_else(|| unsupported_type(&format!("INTERVAL {}", fields.trim_matches('\''))))
}

/// `DECFLOAT` or `DECFLOAT(38)`, which is the same.
fn decfloat(arguments: &[String]) -> Result<SqlType, SqlError> {
    match arguments {
        [] => Ok(SqlType::DecFloat),
        [precision] if precision.trim() == "38" => Ok(SqlType::DecFloat),
        _ => Err(range("decfloat precision", "38", "38")),
    }
}

/// `VECTOR(FLOAT | INT, dimension)`.
fn vector(arguments: &[String]) -> Result<SqlType, SqlError> {
    let malformed = || compilation("002040", "42601", "Unsupported data type 'VECTOR'.");
    let [element, dimension] = arguments else {
        return Err(malformed());
    };
    let element = match element.trim().to_uppercase().as_str() {
        "FLOAT" | "FLOAT4" | "FLOAT8" => VectorElement::Float,
        "INT" | "INTEGER" => VectorElement::Int,
        _ => return Err(malformed()),
    };
    let dimension = dimension.trim().parse::<u16>().unwrap_or(0);
    if !(1..=VECTOR_DIMENSION_MAX).contains(&dimension) {
        return Err(range("vector dimension", "1", "4096"));
    }
    Ok(SqlType::Vector { element, dimension })
}

fn number(info: ExactNumberInfo) -> Result<SqlType, SqlError> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (NUMBER_PRECISION_MAX, 0),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if precision == 0 || precision > NUMBER_PRECISION_MAX {
        return Err(range(&format!("numeric precision {precision}"), "1", "38"));
    }
    if !(0..=NUMBER_SCALE_MAX).contains(&scale) || scale > precision as i64 {
        return Err(range(
            &format!("numeric scale {scale}"),
            "0",
            &precision.min(37).to_string(),
        ));
    }
    Ok(SqlType::Number {
        precision: precision as u8,
        scale: scale as u8,
    })
}

fn text(length: Option<&CharacterLength>, default: Option<u32>) -> Result<SqlType, SqlError> {
    let length = match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(text_length(*length)?),
        Some(CharacterLength::Max) => None,
        None => default,
    };
    Ok(SqlType::Text { length })
}

fn text_length(length: u64) -> Result<u32, SqlError> {
    match u32::try_from(length) {
        Ok(length @ 1..=TEXT_LENGTH_MAX) => Ok(length),
        _ => Err(range(
            &format!("length {length}"),
            "1",
            &TEXT_LENGTH_MAX.to_string(),
        )),
    }
}

fn binary(length: Option<u64>) -> Result<SqlType, SqlError> {
    let length = match length.map(u32::try_from) {
        None => None,
        Some(Ok(length @ 1..=BINARY_LENGTH_MAX)) => Some(length),
        Some(_) => {
            let what = format!("length {}", length.unwrap_or_default());
            return Err(range(&what, "1", &BINARY_LENGTH_MAX.to_string()));
        }
    };
    Ok(SqlType::Binary { length })
}

fn time_scale(scale: Option<u64>) -> Result<u8, SqlError> {
    match scale {
        None => Ok(9),
        Some(scale) if scale <= TIME_SCALE_MAX => Ok(scale as u8),
        Some(scale) => Err(range(&format!("fractional seconds precision {scale}"), "0", "9")),
    }
}

fn range(what: &str, low: &str, high: &str) -> SqlError {
    compilation(
        "002017",
        "42601",
        &format!("invalid {what}: must be between {low} and {high}"),
    )
}

/// The type as text that a statement can hold.
pub fn written_type(sql_type: &SqlType) -> String {
    data_type(sql_type).to_string()
}

/// The type as one would write it.
pub(super) fn data_type(sql_type: &SqlType) -> DataType {
    let custom = |name: &str, scale: Option<u8>| {
        DataType::Custom(
            ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
            scale.iter().map(u8::to_string).collect(),
        )
    };
    match sql_type {
        SqlType::Number { precision, scale } => DataType::Decimal(ExactNumberInfo::PrecisionAndScale(
            u64::from(*precision),
            i64::from(*scale),
        )),
        SqlType::Float => DataType::DoublePrecision,
        SqlType::DecFloat => custom("DECFLOAT", None),
        SqlType::Text { length } => DataType::Varchar(length.map(|length| CharacterLength::IntegerLength {
            length: u64::from(length),
            unit: None,
        })),
        SqlType::Boolean => DataType::Boolean,
        SqlType::Date => DataType::Date,
        SqlType::Time { scale } => DataType::Time(Some(u64::from(*scale)), TimezoneInfo::None),
        SqlType::TimestampNtz { scale } => DataType::TimestampNtz(Some(u64::from(*scale))),
        SqlType::TimestampLtz { scale } => custom("TIMESTAMP_LTZ", Some(*scale)),
        SqlType::TimestampTz { scale } => custom("TIMESTAMP_TZ", Some(*scale)),
        SqlType::Geography { .. } => custom("GEOGRAPHY", None),
        SqlType::Geometry { .. } => custom("GEOMETRY", None),
        SqlType::Variant => custom("VARIANT", None),
        SqlType::Object => custom("OBJECT", None),
        SqlType::Array => DataType::Array(ArrayElemTypeDef::None),
        SqlType::Binary { length } => DataType::Binary(length.map(u64::from)),
        SqlType::IntervalYearMonth { .. } | SqlType::IntervalDayTime { .. } => DataType::Custom(
            ObjectName(vec![ObjectNamePart::Identifier(Ident::new(INTERVAL_TYPE))]),
            vec![format!("'{}'", interval_fields(sql_type))],
        ),
        SqlType::Vector { element, dimension } => DataType::Custom(
            ObjectName(vec![ObjectNamePart::Identifier(Ident::new("VECTOR"))]),
            vec![
                match element {
                    VectorElement::Float => "FLOAT".to_owned(),
                    VectorElement::Int => "INT".to_owned(),
                },
                dimension.to_string(),
            ],
        ),
    }
}

/// The fields of an interval type, such as `DAY(9) TO SECOND(3)`; empty for other types.
pub(super) fn interval_fields(sql_type: &SqlType) -> String {
    let text = sql_type.interval_text().unwrap_or_default();
    text.strip_prefix("INTERVAL ").unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use sqlparser::ast::Expr;

    use super::super::check::{check, parse};
    use super::*;

    fn typed(written: &str) -> String {
        let statement = parse(&format!("select cast(x as {written})"));
        let sqlparser::ast::Statement::Query(query) = statement else {
            panic!("a query")
        };
        let sqlparser::ast::SetExpr::Select(select) = *query.body else {
            panic!("a select")
        };
        let Some(sqlparser::ast::SelectItem::UnnamedExpr(Expr::Cast { data_type, .. })) =
            select.projection.first()
        else {
            panic!("a cast")
        };
        match sql_type(data_type) {
            Ok(found) => format!("{found:?} {}", found.engine_type()),
            Err(error) => format!("{} {}", error.code, error.message.replace('\n', " ")),
        }
    }

    #[test]
    fn types_have_their_snowflake_meaning() {
        check(
            typed,
            &[
                ("int", "Number { precision: 38, scale: 0 } DECIMAL(38,0)"),
                ("number", "Number { precision: 38, scale: 0 } DECIMAL(38,0)"),
                (
                    "number(10, 2)",
                    "Number { precision: 10, scale: 2 } DECIMAL(10,2)",
                ),
                ("decimal(5)", "Number { precision: 5, scale: 0 } BIGINT"),
                (
                    "number(39)",
                    "002017 SQL compilation error: invalid numeric precision 39: must be between 1 and 38",
                ),
                ("varchar(3)", "Text { length: Some(3) } VARCHAR"),
                ("char", "Text { length: Some(1) } VARCHAR"),
                ("string", "Text { length: None } VARCHAR"),
                ("double precision", "Float DOUBLE"),
                ("decfloat", "DecFloat sf_decfloat"),
                (
                    "decfloat(16)",
                    "002017 SQL compilation error: invalid decfloat precision: must be between 38 and 38",
                ),
                ("timestamp", "TimestampNtz { scale: 9 } TIMESTAMP_NS"),
                ("timestamp_ntz(3)", "TimestampNtz { scale: 3 } TIMESTAMP_NS"),
                ("timestamp_tz", "TimestampTz { scale: 9 } sf_timestamp_tz"),
                ("timestamp_ltz", "TimestampLtz { scale: 9 } sf_timestamp_ltz"),
                ("variant", "Variant sf_variant"),
                ("array", "Array sf_array"),
                (
                    "frob",
                    "002040 SQL compilation error: Unsupported data type 'FROB'.",
                ),
            ],
        );
    }
}

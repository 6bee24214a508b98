//! How a column is described on the wire: type tag, precision, lengths, Arrow field metadata.

use std::collections::HashMap;

use arrow_schema::{DataType, Field};
use snowflake_emulator_engine::{GeoForm, SqlType, YearMonth};

use crate::contract::ResultColumn;

/// Most bytes of a `VARCHAR`, and its length when none is declared.
const TEXT_LENGTH_MAX: u32 = 16_777_216;
/// Length of a `BINARY` when none is declared.
const BINARY_LENGTH_DEFAULT: u32 = 8_388_608;
/// Digits of a `DECFLOAT`.
const DECFLOAT_PRECISION: u32 = 38;
/// Most bytes that one character takes in UTF-8.
const BYTES_PER_CHARACTER: u32 = 4;

/// A column as Snowflake's clients are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct WireColumn {
    /// Name in the server's case.
    pub name: String,
    /// Type tag in lower case, such as `fixed` or `timestamp_ntz`.
    pub tag: &'static str,
    /// Digits in all; 0 for times.
    pub precision: Option<u32>,
    /// Digits after the point.
    pub scale: Option<u32>,
    /// Most characters (text) or bytes (binary).
    pub length: Option<u32>,
    /// Most bytes.
    pub byte_length: Option<u32>,
    /// May hold NULL.
    pub nullable: bool,
    /// Database, schema and table it comes from; empty when unknown.
    pub origin: [String; 3],
    /// The type that the tag stands for.
    pub sql_type: SqlType,
}

/// Describes columns for the wire.
pub fn wire_columns(columns: Vec<ResultColumn>) -> Vec<WireColumn> {
    columns.into_iter().map(WireColumn::from).collect()
}

impl From<ResultColumn> for WireColumn {
    fn from(column: ResultColumn) -> Self {
        let tag = tag(&column.sql_type);
        let (mut precision, mut scale, mut length, mut byte_length) = (None, None, None, None);
        match column.sql_type {
            SqlType::Number {
                precision: digits,
                scale: after_point,
            } => {
                precision = Some(u32::from(digits));
                scale = Some(u32::from(after_point));
            }
            SqlType::Time { scale: digits }
            | SqlType::TimestampNtz { scale: digits }
            | SqlType::TimestampLtz { scale: digits }
            | SqlType::TimestampTz { scale: digits } => {
                precision = Some(0);
                scale = Some(u32::from(digits));
            }
            SqlType::Text { length: declared } => {
                let characters = declared.unwrap_or(TEXT_LENGTH_MAX);
                length = Some(characters);
                byte_length = Some(
                    characters
                        .saturating_mul(BYTES_PER_CHARACTER)
                        .min(TEXT_LENGTH_MAX),
                );
            }
            SqlType::Binary { length: declared } => {
                length = Some(declared.unwrap_or(BINARY_LENGTH_DEFAULT));
                byte_length = length;
            }
            // Clients read the fields of the one here, and the digits of a second of the other.
            SqlType::IntervalYearMonth {
                fields,
                precision: digits,
            } => {
                precision = Some(u32::from(digits));
                scale = Some(match fields {
                    YearMonth::YearToMonth => 0,
                    YearMonth::Year => 1,
                    YearMonth::Month => 2,
                });
            }
            SqlType::IntervalDayTime {
                precision: digits,
                scale: of_second,
                ..
            } => {
                precision = Some(u32::from(digits));
                scale = Some(u32::from(of_second));
            }
            SqlType::DecFloat => precision = Some(DECFLOAT_PRECISION),
            SqlType::Float
            | SqlType::Boolean
            | SqlType::Geography { .. }
            | SqlType::Geometry { .. }
            | SqlType::Date
            | SqlType::Variant
            | SqlType::Object
            | SqlType::Array
            | SqlType::Vector { .. } => {}
        }
        Self {
            name: column.name,
            tag,
            precision,
            scale,
            length,
            byte_length,
            nullable: column.nullable,
            origin: column.origin,
            sql_type: column.sql_type,
        }
    }
}

impl WireColumn {
    /// Name of a type that travels as one of another tag.
    pub fn extended(&self) -> Option<&'static str> {
        match self.sql_type {
            SqlType::Geography { .. } => Some("GEOGRAPHY"),
            SqlType::Geometry { .. } => Some("GEOMETRY"),
            _ => None,
        }
    }

    /// The Arrow field of a column whose data is of `physical` type, with the metadata clients read.
    ///
    /// The field itself always admits NULL: what a column may hold is told in the metadata, and a
    /// stricter field would turn a wrong promise into a broken stream.
    pub fn field(&self, physical: DataType) -> Field {
        let number = |value: Option<u32>| value.unwrap_or(0).to_string();
        // Of a timestamp with offset, Python's connector reads here whether it has two parts or three.
        let byte_length = match (&self.sql_type, &physical) {
            (SqlType::TimestampTz { .. }, DataType::Struct(parts)) if parts.len() == 2 => Some(8),
            (SqlType::TimestampTz { .. }, _) => Some(16),
            _ => self.byte_length,
        };
        let metadata = HashMap::from([
            ("logicalType".to_owned(), self.tag.to_ascii_uppercase()),
            ("precision".to_owned(), number(self.precision)),
            ("scale".to_owned(), number(self.scale)),
            ("charLength".to_owned(), number(self.length)),
            ("byteLength".to_owned(), number(byte_length)),
            ("nullable".to_owned(), self.nullable.to_string()),
        ]);
        Field::new(&self.name, physical, true).with_metadata(metadata)
    }
}

/// Snowflake's lower-case tag of a type.
pub(super) fn tag(sql_type: &SqlType) -> &'static str {
    match sql_type {
        SqlType::Number { .. } => "fixed",
        SqlType::Float => "real",
        SqlType::DecFloat => "decfloat",
        SqlType::IntervalYearMonth { .. } => "interval_year_month",
        SqlType::IntervalDayTime { .. } => "interval_day_time",
        SqlType::Text { .. } => "text",
        SqlType::Boolean => "boolean",
        SqlType::Date => "date",
        SqlType::Time { .. } => "time",
        SqlType::TimestampNtz { .. } => "timestamp_ntz",
        SqlType::TimestampLtz { .. } => "timestamp_ltz",
        SqlType::TimestampTz { .. } => "timestamp_tz",
        SqlType::Variant => "variant",
        SqlType::Object => "object",
        SqlType::Array => "array",
        SqlType::Vector { .. } => "vector",
        SqlType::Binary { .. } => "binary",
        // As what it is shown; what it is tells `extTypeName`.
        SqlType::Geography { form } | SqlType::Geometry { form } => match form {
            GeoForm::GeoJson => "object",
            GeoForm::Wkt | GeoForm::Ewkt => "text",
            GeoForm::Wkb | GeoForm::Ewkb => "binary",
        },
    }
}

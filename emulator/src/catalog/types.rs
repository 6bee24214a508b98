//! Column types as the catalog stores and writes them.

use snowflake_emulator_engine::{GeoForm, SqlType, VectorElement};

/// Snowflake's length of a VARCHAR that declares none.
pub const TEXT_LENGTH_DEFAULT: u32 = 16_777_216;

/// Snowflake's length of a BINARY that declares none.
pub const BINARY_LENGTH_DEFAULT: u32 = 8_388_608;

/// Digits of a NUMBER that declares none.
const NUMBER_DIGITS_DEFAULT: u8 = 38;

/// Digits of a second that a time declares when it declares none.
const SECOND_DIGITS_DEFAULT: u8 = 9;

/// A column type in the parts that the catalog's `columns` table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredType {
    /// Snowflake's internal tag, such as `FIXED` or `TEXT`.
    pub tag: String,
    /// Most characters or bytes.
    pub length: Option<i64>,
    /// Digits in all.
    pub precision: Option<i64>,
    /// Digits after the point, or of a second.
    pub scale: Option<i64>,
}

impl StoredType {
    /// Parts of a type.
    pub fn of(sql_type: &SqlType) -> Self {
        let parts = |tag: &str, length: Option<u32>, precision: Option<u8>, scale: Option<u8>| Self {
            tag: tag.to_owned(),
            length: length.map(i64::from),
            precision: precision.map(i64::from),
            scale: scale.map(i64::from),
        };
        match sql_type {
            SqlType::Number { precision, scale } => parts("FIXED", None, Some(*precision), Some(*scale)),
            SqlType::Float => parts("REAL", None, None, None),
            SqlType::DecFloat => parts("DECFLOAT", None, Some(NUMBER_DIGITS_DEFAULT), None),
            SqlType::Text { length } => {
                parts("TEXT", Some(length.unwrap_or(TEXT_LENGTH_DEFAULT)), None, None)
            }
            SqlType::Boolean => parts("BOOLEAN", None, None, None),
            SqlType::Date => parts("DATE", None, None, None),
            SqlType::Time { scale } => parts("TIME", None, Some(0), Some(*scale)),
            SqlType::TimestampNtz { scale } => parts("TIMESTAMP_NTZ", None, Some(0), Some(*scale)),
            SqlType::TimestampLtz { scale } => parts("TIMESTAMP_LTZ", None, Some(0), Some(*scale)),
            SqlType::TimestampTz { scale } => parts("TIMESTAMP_TZ", None, Some(0), Some(*scale)),
            SqlType::Geography { .. } => parts("GEOGRAPHY", None, None, None),
            SqlType::Geometry { .. } => parts("GEOMETRY", None, None, None),
            SqlType::Variant => parts("VARIANT", None, None, None),
            SqlType::Object => parts("OBJECT", None, None, None),
            SqlType::Array => parts("ARRAY", None, None, None),
            SqlType::IntervalYearMonth { .. } | SqlType::IntervalDayTime { .. } => {
                parts(&sql_type.interval_text().unwrap_or_default(), None, None, None)
            }
            SqlType::Binary { length } => parts(
                "BINARY",
                Some(length.unwrap_or(BINARY_LENGTH_DEFAULT)),
                None,
                None,
            ),
            // The tag alone tells all of it.
            SqlType::Vector { element, dimension } => {
                let element = match element {
                    VectorElement::Float => "FLOAT",
                    VectorElement::Int => "INT",
                };
                parts(&format!("VECTOR({element}, {dimension})"), None, None, None)
            }
        }
    }

    /// The type that the parts are of.
    pub fn sql_type(&self) -> SqlType {
        let digits = |value: Option<i64>, otherwise: u8| {
            value
                .and_then(|value| u8::try_from(value).ok())
                .unwrap_or(otherwise)
        };
        let scale = digits(self.scale, SECOND_DIGITS_DEFAULT);
        match self.tag.as_str() {
            "FIXED" => SqlType::Number {
                precision: digits(self.precision, NUMBER_DIGITS_DEFAULT),
                scale: digits(self.scale, 0),
            },
            "REAL" => SqlType::Float,
            "DECFLOAT" => SqlType::DecFloat,
            "BOOLEAN" => SqlType::Boolean,
            "DATE" => SqlType::Date,
            "TIME" => SqlType::Time { scale },
            "TIMESTAMP_NTZ" => SqlType::TimestampNtz { scale },
            "TIMESTAMP_LTZ" => SqlType::TimestampLtz { scale },
            "TIMESTAMP_TZ" => SqlType::TimestampTz { scale },
            "VARIANT" => SqlType::Variant,
            "OBJECT" => SqlType::Object,
            "ARRAY" => SqlType::Array,
            "BINARY" => SqlType::Binary {
                length: self.length.and_then(|length| u32::try_from(length).ok()),
            },
            "GEOGRAPHY" => SqlType::Geography {
                form: GeoForm::default(),
            },
            "GEOMETRY" => SqlType::Geometry {
                form: GeoForm::default(),
            },
            vector if vector.starts_with("VECTOR(") => vector_of(vector),
            interval if interval.starts_with("INTERVAL ") => interval
                .strip_prefix("INTERVAL ")
                .and_then(SqlType::interval)
                .unwrap_or(SqlType::DAY_TO_SECOND),
            _ => SqlType::Text {
                length: self.length.and_then(|length| u32::try_from(length).ok()),
            },
        }
    }

    /// As DESCRIBE writes it, such as `NUMBER(38,0)`.
    pub fn declared(&self) -> String {
        let (length, precision, scale) = (
            self.length.unwrap_or(0),
            self.precision.unwrap_or(38),
            self.scale.unwrap_or(0),
        );
        match self.tag.as_str() {
            "FIXED" => format!("NUMBER({precision},{scale})"),
            "REAL" => "FLOAT".to_owned(),
            "TEXT" => format!("VARCHAR({length})"),
            "BINARY" => format!("BINARY({length})"),
            "TIME" | "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" | "TIMESTAMP_TZ" => format!("{}({scale})", self.tag),
            tag => tag.to_owned(),
        }
    }

    /// As SHOW COLUMNS writes it: a JSON object.
    pub fn json(&self, nullable: bool) -> String {
        let mut fields = vec![format!("\"type\":\"{}\"", self.tag)];
        if let Some(precision) = self.precision {
            fields.push(format!("\"precision\":{precision}"));
        }
        if let Some(scale) = self.scale {
            fields.push(format!("\"scale\":{scale}"));
        }
        if let Some(length) = self.length {
            let bytes = if self.tag == "TEXT" {
                (length * 4).min(i64::from(TEXT_LENGTH_DEFAULT))
            } else {
                length
            };
            fields.push(format!("\"length\":{length},\"byteLength\":{bytes}"));
        }
        fields.push(format!("\"nullable\":{nullable}"));
        if self.tag == "TEXT" || self.tag == "BINARY" {
            fields.push("\"fixed\":false".to_owned());
        }
        format!("{{{}}}", fields.join(","))
    }
}

/// The type that a vector's tag tells.
fn vector_of(tag: &str) -> SqlType {
    let element = if tag.starts_with("VECTOR(INT") {
        VectorElement::Int
    } else {
        VectorElement::Float
    };
    let digits: String = tag.chars().filter(char::is_ascii_digit).collect();
    SqlType::Vector {
        element,
        dimension: digits.parse().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_snowflake_writes_them() {
        let check = |sql_type: SqlType, declared: &str, json: &str| {
            let stored = StoredType::of(&sql_type);
            assert_eq!(stored.declared(), declared);
            assert_eq!(stored.json(true), json);
            assert_eq!(stored.sql_type(), sql_type);
        };
        check(
            SqlType::Number {
                precision: 10,
                scale: 2,
            },
            "NUMBER(10,2)",
            r#"{"type":"FIXED","precision":10,"scale":2,"nullable":true}"#,
        );
        check(
            SqlType::Text { length: Some(20) },
            "VARCHAR(20)",
            r#"{"type":"TEXT","length":20,"byteLength":80,"nullable":true,"fixed":false}"#,
        );
        check(
            SqlType::TimestampNtz { scale: 9 },
            "TIMESTAMP_NTZ(9)",
            r#"{"type":"TIMESTAMP_NTZ","precision":0,"scale":9,"nullable":true}"#,
        );
        check(
            SqlType::Vector {
                element: VectorElement::Int,
                dimension: 3,
            },
            "VECTOR(INT, 3)",
            r#"{"type":"VECTOR(INT, 3)","nullable":true}"#,
        );
        check(
            SqlType::interval("DAY(5) TO SECOND(3)").unwrap(),
            "INTERVAL DAY(5) TO SECOND(3)",
            r#"{"type":"INTERVAL DAY(5) TO SECOND(3)","nullable":true}"#,
        );
        check(
            SqlType::DecFloat,
            "DECFLOAT",
            r#"{"type":"DECFLOAT","precision":38,"nullable":true}"#,
        );
        check(
            SqlType::Variant,
            "VARIANT",
            r#"{"type":"VARIANT","nullable":true}"#,
        );
    }
}

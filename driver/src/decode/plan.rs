//! Columns of a result: what they are at the server, and what they become here.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use snowflake_session_gateway::ColumnType;

/// What a column is, as far as decoding is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// NUMBER that fits 64 bits.
    Integer,
    /// Any other NUMBER.
    Decimal {
        precision: u8,
        scale: u8,
    },
    Float,
    Text,
    Boolean,
    Date,
    Time {
        scale: u8,
    },
    /// NTZ and LTZ.
    Timestamp {
        scale: u8,
        unit: Unit,
        utc: bool,
    },
    TimestampTz {
        scale: u8,
    },
    Binary,
    Vector,
    DecFloat,
    IntervalYearMonth,
    IntervalDayTime {
        scale: u8,
    },
}

/// Unit of a timestamp column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Micros,
    Nanos,
}

/// Columns and schema of one result.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    columns: Vec<Column>,
    schema: SchemaRef,
}

#[derive(Clone, Debug)]
struct Column {
    field: Field,
    kind: Kind,
}

/// Largest precision whose numbers always fit 64 bits.
const INTEGER_PRECISION_MAX: i64 = 18;
const DECIMAL_PRECISION_MAX: i64 = 38;
/// Timestamps with more fraction digits than this need nanoseconds.
const MICROS_SCALE_MAX: u8 = 6;

impl Plan {
    /// Makes the plan for columns as the server describes them.
    pub(crate) fn new(row_type: &[ColumnType]) -> Self {
        let columns: Vec<Column> = row_type.iter().map(Column::new).collect();
        let schema = schema_of(&columns);
        Self { columns, schema }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(crate) fn column_count(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn kind(&self, column: usize) -> Kind {
        self.columns[column].kind
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.columns.iter().map(|column| column.kind)
    }

    pub(crate) fn column_name(&self, column: usize) -> &str {
        self.columns.get(column).map_or("?", |column| column.field.name())
    }

    /// True when the first part has to be decoded before the schema is final.
    pub(crate) fn is_open(&self) -> bool {
        self.kinds().any(|kind| {
            matches!(
                kind,
                Kind::Timestamp {
                    unit: Unit::Nanos,
                    ..
                }
            )
        })
    }

    /// Turns a nanosecond column to microseconds, because a value of the first part is out of reach of nanoseconds.
    /// False when the column is no such column.
    pub(crate) fn settle_overflow(&mut self, column: usize) -> bool {
        let Some(Column { field, kind }) = self.columns.get_mut(column) else {
            return false;
        };
        let Kind::Timestamp {
            unit: unit @ Unit::Nanos,
            ..
        } = kind
        else {
            return false;
        };
        *unit = Unit::Micros;
        let data_type = data_type(*kind);
        *field = field.clone().with_data_type(data_type);
        self.schema = schema_of(&self.columns);
        true
    }
}

impl Column {
    fn new(described: &ColumnType) -> Self {
        let kind = kind_of(described);
        let mut metadata = HashMap::from([
            ("snowflake.type".to_owned(), type_name(described)),
            ("snowflake.nullable".to_owned(), described.nullable.to_string()),
        ]);
        if is_json(described) {
            metadata.insert("snowflake.format".to_owned(), "json".to_owned());
        }
        // Nullable whatever the server declares: some send NULL all the same, and a batch that contradicts its schema
        // could not be built.
        let field = Field::new(&described.name, data_type(kind), true).with_metadata(metadata);
        Self { field, kind }
    }
}

fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| column.field.clone())
            .collect::<Vec<_>>(),
    ))
}

fn kind_of(described: &ColumnType) -> Kind {
    let scale = scale_of(described);
    let timestamp = |utc| {
        let unit = if scale > MICROS_SCALE_MAX {
            Unit::Nanos
        } else {
            Unit::Micros
        };
        Kind::Timestamp { scale, unit, utc }
    };
    if described.extended.as_deref() == Some("VECTOR") {
        return Kind::Vector;
    }
    match described.kind.as_str() {
        "fixed" => {
            let precision = precision_of(described);
            if scale == 0 && precision <= INTEGER_PRECISION_MAX {
                Kind::Integer
            } else {
                Kind::Decimal {
                    precision: precision as u8,
                    scale,
                }
            }
        }
        "real" => Kind::Float,
        "boolean" => Kind::Boolean,
        "date" => Kind::Date,
        "time" => Kind::Time { scale },
        "timestamp_ntz" => timestamp(false),
        "timestamp_ltz" => timestamp(true),
        "timestamp_tz" => Kind::TimestampTz { scale },
        "binary" => Kind::Binary,
        "vector" => Kind::Vector,
        "decfloat" => Kind::DecFloat,
        "interval_year_month" => Kind::IntervalYearMonth,
        "interval_day_time" => Kind::IntervalDayTime { scale },
        _ => Kind::Text,
    }
}

fn precision_of(described: &ColumnType) -> i64 {
    described
        .precision
        .filter(|precision| (1..=DECIMAL_PRECISION_MAX).contains(precision))
        .unwrap_or(38)
}

/// Fraction digits, with the type's own default.
fn scale_of(described: &ColumnType) -> u8 {
    let (default, max) = match described.kind.as_str() {
        "fixed" => (0, 37),
        _ => (9, 9),
    };
    described
        .scale
        .filter(|scale| (0..=max).contains(scale))
        .unwrap_or(default) as u8
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Integer => DataType::Int64,
        Kind::Decimal { precision, scale } => DataType::Decimal128(precision, scale as i8),
        Kind::Float => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
        Kind::Date => DataType::Date32,
        Kind::Time { .. } => DataType::Time64(TimeUnit::Nanosecond),
        Kind::Timestamp { unit, utc, .. } => {
            let unit = match unit {
                Unit::Micros => TimeUnit::Microsecond,
                Unit::Nanos => TimeUnit::Nanosecond,
            };
            DataType::Timestamp(unit, utc.then(|| UTC.into()))
        }
        Kind::Binary => DataType::Binary,
        Kind::Text
        | Kind::TimestampTz { .. }
        | Kind::Vector
        | Kind::DecFloat
        | Kind::IntervalYearMonth
        | Kind::IntervalDayTime { .. } => DataType::Utf8,
    }
}

/// Time zone of TIMESTAMP_LTZ columns.
pub(crate) const UTC: &str = "UTC";

fn is_json(described: &ColumnType) -> bool {
    let geographic = matches!(described.extended.as_deref(), Some("GEOGRAPHY" | "GEOMETRY"));
    geographic
        || kind_of(described) == Kind::Vector
        || matches!(
            described.kind.as_str(),
            "variant" | "object" | "array" | "map" | "geography" | "geometry"
        )
}

/// The type as Snowflake's DESCRIBE writes it.
fn type_name(described: &ColumnType) -> String {
    let scale = scale_of(described);
    let with_length = |name: &str| match described.length {
        Some(length) => format!("{name}({length})"),
        None => name.to_owned(),
    };
    if let Some(extended @ ("GEOGRAPHY" | "GEOMETRY")) = described.extended.as_deref() {
        return extended.to_owned();
    }
    if kind_of(described) == Kind::Vector {
        return described
            .vector_dimension
            .map_or("VECTOR".to_owned(), |dimension| format!("VECTOR({dimension})"));
    }
    match described.kind.as_str() {
        "fixed" => format!("NUMBER({},{scale})", precision_of(described)),
        "real" => "FLOAT".to_owned(),
        "text" => with_length("VARCHAR"),
        "binary" => with_length("BINARY"),
        "time" | "timestamp_ntz" | "timestamp_ltz" | "timestamp_tz" => {
            format!("{}({scale})", described.kind.to_ascii_uppercase())
        }
        "interval_year_month" => "INTERVAL YEAR TO MONTH".to_owned(),
        "interval_day_time" => "INTERVAL DAY TO SECOND".to_owned(),
        other => other.to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: &str, precision: Option<i64>, scale: Option<i64>, length: Option<i64>) -> ColumnType {
        let mut described = ColumnType::default();
        (described.name, described.kind) = ("C".to_owned(), kind.to_owned());
        (described.precision, described.scale, described.length) = (precision, scale, length);
        described
    }

    fn check(described: &ColumnType, name: &str, data_type: &DataType) {
        let schema = Plan::new(std::slice::from_ref(described)).schema();
        let field = schema.field(0);
        assert_eq!(
            (field.metadata()["snowflake.type"].as_str(), field.data_type()),
            (name, data_type)
        );
        assert!(field.is_nullable());
    }

    #[test]
    fn types_become_the_normal_form() {
        let number = |precision, scale| column("fixed", Some(precision), Some(scale), None);
        check(&number(18, 0), "NUMBER(18,0)", &DataType::Int64);
        check(&number(19, 0), "NUMBER(19,0)", &DataType::Decimal128(19, 0));
        check(&number(10, 2), "NUMBER(10,2)", &DataType::Decimal128(10, 2));
        check(
            &column("fixed", None, None, None),
            "NUMBER(38,0)",
            &DataType::Decimal128(38, 0),
        );
        check(&column("real", None, None, None), "FLOAT", &DataType::Float64);
        check(
            &column("text", None, None, Some(16)),
            "VARCHAR(16)",
            &DataType::Utf8,
        );
        check(
            &column("boolean", None, None, None),
            "BOOLEAN",
            &DataType::Boolean,
        );
        check(&column("date", None, None, None), "DATE", &DataType::Date32);
        check(
            &column("time", None, Some(3), None),
            "TIME(3)",
            &DataType::Time64(TimeUnit::Nanosecond),
        );
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        check(
            &column("timestamp_ntz", None, Some(6), None),
            "TIMESTAMP_NTZ(6)",
            &micros,
        );
        let instant = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        check(
            &column("timestamp_ltz", None, None, None),
            "TIMESTAMP_LTZ(9)",
            &instant,
        );
        check(
            &column("timestamp_tz", None, Some(9), None),
            "TIMESTAMP_TZ(9)",
            &DataType::Utf8,
        );
        check(
            &column("binary", None, None, Some(8)),
            "BINARY(8)",
            &DataType::Binary,
        );
        check(&column("variant", None, None, None), "VARIANT", &DataType::Utf8);
        check(
            &column("something_new", None, None, None),
            "SOMETHING_NEW",
            &DataType::Utf8,
        );
    }

    #[test]
    fn json_texts_say_so() {
        let format = |described: &ColumnType| {
            Plan::new(std::slice::from_ref(described))
                .schema()
                .field(0)
                .metadata()
                .get("snowflake.format")
                .cloned()
        };
        for kind in ["variant", "object", "array", "map"] {
            assert_eq!(format(&column(kind, None, None, None)).as_deref(), Some("json"));
        }
        assert_eq!(format(&column("text", None, None, None)), None);
        let mut geography = column("text", None, None, None);
        geography.extended = Some("GEOGRAPHY".to_owned());
        assert_eq!(format(&geography).as_deref(), Some("json"));
        let mut vector = column("vector", None, None, None);
        vector.vector_dimension = Some(3);
        assert_eq!(format(&vector).as_deref(), Some("json"));
    }

    #[test]
    fn only_nanosecond_timestamps_are_open_and_only_once() {
        let mut plan = Plan::new(&[
            column("date", None, None, None),
            column("timestamp_ntz", None, Some(9), None),
        ]);
        assert!(plan.is_open());
        assert!(!plan.settle_overflow(0));
        assert!(plan.settle_overflow(1));
        assert!(!plan.settle_overflow(1) && !plan.is_open());
        assert_eq!(
            plan.schema().field(1).data_type(),
            &DataType::Timestamp(TimeUnit::Microsecond, None)
        );
        assert_eq!(
            plan.schema().field(1).metadata()["snowflake.type"],
            "TIMESTAMP_NTZ(9)"
        );
    }
}

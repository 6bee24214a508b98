//! Column types: Snowflake's words, and the physical Arrow type each has in a batch.

/// A Snowflake column type.
///
/// The physical Arrow type of a column in a [`crate::BatchReader`]'s batches is named at each variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// `NUMBER(precision, scale)`: any signed Arrow integer or `Decimal128` when the scale is 0, else
    /// `Decimal128`. The precision is the engine's, which may be larger than Snowflake's.
    Number {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to 37.
        scale: u8,
    },
    /// `FLOAT`: `Float64`.
    Float,
    /// `DECFLOAT`: `Binary`, the keys of [`crate::DecFloat`].
    DecFloat,
    /// `VARCHAR(length)`: `Utf8`; no length means Snowflake's default.
    Text {
        /// Most characters.
        length: Option<u32>,
    },
    /// `BOOLEAN`: `Boolean`.
    Boolean,
    /// `DATE`: `Date32`.
    Date,
    /// `TIME(scale)`: `Time64(Nanosecond)`.
    Time {
        /// Digits of a second.
        scale: u8,
    },
    /// `TIMESTAMP_NTZ(scale)`: `Timestamp(Nanosecond, None)`.
    TimestampNtz {
        /// Digits of a second.
        scale: u8,
    },
    /// `TIMESTAMP_LTZ(scale)`: `Timestamp(Nanosecond, None)`, the instant in UTC.
    TimestampLtz {
        /// Digits of a second.
        scale: u8,
    },
    /// `TIMESTAMP_TZ(scale)`: `Struct{instant: Timestamp(Nanosecond, None), offset_minutes: Int32}`.
    TimestampTz {
        /// Digits of a second.
        scale: u8,
    },
    /// `VARIANT`: `Utf8`, canonical JSON text.
    Variant,
    /// `OBJECT`: `Utf8`, canonical JSON text.
    Object,
    /// `ARRAY`: `Utf8`, canonical JSON text.
    Array,
    /// `BINARY`: `Binary`.
    Binary,
    /// `VECTOR(element, dimension)`: `FixedSizeList` of the element's type.
    Vector {
        /// What each of its numbers is.
        element: VectorElement,
        /// How many there are, 1 to 4096.
        dimension: u16,
    },
}

/// What the numbers of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorElement {
    /// `FLOAT`: `Float32`.
    Float,
    /// `INT`: `Int32`.
    Int,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineColumn {
    /// Name as the engine gives it.
    pub name: String,
    /// Snowflake type.
    pub sql_type: SqlType,
}

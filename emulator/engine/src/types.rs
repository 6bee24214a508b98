//! Column types: Snowflake's words, and the physical Arrow type each has in a batch.

use serde::{Deserialize, Serialize};

use crate::GeoForm;

/// A Snowflake column type.
///
/// The physical Arrow type of a column in a [`crate::BatchReader`]'s batches is named at each variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// `BINARY(length)`: `Binary`; no length means Snowflake's default.
    Binary {
        /// Most bytes.
        length: Option<u32>,
    },
    /// `VECTOR(element, dimension)`: `FixedSizeList` of the element's type.
    Vector {
        /// What each of its numbers is.
        element: VectorElement,
        /// How many there are, 1 to 4096.
        dimension: u16,
    },
    /// `GEOGRAPHY`: `Binary`, extended well-known binary, see [`crate::Geo`].
    Geography {
        /// How it is shown; the engine's own are always [`GeoForm::GeoJson`].
        form: GeoForm,
    },
    /// `GEOMETRY`: as `GEOGRAPHY`.
    Geometry {
        /// How it is shown.
        form: GeoForm,
    },
    /// `INTERVAL YEAR(precision) TO MONTH` and its parts: `Struct{months: Int64}`.
    IntervalYearMonth {
        /// Which fields it has.
        fields: YearMonth,
        /// Digits of the first field, 1 to 9.
        precision: u8,
    },
    /// `INTERVAL DAY(precision) TO SECOND(scale)` and its parts: `Struct{nanoseconds: Decimal128(38, 0)}`.
    IntervalDayTime {
        /// Its largest field.
        first: DayTime,
        /// Its smallest field.
        last: DayTime,
        /// Digits of the first field, 1 to 9.
        precision: u8,
        /// Digits of a second.
        scale: u8,
    },
}

/// Digits of an interval's first field, and of its seconds, where nothing else is said.
const INTERVAL_DIGITS: u8 = 9;

impl SqlType {
    /// `INTERVAL YEAR TO MONTH` as it is without further words.
    pub const YEAR_TO_MONTH: Self = Self::IntervalYearMonth {
        fields: YearMonth::YearToMonth,
        precision: INTERVAL_DIGITS,
    };

    /// `INTERVAL DAY TO SECOND` as it is without further words.
    pub const DAY_TO_SECOND: Self = Self::IntervalDayTime {
        first: DayTime::Day,
        last: DayTime::Second,
        precision: INTERVAL_DIGITS,
        scale: INTERVAL_DIGITS,
    };

    /// An interval type as SQL writes it, such as `INTERVAL DAY(9) TO SECOND(3)`; none for other types.
    pub fn interval_text(&self) -> Option<String> {
        Some(match self {
            Self::IntervalYearMonth { fields, precision } => match fields {
                YearMonth::YearToMonth => format!("INTERVAL YEAR({precision}) TO MONTH"),
                YearMonth::Year => format!("INTERVAL YEAR({precision})"),
                YearMonth::Month => format!("INTERVAL MONTH({precision})"),
            },
            Self::IntervalDayTime {
                first,
                last,
                precision,
                scale,
            } => {
                let word = first.word();
                match last {
                    DayTime::Second if first == last => format!("INTERVAL {word}({precision}, {scale})"),
                    DayTime::Second => format!("INTERVAL {word}({precision}) TO SECOND({scale})"),
                    last if first == last => format!("INTERVAL {word}({precision})"),
                    last => format!("INTERVAL {word}({precision}) TO {}", last.word()),
                }
            }
            _ => return None,
        })
    }

    /// The interval type with these fields, such as `DAY(5) TO SECOND(3)`, in any case; none for anything else.
    pub fn interval(fields: &str) -> Option<Self> {
        let fields = fields.to_uppercase();
        let (first, last) = match fields.split_once(" TO ") {
            Some((first, last)) => (first, Some(last)),
            None => (fields.as_str(), None),
        };
        let (first_word, first_digits) = field(first)?;
        let last = match last {
            Some(last) => Some(field(last)?),
            None => None,
        };
        let precision = first_digits.first().copied().unwrap_or(INTERVAL_DIGITS);
        if !(1..=INTERVAL_DIGITS).contains(&precision) {
            return None;
        }
        let of_months = |fields| Some(Self::IntervalYearMonth { fields, precision });
        let last_word = last.as_ref().map(|(word, _)| *word);
        match (first_word, last_word, first_digits.len()) {
            ("YEAR", None, 0 | 1) => return of_months(YearMonth::Year),
            ("MONTH", None, 0 | 1) => return of_months(YearMonth::Month),
            ("YEAR", Some("MONTH"), 0 | 1) if last.as_ref().is_some_and(|(_, digits)| digits.is_empty()) => {
                return of_months(YearMonth::YearToMonth);
            }
            _ => {}
        }
        let first = DayTime::of_word(first_word)?;
        let (end, digits) = match &last {
            Some((word, digits)) => (
                DayTime::of_word(word).filter(|last| *last > first)?,
                digits.as_slice(),
            ),
            None => (first, first_digits.get(1..).unwrap_or_default()),
        };
        let scale = match (end, digits) {
            (_, []) => INTERVAL_DIGITS,
            (DayTime::Second, [scale]) => *scale,
            _ => return None,
        };
        if scale > INTERVAL_DIGITS || (last.is_some() && first_digits.len() > 1) {
            return None;
        }
        Some(Self::IntervalDayTime {
            first,
            last: end,
            precision,
            scale,
        })
    }
}

/// `DAY(5)` as its word and the numbers behind it.
fn field(text: &str) -> Option<(&str, Vec<u8>)> {
    let text = text.trim();
    let Some((word, digits)) = text.split_once('(') else {
        return Some((text, Vec::new()));
    };
    let digits = digits.trim_end().strip_suffix(')')?.split(',');
    let digits = digits
        .map(|digits| digits.trim().parse().ok())
        .collect::<Option<_>>()?;
    Some((word.trim_end(), digits))
}

/// The fields of an interval of months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum YearMonth {
    /// `YEAR TO MONTH`.
    YearToMonth,
    /// `YEAR`.
    Year,
    /// `MONTH`.
    Month,
}

/// A field of an interval of time, the largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DayTime {
    /// `DAY`.
    Day,
    /// `HOUR`.
    Hour,
    /// `MINUTE`.
    Minute,
    /// `SECOND`.
    Second,
}

impl DayTime {
    /// As SQL writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Hour => "HOUR",
            Self::Minute => "MINUTE",
            Self::Second => "SECOND",
        }
    }

    /// The field that a word names.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Day, Self::Hour, Self::Minute, Self::Second]
            .into_iter()
            .find(|field| field.word() == word)
    }
}

/// What the numbers of a vector are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_types_are_read_and_written() {
        for (fields, expected) in [
            ("year to month", "INTERVAL YEAR(9) TO MONTH"),
            ("YEAR(4)", "INTERVAL YEAR(4)"),
            ("MONTH", "INTERVAL MONTH(9)"),
            ("DAY(5) TO SECOND(3)", "INTERVAL DAY(5) TO SECOND(3)"),
            ("DAY TO HOUR", "INTERVAL DAY(9) TO HOUR"),
            ("HOUR", "INTERVAL HOUR(9)"),
            ("SECOND(2, 3)", "INTERVAL SECOND(2, 3)"),
            ("minute to second", "INTERVAL MINUTE(9) TO SECOND(9)"),
        ] {
            let found = SqlType::interval(fields).and_then(|found| found.interval_text());
            assert_eq!(found.as_deref(), Some(expected), "{fields}");
            let again = SqlType::interval(expected.strip_prefix("INTERVAL ").unwrap());
            assert_eq!(
                again.and_then(|found| found.interval_text()).as_deref(),
                Some(expected)
            );
        }
        for fields in [
            "",
            "WEEK",
            "YEAR TO DAY",
            "SECOND TO DAY",
            "DAY(10)",
            "DAY(0)",
            "DAY TO SECOND(10)",
            "DAY(5, 3)",
            "YEAR TO MONTH(2)",
            "DAY TO HOUR(2)",
            "DAY TO DAY",
        ] {
            assert_eq!(SqlType::interval(fields), None, "{fields}");
        }
    }
}

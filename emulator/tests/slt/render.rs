//! Values as Snowflake's default output formats write them.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time64NanosecondType, TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use snowflake_emulator::session::ResultColumn;
use snowflake_emulator_engine::{DecFloat, Geo, SqlType, VectorElement};

/// The rows of a batch.
pub(crate) fn rows(columns: &[ResultColumn], batch: &RecordBatch) -> Vec<Vec<String>> {
    (0..batch.num_rows())
        .map(|row| {
            let values = columns.iter().zip(batch.columns());
            values
                .map(|(column, array)| value(&column.sql_type, array, row))
                .collect()
        })
        .collect()
}

fn value(sql_type: &SqlType, array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    match sql_type {
        SqlType::Number { scale, .. } => decimal(integer(array, row), *scale),
        SqlType::Float => float(array.as_primitive::<Float64Type>().value(row)),
        SqlType::DecFloat => {
            let number = DecFloat::from_key(array.as_binary::<i32>().value(row));
            number.map_or_else(|| "no DECFLOAT".to_owned(), |number| number.to_string())
        }
        SqlType::Geography { form } | SqlType::Geometry { form } => {
            let shape = Geo::from_stored(array.as_binary::<i32>().value(row));
            let shown = shape.map(|shape| shape.shown(*form)).unwrap_or_default();
            if form.is_binary() {
                let digits = shown.iter().map(|byte| format!("{byte:02X}"));
                digits.collect::<Vec<_>>().concat()
            } else {
                String::from_utf8(shown).unwrap_or_default()
            }
        }
        SqlType::IntervalYearMonth { .. } => {
            let months = array.as_struct().column(0).as_primitive::<Int64Type>().value(row);
            let sign = if months < 0 { '-' } else { '+' };
            format!("{sign}{}-{:02}", months.abs() / 12, months.abs() % 12)
        }
        SqlType::IntervalDayTime { .. } => {
            let nanoseconds = array
                .as_struct()
                .column(0)
                .as_primitive::<Decimal128Type>()
                .value(row);
            let sign = if nanoseconds < 0 { '-' } else { '+' };
            let (days, of_day) = (
                nanoseconds.abs() / 86_400_000_000_000,
                nanoseconds.abs() % 86_400_000_000_000,
            );
            format!("{sign}{days} {}", time(of_day as i64, 3))
        }
        SqlType::Boolean => array.as_boolean().value(row).to_string(),
        SqlType::Text { .. } | SqlType::Variant | SqlType::Object | SqlType::Array => {
            let text = array.as_string::<i32>().value(row);
            if text.is_empty() {
                "(empty)".to_owned()
            } else {
                text.to_owned()
            }
        }
        SqlType::Date => date(i64::from(array.as_primitive::<Date32Type>().value(row))),
        SqlType::Time { .. } => time(array.as_primitive::<Time64NanosecondType>().value(row), 0),
        SqlType::TimestampNtz { .. } => timestamp(array.as_primitive::<TimestampNanosecondType>().value(row)),
        SqlType::TimestampLtz { .. } => {
            format!(
                "{} +0000",
                timestamp(array.as_primitive::<TimestampNanosecondType>().value(row))
            )
        }
        SqlType::TimestampTz { .. } => {
            let parts = array.as_struct();
            let instant = parts
                .column(0)
                .as_primitive::<TimestampNanosecondType>()
                .value(row);
            let offset = i64::from(parts.column(1).as_primitive::<Int32Type>().value(row));
            let sign = if offset < 0 { '-' } else { '+' };
            let local = timestamp(instant + offset * 60_000_000_000);
            format!("{local} {sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60)
        }
        SqlType::Binary { .. } => {
            let digits = array.as_binary::<i32>().value(row).iter();
            digits
                .map(|byte| format!("{byte:02X}"))
                .collect::<Vec<_>>()
                .concat()
        }
        SqlType::Vector { element, .. } => {
            let numbers = array.as_fixed_size_list().value(row);
            let number = |at| match element {
                VectorElement::Float => {
                    f64::from(numbers.as_primitive::<Float32Type>().value(at)).to_string()
                }
                VectorElement::Int => numbers.as_primitive::<Int32Type>().value(at).to_string(),
            };
            let numbers: Vec<String> = (0..numbers.len()).map(number).collect();
            format!("[{}]", numbers.join(","))
        }
    }
}

fn integer(array: &ArrayRef, row: usize) -> i128 {
    match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value(row),
        other => panic!("a NUMBER of {other}"),
    }
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let digits = format!(
        "{:0>width$}",
        unscaled.unsigned_abs(),
        width = usize::from(scale) + 1
    );
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

fn float(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    format!("{value}")
}

/// Days since 1970 as a date (the civil calendar, extended to both sides).
fn date(days: i64) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(nanoseconds: i64, digits: usize) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    let clock = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if digits == 0 {
        return clock;
    }
    let fraction = format!("{:09}", nanoseconds % 1_000_000_000);
    format!("{clock}.{}", &fraction[..digits])
}

fn timestamp(nanoseconds: i64) -> String {
    const DAY: i64 = 86_400_000_000_000;
    format!(
        "{} {}",
        date(nanoseconds.div_euclid(DAY)),
        time(nanoseconds.rem_euclid(DAY), 3)
    )
}

//! Values into the engine's result vector.

use duckdb_neo::{
    Error,
    types::{
        BlobValue, DateValue, HugeDecimal, List, LongDecimal, ShortDecimal, TimeNsValue, TimestampNsValue,
        WordDecimal,
    },
    vector::{OwnedVectorElement, Unknown, Vector, WritableVectorElement},
};

use super::{
    FunctionError, FunctionType, Value,
    adapter::engine_error,
    input::{StoredDuration, StoredMonths, ZonedInstant},
};
use crate::SqlType;
use crate::duckdb::{Filled, Slots, WideDecimal, Words, huge, of_words, write_flat};

/// Gives the value of a row to whoever writes it.
pub(super) type Producer<'call> =
    dyn FnMut(usize, &mut dyn FnMut(Value<'_>) -> duckdb_neo::Result<()>) -> duckdb_neo::Result<()> + 'call;

/// Writes `rows` values of the type `returns`.
pub(super) fn write(
    output: Vector<'_, Unknown>,
    returns: &FunctionType,
    rows: usize,
    produce: &mut Producer<'_>,
) -> duckdb_neo::Result<()> {
    let sql_type = match returns {
        FunctionType::Sql(sql_type) => sql_type,
        FunctionType::TextList => return write_text_lists(output, rows, produce),
        FunctionType::Null => &SqlType::Text { length: None },
        FunctionType::Foreign(name) => {
            return Err(Error::api_error(format!("functions cannot give the type {name}")));
        }
    };
    match sql_type {
        SqlType::Boolean => fill::<bool>(output, rows, produce, |value, set| match value {
            Value::Boolean(value) => set(Some(value)),
            other => none_but(&other, set),
        }),
        SqlType::Number { precision, scale } => write_numbers(output, *precision, *scale, rows, produce),
        SqlType::Float => fill::<f64>(output, rows, produce, |value, set| match value {
            Value::Float(value) => set(Some(value)),
            other => none_but(&other, set),
        }),
        SqlType::Text { .. } | SqlType::Variant | SqlType::Object | SqlType::Array => {
            fill::<String>(output, rows, produce, |value, set| match value {
                Value::Text(text) => set(Some(&text)),
                other => none_but(&other, set),
            })
        }
        SqlType::DecFloat => fill::<BlobValue>(output, rows, produce, |value, set| match value {
            Value::DecFloat(value) => set(Some(&value.key())),
            other => none_but(&other, set),
        }),
        SqlType::Geography { .. } | SqlType::Geometry { .. } | SqlType::Binary { .. } => {
            fill::<BlobValue>(output, rows, produce, |value, set| match value {
                Value::Binary(bytes) => set(Some(&bytes)),
                other => none_but(&other, set),
            })
        }
        SqlType::Date => fill::<DateValue>(output, rows, produce, |value, set| match value {
            Value::Date(days) => set(Some(DateValue(days))),
            other => none_but(&other, set),
        }),
        SqlType::Time { .. } => fill::<TimeNsValue>(output, rows, produce, |value, set| match value {
            Value::Time(nanoseconds) => set(Some(TimeNsValue(nanoseconds))),
            other => none_but(&other, set),
        }),
        SqlType::TimestampNtz { .. } | SqlType::TimestampLtz { .. } => {
            fill::<TimestampNsValue>(output, rows, produce, |value, set| match value {
                Value::Timestamp(nanoseconds) => set(Some(TimestampNsValue(nanoseconds))),
                other => none_but(&other, set),
            })
        }
        SqlType::TimestampTz { .. } => write_zoned(output, rows, produce),
        SqlType::IntervalYearMonth { .. } => {
            write_owned::<StoredMonths>(output, rows, produce, |value| match value {
                Value::Months(months) => Some(StoredMonths { months }),
                _ => None,
            })
        }
        SqlType::IntervalDayTime { .. } => {
            write_owned::<StoredDuration>(output, rows, produce, |value| match value {
                Value::Duration(nanoseconds) => Some(StoredDuration {
                    nanoseconds: huge(nanoseconds),
                }),
                _ => None,
            })
        }
        SqlType::Vector { .. } => {
            let name = sql_type.engine_type();
            Err(Error::api_error(format!("functions cannot give the type {name}")))
        }
    }
}

/// Writes through a closure that maps a value to what the vector takes.
fn fill<T: WritableVectorElement>(
    output: Vector<'_, Unknown>,
    rows: usize,
    produce: &mut Producer<'_>,
    write: impl for<'a> Fn(
        Value<'a>,
        &mut dyn FnMut(Option<T::Write<'_>>) -> duckdb_neo::Result<()>,
    ) -> duckdb_neo::Result<()>,
) -> duckdb_neo::Result<()> {
    let mut vector = output.cast::<T>()?;
    vector.set_size(rows)?;
    let mut writer = vector.writer()?;
    for row in 0..rows {
        produce(row, &mut |value| {
            write(value, &mut |value| writer.set(row, value))
        })?;
    }
    Ok(())
}

/// NULL is written; a value of another type than the binding promised is our defect.
fn none_but<T>(
    value: &Value<'_>,
    set: &mut dyn FnMut(Option<T>) -> duckdb_neo::Result<()>,
) -> duckdb_neo::Result<()> {
    if value.is_null() {
        return set(None);
    }
    Err(engine_error(&FunctionError::defect(
        "a function gave another type than it was bound to",
    )))
}

fn write_numbers(
    output: Vector<'_, Unknown>,
    precision: u8,
    scale: u8,
    rows: usize,
    produce: &mut Producer<'_>,
) -> duckdb_neo::Result<()> {
    macro_rules! fill_with {
        ($type:ty, $wrap:expr) => {
            fill::<$type>(output, rows, produce, |value, set| match value {
                Value::Number(number) => {
                    let number = number
                        .fitted(precision, scale)
                        .map_err(|error| engine_error(&error))?;
                    let fits = || engine_error(&FunctionError::out_of_range(number));
                    set(Some($wrap(number.unscaled.try_into().map_err(|_| fits())?)))
                }
                other => none_but(&other, set),
            })
        };
    }
    if scale == 0 && precision <= 18 {
        return fill_with!(i64, |value: i64| value);
    }
    match precision {
        1..=4 => fill_with!(ShortDecimal, ShortDecimal),
        5..=9 => fill_with!(WordDecimal, WordDecimal),
        10..=18 => fill_with!(LongDecimal, LongDecimal),
        _ => fill_with!(HugeDecimal, HugeDecimal),
    }
}

/// Writes unscaled numbers of the type `returns`, which `fill` computes and which fit it; NULL where `valid` says so.
pub(super) fn write_unscaled(
    output: Vector<'_, Unknown>,
    returns: &FunctionType,
    rows: usize,
    valid: Option<&[bool]>,
    fill: impl FnOnce(Slots<'_>) -> duckdb_neo::Result<Filled>,
) -> duckdb_neo::Result<()> {
    let FunctionType::Sql(SqlType::Number { precision, scale }) = returns else {
        return Err(engine_error(&FunctionError::defect("arithmetic gives a number")));
    };
    if *precision > 18 && valid.is_none() {
        return write_flat::<WideDecimal>(output, rows, fill);
    }
    let mut numbers = vec![Words::default(); rows];
    fill(Slots::of(&mut numbers))?;
    let is_valid = |row: usize| valid.is_none_or(|valid| valid[row]);
    macro_rules! fill_with {
        ($type:ty, $narrow:expr) => {{
            let mut vector = output.cast::<$type>()?;
            vector.set_size(rows)?;
            let mut writer = vector.writer()?;
            for (row, number) in numbers.into_iter().enumerate() {
                writer.set(row, is_valid(row).then(|| $narrow(of_words(number))))?;
            }
            Ok(())
        }};
    }
    match (*precision, *scale) {
        (1..=18, 0) => fill_with!(i64, |number| number as i64),
        (1..=4, _) => fill_with!(ShortDecimal, |number| ShortDecimal(number as i16)),
        (5..=9, _) => fill_with!(WordDecimal, |number| WordDecimal(number as i32)),
        (10..=18, _) => fill_with!(LongDecimal, |number| LongDecimal(number as i64)),
        _ => fill_with!(HugeDecimal, HugeDecimal),
    }
}

/// Writes what `fill` says of each row; NULL where `valid` says so.
pub(super) fn write_truths(
    output: Vector<'_, Unknown>,
    rows: usize,
    valid: Option<&[bool]>,
    fill: impl FnOnce(Slots<'_, bool>) -> Filled,
) -> duckdb_neo::Result<()> {
    let Some(valid) = valid else {
        return write_flat::<bool>(output, rows, |slots| Ok(fill(slots)));
    };
    let mut truths = vec![false; rows];
    fill(Slots::of(&mut truths));
    let mut vector = output.cast::<bool>()?;
    vector.set_size(rows)?;
    let mut writer = vector.writer()?;
    for (row, (truth, is_valid)) in truths.into_iter().zip(valid).enumerate() {
        writer.set(row, is_valid.then_some(truth))?;
    }
    Ok(())
}

fn write_zoned(
    output: Vector<'_, Unknown>,
    rows: usize,
    produce: &mut Producer<'_>,
) -> duckdb_neo::Result<()> {
    write_owned::<ZonedInstant>(output, rows, produce, |value| match value {
        Value::ZonedTimestamp {
            instant,
            offset_minutes,
        } => Some(ZonedInstant {
            instant: TimestampNsValue(instant),
            offset_minutes,
        }),
        _ => None,
    })
}

fn write_owned<T: OwnedVectorElement>(
    output: Vector<'_, Unknown>,
    rows: usize,
    produce: &mut Producer<'_>,
    convert: impl Fn(Value<'_>) -> Option<T>,
) -> duckdb_neo::Result<()> {
    let mut vector = output.cast::<T>()?;
    vector.set_size(rows)?;
    let mut writer = vector.writer()?;
    for row in 0..rows {
        produce(row, &mut |value| {
            let null = value.is_null();
            let converted = convert(value);
            if converted.is_none() && !null {
                return none_but::<()>(&Value::Boolean(false), &mut |_| Ok(()));
            }
            writer.set_ref(row, converted.as_ref())
        })?;
    }
    Ok(())
}

/// Lists share one child vector, whose size must be known before it is written.
fn write_text_lists(
    output: Vector<'_, Unknown>,
    rows: usize,
    produce: &mut Producer<'_>,
) -> duckdb_neo::Result<()> {
    let mut lists: Vec<Option<List<String>>> = Vec::with_capacity(rows);
    for row in 0..rows {
        produce(row, &mut |value| {
            lists.push(match value {
                Value::TextList(texts) => Some(List(
                    texts
                        .into_iter()
                        .map(|text| text.map(std::borrow::Cow::into_owned))
                        .collect(),
                )),
                other => {
                    none_but::<()>(&other, &mut |_| Ok(()))?;
                    None
                }
            });
            Ok(())
        })?;
    }
    let elements = lists.iter().flatten().map(|list| list.0.len()).sum();
    let mut vector = output.cast::<List<String>>()?;
    vector.set_size(rows)?;
    set_child_size(&mut vector, elements)?;
    let mut writer = vector.writer()?;
    for (row, list) in lists.iter().enumerate() {
        writer.set_ref(row, list.as_ref())?;
    }
    Ok(())
}

#[allow(
    unsafe_code,
    reason = "the binding offers no safe way to size a list's elements"
)]
fn set_child_size(vector: &mut Vector<'_, List<String>>, elements: usize) -> duckdb_neo::Result<()> {
    // SAFETY: every element is written before the vector is handed back, NULLs included.
    unsafe { vector.set_child_size(elements) }
}

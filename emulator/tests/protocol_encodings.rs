//! Every type as JSON text and as Arrow: what goes in as the engine makes it, what comes out on the wire.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
    Int32Array, Int64Array, RecordBatch, StringArray, StructArray, Time64NanosecondArray,
    TimestampNanosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_ipc::reader::StreamReader;
use arrow_schema::{DataType, Field, Fields, TimeUnit};
use serde_json::{Value, json};
use snowflake_emulator::results::{
    ChunkLimits, Collector, JsonStyle, ResultError, Spool, SpoolLimits, StoredResult, wire_columns,
};
use snowflake_emulator::session::ResultColumn;
use snowflake_emulator_engine::{DecFloat, SqlType};

/// 2024-02-29 12:34:56.123456789 UTC in nanoseconds since 1970.
const LEAP_DAY: i64 = 1_709_210_096_123_456_789;
/// A quarter of a second before 1970.
const BEFORE: i64 = -250_000_000;
/// 01:02:03.456789123 in nanoseconds since midnight.
const MORNING: i64 = 3_723_456_789_123;

fn collect(sql_type: SqlType, batches: &[ArrayRef]) -> Result<StoredResult, ResultError> {
    let folder = tempfile::tempdir().unwrap();
    let limits = SpoolLimits {
        memory_bytes_max: 1 << 20,
        first_bytes_max: 32 << 20,
        disk_bytes_max: 0,
    };
    let spool = Spool::open(folder.path(), limits).unwrap();
    let column = ResultColumn {
        name: "C".to_owned(),
        sql_type,
        nullable: false,
        origin: Default::default(),
    };
    let limits = ChunkLimits {
        inline_weight_max: 1 << 20,
        chunk_weight_max: 1 << 20,
    };
    let mut collector = Collector::new(wire_columns(vec![column]), limits, spool);
    for array in batches {
        collector
            .push(&RecordBatch::try_from_iter_with_nullable([("C", Arc::clone(array), true)]).unwrap())?;
    }
    collector.finish()
}

/// Sends one column through both forms; gives the JSON texts and the Arrow column.
fn encode(sql_type: SqlType, array: ArrayRef) -> (Vec<Value>, ArrayRef, Field) {
    let result = collect(sql_type, &[array]).unwrap();
    let text = result.inline_json(&JsonStyle::default()).unwrap();
    let rows: Vec<Vec<Value>> = serde_json::from_slice(&[b"[", text.as_slice(), b"]"].concat()).unwrap();
    let stream = result.inline_arrow().unwrap();
    let mut reader = StreamReader::try_new(stream.as_ref(), None).unwrap();
    let batch = reader.next().unwrap().unwrap();
    let field = batch.schema().field(0).clone();
    (
        rows.into_iter().flatten().collect(),
        Arc::clone(batch.column(0)),
        field,
    )
}

fn metadata(field: &Field, name: &str) -> String {
    field.metadata()[name].clone()
}

fn child<'a, T: arrow_array::ArrowPrimitiveType>(array: &'a ArrayRef, name: &str) -> Vec<Option<T::Native>> {
    let parts = array.as_struct();
    let column: &'a ArrayRef = parts.column_by_name(name).unwrap();
    column.as_primitive::<T>().iter().collect()
}

#[test]
fn numbers() {
    let number = |precision, scale| SqlType::Number { precision, scale };
    let (texts, array, field) = encode(
        number(3, 0),
        Arc::new(Int8Array::from(vec![Some(-7), None, Some(127)])),
    );
    assert_eq!(texts, [json!("-7"), Value::Null, json!("127")]);
    assert_eq!(array.as_primitive::<Int8Type>().value(2), 127);
    assert_eq!(metadata(&field, "logicalType"), "FIXED");
    assert_eq!(
        (metadata(&field, "precision"), metadata(&field, "scale")),
        ("3".to_owned(), "0".to_owned())
    );
    assert_eq!(metadata(&field, "nullable"), "false");

    let (texts, array, _) = encode(
        number(38, 0),
        Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])),
    );
    assert_eq!(texts, ["-9223372036854775808", "9223372036854775807"]);
    assert_eq!(array.data_type(), &DataType::Int64);

    let decimals = |values: Vec<Option<i128>>, precision, scale| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(values)
                .with_precision_and_scale(precision, scale)
                .unwrap(),
        )
    };
    let (texts, array, field) = encode(number(12, 2), decimals(vec![Some(150), Some(-5), None], 12, 2));
    assert_eq!(texts, [json!("1.50"), json!("-0.05"), Value::Null]);
    assert_eq!(
        array.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(),
        [Some(150), Some(-5), None]
    );
    assert_eq!(metadata(&field, "scale"), "2");

    let huge = 12_345_678_901_234_567_890_123_456_789_012_345_678_i128;
    let (texts, array, _) = encode(number(38, 6), decimals(vec![Some(huge), Some(-1)], 38, 6));
    assert_eq!(texts, ["12345678901234567890123456789012.345678", "-0.000001"]);
    assert_eq!(array.as_primitive::<Decimal128Type>().value(0), huge);
    assert_eq!(array.data_type(), &DataType::Decimal128(38, 6));
}

#[test]
fn floats_and_booleans() {
    let floats = vec![Some(1.5), Some(f64::NAN), Some(f64::INFINITY), Some(1e300), None];
    let (texts, _, field) = encode(SqlType::Float, Arc::new(Float64Array::from(floats)));
    assert_eq!(
        texts,
        [
            json!("1.5"),
            json!("NaN"),
            json!("inf"),
            json!("1e300"),
            Value::Null
        ]
    );
    assert_eq!(metadata(&field, "logicalType"), "REAL");

    let truths = vec![Some(true), Some(false), None];
    let (texts, array, field) = encode(SqlType::Boolean, Arc::new(BooleanArray::from(truths)));
    assert_eq!(texts, [json!("1"), json!("0"), Value::Null]);
    assert!(array.as_boolean().value(0));
    assert_eq!(metadata(&field, "logicalType"), "BOOLEAN");
}

#[test]
fn decimal_floats() {
    let key = |text: &str| DecFloat::parse(text).unwrap().unwrap().key();
    let keys = ["-1.50", "1000", "1e40", "0"].map(|text| Some(key(text)));
    let keys: BinaryArray = keys.into_iter().chain([None]).collect();
    let (texts, array, field) = encode(SqlType::DecFloat, Arc::new(keys));
    assert_eq!(
        texts,
        [
            json!("-1.5"),
            json!("1000"),
            json!("1E40"),
            json!("0"),
            Value::Null
        ]
    );
    assert_eq!(metadata(&field, "logicalType"), "DECFLOAT");
    assert_eq!(metadata(&field, "precision"), "38");
    assert_eq!(
        child::<Int16Type>(&array, "exponent")[..4],
        [Some(-1), Some(0), Some(40), Some(0)]
    );
    let significands: &ArrayRef = array.as_struct().column_by_name("significand").unwrap();
    let significands: Vec<&[u8]> = significands.as_binary::<i32>().iter().flatten().take(4).collect();
    // Big-endian two's complement.
    assert_eq!(significands, [&[0xf1][..], &[0x03, 0xe8], &[1], &[0]]);
    assert!(array.is_null(4));
}

#[test]
fn intervals() {
    let parent = |name: &str, numbers: ArrayRef| -> ArrayRef {
        let fields = Fields::from(vec![Field::new(name, numbers.data_type().clone(), true)]);
        let nulls = NullBuffer::from(vec![true, true, false]);
        Arc::new(StructArray::new(fields, vec![numbers], Some(nulls)))
    };
    let months = || parent("months", Arc::new(Int64Array::from(vec![14, -15, 0])));
    let (texts, array, field) = encode(SqlType::YEAR_TO_MONTH, months());
    assert_eq!(texts, [json!("14"), json!("-15"), Value::Null]);
    assert_eq!(array.as_primitive::<Int64Type>().value(1), -15);
    assert!(array.is_null(2));
    assert_eq!(metadata(&field, "logicalType"), "INTERVAL_YEAR_MONTH");
    assert_eq!(metadata(&field, "scale"), "0");
    let (_, _, field) = encode(SqlType::interval("MONTH").unwrap(), months());
    assert_eq!(
        metadata(&field, "scale"),
        "2",
        "tells Python to write months only"
    );

    let nanoseconds = || {
        let numbers = Decimal128Array::from(vec![1_046_645_678_000_000_i128, -1, 0]);
        parent(
            "nanoseconds",
            Arc::new(numbers.with_precision_and_scale(38, 0).unwrap()),
        )
    };
    let (texts, array, field) = encode(SqlType::DAY_TO_SECOND, nanoseconds());
    assert_eq!(texts, [json!("1046645678000000"), json!("-1"), Value::Null]);
    assert_eq!(array.as_primitive::<Decimal128Type>().value(1), -1);
    assert_eq!(metadata(&field, "logicalType"), "INTERVAL_DAY_TIME");
    // So few days fit 64 bits, and JDBC reads nothing else.
    let (texts, array, field) = encode(SqlType::interval("DAY(5) TO SECOND(3)").unwrap(), nanoseconds());
    assert_eq!(texts[0], "1046645678000000");
    assert_eq!(array.as_primitive::<Int64Type>().value(0), 1_046_645_678_000_000);
    assert_eq!(
        (metadata(&field, "precision"), metadata(&field, "scale")),
        ("5".to_owned(), "3".to_owned())
    );
}

#[test]
fn texts_and_bytes() {
    let strings: ArrayRef = Arc::new(StringArray::from(vec![Some("a \"b\" \\ \n é ❄"), Some(""), None]));
    let (texts, array, field) = encode(SqlType::Text { length: Some(40) }, Arc::clone(&strings));
    assert_eq!(texts, [json!("a \"b\" \\ \n é ❄"), json!(""), Value::Null]);
    assert_eq!(array.as_ref(), strings.as_ref());
    assert_eq!(metadata(&field, "charLength"), "40");
    assert_eq!(metadata(&field, "byteLength"), "160");
    let (_, _, field) = encode(SqlType::Text { length: None }, Arc::clone(&strings));
    assert_eq!(metadata(&field, "byteLength"), "16777216");

    let json_texts: ArrayRef = Arc::new(StringArray::from(vec!["{\"a\":[1,null]}"]));
    for (sql_type, tag) in [
        (SqlType::Variant, "VARIANT"),
        (SqlType::Object, "OBJECT"),
        (SqlType::Array, "ARRAY"),
    ] {
        let (texts, _, field) = encode(sql_type, Arc::clone(&json_texts));
        assert_eq!(texts, ["{\"a\":[1,null]}"]);
        assert_eq!(metadata(&field, "logicalType"), tag);
    }

    let bytes = BinaryArray::from(vec![Some([0x00, 0xab, 0xff].as_slice()), Some(&[]), None]);
    let (texts, _, field) = encode(SqlType::Binary { length: None }, Arc::new(bytes));
    assert_eq!(texts, [json!("00ABFF"), json!(""), Value::Null]);
    assert_eq!(metadata(&field, "byteLength"), "8388608");
}

#[test]
fn dates_and_times() {
    let (texts, array, field) = encode(
        SqlType::Date,
        Arc::new(Date32Array::from(vec![Some(-1), Some(19_782), None])),
    );
    assert_eq!(texts, [json!("-1"), json!("19782"), Value::Null]);
    assert_eq!(array.data_type(), &DataType::Date32);
    assert_eq!(metadata(&field, "logicalType"), "DATE");

    let times = || -> ArrayRef { Arc::new(Time64NanosecondArray::from(vec![Some(MORNING), None])) };
    let (texts, array, _) = encode(SqlType::Time { scale: 3 }, times());
    assert_eq!(texts, [json!("3723.456"), Value::Null]);
    assert_eq!(array.as_primitive::<Int32Type>().value(0), 3_723_456);
    let (texts, array, field) = encode(SqlType::Time { scale: 9 }, times());
    assert_eq!(texts, [json!("3723.456789123"), Value::Null]);
    assert_eq!(array.as_primitive::<Int64Type>().value(0), MORNING);
    assert_eq!(metadata(&field, "scale"), "9");
    let (texts, _, _) = encode(SqlType::Time { scale: 0 }, times());
    assert_eq!(texts[0], "3723");
}

#[test]
fn timestamps() {
    let instants = || -> ArrayRef {
        Arc::new(TimestampNanosecondArray::from(vec![
            Some(LEAP_DAY),
            Some(BEFORE),
            None,
        ]))
    };
    for sql_type in [
        SqlType::TimestampNtz { scale: 9 },
        SqlType::TimestampLtz { scale: 9 },
    ] {
        let (texts, array, field) = encode(sql_type, instants());
        assert_eq!(
            texts,
            [json!("1709210096.123456789"), json!("-0.250000000"), Value::Null]
        );
        assert_eq!(
            child::<Int64Type>(&array, "epoch"),
            [Some(1_709_210_096), Some(-1), None]
        );
        assert_eq!(
            child::<Int32Type>(&array, "fraction"),
            [Some(123_456_789), Some(750_000_000), None]
        );
        assert!(array.is_null(2), "NULL is told by the outer column");
        assert!(metadata(&field, "logicalType").starts_with("TIMESTAMP_"));
        assert_eq!(metadata(&field, "scale"), "9");
    }
    let (texts, array, _) = encode(SqlType::TimestampNtz { scale: 3 }, instants());
    assert_eq!(texts, [json!("1709210096.123"), json!("-0.250"), Value::Null]);
    assert_eq!(array.as_primitive::<Int64Type>().value(0), 1_709_210_096_123);
    let (texts, _, _) = encode(SqlType::TimestampNtz { scale: 0 }, instants());
    assert_eq!(texts, [json!("1709210096"), json!("-1"), Value::Null]);
}

#[test]
fn timestamps_with_offset() {
    let fields = Fields::from(vec![
        Field::new("instant", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        Field::new("offset_minutes", DataType::Int32, true),
    ]);
    let zoned = || -> ArrayRef {
        Arc::new(StructArray::new(
            fields.clone(),
            vec![
                Arc::new(TimestampNanosecondArray::from(vec![LEAP_DAY, BEFORE, 0])),
                Arc::new(Int32Array::from(vec![120, -480, 0])),
            ],
            Some(NullBuffer::from(vec![true, true, false])),
        ))
    };
    let (texts, array, field) = encode(SqlType::TimestampTz { scale: 9 }, zoned());
    assert_eq!(
        texts,
        [
            json!("1709210096.123456789 1560"),
            json!("-0.250000000 960"),
            Value::Null
        ]
    );
    assert_eq!(
        child::<Int64Type>(&array, "epoch")[..2],
        [Some(1_709_210_096), Some(-1)]
    );
    assert_eq!(
        child::<Int32Type>(&array, "fraction")[..2],
        [Some(123_456_789), Some(750_000_000)]
    );
    assert_eq!(
        child::<Int32Type>(&array, "timezone")[..2],
        [Some(1560), Some(960)]
    );
    assert!(array.is_null(2));
    assert_eq!(metadata(&field, "logicalType"), "TIMESTAMP_TZ");
    assert_eq!(
        metadata(&field, "byteLength"),
        "16",
        "tells Python of three parts"
    );
    let (texts, array, field) = encode(SqlType::TimestampTz { scale: 3 }, zoned());
    assert_eq!(metadata(&field, "byteLength"), "8", "tells Python of two parts");
    assert_eq!(
        texts,
        [json!("1709210096.123 1560"), json!("-0.250 960"), Value::Null]
    );
    assert_eq!(child::<Int64Type>(&array, "epoch")[0], Some(1_709_210_096_123));
    assert_eq!(array.as_struct().num_columns(), 2);
}

#[test]
fn a_column_of_another_kind_than_announced_is_refused() {
    let refused = |sql_type, array: ArrayRef| collect(sql_type, &[array]).unwrap_err().to_string();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let error = refused(
        SqlType::Number {
            precision: 38,
            scale: 0,
        },
        Arc::clone(&texts),
    );
    assert_eq!(error, "column C came as Utf8, which is no form of fixed");
    refused(SqlType::Date, Arc::clone(&texts));
    refused(SqlType::TimestampTz { scale: 9 }, Arc::clone(&texts));
    refused(SqlType::Text { length: None }, Arc::new(Int8Array::from(vec![1])));
    let decimals = Decimal128Array::from(vec![1])
        .with_precision_and_scale(10, 4)
        .unwrap();
    refused(
        SqlType::Number {
            precision: 10,
            scale: 2,
        },
        Arc::new(decimals),
    );
    // The width of an integer is fixed by the first batch.
    let widths: [ArrayRef; 2] = [
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(Int8Array::from(vec![1])),
    ];
    assert!(
        collect(
            SqlType::Number {
                precision: 38,
                scale: 0
            },
            &widths
        )
        .is_err()
    );
}

#[test]
fn a_result_of_no_batches_is_empty() {
    let result = collect(SqlType::Boolean, &[]).unwrap();
    assert_eq!(result.rows(), 0);
    assert_eq!(result.chunks().len(), 0);
    assert_eq!(result.inline_json(&JsonStyle::default()).unwrap(), b"");
}

//! Every type in both encodings, and what it is in the normal form.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeListArray,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields, Schema};
use base64::Engine as _;
use mock::{Mock, success};
use serde_json::{Value, json};
use snowflake_session_driver::{DriverError, QueryRequest, QueryResult, Result};
use support::{all_batches, column, connect, ipc_stream};

/// Runs a statement whose answer has one column with these rows.
async fn run(described: Value, rows: Rows) -> Result<QueryResult> {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let mut data = json!({ "queryId": "q", "rowtype": [described] });
    match rows {
        Rows::Json(cells) => {
            data["rowset"] = cells.iter().map(|cell| json!([cell])).collect();
            data["queryResultFormat"] = json!("json");
        }
        Rows::Arrow(array, scale) => {
            let metadata = scale.map(|scale| ("scale".to_owned(), scale.to_string()));
            let field = Field::new("C", array.data_type().clone(), true);
            let schema = Schema::new(vec![
                field.with_metadata(metadata.into_iter().collect::<HashMap<_, _>>()),
            ]);
            let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![array]).unwrap();
            put_stream(&mut data, &ipc_stream(&schema, &[batch]));
        }
        Rows::Stream(stream) => put_stream(&mut data, &stream),
    }
    mock.on_query(move |_| {
        let reply = success(data.clone());
        async move { reply }
    });
    session.execute(QueryRequest::new("select c")).await
}

fn put_stream(data: &mut Value, stream: &[u8]) {
    data["rowsetBase64"] = json!(base64::engine::general_purpose::STANDARD.encode(stream));
    data["queryResultFormat"] = json!("arrow");
}

enum Rows {
    Json(Vec<Value>),
    Arrow(ArrayRef, Option<i32>),
    Stream(Vec<u8>),
}

fn texts(cells: &[Option<&str>]) -> Rows {
    Rows::Json(cells.iter().map(|cell| json!(cell)).collect())
}

fn arrow(array: impl Array + 'static, scale: Option<i32>) -> Rows {
    Rows::Arrow(Arc::new(array), scale)
}

/// Checks that every encoding of a column becomes `expected`.
async fn check(described: Value, encodings: Vec<Rows>, expected: impl Array + 'static) {
    let expected: ArrayRef = Arc::new(expected);
    for (number, rows) in encodings.into_iter().enumerate() {
        let mut result = run(described.clone(), rows).await.unwrap();
        let batches = all_batches(&mut result).await;
        assert_eq!(batches.len(), 1);
        assert_eq!(
            batches[0].column(0),
            &expected,
            "encoding {number} of {described}"
        );
    }
}

/// A timestamp struct with seconds, perhaps nanoseconds, perhaps a zone; `None` is NULL.
fn moments(
    seconds: &[Option<i64>],
    nanos: Option<&[i32]>,
    zones: Option<&[i32]>,
    outer_null: bool,
) -> StructArray {
    let epochs: ArrayRef = Arc::new(Int64Array::from(seconds.to_vec()));
    let mut children = vec![(Field::new("epoch", DataType::Int64, true), epochs)];
    for (name, values) in [("fraction", nanos), ("timezone", zones)] {
        if let Some(values) = values {
            let array: ArrayRef = Arc::new(Int32Array::from(values.to_vec()));
            children.push((Field::new(name, DataType::Int32, true), array));
        }
    }
    let nulls = outer_null.then(|| seconds.iter().map(Option::is_some).collect::<NullBuffer>());
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = children.into_iter().unzip();
    StructArray::new(Fields::from(fields), arrays, nulls)
}

#[tokio::test]
async fn small_whole_numbers_are_int64() {
    check(
        column("C", "fixed", Some(18), Some(0)),
        vec![
            texts(&[Some("1"), None, Some("-100")]),
            arrow(Int8Array::from(vec![Some(1), None, Some(-100)]), Some(0)),
            arrow(Int16Array::from(vec![Some(1), None, Some(-100)]), Some(0)),
            arrow(Int32Array::from(vec![Some(1), None, Some(-100)]), None),
            arrow(Int64Array::from(vec![Some(1), None, Some(-100)]), Some(0)),
            arrow(Decimal128Array::from(vec![Some(1), None, Some(-100)]), Some(0)),
        ],
        Int64Array::from(vec![Some(1), None, Some(-100)]),
    )
    .await;
}

#[tokio::test]
async fn other_numbers_are_exact_decimals() {
    let scaled = Decimal128Array::from(vec![Some(150), None, Some(-99_999)])
        .with_precision_and_scale(10, 2)
        .unwrap();
    check(
        column("C", "fixed", Some(10), Some(2)),
        vec![
            texts(&[Some("1.50"), None, Some("-999.99")]),
            arrow(Int32Array::from(vec![Some(150), None, Some(-99_999)]), Some(2)),
            arrow(Int64Array::from(vec![Some(150), None, Some(-99_999)]), None),
            arrow(
                Decimal128Array::from(vec![Some(150), None, Some(-99_999)]),
                Some(2),
            ),
            arrow(scaled.clone(), None),
        ],
        scaled,
    )
    .await;
    // Fewer digits than the scale that Arrow gives a decimal by default.
    check(
        column("C", "fixed", Some(3), Some(2)),
        vec![
            texts(&[Some("1.50"), None]),
            arrow(Int64Array::from(vec![Some(150), None]), Some(2)),
            arrow(Decimal128Array::from(vec![Some(150), None]), Some(2)),
        ],
        Decimal128Array::from(vec![Some(150), None])
            .with_precision_and_scale(3, 2)
            .unwrap(),
    )
    .await;
    let largest = 10_i128.pow(38) - 1;
    check(
        column("C", "fixed", Some(38), Some(0)),
        vec![
            texts(&[Some("99999999999999999999999999999999999999"), Some("7")]),
            arrow(
                Decimal128Array::from(vec![largest, 7])
                    .with_precision_and_scale(38, 0)
                    .unwrap(),
                Some(0),
            ),
        ],
        Decimal128Array::from(vec![largest, 7])
            .with_precision_and_scale(38, 0)
            .unwrap(),
    )
    .await;
}

#[tokio::test]
async fn floats_texts_booleans_dates_and_bytes() {
    check(
        column("C", "real", None, None),
        vec![
            texts(&[Some("1.5e10"), None, Some("inf"), Some("-0.25")]),
            arrow(
                Float64Array::from(vec![Some(1.5e10), None, Some(f64::INFINITY), Some(-0.25)]),
                None,
            ),
        ],
        Float64Array::from(vec![Some(1.5e10), None, Some(f64::INFINITY), Some(-0.25)]),
    )
    .await;
    let strings = [Some("é\"\n😀"), None, Some("")];
    for kind in ["text", "variant", "object", "array", "brand_new_type"] {
        check(
            column("C", kind, None, None),
            vec![texts(&strings), arrow(StringArray::from(strings.to_vec()), None)],
            StringArray::from(strings.to_vec()),
        )
        .await;
    }
    check(
        column("C", "boolean", None, None),
        vec![
            texts(&[Some("1"), None, Some("0")]),
            texts(&[Some("true"), None, Some("FALSE")]),
            Rows::Json(vec![json!(true), Value::Null, json!(false)]),
            arrow(BooleanArray::from(vec![Some(true), None, Some(false)]), None),
        ],
        BooleanArray::from(vec![Some(true), None, Some(false)]),
    )
    .await;
    check(
        column("C", "date", None, None),
        vec![
            texts(&[Some("19753"), None, Some("-719162")]),
            arrow(Date32Array::from(vec![Some(19_753), None, Some(-719_162)]), None),
        ],
        Date32Array::from(vec![Some(19_753), None, Some(-719_162)]),
    )
    .await;
    let bytes: Vec<Option<&[u8]>> = vec![Some(&[0x00, 0xFF]), None, Some(&[])];
    check(
        column("C", "binary", None, None),
        vec![
            texts(&[Some("00FF"), None, Some("")]),
            arrow(BinaryArray::from(bytes.clone()), None),
        ],
        BinaryArray::from(bytes),
    )
    .await;
}

#[tokio::test]
async fn times_are_nanoseconds() {
    check(
        column("C", "time", None, Some(3)),
        vec![
            texts(&[Some("3661.500"), None]),
            arrow(Int32Array::from(vec![Some(3_661_500), None]), Some(3)),
        ],
        Time64NanosecondArray::from(vec![Some(3_661_500_000_000), None]),
    )
    .await;
    check(
        column("C", "time", None, Some(9)),
        vec![
            texts(&[Some("86399.999999999"), None]),
            arrow(Int64Array::from(vec![Some(86_399_999_999_999), None]), Some(9)),
        ],
        Time64NanosecondArray::from(vec![Some(86_399_999_999_999), None]),
    )
    .await;
}

#[tokio::test]
async fn timestamps_are_instants_in_micros_or_nanos() {
    let nanos = vec![Some(1_706_704_496_123_456_789), None, Some(-500_000_000)];
    let seconds = [Some(1_706_704_496), None, Some(-1)];
    let fractions = [123_456_789, 0, 500_000_000];
    let wire = [Some("1706704496.123456789"), None, Some("-0.500000000")];
    check(
        column("C", "timestamp_ntz", None, Some(9)),
        vec![
            texts(&wire),
            arrow(moments(&seconds, Some(&fractions), None, true), Some(9)),
            arrow(moments(&seconds, Some(&fractions), None, false), Some(9)),
        ],
        TimestampNanosecondArray::from(nanos.clone()),
    )
    .await;
    check(
        column("C", "timestamp_ltz", None, Some(9)),
        vec![
            texts(&wire),
            arrow(moments(&seconds, Some(&fractions), None, true), Some(9)),
        ],
        TimestampNanosecondArray::from(nanos).with_timezone("UTC"),
    )
    .await;
    check(
        column("C", "timestamp_ntz", None, Some(3)),
        vec![
            texts(&[Some("1706704496.120"), None]),
            arrow(Int64Array::from(vec![Some(1_706_704_496_120), None]), Some(3)),
        ],
        TimestampMicrosecondArray::from(vec![Some(1_706_704_496_120_000), None]),
    )
    .await;
}

#[tokio::test]
async fn nulls_that_the_stream_declares_impossible_are_read_all_the_same() {
    let array: ArrayRef = Arc::new(moments(&[Some(1), None], Some(&[5, 0]), None, false));
    let schema_of = |nullable| {
        let child = |name, data_type| Field::new(name, data_type, nullable);
        let children = vec![
            child("epoch", DataType::Int64),
            child("fraction", DataType::Int32),
        ];
        Schema::new(vec![Field::new(
            "C",
            DataType::Struct(Fields::from(children)),
            true,
        )])
    };
    let (truth, claim) = (schema_of(true), schema_of(false));
    let batch = RecordBatch::try_new(Arc::new(truth.clone()), vec![array]).unwrap();
    // The schema message of one stream and the batch of the other; the mark for the end has eight bytes.
    let schema_only = ipc_stream(&truth, &[]).len() - 8;
    let mut stream = ipc_stream(&claim, &[]);
    stream.truncate(stream.len() - 8);
    stream.extend_from_slice(&ipc_stream(&truth, &[batch])[schema_only..]);
    let expected = TimestampNanosecondArray::from(vec![Some(1_000_000_005), None]);
    check(
        column("C", "timestamp_ntz", None, Some(9)),
        vec![Rows::Stream(stream)],
        expected,
    )
    .await;
}

#[tokio::test]
async fn far_timestamps_turn_the_column_to_microseconds() {
    let end_of_time = 253_402_214_400_i64;
    check(
        column("C", "timestamp_ntz", None, Some(9)),
        vec![
            texts(&[Some("1.500000000"), Some("253402214400.000000000"), None]),
            arrow(
                moments(
                    &[Some(1), Some(end_of_time), None],
                    Some(&[500_000_000, 0, 0]),
                    None,
                    true,
                ),
                Some(9),
            ),
        ],
        TimestampMicrosecondArray::from(vec![Some(1_500_000), Some(end_of_time * 1_000_000), None]),
    )
    .await;
}

#[tokio::test]
async fn timestamps_that_no_unit_can_hold_are_refused() {
    let both = || vec![Some(253_402_214_400), Some(1)];
    let encodings = [
        texts(&[Some("253402214400.000000000"), Some("1.123456789")]),
        arrow(moments(&both(), Some(&[0, 123_456_789]), None, true), Some(9)),
    ];
    for rows in encodings {
        let error = run(column("C", "timestamp_ntz", None, Some(9)), rows)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, DriverError::Value { column, .. } if column == "C"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn zoned_timestamps_are_text_with_their_offset() {
    let written = StringArray::from(vec![Some("2024-01-31T13:34:56.123+01:00"), None]);
    check(
        column("C", "timestamp_tz", None, Some(3)),
        vec![
            texts(&[Some("1706704496.123 1500"), None]),
            arrow(
                moments(&[Some(1_706_704_496_123), None], None, Some(&[1500, 0]), true),
                Some(3),
            ),
            arrow(
                moments(
                    &[Some(1_706_704_496), None],
                    Some(&[123_000_000, 0]),
                    Some(&[1500, 0]),
                    false,
                ),
                Some(3),
            ),
        ],
        written,
    )
    .await;
}

#[tokio::test]
async fn vectors_decimal_floats_and_intervals_are_text() {
    let integers = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        vec![Some(vec![Some(1), Some(-2)]), None],
        2,
    );
    check(
        column("C", "vector", None, None),
        vec![texts(&[Some("[1,-2]"), None]), arrow(integers, None)],
        StringArray::from(vec![Some("[1,-2]"), None]),
    )
    .await;
    let floats = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        vec![Some(vec![Some(0.5), Some(2.0)])],
        2,
    );
    check(
        column("C", "vector", None, None),
        vec![arrow(floats, None)],
        StringArray::from(vec!["[0.5,2]"]),
    )
    .await;

    let exponents: ArrayRef = Arc::new(Int16Array::from(vec![Some(-2), None]));
    let significands: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&[0xCF, 0xC7][..]), None]));
    let decfloat = StructArray::new(
        Fields::from(vec![
            Field::new("exponent", DataType::Int16, true),
            Field::new("significand", DataType::Binary, true),
        ]),
        vec![exponents, significands],
        None,
    );
    check(
        column("C", "decfloat", None, None),
        vec![texts(&[Some("-123.45"), None]), arrow(decfloat, None)],
        StringArray::from(vec![Some("-123.45"), None]),
    )
    .await;
    check(
        column("C", "interval_year_month", None, None),
        vec![
            texts(&[Some("1-02"), None]),
            arrow(Int64Array::from(vec![Some(14), None]), None),
        ],
        StringArray::from(vec![Some("1-02"), None]),
    )
    .await;
}

#[tokio::test]
async fn values_that_do_not_fit_their_type_are_refused_by_column() {
    let cases = [
        (column("C", "fixed", Some(18), Some(0)), texts(&[Some("1.5")])),
        (column("C", "fixed", Some(3), Some(1)), texts(&[Some("1000.0")])),
        (
            column("C", "fixed", Some(3), Some(1)),
            arrow(Int32Array::from(vec![10_000]), Some(1)),
        ),
        (column("C", "boolean", None, None), texts(&[Some("maybe")])),
        (column("C", "date", None, None), texts(&[Some("2024-01-31")])),
        (column("C", "binary", None, None), texts(&[Some("0")])),
    ];
    for (described, rows) in cases {
        let error = run(described.clone(), rows).await.unwrap_err();
        assert!(
            matches!(&error, DriverError::Value { column, .. } if column == "C"),
            "{described} {error:?}"
        );
    }
    let misfit = run(
        column("C", "date", None, None),
        arrow(StringArray::from(vec!["x"]), None),
    )
    .await
    .unwrap_err();
    assert!(matches!(misfit, DriverError::Protocol { .. }), "{misfit:?}");
}

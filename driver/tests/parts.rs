//! Parts of a result that arrive damaged or whose addresses expire: rows are whole, or there is an error.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mock::{Mock, Reply, success};
use serde_json::{Value, json};
use snowflake_session_driver::{DriverError, QueryRequest, Result};
use support::{column, config, connect_with, gzip, ipc_stream};

/// Rows as a JSON part.
fn json_rows(rows: std::ops::Range<i64>) -> Vec<u8> {
    let rows: Vec<_> = rows.map(|number| format!("[\"{number}\"]")).collect();
    rows.join(",").into_bytes()
}

fn numbers_schema() -> Schema {
    Schema::new(vec![Field::new("N", DataType::Int64, true)])
}

/// What ends an Arrow stream.
const END_MARK_BYTES: usize = 8;

/// Rows 0 to 9 as an Arrow part of two batches.
fn arrow_rows() -> Vec<u8> {
    let schema = numbers_schema();
    let batch = |rows: std::ops::Range<i64>| {
        let numbers = Arc::new(Int64Array::from_iter_values(rows));
        RecordBatch::try_new(Arc::new(schema.clone()), vec![numbers]).unwrap()
    };
    ipc_stream(&schema, &[batch(0..5), batch(5..10)])
}

/// The answer to a statement with these parts of ten rows each and nothing inline.
fn answer(format: &str, addresses: &[String]) -> Value {
    let chunk =
        |url: &String| json!({ "url": url, "rowCount": 10, "uncompressedSize": 90, "compressedSize": 90 });
    json!({
        "queryId": "q", "queryResultFormat": format, "rowtype": [column("N", "fixed", Some(18), Some(0))],
        "total": 10 * addresses.len(), "returned": 0, "chunks": addresses.iter().map(chunk).collect::<Vec<_>>(),
    })
}

async fn run(mock: &Mock, answer: Value) -> Result<Vec<i64>> {
    let mut config = config();
    config.prefetch_chunks_max = 1;
    mock.on_query(move |_| {
        let answer = answer.clone();
        async move { success(answer) }
    });
    let session = connect_with(mock, config).await;
    let mut result = session.execute(QueryRequest::new("select n from t")).await?;
    let mut numbers = Vec::new();
    while let Some(batch) = result.next_batch().await? {
        numbers.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
    }
    Ok(numbers)
}

/// Parts that lost something on the way, each with its encoding. Some break the encoding, some do not.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let arrow = arrow_rows();
    let packed = gzip(&arrow);
    let schema_len = ipc_stream(&numbers_schema(), &[]).len() - END_MARK_BYTES;
    let batch_len = (arrow.len() - END_MARK_BYTES - schema_len) / 2;
    vec![
        ("json", json_rows(0..10)[..30].to_vec()),
        ("json", json_rows(0..7)),
        ("json", gzip(&json_rows(0..7))),
        ("json", gzip(&json_rows(0..10))[..20].to_vec()),
        ("json", Vec::new()),
        ("arrow", packed[..packed.len() - 8].to_vec()),
        ("arrow", packed[..packed.len() / 2].to_vec()),
        ("arrow", arrow[..schema_len + batch_len + 10].to_vec()),
        ("arrow", arrow[..schema_len + batch_len].to_vec()),
        ("arrow", arrow[..schema_len].to_vec()),
        ("arrow", Vec::new()),
    ]
}

fn whole(format: &str) -> Vec<u8> {
    if format == "arrow" {
        gzip(&arrow_rows())
    } else {
        gzip(&json_rows(0..10))
    }
}

#[tokio::test]
async fn a_damaged_part_is_asked_for_again() {
    for (format, bytes) in damaged() {
        let mock = Mock::start().await;
        let replies = [Reply::bytes(bytes), Reply::bytes(whole(format))];
        let address = mock.offer_in_turn("part", replies);
        let numbers = run(&mock, answer(format, &[address])).await.unwrap();
        assert_eq!(numbers, (0..10).collect::<Vec<_>>());
        assert_eq!(mock.seen("files/part").len(), 2);
    }
}

#[tokio::test]
async fn a_part_that_stays_damaged_is_an_error_and_never_fewer_rows() {
    for (format, bytes) in damaged() {
        let mock = Mock::start().await;
        let address = mock.offer("part", Reply::bytes(bytes));
        let error = run(&mock, answer(format, &[address])).await.unwrap_err();
        assert!(
            matches!(error, DriverError::Protocol { .. }),
            "{format}: {error:?}"
        );
        assert!(error.may_have_run(), "only the rows are missing");
        assert_eq!(mock.seen("files/part").len(), 2);
    }
}

#[tokio::test]
async fn a_part_with_more_rows_than_announced_is_an_error_too() {
    let mock = Mock::start().await;
    let address = mock.offer("part", Reply::bytes(json_rows(0..11)));
    let error = run(&mock, answer("json", &[address])).await.unwrap_err();
    assert!(error.to_string().contains("11 rows instead of 10"), "{error}");
}

#[tokio::test]
async fn addresses_may_expire_more_than_once() {
    let mock = Mock::start().await;
    let expired = |name: &str| mock.offer(name, Reply::status(403));
    let good = |name: &str, rows| mock.offer(name, Reply::bytes(json_rows(rows)));
    let first = [expired("a1"), expired("a2")];
    let second = [good("b1", 0..10), expired("b2")];
    let third = [expired("c1"), good("c2", 10..20)];
    let renewals = Arc::new(AtomicUsize::new(0));
    mock.on("queries/q/result", {
        let renewals = Arc::clone(&renewals);
        move |_| {
            let addresses = [second.clone(), third.clone()];
            let renewal = renewals.fetch_add(1, Ordering::SeqCst);
            async move { success(answer("json", &addresses[renewal])) }
        }
    });
    let numbers = run(&mock, answer("json", &first)).await.unwrap();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(renewals.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn new_addresses_of_another_result_are_not_used() {
    let mock = Mock::start().await;
    let address = mock.offer("a1", Reply::status(403));
    mock.on("queries/q/result", |_| async {
        let other = [
            "http://127.0.0.1:1/x".to_owned(),
            "http://127.0.0.1:1/y".to_owned(),
        ];
        success(answer("json", &other))
    });
    let error = run(&mock, answer("json", &[address])).await.unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
}

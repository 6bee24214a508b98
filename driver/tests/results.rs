//! Results in parts: order, limits of prefetching, row limits, broken and expired parts.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "../../gateway/tests/mock/mod.rs"]
mod mock;
mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int8Array, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use base64::Engine as _;
use futures_util::TryStreamExt as _;
use mock::{Mock, Reply, success};
use serde_json::{Value, json};
use snowflake_session_driver::{
    DriverError, QueryRequest, QueryResult, RowWindow, UpstreamSession, WireFormat,
};
use support::{all_batches, column, config, connect, connect_with, gzip, ipc_stream};

const ROWS_PER_PART: i64 = 10;

/// Numbers as one batch; each part may have its own width, as Snowflake's have.
fn numbers(numbers: std::ops::Range<i64>, width: &DataType) -> (Schema, RecordBatch) {
    let array: ArrayRef = match width {
        DataType::Int8 => Arc::new(numbers.map(|n| n as i8).collect::<Int8Array>()),
        DataType::Int32 => Arc::new(numbers.map(|n| n as i32).collect::<Int32Array>()),
        _ => Arc::new(numbers.collect::<Int64Array>()),
    };
    let schema = Schema::new(vec![Field::new("N", array.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![array]).unwrap();
    (schema, batch)
}

fn part_range(part: i64) -> std::ops::Range<i64> {
    part * ROWS_PER_PART..(part + 1) * ROWS_PER_PART
}

fn chunk(url: &str, bytes: usize) -> Value {
    json!({ "url": url, "rowCount": ROWS_PER_PART, "uncompressedSize": bytes, "compressedSize": bytes / 2 })
}

/// Part 0 inline and `parts` - 1 more for download, each said to weigh `weight` bytes.
fn arrow_answer(mock: &Mock, parts: i64, weight: usize) -> Value {
    let widths = [DataType::Int8, DataType::Int32, DataType::Int64];
    let stream = |part: i64| {
        let (schema, batch) = numbers(part_range(part), &widths[part as usize % 3]);
        ipc_stream(&schema, &[batch])
    };
    let offer = |part: i64| {
        let reply = Reply::bytes(gzip(&stream(part))).with_header("content-encoding", "gzip");
        chunk(&mock.offer(&format!("part-{part}"), reply), weight)
    };
    json!({
        "queryId": "q", "queryResultFormat": "arrow", "statementTypeId": 4096,
        "rowtype": [column("N", "fixed", Some(18), Some(0))],
        "rowsetBase64": base64::engine::general_purpose::STANDARD.encode(stream(0)),
        "total": parts * ROWS_PER_PART, "returned": ROWS_PER_PART,
        "chunks": (1..parts).map(offer).collect::<Vec<_>>(),
        "chunkHeaders": { "x-part": "yes" },
    })
}

async fn execute(mock: &Mock, session: &UpstreamSession, answer: Value, limit: Option<u64>) -> QueryResult {
    mock.on_query(move |_| {
        let reply = success(answer.clone());
        async move { reply }
    });
    let mut request = QueryRequest::new("select n from numbers");
    request.row_limit = limit;
    session.execute(request).await.unwrap()
}

fn values(batches: &[RecordBatch]) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

fn downloads(mock: &Mock, parts: i64) -> usize {
    (0..parts)
        .map(|part| mock.seen(&format!("files/part-{part}")).len())
        .sum()
}

#[tokio::test]
async fn arrow_parts_of_any_width_come_in_order_in_one_schema() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let answer = arrow_answer(&mock, 12, 1000);
    let mut result = execute(&mock, &session, answer, None).await;
    assert_eq!(
        (result.head().wire_format, result.head().chunk_count),
        (WireFormat::Arrow, 11)
    );
    let batches = all_batches(&mut result).await;
    assert_eq!(values(&batches), (0..120).collect::<Vec<_>>());
    assert_eq!((result.rows_delivered(), result.is_truncated()), (120, false));
    let part = &mock.seen("files/part-3")[0];
    assert_eq!(part.headers["x-part"], "yes");
}

#[tokio::test]
async fn json_parts_come_in_order() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let rows = |part: i64| {
        part_range(part)
            .map(|n| format!("[\"{n}\"]"))
            .collect::<Vec<_>>()
            .join(",\n")
    };
    let plain = mock.offer("plain", Reply::bytes(rows(1)));
    let packed = mock.offer("packed", Reply::bytes(gzip(rows(2).as_bytes())));
    let mut empty = chunk(&mock.offer("empty", Reply::bytes("")), 0);
    empty["rowCount"] = json!(0);
    let answer = json!({
        "queryId": "q", "queryResultFormat": "json", "rowtype": [column("N", "fixed", Some(18), Some(0))],
        "rowset": part_range(0).map(|n| [n.to_string()]).collect::<Vec<_>>(), "total": 30, "returned": 10,
        "chunks": [chunk(&plain, 10), empty, chunk(&packed, 10)],
    });
    let mut result = execute(&mock, &session, answer, None).await;
    assert_eq!(
        values(&all_batches(&mut result).await),
        (0..30).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_result_can_be_read_as_a_stream() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let answer = arrow_answer(&mock, 3, 1000);
    let result = execute(&mock, &session, answer, None).await;
    let batches: Vec<RecordBatch> = result.into_stream().try_collect().await.unwrap();
    assert_eq!(values(&batches), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reader_that_gives_up_waiting_loses_no_rows() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let answer = arrow_answer(&mock, 6, 1000);
    let mut result = execute(&mock, &session, answer, None).await;
    let (mut batches, mut interruptions) = (Vec::new(), 0);
    loop {
        match tokio::time::timeout(Duration::from_millis(1), result.next_batch()).await {
            Err(_) => interruptions += 1,
            Ok(Ok(Some(batch))) => batches.push(batch),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error:?}"),
        }
    }
    assert_eq!(values(&batches), (0..60).collect::<Vec<_>>());
    assert!(
        interruptions > 0,
        "no wait was interrupted, so nothing was tested"
    );
}

#[tokio::test]
async fn downloads_stay_within_their_number() {
    let mock = Mock::start().await;
    let mut limits = config();
    limits.prefetch_chunks_max = 3;
    let session = connect_with(&mock, limits).await;
    let answer = arrow_answer(&mock, 20, 1000);
    let mut result = execute(&mock, &session, answer, None).await;
    all_batches(&mut result).await;
    assert_eq!(mock.downloads_peak(), 3);
}

#[tokio::test]
async fn downloads_stay_within_their_bytes() {
    for (budget, peak) in [(2_500, 2), (10, 1)] {
        let mock = Mock::start().await;
        let mut limits = config();
        (limits.prefetch_chunks_max, limits.prefetch_bytes_max) = (8, budget);
        let session = connect_with(&mock, limits).await;
        let answer = arrow_answer(&mock, 8, 1000);
        let mut result = execute(&mock, &session, answer, None).await;
        assert_eq!(values(&all_batches(&mut result).await).len(), 80);
        assert_eq!(mock.downloads_peak(), peak, "budget {budget}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_downloads() {
    let mock = Mock::start().await;
    let mut limits = config();
    limits.prefetch_chunks_max = 2;
    let session = connect_with(&mock, limits).await;
    let answer = arrow_answer(&mock, 50, 1000);
    let mut result = execute(&mock, &session, answer, None).await;
    result.next_batch().await.unwrap().unwrap();
    drop(result);
    // A statement later, nothing new has been asked for.
    let answer = arrow_answer(&mock, 1, 1000);
    let mut result = execute(&mock, &session, answer, None).await;
    all_batches(&mut result).await;
    assert!(downloads(&mock, 50) <= 2);
}

#[tokio::test]
async fn a_row_limit_cuts_and_stops_fetching() {
    for (limit, parts_fetched, truncated) in [
        (0, 0, true),
        (4, 0, true),
        (10, 0, true),
        (11, 1, true),
        (35, 3, true),
        (50, 4, false),
        (99, 4, false),
    ] {
        let mock = Mock::start().await;
        let session = connect(&mock).await;
        let answer = arrow_answer(&mock, 5, 1000);
        let mut result = execute(&mock, &session, answer, Some(limit)).await;
        let batches = all_batches(&mut result).await;
        assert_eq!(values(&batches), (0..limit.min(50) as i64).collect::<Vec<_>>());
        assert_eq!(result.is_truncated(), truncated, "limit {limit}");
        assert_eq!(downloads(&mock, 5), parts_fetched, "limit {limit}");
        assert_eq!(result.head().rows_total, Some(50));
    }
}

#[tokio::test]
async fn a_result_is_read_from_any_row_without_downloading_what_lies_before() {
    for (offset, limit, expected, parts_fetched) in [
        (0, None, 0..50, 4),
        (3, None, 3..50, 4),
        (10, None, 10..50, 4),
        (29, None, 29..50, 3),
        (30, None, 30..50, 2),
        (45, Some(100), 45..50, 1),
        (12, Some(5), 12..17, 1),
        (12, Some(8), 12..20, 1),
        (12, Some(9), 12..21, 2),
        (50, None, 50..50, 0),
        (u64::MAX, Some(1), 50..50, 0),
    ] {
        let mock = Mock::start().await;
        let session = connect(&mock).await;
        let answer = arrow_answer(&mock, 5, 1000);
        mock.on("queries/q/result", move |_| {
            let reply = success(answer.clone());
            async move { reply }
        });
        let window = RowWindow { offset, limit };
        let mut result = session.result_of("q", window).await.unwrap();
        let case = format!("{window:?}");
        let truncated = limit.is_some() && expected.end < 50;
        assert_eq!(
            values(&all_batches(&mut result).await),
            expected.collect::<Vec<_>>(),
            "{case}"
        );
        assert_eq!(downloads(&mock, 5), parts_fetched, "{case}");
        assert_eq!(
            (result.is_truncated(), result.head().rows_total),
            (truncated, Some(50)),
            "{case}"
        );
    }
}

#[tokio::test]
async fn parts_of_unknown_length_are_looked_into() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let mut answer = arrow_answer(&mock, 5, 1000);
    for part in answer["chunks"].as_array_mut().unwrap() {
        part.as_object_mut().unwrap().remove("rowCount");
    }
    mock.on("queries/q/result", move |_| {
        let reply = success(answer.clone());
        async move { reply }
    });
    let window = RowWindow {
        offset: 25,
        limit: Some(10),
    };
    let mut result = session.result_of("q", window).await.unwrap();
    assert_eq!(
        values(&all_batches(&mut result).await),
        (25..35).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn large_batches_are_cut_to_the_wanted_size() {
    let mock = Mock::start().await;
    let mut limits = config();
    limits.batch_bytes_target = 800;
    let session = connect_with(&mock, limits).await;
    let (schema, batch) = numbers(0..1000, &DataType::Int64);
    let answer = json!({
        "queryId": "q", "queryResultFormat": "arrow", "rowtype": [column("N", "fixed", Some(18), Some(0))],
        "rowsetBase64": base64::engine::general_purpose::STANDARD.encode(ipc_stream(&schema, &[batch])),
        "total": 1000, "returned": 1000,
    });
    let mut result = execute(&mock, &session, answer, None).await;
    let batches = all_batches(&mut result).await;
    assert_eq!(values(&batches), (0..1000).collect::<Vec<_>>());
    assert!(
        batches.len() >= 10 && batches.iter().all(|batch| batch.num_rows() <= 100),
        "{}",
        batches.len()
    );
}

#[tokio::test]
async fn expired_addresses_are_asked_for_again_once() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let fresh = arrow_answer(&mock, 4, 1000);
    let mut stale = fresh.clone();
    for (index, chunk) in stale["chunks"].as_array_mut().unwrap().iter_mut().enumerate() {
        chunk["url"] = json!(mock.offer(&format!("stale-{index}"), Reply::status(403)));
    }
    mock.on("queries/q/result", move |_| {
        let reply = success(fresh.clone());
        async move { reply }
    });
    let mut result = execute(&mock, &session, stale, None).await;
    assert_eq!(
        values(&all_batches(&mut result).await),
        (0..40).collect::<Vec<_>>()
    );
    assert_eq!(mock.seen("queries/q/result").len(), 1);
}

#[tokio::test]
async fn a_part_that_never_comes_is_an_error_and_the_end() {
    let mock = Mock::start().await;
    let session = connect(&mock).await;
    let answer = arrow_answer(&mock, 3, 1000);
    mock.offer("part-2", Reply::status(503));
    let mut result = execute(&mock, &session, answer, None).await;
    assert_eq!(result.next_batch().await.unwrap().unwrap().num_rows(), 10);
    assert_eq!(result.next_batch().await.unwrap().unwrap().num_rows(), 10);
    let error = result.next_batch().await.unwrap_err();
    assert!(matches!(error, DriverError::Unreachable { .. }), "{error:?}");
    assert!(result.next_batch().await.unwrap().is_none());
}

#[tokio::test]
async fn broken_parts_are_protocol_errors_without_their_contents() {
    let broken: [(&str, Vec<u8>); 4] = [
        ("arrow", b"not an ipc stream at all".to_vec()),
        ("arrow", gzip(b"secret rows")[..12].to_vec()),
        ("json", b"[\"1\",\"2\"]".to_vec()),
        ("json", b"[\"secret\"".to_vec()),
    ];
    for (format, bytes) in broken {
        let mock = Mock::start().await;
        let session = connect(&mock).await;
        let address = mock.offer("part-1", Reply::bytes(bytes));
        let answer = json!({
            "queryId": "q", "queryResultFormat": format, "rowtype": [column("T", "text", None, None)],
            "total": 10, "returned": 0, "chunks": [chunk(&address, 10)],
        });
        let mut result = execute(&mock, &session, answer, None).await;
        let error = result.next_batch().await.unwrap_err();
        assert!(matches!(error, DriverError::Protocol { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn an_empty_result_has_a_schema_and_no_batches() {
    for format in ["arrow", "json"] {
        let mock = Mock::start().await;
        let session = connect(&mock).await;
        let answer = json!({
            "queryId": "q", "queryResultFormat": format, "rowtype": [column("T", "text", None, None)],
            "rowset": [], "rowsetBase64": "", "total": 0, "returned": 0,
        });
        let mut result = execute(&mock, &session, answer, None).await;
        assert_eq!(result.schema().field(0).name(), "T");
        assert!(result.next_batch().await.unwrap().is_none());
    }
}

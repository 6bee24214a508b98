//! Large results: formats, chunks and their arithmetic, files, who may fetch.

use std::io::Read as _;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::reader::StreamReader;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use http::StatusCode;
use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Settings};
use snowflake_emulator::results::{ChunkLimits, SpoolLimits};

use super::client::{Answer, Fixture, Login, eventually, get};

const ROWS: i64 = 20_000;

fn small_chunks(settings: &mut Settings) {
    settings.chunk_limits = ChunkLimits {
        inline_weight_max: 10_000,
        chunk_weight_max: 100_000,
    };
}

fn arrow(bytes: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(bytes, None)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn inline(data: &Value) -> Vec<RecordBatch> {
    assert_eq!(data["queryResultFormat"], "arrow");
    arrow(&STANDARD.decode(data["rowsetBase64"].as_str().unwrap()).unwrap())
}

fn ids(batches: &[RecordBatch]) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

/// Fetches a chunk by the URL in the answer, as clients do: without a token.
async fn fetch(login: &Login, chunk: &Value) -> Answer {
    let url = chunk["url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", login.address)).unwrap();
    let answer = get(login.address, path).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer
}

fn gunzip(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert_eq!(
        answer.headers["content-type"], "application/octet-stream",
        "Node parses what is called JSON"
    );
    let mut unpacked = Vec::new();
    GzDecoder::new(answer.body.as_ref())
        .read_to_end(&mut unpacked)
        .unwrap();
    unpacked
}

fn assert_arithmetic(data: &Value, inline_rows: usize) {
    let chunks = data["chunks"].as_array().unwrap();
    let in_chunks: u64 = chunks
        .iter()
        .map(|chunk| chunk["rowCount"].as_u64().unwrap())
        .sum();
    assert_eq!(data["total"], ROWS);
    assert_eq!(data["returned"], ROWS);
    assert_eq!(in_chunks + inline_rows as u64, ROWS as u64);
    for chunk in chunks {
        assert!(chunk["uncompressedSize"].as_u64().unwrap() > 0);
        assert!(chunk["compressedSize"].as_u64().unwrap() > 0);
    }
    assert!(data["chunkHeaders"].is_object());
}

#[tokio::test]
async fn arrow_rows_come_inline_and_in_chunks_in_order() {
    let fixture = Fixture::with(small_chunks, Accounts::Anyone).await;
    let login = fixture.login_arrow().await;
    let data = &login.query(&format!("rows {ROWS}")).await["data"];
    let first = inline(data);
    let mut found = ids(&first);
    assert!(!found.is_empty());
    assert_arithmetic(data, found.len());
    for chunk in data["chunks"].as_array().unwrap() {
        let answer = fetch(&login, chunk).await;
        assert_eq!(answer.headers.get("content-encoding"), None);
        assert_eq!(
            answer.body.len() as u64,
            chunk["uncompressedSize"].as_u64().unwrap()
        );
        let batches = arrow(&answer.body);
        assert_eq!(
            batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>(),
            chunk["rowCount"]
        );
        assert_eq!(batches[0].schema(), first[0].schema());
        found.extend(ids(&batches));
    }
    assert_eq!(found, (0..ROWS).collect::<Vec<_>>());
    let at = first[0].column(2).as_struct();
    assert_eq!(
        at.column_by_name("epoch")
            .unwrap()
            .as_primitive::<Int64Type>()
            .value(1),
        1
    );
    assert_eq!(at.null_count(), 0);
}

#[tokio::test]
async fn json_rows_come_inline_and_in_packed_chunks_in_order() {
    let fixture = Fixture::with(small_chunks, Accounts::Anyone).await;
    let login = fixture.login().await;
    let data = &login.query(&format!("rows {ROWS}")).await["data"];
    let mut rows = data["rowset"].as_array().unwrap().clone();
    assert_arithmetic(data, rows.len());
    for chunk in data["chunks"].as_array().unwrap() {
        let text = gunzip(&fetch(&login, chunk).await);
        let bracketed = [b"[", text.as_slice(), b"]"].concat();
        rows.extend(serde_json::from_slice::<Vec<Value>>(&bracketed).unwrap());
    }
    assert_eq!(rows.len() as i64, ROWS);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row[0], index.to_string());
    }
    assert_eq!(rows[3], json!(["3", "row 3", "4.500000000"]));
}

#[tokio::test]
async fn chunks_that_outgrow_memory_lie_in_a_file_until_they_are_forgotten() {
    let limits = SpoolLimits {
        memory_bytes_max: 200_000,
        first_bytes_max: 32 << 20,
        disk_bytes_max: 10_000_000,
    };
    let change = |settings: &mut Settings| {
        small_chunks(settings);
        settings.compress_chunks = true;
    };
    let fixture = Fixture::with_spool(change, Accounts::Anyone, limits).await;
    let login = fixture.login_arrow().await;
    let data = &login.query(&format!("rows {ROWS}")).await["data"];
    let (memory, disk) = (fixture.spool.memory_bytes(), fixture.spool.disk_bytes());
    assert!(memory > 0 && memory <= 200_000, "{memory}");
    assert!(disk > 0, "{disk}");
    let mut found = ids(&inline(data));
    for chunk in data["chunks"].as_array().unwrap() {
        found.extend(ids(&arrow(&gunzip(&fetch(&login, chunk).await))));
    }
    assert_eq!(found, (0..ROWS).collect::<Vec<_>>());
    login.post("/session?delete=true", &json!({})).await;
    fixture.skip(Duration::from_secs(86_401));
    fixture.connector.sweep().await;
    eventually("the space is free", async || {
        fixture.spool.memory_bytes() + fixture.spool.disk_bytes() == 0
    })
    .await;
}

#[tokio::test]
async fn a_result_beyond_all_limits_is_an_error_of_its_statement() {
    let limits = SpoolLimits {
        memory_bytes_max: 100_000,
        first_bytes_max: 32 << 20,
        disk_bytes_max: 100_000,
    };
    let fixture = Fixture::with_spool(small_chunks, Accounts::Anyone, limits).await;
    let login = fixture.login_arrow().await;
    let answer = login.query(&format!("rows {ROWS}")).await;
    assert_eq!(answer["code"], "000603");
    assert!(
        answer["message"].as_str().unwrap().contains("100000 bytes"),
        "{answer}"
    );
    assert_eq!((fixture.spool.memory_bytes(), fixture.spool.disk_bytes()), (0, 0));
    assert_eq!(login.query("rows 10").await["data"]["total"], 10);
}

#[tokio::test]
async fn chunk_urls_cannot_be_guessed() {
    let fixture = Fixture::with(small_chunks, Accounts::Anyone).await;
    let login = fixture.login_arrow().await;
    let data = &login.query(&format!("rows {ROWS}")).await["data"];
    let url = data["chunks"][0]["url"].as_str().unwrap();
    let path = &url[url.find("/results/").unwrap()..];
    let (key, _) = path["/results/".len()..].split_once('/').unwrap();
    let other_secret = format!("{}{}", &key[..32], uuid::Uuid::new_v4().simple());
    for wrong in [
        format!("/results/{other_secret}/0"),
        format!("/results/{key}/9999"),
        format!("/results/{key}/x"),
        "/results/short/0".to_owned(),
    ] {
        assert_eq!(
            get(fixture.address, &wrong).await.status,
            StatusCode::FORBIDDEN,
            "{wrong}"
        );
    }
    fixture.skip(Duration::from_secs(86_401));
    fixture.connector.sweep().await;
    assert_eq!(get(fixture.address, path).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_empty_result_still_has_a_schema() {
    let fixture = Fixture::start().await;
    let login = fixture.login_arrow().await;
    let data = &login.query("rows 0").await["data"];
    assert_eq!((&data["total"], &data["returned"]), (&json!(0), &json!(0)));
    // No stream at all: the description tells the columns.
    assert_eq!(data["rowsetBase64"], json!(""));
    assert_eq!(data["rowtype"][1]["type"], json!("text"));
    let plain = fixture.login().await;
    assert_eq!(plain.query("rows 0").await["data"]["rowset"], json!([]));
}

#[tokio::test]
async fn parameters_choose_the_format() {
    let fixture = Fixture::start().await;
    let format = |answer: Value| answer["data"]["queryResultFormat"].as_str().unwrap().to_owned();
    let python = fixture.login_arrow().await;
    assert_eq!(format(python.query("select 1").await), "arrow");
    let asked =
        json!({ "sqlText": "select 1", "parameters": { "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON" } });
    assert_eq!(format(python.request(&asked).await), "json");
    let changed = python
        .query("set PYTHON_CONNECTOR_QUERY_RESULT_FORMAT JSON")
        .await;
    let listed = changed["data"]["parameters"].as_array().unwrap();
    assert!(listed.contains(&json!({ "name": "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT", "value": "JSON" })));
    assert!(listed.len() > 5, "all of them or none");
    assert_eq!(format(python.query("select 1").await), "json");
    assert_eq!(python.query("set QUERY_TAG x").await["success"], true);
    assert_eq!(format(python.query("select 1").await), "json");

    let node = fixture
        .login_as(json!({ "LOGIN_NAME": "a", "PASSWORD": "b", "CLIENT_APP_ID": "JavaScript" }))
        .await;
    assert_eq!(format(node.query("select 1").await), "json");
    let forced = json!({
        "LOGIN_NAME": "a", "PASSWORD": "b", "SESSION_PARAMETERS": { "GO_QUERY_RESULT_FORMAT": "ARROW_FORCE" },
    });
    assert_eq!(
        format(fixture.login_as(forced).await.query("select 1").await),
        "arrow"
    );
}

#[tokio::test]
async fn fetched_results_make_room_for_new_ones() {
    let limits = SpoolLimits {
        memory_bytes_max: 1_500_000,
        first_bytes_max: 32 << 20,
        disk_bytes_max: 0,
    };
    let fixture = Fixture::with_spool(small_chunks, Accounts::Anyone, limits).await;
    let login = fixture.login_arrow().await;
    // Each takes about 600 kB: without room being made the third would not fit.
    for _ in 0..10 {
        let data = &login.query(&format!("rows {ROWS}")).await["data"];
        for chunk in data["chunks"].as_array().unwrap() {
            fetch(&login, chunk).await;
        }
        assert!(fixture.spool.memory_bytes() > 500_000);
    }
    // What was not fetched stays, and so there comes an end.
    let unfetched = login.query(&format!("rows {ROWS}")).await;
    assert_eq!(login.query(&format!("rows {ROWS}")).await["success"], true);
    let refused = login.query(&format!("rows {ROWS}")).await;
    assert_eq!(refused["code"], "000603", "{refused}");
    fetch(&login, &unfetched["data"]["chunks"][0]).await;
}

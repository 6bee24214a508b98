//! Results in several partitions.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use snowflake_emulator::results::ChunkLimits;

use super::client::{Answer, Fixture, STATEMENTS, handle};

const ROWS: usize = 20_000;

async fn large(fixture: &Fixture, parameters: Value) -> Answer {
    let sql = format!(
        "select seq4() as n, 'row ' || seq4() as t, iff(seq4() % 2 = 0, null, true) as b from \
         table(generator(rowcount => {ROWS}))"
    );
    fixture
        .submit(&json!({ "statement": sql, "parameters": parameters }))
        .await
}

fn unpacked(answer: &Answer) -> Value {
    assert_eq!(answer.status.as_u16(), 200, "{:?}", answer.body);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn small_chunks() -> Fixture {
    Fixture::with(|setup| {
        setup.settings.chunk_limits = ChunkLimits {
            inline_weight_max: 64 * 1024,
            chunk_weight_max: 256 * 1024,
        };
    })
    .await
}

#[tokio::test]
async fn partitions_hold_all_rows_once() {
    let fixture = small_chunks().await;
    let answer = large(&fixture, json!({})).await;
    let link = answer.header("link").unwrap().to_owned();
    let json = answer.with(200);
    let handle = handle(&json);
    let info = json["resultSetMetaData"]["partitionInfo"].as_array().unwrap();
    let partitions = info.len();
    assert!(partitions > 2, "{info:?}");
    assert_eq!(json["resultSetMetaData"]["numRows"], ROWS);
    assert!(info[0].get("compressedSize").is_none() && info[1]["compressedSize"].is_u64());
    assert!(
        link.contains("partition=1>; rel=\"next\"")
            && link.contains(&format!("partition={}>; rel=\"last\"", partitions - 1)),
        "{link}"
    );
    let mut rows = json["data"].as_array().unwrap().clone();
    assert_eq!(rows.len() as u64, info[0]["rowCount"].as_u64().unwrap());
    for (number, info) in info.iter().enumerate().skip(1) {
        let answer = fixture
            .get(&format!("{STATEMENTS}/{handle}?partition={number}"))
            .await;
        let link = answer.header("link").unwrap().to_owned();
        assert!(
            link.contains(&format!("partition={}>; rel=\"prev\"", number - 1)),
            "{link}"
        );
        assert_eq!(link.contains("next"), number + 1 < partitions, "{link}");
        let body = unpacked(&answer);
        assert_eq!(body.as_object().unwrap().len(), 1, "a partition has only data");
        let data = body["data"].as_array().unwrap();
        assert_eq!(data.len() as u64, info["rowCount"].as_u64().unwrap());
        rows.extend(data.iter().cloned());
    }
    assert_eq!(rows.len(), ROWS);
    for (number, row) in rows.iter().enumerate() {
        let truth = if number % 2 == 0 {
            Value::Null
        } else {
            json!("true")
        };
        assert_eq!(*row, json!([number.to_string(), format!("row {number}"), truth]));
    }
    let beyond = fixture
        .get(&format!("{STATEMENTS}/{handle}?partition={partitions}"))
        .await;
    beyond.refused(400, "390142");
    let first = fixture
        .get(&format!("{STATEMENTS}/{handle}?partition=0"))
        .await
        .with(200);
    assert_eq!(first["data"], json["data"]);
}

#[tokio::test]
async fn a_limit_of_the_server_is_told() {
    let fixture = Fixture::with(|setup| setup.api.result_rows_max = Some(10)).await;
    let json = large(&fixture, json!({})).await.with(200);
    assert_eq!(json["code"], "391908");
    assert_eq!(json["resultSetMetaData"]["numRows"], 10);
    assert_eq!(json["data"].as_array().unwrap().len(), 10);
    let fewer = large(&fixture, json!({ "rows_per_resultset": 5 }))
        .await
        .with(200);
    assert_eq!(
        (&fewer["code"], &fewer["resultSetMetaData"]["numRows"]),
        (&json!("090001"), &json!(5))
    );
    assert_eq!(fixture.ok("select 1").await["code"], "090001");
}

#[tokio::test]
async fn a_cut_stream_stops_its_statement() {
    let fixture = Fixture::start().await;
    let json = fixture
        .submit(&json!({
            "statement": "select seq8() as n from table(generator(rowcount => 50000000))",
            "parameters": { "rows_per_resultset": 20000 },
        }))
        .await
        .with(200);
    assert_eq!(json["resultSetMetaData"]["numRows"], 20_000);
}

//! How values of every type are written, and in the formats that a request asks for.

use serde_json::{Value, json};

use super::client::{Fixture, STATEMENTS};

/// One value of each type.
const ONE_OF_EACH: &str = "select 123.450::number(10,3) as n, 1.5e300::float as f, true as b, 'a\"ü'::varchar as t, \
     to_binary('00ff', 'HEX') as bin, '2019-03-27'::date as d, '23:01:59.5'::time(1) as ti, \
     '2021-01-28 22:09:37.123456789'::timestamp_ntz as ntz, \
     '2021-01-28 22:09:37.5 +0000'::timestamp_ltz(3) as ltz, \
     '2021-01-28 22:09:37.25 +0100'::timestamp_tz as tz, \
     parse_json('{\"a\":[1]}') as v, '-1234e400'::decfloat as df, interval '1-2' year to month as ym, \
     interval '1 2:03:04.5' day to second as ds, \
     st_makepoint(0.5, 1.5) as g, null::int as nothing";

async fn row(fixture: &Fixture, path: &str, parameters: Value) -> Vec<Value> {
    let body = json!({ "statement": ONE_OF_EACH, "parameters": parameters });
    let json = fixture.submit_to(path, &body).await.with(200);
    json["data"][0].as_array().unwrap().clone()
}

#[tokio::test]
async fn without_formats_values_are_exact() {
    let fixture = Fixture::start().await;
    let row = row(&fixture, STATEMENTS, json!({})).await;
    let expected = [
        json!("123.450"),
        json!("1.5e300"),
        json!("true"),
        json!("a\"ü"),
        json!("00FF"),
        json!("17982"),
        json!("82919.500000000"),
        json!("1611871777.123456789"),
        json!("1611871777.500000000"),
        json!("1611868177.250000000 1500"),
        json!("{\"a\":[1]}"),
        json!("-1.234E403"),
        json!("14"),
        json!("93784500000000"),
        json!("{\"coordinates\":[0.5,1.5],\"type\":\"Point\"}"),
        Value::Null,
    ];
    for (found, expected) in row.iter().zip(&expected) {
        // JSON texts may be indented.
        let found = match found.as_str() {
            Some(text) if text.starts_with('{') => json!(text.split_whitespace().collect::<String>()),
            _ => found.clone(),
        };
        assert_eq!(found, *expected);
    }
    assert_eq!(row.len(), expected.len());
}

#[tokio::test]
async fn null_is_a_text_when_wanted() {
    let fixture = Fixture::start().await;
    let path = format!("{STATEMENTS}?nullable=false");
    assert_eq!(row(&fixture, &path, json!({})).await.last().unwrap(), "null");
}

#[tokio::test]
async fn formats_are_those_of_the_request() {
    let fixture = Fixture::start().await;
    let row = row(
        &fixture,
        STATEMENTS,
        json!({
            "DATE_OUTPUT_FORMAT": "MM/DD/YYYY",
            "time_output_format": "HH12:MI AM",
            "timestamp_output_format": "YYYY-MM-DD HH24:MI:SS.FF3 TZH:TZM",
            "timestamp_ntz_output_format": "DY, DD MON YYYY",
            "binary_output_format": "BASE64",
            "timezone": "Europe/Berlin",
        }),
    )
    .await;
    assert_eq!(row[4], "AP8=");
    assert_eq!(row[5], "03/27/2019");
    assert_eq!(row[6], "11:01 PM");
    assert_eq!(row[7], "Thu, 28 Jan 2021");
    assert_eq!(row[8], "2021-01-28 23:09:37.500 +01:00");
    assert_eq!(row[9], "2021-01-28 22:09:37.250 +01:00");
}

#[tokio::test]
async fn the_zone_is_that_of_the_statement() {
    let fixture = Fixture::start().await;
    let body = json!({
        "statement": "select '2024-07-01 12:00:00'::timestamp_ltz as a, to_char('2024-07-01'::date) as b",
        "parameters": { "timezone": "Asia/Tokyo", "date_output_format": "DD.MM.YYYY" },
    });
    let json = fixture.submit(&body).await.with(200);
    assert_eq!(json["data"], json!([["1719802800.000000000", "01.07.2024"]]));
    let body = json!({ "statement": "select 1", "parameters": { "timezone": "Mars/Olympus" } });
    fixture.submit(&body).await.refused(422, "001008");
}

#[tokio::test]
async fn the_rows_asked_for_are_no_news() {
    let fixture = Fixture::start().await;
    let body = json!({
        "statement": "select column1 from values (1), (2), (3)",
        "parameters": { "rows_per_resultset": "2", "query_tag": "t", "use_cached_result": "false" },
    });
    let json = fixture.submit(&body).await.with(200);
    assert_eq!(json["resultSetMetaData"]["numRows"], 2);
    assert_eq!(json["code"], "090001");
}

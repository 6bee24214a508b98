//! Bound values of every type, good and bad.

use serde_json::{Value, json};

use super::client::Fixture;

async fn bound(fixture: &Fixture, sql: &str, bindings: &[(&str, Value)]) -> super::client::Answer {
    let bindings: serde_json::Map<String, Value> = bindings
        .iter()
        .enumerate()
        .map(|(index, (kind, value))| ((index + 1).to_string(), json!({ "type": kind, "value": value })))
        .collect();
    fixture
        .submit(&json!({ "statement": sql, "bindings": bindings }))
        .await
}

#[tokio::test]
async fn values_of_every_type_are_bound() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    fixture
        .ok("create table d.public.t (n number(10,2), f float, x varchar, bin binary, b boolean, d date, ti time, \
             ntz timestamp_ntz, ltz timestamp_ltz, tz timestamp_tz, e number(38,10))")
        .await;
    let answer = bound(
        &fixture,
        "insert into d.public.t values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &[
            ("FIXED", json!("-12.50")),
            ("REAL", json!("1.5e3")),
            ("TEXT", json!("it's")),
            ("BINARY", json!("00ff")),
            ("BOOLEAN", json!("true")),
            ("DATE", json!("1553644800000")),
            ("TIME", json!("82919123456789")),
            ("TIMESTAMP_NTZ", json!("1611871777123456789")),
            ("TIMESTAMP_LTZ", json!("1611871777000000000")),
            ("TIMESTAMP_TZ", json!("1616173619000000000 960")),
            ("DECFLOAT", json!("1.25e-4")),
        ],
    )
    .await;
    answer.with(200);
    assert_eq!(
        fixture.data("select * from d.public.t").await,
        json!([[
            "-12.50",
            "1500",
            "it's",
            "00FF",
            "true",
            "17982",
            "82919.123456789",
            "1611871777.123456789",
            "1611871777.000000000",
            "1616173619.000000000 960",
            "0.0001250000",
        ]])
    );
}

#[tokio::test]
async fn texts_become_dates_and_nulls_stay_null() {
    let fixture = Fixture::start().await;
    let answer = bound(
        &fixture,
        "select ?::date as d, ?::timestamp_ntz as t, ? as nothing",
        &[
            ("TEXT", json!("2019-03-27")),
            ("TEXT", json!("2021-01-28 22:09:37")),
            ("TEXT", Value::Null),
        ],
    )
    .await;
    assert_eq!(
        answer.with(200)["data"],
        json!([["17982", "1611871777.000000000", null]])
    );
}

#[tokio::test]
async fn a_value_that_is_not_of_its_type_fails_the_statement() {
    let fixture = Fixture::start().await;
    for (kind, value) in [
        ("FIXED", "abc"),
        ("REAL", "one"),
        ("BOOLEAN", "maybe"),
        ("BINARY", "xyz"),
        ("DATE", "2019-03-27"),
        ("TIME", "25:00"),
        ("TIMESTAMP_NTZ", "now"),
        ("TIMESTAMP_TZ", "1616173619000000000"),
        ("DECFLOAT", "1e20000"),
    ] {
        let answer = bound(&fixture, "select ?", &[(kind, json!(value))]).await;
        let json = answer.refused(422, "100037");
        assert_eq!(json["sqlState"], "22018");
        assert_eq!(
            json["message"],
            format!("{kind} value '{value}' is not recognized")
        );
        assert!(json["statementHandle"].is_string());
    }
}

#[tokio::test]
async fn bindings_are_texts_by_position_or_name() {
    let fixture = Fixture::start().await;
    bound(&fixture, "select ?", &[("FIXED", json!(1))])
        .await
        .refused(400, "390142");
    bound(&fixture, "select ?", &[("FIXED", json!(["1"]))])
        .await
        .refused(400, "390142");
    let answer = bound(&fixture, "select ?, ?", &[("FIXED", json!("1"))]).await;
    answer.refused(422, "002049");
    let body = json!({
        "statement": "select :a",
        "bindings": { "a": { "type": "TEXT", "value": "named" } },
    });
    assert_eq!(fixture.submit(&body).await.with(200)["data"], json!([["named"]]));
}

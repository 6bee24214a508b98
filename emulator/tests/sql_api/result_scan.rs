//! Results as tables: every type is kept, as are its values, by RESULT_SCAN, DESCRIBE RESULT, and tables and views that
//! are made of them.

use serde_json::{Value, json};

use super::client::{Fixture, handle};

/// Each type as DESCRIBE writes it, and values of it: ordinary, extreme, and, always, NULL.
const TYPES: [(&str, &[&str]); 42] = [
    (
        "NUMBER(38,0)",
        &[
            "1",
            "99999999999999999999999999999999999999",
            "-99999999999999999999999999999999999999",
        ],
    ),
    ("NUMBER(3,0)", &["127", "-999"]),
    ("NUMBER(10,2)", &["1.50", "-99999999.99"]),
    ("NUMBER(38,37)", &["9.9999999999999999999999999999999999999", "0"]),
    (
        "FLOAT",
        &["1.5", "1.7976931348623157e308", "5e-324", "'NaN'", "'-inf'"],
    ),
    (
        "DECFLOAT",
        &[
            "1.50",
            "'1e16383'",
            "'-9.9999999999999999999999999999999999999e-16383'",
        ],
    ),
    ("VARCHAR(16777216)", &["'text ü 😀'", "''", "'a''b\nc\t\"d\"'"]),
    ("VARCHAR(7)", &["'seven 7'"]),
    ("NUMBER(18,0)", &["999999999999999999"]),
    ("BINARY(2)", &["to_binary('00FF', 'HEX')", "to_binary('', 'HEX')"]),
    ("BOOLEAN", &["true", "false"]),
    ("DATE", &["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"]),
    (
        "TIME(9)",
        &["'12:34:56.789012345'", "'00:00:00'", "'23:59:59.999999999'"],
    ),
    ("TIME(0)", &["'12:34:56'"]),
    ("TIME(3)", &["'12:34:56.789'"]),
    (
        "TIMESTAMP_NTZ(9)",
        &[
            "'2024-02-29 12:34:56.789012345'",
            "'1969-12-31 23:59:59.999999999'",
        ],
    ),
    (
        "TIMESTAMP_NTZ(0)",
        &["'2024-02-29 12:34:56'", "'1700-01-01 00:00:00'"],
    ),
    ("TIMESTAMP_NTZ(3)", &["'2024-02-29 12:34:56.789'"]),
    ("TIMESTAMP_LTZ(9)", &["'2024-02-29 12:34:56.789012345 +0000'"]),
    ("TIMESTAMP_LTZ(6)", &["'2024-02-29 12:34:56.789012 +0000'"]),
    (
        "TIMESTAMP_TZ(9)",
        &[
            "'2024-02-29 12:34:56.789012345 +14:00'",
            "'1969-12-31 23:59:59.5 -12:00'",
        ],
    ),
    ("TIMESTAMP_TZ(3)", &["'2024-02-29 12:34:56.789 +0230'"]),
    (
        "BINARY(8388608)",
        &["to_binary('00FFAB', 'HEX')", "to_binary('', 'HEX')"],
    ),
    (
        "VARIANT",
        &[
            "parse_json('{\"a\": [1, 2.5, null, \"ü\"]}')",
            "parse_json('null')",
            "to_variant(1)",
        ],
    ),
    (
        "OBJECT",
        &["object_construct('k', true, 'o', object_construct())"],
    ),
    ("ARRAY", &["array_construct(1, 'x', null)", "array_construct()"]),
    ("VECTOR(FLOAT, 3)", &["[1, 2.5, -3]", "[3.4028235e38, 1e-45, 0]"]),
    ("VECTOR(INT, 2)", &["[2147483647, -2147483648]", "[0, 0]"]),
    ("VECTOR(FLOAT, 1)", &["[0.1]"]),
    ("GEOGRAPHY", &["'POINT(-122.35 37.55)'", "'LINESTRING(0 0, 1 1)'"]),
    (
        "GEOMETRY",
        &["'POLYGON((0 0, 1 0, 1 1, 0 0))'", "'SRID=3857;POINT(1e300 -1)'"],
    ),
    ("INTERVAL YEAR(9) TO MONTH", &["'1-2'", "'-999999999-11'"]),
    ("INTERVAL YEAR(2)", &["'99'"]),
    ("INTERVAL MONTH(3)", &["'-999'"]),
    (
        "INTERVAL DAY(9) TO SECOND(9)",
        &["'12 3:4:5.678'", "'-999999999 23:59:59.999999999'"],
    ),
    ("INTERVAL DAY(5) TO SECOND(3)", &["'-99999 23:59:59.999'"]),
    ("INTERVAL DAY(3)", &["'999'"]),
    ("INTERVAL DAY(3) TO HOUR", &["'5 3'"]),
    ("INTERVAL HOUR(4) TO MINUTE", &["'9999:59'"]),
    ("INTERVAL MINUTE(4)", &["'-7'"]),
    ("INTERVAL SECOND(2, 3)", &["'59.999'"]),
    ("INTERVAL HOUR(9) TO SECOND(9)", &["'1:2:3.000000004'"]),
];

/// What a column is to a client: all that is told of it but where it comes from.
fn told(answer: &Value) -> Value {
    let mut column = answer["resultSetMetaData"]["rowType"][0].clone();
    for origin in ["database", "schema", "table", "nullable"] {
        column.as_object_mut().unwrap().remove(origin);
    }
    column
}

#[tokio::test]
async fn a_result_keeps_its_types_and_values() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    let mut wrong = Vec::new();
    for (sql_type, values) in TYPES {
        let column = format!("create or replace table d.public.v (at int, c {sql_type})");
        fixture.ok(&column).await;
        for (at, value) in values.iter().chain(&["null"]).enumerate() {
            fixture
                .ok(&format!(
                    "insert into d.public.v select {at}, {value}::{sql_type}"
                ))
                .await;
        }
        let found = check(&fixture, sql_type, values.len() + 1).await;
        wrong.extend(found.into_iter().map(|found| format!("{sql_type}: {found}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is not kept of the column `C` of this type, which has so many rows.
async fn check(fixture: &Fixture, sql_type: &str, rows: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let first = fixture.ok("select c from d.public.v order by at").await;
    let id = handle(&first);
    assert_eq!(first["data"].as_array().unwrap().len(), rows);
    let scan = format!("table(result_scan('{id}'))");
    let table = format!("create or replace table d.public.t as select * from {scan}");
    for (step, sql) in [
        ("DESCRIBE RESULT", format!("describe result '{id}'")),
        (
            "RESULT_SCAN of a column",
            format!("select c from {scan} where true"),
        ),
        ("RESULT_SCAN of all", format!("select * from {scan}")),
        ("CREATE TABLE", table),
        ("DESCRIBE TABLE", "describe table d.public.t".to_owned()),
        ("the table", "select c from d.public.t where true".to_owned()),
        (
            "CREATE VIEW",
            "create or replace view d.public.w (c) as select c from d.public.t".to_owned(),
        ),
        ("DESCRIBE VIEW", "describe view d.public.w".to_owned()),
        ("the view", "select c from d.public.w where true".to_owned()),
        (
            "CREATE TABLE of the view",
            "create or replace table d.public.t (c) as select c from d.public.w".to_owned(),
        ),
        ("the table of the view", "select * from d.public.t".to_owned()),
        (
            "CREATE TABLE by CLONE",
            "create or replace table d.public.x clone d.public.t".to_owned(),
        ),
        ("the clone", "select c from d.public.x where true".to_owned()),
        (
            "UNION with RESULT_SCAN",
            format!("select c from {scan} union all select c from d.public.t where false"),
        ),
    ] {
        let answer = fixture.submit(&json!({ "statement": sql })).await;
        let json = answer.json();
        if answer.status != 200 {
            wrong.push(format!("{step}: {}", json["message"]));
            continue;
        }
        match step {
            step if step.starts_with("CREATE") => {}
            "DESCRIBE RESULT" | "DESCRIBE TABLE" | "DESCRIBE VIEW" => {
                if json["data"][0][1] != sql_type {
                    wrong.push(format!("{step}: {}", json["data"][0][1]));
                }
            }
            _ => {
                if json["data"] != first["data"] {
                    wrong.push(format!("{step}: {} of {}", json["data"], first["data"]));
                }
                if told(&json) != told(&first) {
                    wrong.push(format!("{step}: {} of {}", told(&json), told(&first)));
                }
            }
        }
    }
    wrong
}

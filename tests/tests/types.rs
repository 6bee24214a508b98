//! The types that came to Snowflake last, through every output of `sfctl`: with NULL, Unicode and the ends of their ranges.

use std::fs::File;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::reader::StreamReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use snowflake_session_tests::csv::Table;
use snowflake_session_tests::stage::Stage;

/// A column: its name, its type, and what two values are made of and come out as. A third row has NULL everywhere.
struct Column {
    name: &'static str,
    sql_type: &'static str,
    values: [(&'static str, &'static str); 2],
}

const fn column(
    name: &'static str,
    sql_type: &'static str,
    values: [(&'static str, &'static str); 2],
) -> Column {
    Column {
        name,
        sql_type,
        values,
    }
}

const COLUMNS: [Column; 10] = [
    column(
        "DEC",
        "decfloat",
        [
            ("'1.50'", "1.5"),
            (
                "'-9.9999999999999999999999999999999999999e16383'",
                "-9.9999999999999999999999999999999999999E16383",
            ),
        ],
    ),
    column(
        "MONTHS",
        "interval year to month",
        [("'1-2'", "1-02"), ("'-999999999-11'", "-999999999-11")],
    ),
    column(
        "TIME_SPAN",
        "interval day to second",
        [
            ("'12 3:4:5.678'", "12 03:04:05.678000000"),
            ("'-999999999 23:59:59.999999999'", "-999999999 23:59:59.999999999"),
        ],
    ),
    column(
        "PLACE",
        "geography",
        [
            (
                "'POINT(-122.35 37.55)'",
                r#"{"coordinates":[-122.35,37.55],"type":"Point"}"#,
            ),
            (
                "'LINESTRING(-180 -90, 180 90)'",
                r#"{"coordinates":[[-180,-90],[180,90]],"type":"LineString"}"#,
            ),
        ],
    ),
    column(
        "SHAPE",
        "geometry",
        [
            ("'POINT(1 2)'", r#"{"coordinates":[1,2],"type":"Point"}"#),
            (
                "'POLYGON((0 0, 1e300 0, 1e300 1, 0 0))'",
                r#"{"coordinates":[[[0,0],[1e300,0],[1e300,1],[0,0]]],"type":"Polygon"}"#,
            ),
        ],
    ),
    column(
        "FLOATS",
        "vector(float, 3)",
        [
            ("[1, 2.5, -3]", "[1,2.5,-3]"),
            (
                "[3.4028235e38, -3.4028235e38, 0]",
                "[3.4028235e38,-3.4028235e38,0]",
            ),
        ],
    ),
    column(
        "INTEGERS",
        "vector(int, 2)",
        [
            ("[1, 2]", "[1,2]"),
            ("[2147483647, -2147483648]", "[2147483647,-2147483648]"),
        ],
    ),
    column(
        "MOMENT",
        "timestamp_tz",
        [
            (
                "'2024-02-29 12:34:56.789012345 +14:00'",
                "2024-02-29T12:34:56.789012345+14:00",
            ),
            (
                "'1677-09-22 00:00:00.000000001 -12:00'",
                "1677-09-22T00:00:00.000000001-12:00",
            ),
        ],
    ),
    column(
        "DOCUMENT",
        "variant",
        [
            (
                r#"parse_json($${"ü": [1, 2.5, null, "😀"], "t": "a,b\n\"c\""}$$)"#,
                r#"{"t":"a,b\n\"c\"","ü":[1,2.5,null,"😀"]}"#,
            ),
            ("parse_json('null')", "null"),
        ],
    ),
    column(
        "WORDS",
        "varchar",
        [("'Zoë, \"😀\"\nשלום'", "Zoë, \"😀\"\nשלום"), ("''", "")],
    ),
];

impl Column {
    /// The text of its value in a row; none is NULL.
    fn text(&self, row: usize) -> Option<&'static str> {
        self.values.get(row).map(|(_, text)| *text)
    }

    /// True when its texts are JSON, which programs get as what it says.
    fn is_document(&self) -> bool {
        matches!(self.name, "PLACE" | "SHAPE" | "FLOATS" | "INTEGERS" | "DOCUMENT")
    }

    /// True when a text is that of its value in a row; documents have many texts.
    fn is_right(&self, row: usize, found: Option<&str>) -> bool {
        match (self.text(row), found) {
            (Some(expected), Some(found)) if self.is_document() => json(found) == json(expected),
            (expected, found) => expected == found,
        }
    }

    /// What it is in a row of JSON.
    fn value(&self, row: usize) -> Value {
        match self.text(row) {
            None => Value::Null,
            Some(text) if self.is_document() => json(text),
            Some(text) => Value::String(text.to_owned()),
        }
    }
}

/// Numbers of vectors have seven digits: they are compared as such.
fn json(text: &str) -> Value {
    fn rounded(value: Value) -> Value {
        match value {
            Value::Array(values) => values.into_iter().map(rounded).collect(),
            Value::Object(entries) => entries
                .into_iter()
                .map(|(name, value)| (name, rounded(value)))
                .collect(),
            Value::Number(number) => {
                Value::String(format!("{:e}", number.as_f64().unwrap_or(f64::NAN) as f32))
            }
            other => other,
        }
    }
    rounded(serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// Checks the cells of three rows that are read as texts.
fn check<'a>(format: &str, cell: impl Fn(usize, usize) -> Option<&'a str>) {
    for row in 0..3 {
        for (index, column) in COLUMNS.iter().enumerate() {
            let found = cell(row, index);
            assert!(
                column.is_right(row, found),
                "{format}, row {row}, {}: {found:?} instead of {:?}",
                column.name,
                column.text(row)
            );
        }
    }
}

/// Checks batches, whose columns say what they are of.
fn check_batches(format: &str, batches: &[RecordBatch]) {
    let [batch] = batches else {
        panic!("{format}: {} batches", batches.len());
    };
    assert_eq!(batch.num_rows(), 3, "{format}");
    for (column, field) in COLUMNS.iter().zip(batch.schema().fields()) {
        assert_eq!(field.name(), column.name, "{format}");
        let kind = field.metadata().get("snowflake.type").map(String::as_str);
        let word = column.sql_type.split('(').next().unwrap_or_default();
        assert!(
            kind.is_some_and(|kind| kind.to_lowercase().starts_with(word)),
            "{format}, {}: {kind:?}",
            column.name
        );
        let is_json = field
            .metadata()
            .get("snowflake.format")
            .is_some_and(|format| format == "json");
        assert_eq!(is_json, column.is_document(), "{format}, {}", column.name);
    }
    check(format, |row, index| {
        let texts = batch.column(index).as_string::<i32>();
        texts.is_valid(row).then(|| texts.value(row))
    });
}

#[test]
fn the_newer_types_come_through_every_output() {
    let stage = Stage::new();
    stage.sfctl(&["query", "create database kinds"]).ok();
    let row = |row: usize| {
        let cells = COLUMNS.iter().map(|column| {
            let value = column.values.get(row).map_or("null", |(sql, _)| sql);
            format!("{value}::{} as {}", column.sql_type, column.name)
        });
        format!("select {row} as at, {}", cells.collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..3).map(row).collect();
    let stored = format!("create table t as {}", rows.join(" union all "));
    stage.sfctl(&["query", &stored]).ok();
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let select = format!("select {} from t order by at", names.join(", "));
    let printed = |format: &str| stage.sfctl(&["query", "--format", format, &select]).ok();

    let table = Table::parse(&printed("csv"));
    assert_eq!(table.columns, names);
    check("csv", |row, index| table.rows[row][index].as_deref());

    let array: Vec<Value> = serde_json::from_str(&printed("json")).expect("it is JSON");
    let lines = printed("jsonl");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(lines, array);
    assert_eq!(array.len(), 3);
    for (row, object) in array.iter().enumerate() {
        for column in &COLUMNS {
            let found = json(&object[column.name].to_string());
            let expected = json(&column.value(row).to_string());
            assert_eq!(found, expected, "json, row {row}, {}", column.name);
        }
    }

    // What people read has the same texts, with control characters made visible.
    for format in ["table", "vertical", "markdown"] {
        let text = printed(format);
        for column in COLUMNS.iter().filter(|column| !column.is_document()) {
            for expected in [0, 1].into_iter().filter_map(|row| column.text(row)) {
                let shown = expected.replace('\n', "\\n");
                let line = shown.split('\\').next().unwrap_or_default();
                assert!(
                    text.contains(line),
                    "{format}, {}: no {line}\n{text}",
                    column.name
                );
            }
        }
        assert_eq!(text.matches("NULL").count(), COLUMNS.len(), "{format}\n{text}");
    }

    let file = |name: &str| {
        let path = stage.path(name);
        stage
            .sfctl(&["query", "-o", &path.to_string_lossy(), &select])
            .ok();
        File::open(path).expect("it was written")
    };
    let stream = StreamReader::try_new(file("rows.arrow"), None).expect("it is an Arrow stream");
    let batches: Vec<RecordBatch> = stream.collect::<Result<_, _>>().expect("its batches are whole");
    check_batches("arrow", &batches);
    let reader = ParquetRecordBatchReaderBuilder::try_new(file("rows.parquet"))
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .expect("it is a Parquet file");
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("its batches are whole");
    check_batches("parquet", &batches);
}

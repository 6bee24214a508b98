//! What each format makes of each type, byte for byte.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Format, ResultTaker, ResultWriter, Sink};
use crate::config::Screen;

const PIPE: Screen = Screen {
    terminal: false,
    columns: None,
    color: false,
};

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the batch twice where `twice`, as two messages.
fn written(format: Format, screen: Screen, schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let output = Output::default();
    let mut writer = ResultWriter::new(format, screen, Sink::new(Box::new(output.clone())));
    let mut ipc = StreamWriter::try_new(Vec::new(), schema).unwrap();
    let take = |ipc: &mut StreamWriter<Vec<u8>>| Bytes::from(std::mem::take(ipc.get_mut()));
    writer.schema(take(&mut ipc)).unwrap();
    for batch in batches {
        ipc.write(batch).unwrap();
        writer.batch(take(&mut ipc)).unwrap();
    }
    writer.finish().unwrap();
    output.0.lock().unwrap().clone()
}

fn text(format: Format, screen: Screen, batch: &RecordBatch) -> String {
    String::from_utf8(written(
        format,
        screen,
        &batch.schema(),
        std::slice::from_ref(batch),
    ))
    .unwrap()
}

fn check(format: Format, batch: &RecordBatch, expected: &str) {
    let shown = text(format, PIPE, batch);
    assert_eq!(shown, expected, "\n{shown}");
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| {
            let field = Field::new(*name, array.data_type().clone(), true);
            match name.strip_suffix("_JSON") {
                Some(_) => field.with_metadata(HashMap::from([(
                    "snowflake.format".to_owned(),
                    "json".to_owned(),
                )])),
                None => field,
            }
        })
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// One column of each type of the normal form, with a value and a NULL.
fn every_type() -> RecordBatch {
    let decimals = Decimal128Array::from(vec![Some(-5), None])
        .with_precision_and_scale(38, 2)
        .unwrap();
    batch(vec![
        ("INT", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("DEC", Arc::new(decimals)),
        ("FLOAT", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
        ("TEXT", Arc::new(StringArray::from(vec![Some("é"), None]))),
        ("BOOL", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("DATE", Arc::new(Date32Array::from(vec![Some(19_754), None]))),
        (
            "TIME",
            Arc::new(Time64NanosecondArray::from(vec![Some(45_296_120_000_000), None])),
        ),
        (
            "NTZ",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(1_706_704_496_000_000),
                None,
            ])),
        ),
        (
            "LTZ",
            Arc::new(
                TimestampNanosecondArray::from(vec![Some(1_706_704_496_000_000_001), None])
                    .with_timezone("UTC"),
            ),
        ),
        (
            "BIN",
            Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])),
        ),
        (
            "VAR_JSON",
            Arc::new(StringArray::from(vec![Some("{ \"a\": [1] }"), None])),
        ),
    ])
}

#[test]
fn every_type_in_csv() {
    check(
        Format::Csv,
        &every_type(),
        "INT,DEC,FLOAT,TEXT,BOOL,DATE,TIME,NTZ,LTZ,BIN,VAR_JSON\n\
         -9223372036854775808,-0.05,0.1,é,true,2024-02-01,12:34:56.120,2024-01-31T12:34:56,\
         2024-01-31T12:34:56.000000001Z,00FF,\"{ \"\"a\"\": [1] }\"\n\
         ,,,,,,,,,,\n",
    );
}

#[test]
fn every_type_in_json() {
    check(
        Format::Jsonl,
        &every_type(),
        "{\"INT\":-9223372036854775808,\"DEC\":-0.05,\"FLOAT\":0.1,\"TEXT\":\"é\",\"BOOL\":true,\
         \"DATE\":\"2024-02-01\",\"TIME\":\"12:34:56.120\",\"NTZ\":\"2024-01-31T12:34:56\",\
         \"LTZ\":\"2024-01-31T12:34:56.000000001Z\",\"BIN\":\"00FF\",\"VAR_JSON\":{\"a\":[1]}}\n\
         {\"INT\":null,\"DEC\":null,\"FLOAT\":null,\"TEXT\":null,\"BOOL\":null,\"DATE\":null,\"TIME\":null,\
         \"NTZ\":null,\"LTZ\":null,\"BIN\":null,\"VAR_JSON\":null}\n",
    );
}

#[test]
fn every_type_vertically() {
    check(
        Format::Vertical,
        &every_type(),
        "-- row 1 --\n\
         INT      | -9223372036854775808\n\
         DEC      | -0.05\n\
         FLOAT    | 0.1\n\
         TEXT     | é\n\
         BOOL     | true\n\
         DATE     | 2024-02-01\n\
         TIME     | 12:34:56.120\n\
         NTZ      | 2024-01-31T12:34:56\n\
         LTZ      | 2024-01-31T12:34:56.000000001Z\n\
         BIN      | 00FF\n\
         VAR_JSON | { \"a\": [1] }\n\
         -- row 2 --\n\
         INT      | NULL\nDEC      | NULL\nFLOAT    | NULL\nTEXT     | NULL\nBOOL     | NULL\n\
         DATE     | NULL\nTIME     | NULL\nNTZ      | NULL\nLTZ      | NULL\nBIN      | NULL\n\
         VAR_JSON | NULL\n",
    );
}

/// Texts that formats must quote or escape.
fn awkward() -> RecordBatch {
    batch(vec![
        (
            "A,B",
            Arc::new(StringArray::from(vec![
                Some("a,b"),
                Some("say \"hi\""),
                Some(""),
                None,
            ])),
        ),
        ("N", Arc::new(Int64Array::from(vec![1, 22, 333, 4]))),
        (
            "T",
            Arc::new(StringArray::from(vec![
                Some("x\ny"),
                Some("tab\there"),
                Some("a|b\\"),
                Some("日本"),
            ])),
        ),
    ])
}

#[test]
fn awkward_texts() {
    check(
        Format::Csv,
        &awkward(),
        "\"A,B\",N,T\n\"a,b\",1,\"x\ny\"\n\"say \"\"hi\"\"\",22,tab\there\n\"\",333,a|b\\\n,4,日本\n",
    );
    check(
        Format::Tsv,
        &awkward(),
        "A,B\tN\tT\na,b\t1\t\"x\ny\"\n\"say \"\"hi\"\"\"\t22\t\"tab\there\"\n\"\"\t333\ta|b\\\n\t4\t日本\n",
    );
    check(
        Format::Json,
        &awkward(),
        "[\n{\"A,B\":\"a,b\",\"N\":1,\"T\":\"x\\ny\"},\n\
         {\"A,B\":\"say \\\"hi\\\"\",\"N\":22,\"T\":\"tab\\there\"},\n\
         {\"A,B\":\"\",\"N\":333,\"T\":\"a|b\\\\\"},\n\
         {\"A,B\":null,\"N\":4,\"T\":\"日本\"}\n]\n",
    );
    check(
        Format::Table,
        &awkward(),
        "A,B      |   N | T\n\
         ---------+-----+----------\n\
         a,b      |   1 | x\\ny\n\
         say \"hi\" |  22 | tab\\there\n         \
         | 333 | a|b\\\n\
         NULL     |   4 | 日本\n",
    );
    check(
        Format::Markdown,
        &awkward(),
        "| A,B | N | T |\n| --- | ---: | --- |\n| a,b | 1 | x<br>y |\n| say \"hi\" | 22 | tab here |\n\
         |  | 333 | a\\|b\\\\ |\n| NULL | 4 | 日本 |\n",
    );
}

#[test]
fn a_table_fits_the_screen() {
    let wide = batch(vec![
        ("ID", Arc::new(Int64Array::from(vec![1_000_000, 2]))),
        (
            "NAME",
            Arc::new(StringArray::from(vec!["日本語の長いテキスト", "short"])),
        ),
        (
            "NOTE",
            Arc::new(StringArray::from(vec!["a rather long remark", "b"])),
        ),
    ]);
    let screen = |columns| Screen {
        terminal: true,
        columns: Some(columns),
        color: false,
    };
    assert_eq!(
        text(Format::Table, screen(34), &wide),
        "     ID | NAME       | NOTE\n\
         --------+------------+-----------\n\
         1000000 | 日本語の…  | a rather …\n      \
         2 | short      | b\n",
    );
    // Not even the narrowest texts fit: a line for each value.
    assert_eq!(
        text(Format::Table, screen(20), &wide),
        "-- row 1 --\nID   | 1000000\nNAME | 日本語の長いテキスト\nNOTE | a rather long remark\n\
         -- row 2 --\nID   | 2\nNAME | short\nNOTE | b\n",
    );
}

#[test]
fn a_table_colours_its_header_and_nulls() {
    let batch = batch(vec![("A", Arc::new(StringArray::from(vec![Some("x"), None])))]);
    let screen = Screen {
        terminal: true,
        columns: Some(80),
        color: true,
    };
    assert_eq!(
        text(Format::Table, screen, &batch),
        "\u{1b}[1mA\u{1b}[0m\n----\nx\n\u{1b}[2mNULL\u{1b}[0m\n",
    );
}

#[test]
fn empty_results() {
    let empty = every_type().slice(0, 0);
    let header = "INT,DEC,FLOAT,TEXT,BOOL,DATE,TIME,NTZ,LTZ,BIN,VAR_JSON\n";
    check(Format::Csv, &empty, header);
    check(Format::Json, &empty, "[]\n");
    check(Format::Jsonl, &empty, "");
    check(Format::Vertical, &empty, "");
    // No batch at all is an empty result too.
    let none = written(Format::Csv, PIPE, &every_type().schema(), &[]);
    assert_eq!(String::from_utf8(none).unwrap(), header);
    let names = batch(vec![("A", Arc::new(Int64Array::from(vec![0; 0])))]);
    check(Format::Table, &names, "A\n-\n");
    check(Format::Markdown, &names, "| A |\n| ---: |\n");
}

#[test]
fn no_columns() {
    let rows = RecordBatchOptions::new().with_row_count(Some(2));
    let none = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &rows).unwrap();
    check(Format::Table, &none, "");
    check(Format::Csv, &none, "");
    check(Format::Tsv, &none, "");
    check(Format::Markdown, &none, "");
    check(Format::Json, &none, "[\n{},\n{}\n]\n");
}

#[test]
fn floats_that_json_lacks_are_texts() {
    let floats = batch(vec![(
        "F",
        Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, -1.0])),
    )]);
    check(
        Format::Jsonl,
        &floats,
        "{\"F\":\"NaN\"}\n{\"F\":\"inf\"}\n{\"F\":-1.0}\n",
    );
    check(Format::Csv, &floats, "F\nNaN\ninf\n-1.0\n");
}

#[test]
fn repeated_names() {
    let twice = batch(vec![
        ("A", Arc::new(Int64Array::from(vec![1]))),
        ("A", Arc::new(Int64Array::from(vec![2]))),
    ]);
    check(Format::Jsonl, &twice, "{\"A\":1,\"A_2\":2}\n");
    check(Format::Csv, &twice, "A,A\n1,2\n");
}

#[test]
fn dictionaries_and_lists() {
    let words: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("y,z")].into_iter().collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        Some(vec![]),
        None,
    ]);
    let nested = batch(vec![("D", Arc::new(words)), ("L", Arc::new(lists))]);
    check(Format::Csv, &nested, "D,L\nx,\"[1,null]\"\n,[]\n\"y,z\",\n");
    check(
        Format::Jsonl,
        &nested,
        "{\"D\":\"x\",\"L\":[1,null]}\n{\"D\":null,\"L\":[]}\n{\"D\":\"y,z\",\"L\":null}\n",
    );
}

#[test]
fn several_batches_are_one_result() {
    let batch = batch(vec![("A", Arc::new(Int64Array::from(vec![1, 2])))]);
    let batches = [batch.clone(), batch.slice(0, 1)];
    let shown = |format| String::from_utf8(written(format, PIPE, &batch.schema(), &batches)).unwrap();
    assert_eq!(shown(Format::Csv), "A\n1\n2\n1\n");
    assert_eq!(shown(Format::Json), "[\n{\"A\":1},\n{\"A\":2},\n{\"A\":1}\n]\n");
    assert_eq!(shown(Format::Table), "A\n-\n1\n2\n1\n");
}

#[test]
fn a_long_table_goes_on_past_what_is_held() {
    let numbers = batch(vec![("A", Arc::new(Int64Array::from_iter_values(0..6_000)))]);
    let batches = [numbers.clone(), numbers.clone(), numbers.clone()];
    let shown = String::from_utf8(written(Format::Table, PIPE, &numbers.schema(), &batches)).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 18_002);
    assert_eq!((lines[2], lines[8_002], lines[18_001]), ("   0", "2000", "5999"));
}

#[test]
fn arrow_is_passed_on() {
    let batch = every_type();
    let bytes = written(Format::Arrow, PIPE, &batch.schema(), std::slice::from_ref(&batch));
    let mut reader = arrow_ipc::reader::StreamReader::try_new(io::Cursor::new(bytes), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), batch);
    assert!(reader.next().is_none());
    assert!(reader.is_finished());
}

#[test]
fn parquet_keeps_types_and_exact_numbers() {
    let batch = every_type();
    let bytes = written(
        Format::Parquet,
        PIPE,
        &batch.schema(),
        std::slice::from_ref(&batch),
    );
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))
        .unwrap()
        .build()
        .unwrap();
    let read = reader.next().unwrap().unwrap();
    assert_eq!(read, batch);
    assert!(reader.next().is_none());
    let none = written(Format::Parquet, PIPE, &batch.schema(), &[]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(none)).unwrap();
    assert_eq!(reader.schema().fields(), batch.schema().fields());
}

#[test]
fn a_value_cannot_steer_the_terminal() {
    let batch = batch(vec![("A", Arc::new(StringArray::from(vec!["\u{1b}]0;x\u{7}"])))]);
    for format in [Format::Table, Format::Vertical, Format::Markdown] {
        let shown = text(format, PIPE, &batch);
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    }
}
